"""What a dataset holds and what is wrong with it: counts, sizes, classes, doubles, files that cannot be read."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.datasets.doubts import doubts
from handsoff.formats.convert import SHOWN, contact_sheet
from handsoff.formats.samples import Dataset, LabelledImage
from handsoff.tasks.base import Task
from handsoff.tasks.classes import part_titles

Facts = list[tuple[str, str]]
LOOKED_AT = 2000  # samples that are read
NAMED = 10  # problems that are named one by one


@dataclass(frozen=True)
class LabelStatistics:
    """Facts and, per class or point, how often it occurs; problems, a sentence each; a contact sheet as PNG."""

    facts: Facts = field(default_factory=list)
    parts: Facts = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sheet: bytes = b""


def collect_statistics(samples: Dataset) -> LabelStatistics:
    """Read the samples (of very many the first) and count."""
    names = samples.names[:LOOKED_AT]
    sizes: Counter[Frame] = Counter()
    images: dict[str, list[str]] = {}
    broken: list[str] = []
    shown: list[LabelledImage] = []
    counts: dict[str, dict[str, list[tuple[int, float]]]] = {task: {} for task in samples.tasks}
    spans: dict[str, list[float]] = {}
    unknown: list[str] = []
    for found in read_all(samples, names):
        if isinstance(found, str):
            broken.append(found)
            continue
        sizes[found.size] += 1
        images.setdefault(hashlib.sha256(found.image.tobytes()).hexdigest(), []).append(found.name)
        if len(shown) < SHOWN:
            shown.append(found)
        unknown += [
            f"{found.name}: its label for {task} says nothing about any place"
            for task in samples.tasks
            if not tells(samples.tasks[task], found, task)
        ]
        for task, kind in samples.tasks.items():
            for part, entry in kind.scores.label_statistics(found.labels[task][None]).items():
                counts[task].setdefault(part, []).append(entry)
            spans.setdefault(task, []).extend(kind.scores.span(found.labels[task]) or ())
    where = "no sample" if len(names) == len(samples.names) else f"none of the first {len(names):,} samples"
    titles = part_titles({task: (*kind.parts, *counts[task]) for task, kind in samples.tasks.items()})
    absent = [
        f"{titles[task, part]} occurs in {where}"
        for task, kind in samples.tasks.items()
        for part in kind.parts
        if not any(n for n, _ in counts[task].get(part, ()))
    ]
    doubles = [f"{', '.join(same)} are the same image" for same in images.values() if len(same) > 1]
    doubtful = doubts(samples.tasks, names, lambda task, name: samples.read(name).labels[task])
    sheet = contact_sheet(shown, samples.tasks) if shown else b""
    return LabelStatistics(
        [*facts(samples, names, sizes), *((task, f"{min(of):g} to {max(of):g}") for task, of in spans.items() if of)],
        occurring(counts, titles, sum(sizes.values())),
        [*samples.notes, *doubtful, *shortened(broken), *shortened(unknown), *shortened(doubles), *shortened(absent)],
        sheet,
    )


def occurring(
    counts: dict[str, dict[str, list[tuple[int, float]]]], titles: dict[tuple[str, str], str], samples: int
) -> Facts:
    """In how many samples every part of a task occurs, and its share of all there is."""
    found: Facts = []
    for task, parts in counts.items():
        for part, entries in parts.items():
            times, share = sum(n for n, _ in entries), sum(share for _, share in entries) / max(samples, 1)
            found.append((titles[task, part], f"in {times:,} of {samples:,}, {100 * share:.1f} %"))
    return found


def read_all(samples: Dataset, names: tuple[str, ...]) -> Iterator[LabelledImage | str]:
    """The samples, or why they cannot be read, a few ahead of the one that is looked at."""

    def read(name: str) -> LabelledImage | str:
        try:
            return samples.read(name)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(names), SHOWN):
            yield from pool.map(read, names[start : start + SHOWN])


def tells(task: Task, sample: LabelledImage, name: str) -> bool:
    """Whether a label says anything."""
    found = task.scores.label_statistics(sample.labels[name][None])
    return any(found[part][0] for part in (task.parts or found) if part in found)


def facts(samples: Dataset, names: tuple[str, ...], sizes: Counter[Frame]) -> Facts:
    splits = Counter(name.partition("/")[0] for name in samples.names if "/" in name)
    found = [("labelled samples" if samples.tasks else "images", f"{len(samples.names):,}")]
    if (seen := samples.review) is not None:
        found.append(
            (
                "review",
                f"{seen.corrected:,} corrected, {seen.accepted:,} accepted, {seen.rejected:,} rejected and left out",
            )
        )
    if len(names) < len(samples.names):
        found.append(("looked at", f"the first {len(names):,}"))
    if sum(splits.values()) == len(samples.names):
        found.append(("splits", ", ".join(f"{split} {count:,}" for split, count in splits.items())))
    if sizes:
        common, count = sizes.most_common(1)[0]
        low, high = (tuple(limit(size[axis] for size in sizes) for axis in (0, 1)) for limit in (min, max))
        spread = (
            f"{common[0]} x {common[1]} pixels"
            if len(sizes) == 1
            else f"{low[0]} x {low[1]} to {high[0]} x {high[1]}, {count:,} of {common[0]} x {common[1]}"
        )
        found.append(("height x width", spread))
    if samples.tasks:
        found.append(("labels for", ", ".join(samples.tasks)))
    return [*found, ("licence", samples.licence)] if samples.licence else found


def shortened(problems: list[str]) -> list[str]:
    """The first few, and how many more there are."""
    return problems[:NAMED] + ([f"… and {len(problems) - NAMED} more like these"] if len(problems) > NAMED else [])
