"""`report.html`: the whole report as one file that needs nothing else, for people."""

import base64
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment
from PIL import Image

from handsoff.core.errors import HandsOffError
from handsoff.core.files import read_json, write_bytes
from handsoff.core.images import IMAGE_SUFFIXES, decode_image, decode_mask
from handsoff.datasets.labelled import LabelledDataset, open_like
from handsoff.report.verdict import (
    ARMS,
    Difference,
    Score,
    caution,
    comparison,
    difference,
    main_metric,
    meaning,
    per_class,
    scores,
    title,
    verdict,
)
from handsoff.synthesis.generate import doubt_folder
from handsoff.tasks import TASKS, make_task
from handsoff.tasks.base import Label, Task

SHOWN, UNCERTAIN = 24, 6  # samples pictured: the first ones, and the most uncertain of those kept
LOOKED_AT = 300  # masks read to find out which classes occur
LONGEST_SIDE = 256  # of a picture on the page, pixels
BINS = 24
COLOURS = mpl.colormaps["magma"]


@dataclass(frozen=True)
class Gallery:
    """A dataset to be shown; whatever is not there is left out.

    Attributes:
        doubts: the folder of the uncertainty maps.
    """

    dataset: Path
    task: Task | None
    pack: LabelledDataset | None
    doubts: Path

    def label(self, name: str) -> Label | None:
        """One label, None where it is not there or damaged."""
        try:
            return (
                self.pack.label(self.task.name, name) if self.pack and self.task and name in self.pack.images else None
            )
        except HandsOffError:
            return None

    def pictures(self, sample: dict[str, Any]) -> dict[str, Any] | None:
        """Image, label over image and uncertainty map of one sample as data URIs; None without the image."""
        name = sample["name"]
        found = [
            path for suffix in sorted(IMAGE_SUFFIXES) if (path := self.dataset / "images" / f"{name}{suffix}").is_file()
        ]
        if not found:
            return None
        image, label = decode_image(found[0].read_bytes(), found[0].name), self.label(name)
        drawn = (
            self.task.drawing.draw(image[None], label[None])[0] if self.task is not None and label is not None else None
        )
        doubt = self.doubts / f"{name}.png"
        heat = heat_map(decode_mask(doubt.read_bytes(), doubt.name)) if doubt.is_file() else None
        return {
            **sample,
            "image": embed(image),
            "label": embed(drawn),
            "doubt": embed(heat),
            "ratio": f"{image.shape[1]} / {image.shape[0]}",
        }


def write_page(report: Path, dataset: Path) -> None:
    """Write `report/report.html` about the metrics in `report` and the dataset they were measured with.

    Whatever is not there (masks, uncertainty maps, predictions, inversions, …) is left out.

    Raises:
        InputError: `metrics.json` is missing or damaged.
    """
    metrics = read_json(report / "metrics.json")
    manifest = optional_json(dataset / "manifest.json", {})
    task = described_task(metrics, manifest)
    gallery = Gallery(dataset, task, labels_of(dataset, task), doubt_maps(dataset, manifest, task))
    samples = read_records(dataset)
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("handsoff.report").joinpath("page.html").read_text("utf-8")
    )
    shares = part_shares(gallery, samples)
    missing = [name for name, share in shares.items() if share == 0]
    html = page.render(
        task=metrics.get("task", ""), arms=ARMS, legend=task.drawing.legend() if task else [], shares=shares, parts=part_bars(metrics, shares),
        part_metric=task.part_metric if task else "",
        comparison=comparison(metrics), note=metrics.get("note"), caution=caution(metrics), meaning=meaning(metrics, missing), **headline(metrics),
        **sample_pictures(gallery, samples), histogram=histogram(samples), reasons=reasons(samples),
        inversions=sheet(dataset / "inversions.png"), predictions={ARMS[arm]: sheet(report / "predictions" / f"{arm}.png") for arm in ARMS},
        facts=facts(metrics, manifest, samples), licence=manifest.get("licence"), settings=settings(report, dataset),
    )  # fmt: skip
    write_bytes(report / "report.html", html.encode())


def described_task(metrics: dict[str, Any], manifest: dict[str, Any]) -> Task | None:
    """The task that was evaluated, as the dataset describes it."""
    name = str(metrics.get("task"))
    schema = manifest.get("tasks", {}).get(name)
    return make_task(name, schema) if schema is not None and name in TASKS else None


def labels_of(dataset: Path, task: Task | None) -> LabelledDataset | None:
    """The dataset's images and labels, None where they cannot be read."""
    try:
        return open_like(dataset, {task.name: task.schema}) if task else None
    except HandsOffError:
        return None


def doubt_maps(dataset: Path, manifest: dict[str, Any], task: Task | None) -> Path:
    """Where the task's uncertainty maps lie."""
    return dataset / (doubt_folder(manifest["tasks"], task.name) if task else "uncertainty")


def optional_json(path: Path, default: Any) -> Any:
    return read_json(path) if path.is_file() else default


def read_records(dataset: Path) -> list[dict[str, Any]]:
    """What is known of each drawn sample; without `samples.jsonl`, the names of the images."""
    ledger = dataset / "samples.jsonl"
    if ledger.is_file():
        return [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines() if line.strip()]
    folder = dataset / "images"
    return (
        [{"name": file.stem} for file in sorted(folder.iterdir()) if file.suffix in IMAGE_SUFFIXES]
        if folder.is_dir()
        else []
    )


def headline(metrics: dict[str, Any]) -> dict[str, Any]:
    """Verdict, table of the arms, and where every run lies on the main metric's scale."""
    found = scores(metrics)
    sentence, tone = verdict(found)
    names = list({name: None for arm in found.values() for name in arm})
    real = found.get("real_only", {})

    def cell(arm: str, name: str) -> tuple[Score, Difference | None] | None:
        if name not in found[arm]:
            return None
        value = found[arm][name]
        return value, difference(value, real[name], name) if arm != "real_only" and name in real else None

    rows = [(arm, ARMS[arm], [cell(arm, name) for name in names]) for arm in found]
    return {
        "verdict": sentence,
        "tone": tone,
        "metrics": [title(name) for name in names],
        "rows": rows,
        "dots": dots(found),
    }


def dots(found: dict[str, dict[str, Score]]) -> dict[str, Any] | None:
    """Places, in percent of the width, of every run and mean of the main metric."""
    metric = main_metric(found)
    arms = {arm: entry[metric] for arm, entry in found.items() if metric in entry and np.isfinite(entry[metric].mean)}
    if not arms:
        return None
    values = [value for entry in arms.values() for value in (*entry.runs, entry.mean)]
    low, high = min(values), max(values)
    margin = max((high - low) * 0.12, 0.005)
    low, span = low - margin, high - low + 2 * margin

    def place(value: float) -> float:
        return round(100 * (value - low) / span, 2)

    lines = [
        (arm, ARMS[arm], entry.shown, place(entry.mean), [place(run) for run in entry.runs])
        for arm, entry in arms.items()
    ]
    real = place(arms["real_only"].mean) if "real_only" in arms else None
    return {"metric": title(metric), "lines": lines, "low": f"{low:.3f}", "high": f"{low + span:.3f}", "real": real}


def part_bars(metrics: dict[str, Any], shares: dict[str, float]) -> list[dict[str, Any]]:
    """Per class or point: its share of the generated labels and, per arm, the bar and its spread in percent of the width."""

    def percent(value: float) -> float:
        return round(min(max(100 * value, 0), 100), 2)

    def bar(arm: str, entry: Score) -> dict[str, Any]:
        left, right = percent(entry.mean - entry.std), percent(entry.mean + entry.std)
        return {
            "arm": arm,
            "label": ARMS[arm],
            "shown": entry.shown,
            "width": percent(entry.mean),
            "left": left,
            "spread": round(right - left, 2),
        }

    return [
        {
            "name": name,
            "share": shares.get(name),
            "bars": [bar(arm, entry) for arm, entry in arms.items() if np.isfinite(entry.mean)],
        }
        for name, arms in per_class(metrics).items()
    ]


def kept(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [sample for sample in samples if sample.get("kept", True)]


def part_shares(gallery: Gallery, samples: list[dict[str, Any]]) -> dict[str, float]:
    """Which part of the generated labels each class or point makes up, from the first few hundred samples."""
    labels = [label for sample in kept(samples)[:LOOKED_AT] if (label := gallery.label(sample["name"])) is not None]
    if not labels or gallery.task is None or not gallery.task.part_metric:
        return {}
    return {name: share for name, (_, share) in gallery.task.scores.label_statistics(np.stack(labels)).items()}


def sample_pictures(gallery: Gallery, samples: list[dict[str, Any]]) -> dict[str, Any]:
    """The first samples kept, not picked by hand, and the most uncertain ones of all that were kept."""
    chosen = kept(samples)
    ranked = sorted(
        (sample for sample in chosen if sample.get("uncertainty") is not None),
        key=lambda sample: -float(sample["uncertainty"]),
    )
    first = [triple for sample in chosen[:SHOWN] if (triple := gallery.pictures(sample))]
    doubtful = [triple for sample in ranked[:UNCERTAIN] if (triple := gallery.pictures(sample))]
    return {"first": first, "doubtful": doubtful if len(ranked) > UNCERTAIN else []}


def heat_map(doubt: UInt8[np.ndarray, "*n h w"]) -> UInt8[np.ndarray, "*n h w 3"]:
    """Uncertainty 0 to 255 as dark to bright; the root makes small values visible."""
    return (COLOURS(np.sqrt(doubt / 255))[..., :3] * 255).astype(np.uint8)


def embed(image: UInt8[np.ndarray, "h w 3"] | None, longest: int = LONGEST_SIDE) -> str | None:
    """A picture as a data URI, shrunk to the size it is shown at."""
    if image is None:
        return None
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest))
    picture.save(buffer, "WEBP", quality=88)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def sheet(path: Path) -> str | None:
    """A contact sheet that another step drew; a damaged one is left out."""
    try:
        return embed(decode_image(path.read_bytes(), path.name), longest=2048) if path.is_file() else None
    except HandsOffError:
        return None


def histogram(samples: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How uncertain the kept and the dropped samples are: heights in percent of the highest bin."""
    values = np.array([float(sample["uncertainty"]) for sample in samples if sample.get("uncertainty") is not None])
    if len(values) < 2 or values.min() == values.max():  # noqa: PLR2004  # nothing to compare
        return None
    is_kept = np.array([sample.get("kept", True) for sample in samples if sample.get("uncertainty") is not None], bool)
    edges = np.linspace(values.min(), values.max(), BINS + 1)
    stay, drop = np.histogram(values[is_kept], edges)[0], np.histogram(values[~is_kept], edges)[0]
    top = (stay + drop).max()
    bars = [(round(100 * int(a) / top, 2), round(100 * int(b) / top, 2)) for a, b in zip(stay, drop, strict=True)]
    return {
        "bars": bars,
        "low": f"{edges[0]:.3f}",
        "high": f"{edges[-1]:.3f}",
        "kept": int(is_kept.sum()),
        "dropped": int((~is_kept).sum()),
    }


def reasons(samples: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Why samples were dropped and how many, the most frequent first; numbers that differ from one to the next are left out."""
    told = (str(sample.get("reason") or "no reason given") for sample in samples if not sample.get("kept", True))
    return Counter(re.sub(r"\s*\d+\.\d+", "", reason) for reason in told).most_common(5)


def facts(metrics: dict[str, Any], manifest: dict[str, Any], samples: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Short facts worth a line each."""
    size = manifest.get("resolution")
    entries = {
        "real labelled photos": metrics.get("n_real"), "generated samples": metrics.get("n_synthetic"), "test photos": metrics.get("n_test"),
        "validation photos": metrics.get("n_validation"), "training steps per run": metrics.get("steps"),
        "resolution": " x ".join(str(side) for side in size) if isinstance(size, list | tuple) else size,
        "samples drawn": len(samples) or None, "samples kept": len(kept(samples)) or None,
    }  # fmt: skip
    return [
        (name, f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in entries.items()
        if value is not None
    ]


def settings(report: Path, dataset: Path) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(verb, seconds, settings) of the two steps whose folders are known."""
    found = []
    for folder in (dataset, report):
        plan = {**optional_json(folder / "job.json", {}), **optional_json(folder / "report.json", {})}
        spent = plan.get("seconds") or sum(read_json(run).get("seconds", 0) for run in folder.glob("runs/*.json"))
        if plan.get("settings"):
            entries = [(name, json.dumps(value)) for name, value in plan["settings"].items()]
            found.append((str(plan.get("verb", folder.name)), f"{spent:,.0f} s" if spent else "", entries))
    return found
