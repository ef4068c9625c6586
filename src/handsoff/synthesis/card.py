"""The card of a dataset: where its images come from, who labelled them, what was selected, and what it is not.

`metadata.jsonl` beside it lets `datasets.load_dataset(folder)` load images with their labels (the hub's ImageFolder:
`file_name`, and `NAME_file_name` for further images of a sample). Depth, which is no image, is left out there.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handsoff.core.files import write_bytes, write_lines
from handsoff.datasets.card import CARD, Card, cell
from handsoff.datasets.generated import Record
from handsoff.synthesis.samples import REST, Image
from handsoff.synthesis.settings import GenerateSettings, LabelSettings
from handsoff.synthesis.table import Decided, Samples
from handsoff.synthesis.voter_cards import VoterCard
from handsoff.tasks.base import Label, Task
from handsoff.tasks.classes import part_titles

METADATA = "metadata.jsonl"
Shown = tuple[Image, dict[str, Label]]
LOOKED_AT = 500  # kept samples whose labels are counted
MADE = "## How it was made"
FILES = """## Files

`images/` has the images, the folders and files beside it their labels, `manifest.json` what those mean, `samples.jsonl`
how every sample was drawn and how uncertain its labels are, `uncertainty*/` the same per pixel. `datasets.load_dataset`
loads images and labels by `metadata.jsonl`; `handsoff.Dataset` gives them to PyTorch."""
SHARDED = """## Files

`shards/` has images and labels in tar archives that WebDataset reads: KEY.png, KEY.mask.npy, … and KEY.uncertainty.png:
how uncertain labels are per pixel. `manifest.json` and the files beside it say what labels mean, `samples.jsonl` how
every sample was drawn and how uncertain its labels are, `shards.jsonl` where in the shards which file is: by it
`handsoff.Dataset` gives the samples to PyTorch."""
LIMITS = """## Limits

- Labels are predictions of a labeler that learnt from few labelled photos. Nobody has looked at them one by one.
- Images follow the photos that the generator learnt from: what is rare there is rarer here, and what is one-sided there
  is one-sided here. An image can resemble a photo of the training set.
- Dropping uncertain samples also drops unusual ones.
- What the dataset is worth for training is not known before it is measured on real test photos: `handsoff evaluate`."""

PHOTO_LIMITS = """## Limits

- Labels are predictions of models that learnt from few labelled photos. Nobody has looked at them one by one.
- The photos are somebody's: the terms below are of the labels, and the photos keep their own.
- Dropping uncertain samples also drops unusual ones.
- What the dataset is worth for training is not known before it is measured on real test photos: `handsoff evaluate`."""
REASONS = {  # of photos that become no samples
    "labelled": "labelled already",
    "apart": "to be kept apart",
    "duplicates": "there twice",
    "unusable": "unusable",
}


@dataclass(frozen=True)
class Origin:
    """What a card says of where images and labels come from.

    Attributes:
        title: of the dataset.
        licence: the terms of it.
        made: how it was made, as Markdown.
        limits: what it is not, as Markdown.
        synthetic: whether a generator made the images.
    """

    title: str
    licence: str
    made: str
    limits: str
    synthetic: bool


def write_card(
    samples: Samples, tasks: Mapping[str, Task], shown: Iterable[Shown], origin: Origin, *, sharded: bool
) -> None:
    """Write `README.md` into a dataset whose samples and label cards are written.

    Args:
        samples: Kept or not.
        tasks: Of the labels.
        shown: The first `LOOKED_AT` kept samples, whose labels are counted.
        origin: Where they come from.
        sharded: Whether they are in tar shards.
    """
    sections = [origin.made, selection(samples.decided), content(tasks, shown, samples.kept), origin.limits]
    files = ["shards/*.tar"]
    if not sharded:
        files = [METADATA, "images/*", *(f"{folder}/*" for folder in image_labels(tasks).values())]
        lines = metadata((record for record in samples if record["kept"]), tasks)
        write_lines(samples.out / METADATA, map(json.dumps, lines))
    about, held = "\n\n".join(sections), SHARDED if sharded else FILES
    card = Card(
        origin.title, samples.kept, origin.licence, tasks, {"train": files}, about, held, synthetic=origin.synthetic
    )
    write_bytes(samples.out / CARD, card.text().encode())


def image_labels(tasks: Mapping[str, Task]) -> dict[str, str]:
    """Task → folder, of labels that are PNGs."""
    places = {name: task.locations[0] for name, task in tasks.items()}
    return {name: place.folder for name, place in places.items() if place.suffixes[:1] == (".png",)}


def metadata(kept: Iterable[Record], tasks: Mapping[str, Task]) -> Iterator[dict[str, Any]]:
    """A line per sample: its image, its labels and how uncertain they are."""
    pictures = image_labels(tasks)
    for record in kept:
        name = record["name"]
        labels = {f"{tasks[task].aliases[0]}_file_name": f"{pictures[task]}/{name}.png" for task in pictures}
        inline = {tasks[task].aliases[0]: values for task, values in record[REST].items()}
        yield {"file_name": f"images/{name}.png", **labels, **inline, "uncertainty": record["uncertainty"]}


def drawn_images(labelers: Sequence[dict[str, Any]], licence: str, settings: GenerateSettings, drawn: int) -> Origin:
    """Of images that a generator drew.

    Args:
        labelers: What their `labeler.json` say.
        licence: The terms of all of them.
        settings: What it was drawn by.
        drawn: Number of samples.
    """
    first = labelers[0]
    height, width = first["image_size"]
    guided = "" if settings.guidance is None else f" and guidance {settings.guidance:g}"
    told = (
        f"A generator ({first['generator'][:12]}, {height} x {width} pixels, photos framed by {first['framing']}) drew "
        f"{drawn:,} images from the seeds {settings.seed} to {settings.seed + drawn - 1}, with truncation psi = "
        f"{settings.psi:g}{guided}. `samples.jsonl` says how each can be drawn again."
    )
    if settings.aim is not None:
        told += " It was composed: `aim.json` says what was asked for and what was reached."
    lines = [MADE, "", told, ""]
    for labeler in labelers:
        networks = f" and {labeler['networks']} image networks" if labeler["networks"] else ""
        lines.append(
            f"- {labeler['task']}: labelled by {labeler['members']} pixel classifiers{networks}, which learnt from "
            f"{labeler['examples']} labelled images and read {' and '.join(labeler['features'])} features."
        )
    title = f"Generated images with labels for {' and '.join(labeler['task'] for labeler in labelers)}"
    return Origin(title, licence, "\n".join(lines), LIMITS, synthetic=True)


def labelled_photos(
    voters: Sequence[VoterCard], licence: str, settings: LabelSettings, counts: Mapping[str, Any], *, drawn: bool
) -> Origin:
    """Of photos that were labelled.

    Args:
        voters: Who labelled them.
        licence: The terms of labels and photos.
        settings: How they were labelled.
        drawn: Whether a generator drew what was labelled.
        counts: `drawn`, the number of photos that were labelled, and `left_out`, of others by reason.
    """
    height, width = voters[0].image_size
    others = ", ".join(f"{found:,} {REASONS[kind]}" for kind, found in counts["left_out"].items() if found)
    told = (
        f"{counts['drawn']:,} {'generated images' if drawn else 'photos, no generated images,'} were framed to "
        f"{height} x {width} pixels "
        f"({voters[0].framing}) and labelled. `samples.jsonl` says which file each comes from."
    )
    lines = [
        MADE,
        "",
        f"{told} {'Images' if drawn else 'Photos'} that were left out: {others}." if others else told,
        "",
    ]
    for card in voters:
        mirrored = ", which also looked at the mirror image" if settings.mirror and card.networks else ""
        groups = [f"{number(card.networks, 'image network')}{mirrored}"] if card.networks else []
        if card.classifiers:
            latents = f" on the latents of the photo ({settings.inversion})" if card.inverted else ""
            groups.append(f"{number(card.classifiers, 'pixel classifier')}{latents}")
        lines.append(
            f"- {card.task}: labelled by {' and by '.join(groups)}; they learnt from {card.examples} labelled images."
        )
    what, limits = ("Generated images", LIMITS) if drawn else ("Photos", PHOTO_LIMITS)
    title = f"{what} with labels for {' and '.join(card.task for card in voters)}"
    return Origin(title, licence, "\n".join(lines), limits, synthetic=drawn)


def number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def selection(decided: Decided) -> str:
    """How many samples stayed, and how uncertain those and the others are."""
    kept, dropped = decided.uncertainty[decided.kept], decided.uncertainty[~decided.kept]
    composed = decided.candidate is not None
    chosen = "were chosen of the most certain ones" if composed else "most certain ones were kept"
    told = (
        f"Of {len(decided.rows):,} samples {'' if composed else 'the '}{len(kept):,} {chosen}. Uncertainty is the "
        "disagreement of the ensemble, from 0 to 1; `samples.jsonl` has it per sample."
    )
    lines = [
        "## Selection and uncertainty",
        "",
        told,
        "",
        "| samples | number | lowest | median | highest uncertainty |",
        "|---|---|---|---|---|",
    ]
    for name, values in (("kept", kept), ("dropped", dropped)):
        if len(values):
            lines.append(
                f"| {name} | {len(values):,} | {values.min():.3f} | {np.median(values):.3f} | {values.max():.3f} |"
            )
    return "\n".join(lines)


def content(tasks: Mapping[str, Task], shown: Iterable[Shown], kept: int) -> str:
    """How often every class or point occurs."""
    count, found = 0, {kind: list[dict[str, tuple[int, float]]]() for kind in tasks}
    for _, labels in shown:
        count += 1
        for kind, task in tasks.items():
            found[kind].append(task.scores.label_statistics(labels[kind][None]))
    of = f"the first {count:,} kept samples" if count < kept else "all kept samples"
    lines = ["## What it holds", "", f"Counted over {of}.", "", "| label | in samples | share |", "|---|---|---|"]
    named = {kind: list(dict.fromkeys(part for one in each for part in one)) for kind, each in found.items()}
    titles = part_titles(named)
    for kind, counts_of in found.items():
        for part in named[kind]:
            counted = [counts[part] for counts in counts_of if part in counts]
            share = sum(share for _, share in counted) / count
            lines.append(f"| {cell(titles[kind, part])} | {sum(number for number, _ in counted):,} | {share:.1%} |")
    return "\n".join(lines)
