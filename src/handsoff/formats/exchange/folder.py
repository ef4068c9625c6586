"""HandsOff's own folder format: `images/NAME.ext`, and labels in the storage locations of their tasks."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes
from handsoff.datasets.card import CARD, account_in
from handsoff.datasets.labelled import list_labelled
from handsoff.datasets.layout import layout_of
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.sources import Source
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.formats.manifest import holds_photos, manifest_licence
from handsoff.formats.samples import Dataset, Entry, LabelledImage, Writing, load_image
from handsoff.tasks import TASKS

ACCOUNT = "samples.jsonl"
CORRECTED = "corrected"  # key in the account of a sample: tasks whose labels a person corrected
UNCERTAINTY = "uncertainty"  # key in the account of a generated sample: of its labels, in [0, 1]


def recognises(source: Source) -> bool:
    """Whether there is `images/` beside a storage location of any task."""
    try:
        layout = layout_of(source)
    except InputError:
        return False
    locations = [location for task in TASKS.values() for location in task.locations]
    inside = (file.removeprefix(root) for root in layout.roots for file in source.sizes if file.startswith(root))
    held = {file.partition("/")[0] for file in inside}
    return "images" in held and any(
        (location.folder if location.suffixes else f"{location.folder}.json") in held for location in locations
    )


def read(source: Source) -> Dataset:
    """Labels derived from those of another task (normals from depth) are left out, unless the dataset says how.

    They could be derived again, but not with the focal length that a card states: it is of this dataset's images.
    """
    dataset = list_labelled(source)
    stated = {name: kind for name, kind in dataset.kinds.items() if not kind.derived or kind.card is not None}
    dataset = replace(dataset, kinds=stated)
    account = account_in(source.read(CARD).decode(errors="replace")) if CARD in source.sizes else ""
    uncertain, review = uncertainties(source), dataset.review()
    told = [account, *([review.sentence()] if review else [])]
    return Dataset(
        dataset.names,
        dataset.tasks,
        lambda name: replace(read_image(dataset, name), account=account_of(dataset, name, uncertain)),
        manifest_licence(source),
        tuple(f"Labels for {' and '.join(left)} are left out: {why}" for why, left in dataset.gaps.items()),
        about="\n\n".join(filter(None, told)),
        synthetic=bool(account) and not holds_photos(source),
        review=review,
        queue=queue_of(dataset, uncertain),
    )


def account_of(dataset: LabelledDataset, name: str, uncertain: dict[str, Entry]) -> Entry:
    """What is known of a sample: how uncertain its labels are, and which of them a person corrected."""
    touched = dataset.touched(name)
    return {**uncertain.get(name, {}), **({CORRECTED: list(touched)} if touched else {})}


def queue_of(dataset: LabelledDataset, uncertain: dict[str, Entry]) -> tuple[str, ...]:
    """The samples that nobody decided about or corrected, the most uncertain first."""
    waiting = [
        name
        for name in dataset.names
        if name in uncertain and not dataset.touched(name)
        if name not in dataset.reviewed or dataset.reviewed[name].decision == "undecided"
    ]
    return tuple(sorted(waiting, key=lambda name: -uncertain[name][UNCERTAINTY]))


def uncertainties(source: Source) -> dict[str, Entry]:
    """The names of generated samples → the account that says how uncertain their labels are."""
    file = f"{layout_of(source).top}{ACCOUNT}"
    found: dict[str, Entry] = {}
    for line in source.read(file).splitlines() if file in source.sizes else []:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        match record:
            case {"name": str(name), "uncertainty": float() | int() as value} if 0 <= value <= 1:
                found[name] = {UNCERTAINTY: float(value)}
    return found


def read_image(dataset: LabelledDataset, name: str) -> LabelledImage:
    photo = load_image(dataset.source, dataset.images[name], name)
    labels = {task: dataset.parsed(kind, name, photo.size) for task, kind in dataset.kinds.items()}
    return LabelledImage(name, photo.image, labels, photo.file, photo.data)


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:  # noqa: ARG001  # every sample has files of its own
    return list(write_samples(out, samples, writing))


def write_samples(out: Path, samples: Iterable[LabelledImage], writing: Writing) -> Iterator[Entry]:
    for sample in samples:
        copied = (sample.data, PurePosixPath(sample.file).suffix.lower()) if sample.data else None
        rest = write_sample(out, sample.name, sample.image, sample.labels, writing.tasks, copied)
        yield {"name": sample.name, "rest": rest, **sample.account}


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:
    write_cards(out, writing.tasks, {entry["name"]: entry["rest"] for entry in entries})
    records = [{name: value for name, value in entry.items() if name != "rest"} for entry in entries]
    write_bytes(out / ACCOUNT, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in records).encode())
