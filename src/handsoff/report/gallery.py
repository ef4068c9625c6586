"""The pictures of the report: samples of a dataset with labels and uncertainty, as data URIs."""

import base64
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from handsoff.core.errors import HandsOffError
from handsoff.core.images import IMAGE_SUFFIXES, decode_image
from handsoff.core.reviewed import Use
from handsoff.datasets.generated import GeneratedDataset, Record, UncertaintyMap, open_generated
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
from handsoff.tasks.base import Label, Task

SHOWN, UNCERTAIN = 24, 6  # samples pictured: the first ones, and the most uncertain of those kept
LOOKED_AT = 300  # labels read to find out which classes occur
LONGEST_SIDE = 384  # of a picture on the page once it is enlarged, pixels
BINS = 24
COLOURS = mpl.colormaps["magma"]


@dataclass(frozen=True)
class Panel:
    """One picture as a data URI and, where it is a label over an image, the label alone."""

    title: str
    picture: str
    bare: str | None = None


@dataclass(frozen=True)
class Strip:
    """Pictures of one sample, side by side."""

    caption: str
    panels: list[Panel]


@dataclass(frozen=True)
class Gallery:
    """A dataset to be shown; whatever is not there is left out.

    Attributes:
        generated: its manifest and uncertainty maps, None where it has none.
        task: whose labels are shown.
        labelled: its images and labels, None where they cannot be read.
    """

    folder: Path
    generated: GeneratedDataset | None
    task: Task | None
    labelled: LabelledDataset | None

    @property
    def manifest(self) -> Record:
        return self.generated.manifest if self.generated else {}

    def records(self) -> list[Record]:
        """What is known of each drawn sample, none kept that a person rejected; else the names of the images."""
        try:
            recorded = self.generated.records() if self.generated else []
        except HandsOffError:
            recorded = []
        images = self.folder / "images"
        if recorded or not images.is_dir():
            rejected = {*self.labelled.images} - {*self.labelled.names} if self.labelled else set()
            return [record | {"kept": False} if record["name"] in rejected else record for record in recorded]
        return [{"name": file.stem} for file in sorted(images.iterdir()) if file.suffix in IMAGE_SUFFIXES]

    def label(self, name: str) -> Label | None:
        """One label, None where it is not there or damaged."""
        try:
            there = self.labelled is not None and self.task is not None and name in self.labelled.images
            return self.labelled.label(self.task.name, name) if there else None  # type: ignore[union-attr]  # `there`
        except HandsOffError:
            return None

    def uncertainty(self, name: str) -> UncertaintyMap | None:
        """One uncertainty map, None where it is not there or damaged."""
        try:
            return self.generated.uncertainty_map(name, self.task.name) if self.generated and self.task else None
        except HandsOffError:
            return None

    def image(self, name: str) -> UInt8[np.ndarray, "h w 3"] | None:
        """One image, None where it is not there."""
        files = (self.folder / "images" / f"{name}{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
        file = next((file for file in files if file.is_file()), None)
        if file is not None:
            return decode_image(file.read_bytes(), file.name)
        sharded = self.generated is not None and self.generated.shards is not None
        there = sharded and self.labelled is not None and name in self.labelled.images
        return self.labelled.image(name) if there else None  # type: ignore[union-attr]  # `there`

    def strip(self, record: Record) -> Strip | None:
        """Image, label over image and uncertainty map of one sample; None without the image."""
        name = record["name"]
        image = self.image(name)
        if image is None:
            return None
        label, uncertainty = self.label(name), self.uncertainty(name)
        panels = [Panel("image", data_uri(encoded(image)))]
        if self.task is not None and label is not None:
            panels.append(label_panel(self.task, image, label))
        if uncertainty is not None:
            panels.append(Panel("uncertainty", data_uri(encoded(heat_map(uncertainty)))))
        return Strip(caption(record), panels)


def label_panel(task: Task, image: UInt8[np.ndarray, "h w 3"], label: Label) -> Panel:
    drawn = task.drawing.draw(image[None], label[None])[0]
    bare = task.drawing.bare(label[None], (image.shape[0], image.shape[1]))[0]
    return Panel("label", data_uri(encoded(drawn)), data_uri(encoded(bare, lossless=True)))


def caption(record: Record) -> str:
    """Which sample it is, and how uncertain its label."""
    seed, uncertainty = (record.get("draw") or {}).get("seed"), record.get("uncertainty")
    named = str(record["name"]) if seed is None else f"seed {seed}"
    return named if uncertainty is None else f"{named} · uncertainty {float(uncertainty):.3f}"


def open_gallery(folder: Path, task: str, corrections: Use | None = None) -> Gallery:
    """What can be read of a dataset's folder, with its labels for one task, corrected as `corrections` says."""
    generated = labelled = None
    try:
        generated = open_generated(folder)
        labelled = generated.labelled(task, corrections)
    except (HandsOffError, KeyError):  # KeyError: of other tasks, or of a format of its own
        labelled = labelled_alone(folder, task, corrections) if generated is None else None
    found = generated.tasks().get(task) if generated else None
    return Gallery(folder, generated, found or (labelled.tasks[task] if labelled else None), labelled)


def labelled_alone(folder: Path, task: str, corrections: Use | None) -> LabelledDataset | None:
    """Labelled data that has no manifest."""
    try:
        return open_labelled(folder, tasks=[task], corrections=corrections)
    except HandsOffError:
        return None


def kept(records: list[Record]) -> list[Record]:
    return [record for record in records if record.get("kept", True)]


def part_shares(gallery: Gallery, records: list[Record]) -> tuple[dict[str, float], int]:
    """Class or point → how much of the labels it makes up, by the first few hundred samples, and how many those are."""
    labels = [label for record in kept(records)[:LOOKED_AT] if (label := gallery.label(record["name"])) is not None]
    alike = [label for label in labels if label.shape == labels[0].shape]  # photos may differ in size
    if not alike or gallery.task is None or not gallery.task.part_metric:
        return {}, 0
    statistics = gallery.task.scores.label_statistics(np.stack(alike))
    return {name: share for name, (_, share) in statistics.items()}, len(alike)


def sample_pictures(gallery: Gallery, records: list[Record]) -> dict[str, list[Strip]]:
    """The first samples kept, not picked by hand, and the most uncertain ones of all that were kept."""
    chosen = kept(records)
    ranked = sorted(
        (record for record in chosen if record.get("uncertainty") is not None),
        key=lambda record: -float(record["uncertainty"]),
    )
    first = [shown for record in chosen[:SHOWN] if (shown := gallery.strip(record))]
    uncertain = [shown for record in ranked[:UNCERTAIN] if (shown := gallery.strip(record))]
    return {"first": first, "uncertain": uncertain if len(ranked) > UNCERTAIN else []}


def heat_map(uncertainty: UncertaintyMap) -> UInt8[np.ndarray, "h w 3"]:
    """Uncertainty 0 to 1 as dark to bright; the root makes small values visible."""
    return (COLOURS(np.sqrt(uncertainty))[..., :3] * 255).astype(np.uint8)


def encoded(image: UInt8[np.ndarray, "h w 3"], longest: int = LONGEST_SIDE, *, lossless: bool = False) -> bytes:
    """A picture as WebP, its longer side at most `longest` pixels; `lossless` is for few flat colours."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest), Image.Resampling.NEAREST if lossless else Image.Resampling.BICUBIC)
    picture.save(buffer, "WEBP", quality=88, lossless=lossless)
    return buffer.getvalue()


def data_uri(picture: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(picture).decode()


def contact_sheet(path: Path) -> str | None:
    """A contact sheet that another step drew; a damaged one is left out."""
    try:
        return data_uri(encoded(decode_image(path.read_bytes(), path.name), 2048)) if path.is_file() else None
    except HandsOffError:
        return None


def histogram(records: list[Record]) -> Record | None:
    """How uncertain the kept and the dropped samples are: heights in percent of the highest bin."""
    measured = [record for record in records if record.get("uncertainty") is not None]
    values = np.array([float(record["uncertainty"]) for record in measured])
    if len(values) < 2 or values.min() == values.max():  # noqa: PLR2004  # nothing to compare
        return None
    is_kept = np.array([record.get("kept", True) for record in measured], bool)
    edges = np.linspace(values.min(), values.max(), BINS + 1)
    stay, drop = np.histogram(values[is_kept], edges)[0], np.histogram(values[~is_kept], edges)[0]
    top = (stay + drop).max()
    return {
        "bars": [(round(100 * int(a) / top, 2), round(100 * int(b) / top, 2)) for a, b in zip(stay, drop, strict=True)],
        "low": f"{edges[0]:.3f}",
        "high": f"{edges[-1]:.3f}",
        "kept": int(is_kept.sum()),
        "dropped": int((~is_kept).sum()),
    }


def reasons(records: list[Record]) -> list[tuple[str, int]]:
    """Why samples were dropped and how many, the most frequent first; numbers that differ between them are left out."""
    given = (str(record.get("reason") or "no reason given") for record in records if not record.get("kept", True))
    return Counter(re.sub(r"\s*\d+\.\d+", "", reason) for reason in given).most_common(5)
