"""`handsoff convert`: labelled data of any format to any other."""

import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.disk import require_space_for_rest
from handsoff.core.errors import InputError, UnknownNameError
from handsoff.core.files import png, recorded, refuse_unwritable, write_bytes, write_json
from handsoff.core.images import tile
from handsoff.datasets.doubts import doubts
from handsoff.datasets.framing import frame_photo
from handsoff.datasets.sources import Source, open_source
from handsoff.formats.exchange import ALSO, WRITERS, open_dataset
from handsoff.formats.reframing import NothingThereError, framed
from handsoff.formats.samples import Dataset, Entry, FormatWriter, LabelledImage, Writing
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.ledger import fit, read_entry, relative, write_entry
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

LEDGER = "ledger"  # a folder with an entry per part that is written, until all are
PART = 64  # images per ledger file, and per shard in formats with shards
SHOWN, SHOWN_SIDE = 16, 128  # images on the contact sheet, and their side there in pixels


def plan(dataset: Path, settings: ConvertSettings) -> Plan:
    """The plan of `convert`; no image is read.

    Raises:
        InputError: the dataset is of no known format, or lacks what the settings ask for.
        UnknownNameError: `settings.format` or `settings.source` is no format.
    """
    source = open_source(dataset, settings.corrections)
    opened(source, settings)
    return Plan("convert", {"dataset": source.describe_corrected()}, settings.model_dump())


def convert(dataset: Path, out: Path, settings: ConvertSettings) -> Work:
    """Write a labelled dataset in another format; `out` gets a contact sheet and a manifest beside it.

    Raises:
        InputError: the dataset is of no known format, or a file in it is damaged (the message names the file and its
            line or key); nothing stays written.
        UnknownNameError: `settings.format` or `settings.source` is no format.
    """
    with open_job(out, plan(dataset, settings), whole=True) as job:
        if not job.done:
            yield from write_dataset(job, dataset, settings)
    return job.outcome


def write_dataset(job: Job, dataset: Path, settings: ConvertSettings) -> Part:
    samples = opened(open_source(dataset, settings.corrections), settings)
    missing = yield from write_all(job.out, samples, settings)
    job.finish(
        count=len(samples.names) - len(missing), left_out=missing, licence=samples.licence, notes=list(samples.notes),
        **reviewed(samples),
    )  # fmt: skip


def reviewed(samples: Dataset) -> dict[str, Any]:
    """What a person did with the dataset, for its manifest and report."""
    return {} if samples.review is None else {"review": asdict(samples.review)}


def opened(source: Source, settings: ConvertSettings) -> Dataset:
    """The labelled images that the settings ask for.

    Raises:
        InputError: no images are left, or the format cannot hold their labels.
        UnknownNameError: `settings.format` or `settings.source` is no format.
    """
    writer = writer_of(settings.format)
    samples = chosen(open_dataset(source, settings.source), settings, str(source.path))
    check_supported(tuple(samples.tasks), writer)
    refuse_unwritable((f"{name}.png" for name in samples.names), str(source.path))
    writer.check(samples.names, samples.tasks)
    if settings.ignore is None:
        for sentence in doubts(samples.tasks, samples.names, lambda task, name: samples.read(name).labels[task]):
            raise InputError(f"{source.path}: {sentence}.")
    return samples


def writer_of(name: str) -> FormatWriter:
    if name not in WRITERS:
        raise UnknownNameError("format", name, WRITERS, ALSO)
    return WRITERS[name]


def write_all(out: Path, samples: Dataset, settings: ConvertSettings) -> Generator[Progress, None, list[str]]:
    """Write part after part; a part in the ledger is not written again. Returns a sentence per image left out."""
    writer = writer_of(settings.format)
    writing = Writing(
        samples.tasks, samples.names, settings.instances, samples.licence, samples.about, settings.prefix,
        samples.synthetic, settings.queue is not None,
    )  # fmt: skip
    entries: list[Entry] = []
    missing: list[str] = []
    with ThreadPoolExecutor() as pool:
        for part, start in enumerate(range(0, len(samples.names), PART)):
            names = samples.names[start : start + PART]
            entry = out / LEDGER / f"{part:05d}.json"
            found = read_entry(entry)
            if found is None or not fit(found["files"], out):
                absent: list[str] = []
                read = present(pool.map(partial(unless_absent, samples), names), absent)
                with recorded() as stamps:
                    written = writer.write(out, part, checked(read, samples.tasks, writer), writing)
                write_entry(entry, {"entries": written, "absent": absent, "files": relative(stamps, out)})
                found = read_entry(entry)
                if part == 0:
                    require_space_for_rest(out, PART * len(list((out / LEDGER).iterdir())), len(samples.names))
            entries, missing = entries + found["entries"], missing + found["absent"]
            yield Progress(
                "converting",
                start + len(names),
                len(samples.names),
                f"left out {len(missing)}, the last one: {missing[-1]}" if missing else "",
            )
        if not entries:
            raise InputError(f"Nothing is left of the dataset: {missing[0]}")
        shown = list(present(pool.map(partial(unless_absent, samples), samples.names[:SHOWN]), []))
    writer.finish(out, entries, writing)
    write_bytes(out / "contact.png", contact_sheet(shown, samples.tasks))
    tasks = {name: task.schema for name, task in samples.tasks.items()}
    facts = {"format": settings.format, "tasks": tasks, "licence": samples.licence, "count": len(entries)}
    write_json(out / "manifest.json", {**facts, **reviewed(samples)})
    shutil.rmtree(out / LEDGER)
    return missing


def unless_absent(samples: Dataset, name: str) -> LabelledImage | str:
    """The labelled image, or the reason why it is left out."""
    try:
        return samples.read(name)
    except NothingThereError as error:
        return str(error)


def present(read: Iterable[LabelledImage | str], absent: list[str]) -> Iterator[LabelledImage]:
    """The labelled images; the reasons of those left out go to `absent`."""
    for found in read:
        if isinstance(found, str):
            absent.append(found)
        else:
            yield found


def contact_sheet(samples: Sequence[LabelledImage], tasks: Mapping[str, Task]) -> bytes:
    """Images beside their labels, as a PNG."""
    pictures = []
    for sample in samples:
        drawn = [task.drawing.draw(sample.image[None], sample.labels[name][None])[0] for name, task in tasks.items()]
        pictures += [
            frame_photo(picture, (SHOWN_SIDE, SHOWN_SIDE), "letterbox", sample.name, enlarge=True)
            for picture in (sample.image, *drawn)
        ]
    return png(tile(np.stack(pictures), 4 * (1 + len(tasks))))


def chosen(samples: Dataset, settings: ConvertSettings, where: str) -> Dataset:
    """The dataset with the split, number, tasks, frame and classes that the settings ask for.

    Raises:
        InputError: the dataset lacks the split, a task or a class.
    """
    names = samples.names
    if settings.split is not None:
        prefix = f"{settings.split}/"
        names = tuple(name.removeprefix(prefix) for name in names if name.startswith(prefix))
        samples = below(samples, prefix)
        if not names:
            splits = sorted({name.partition("/")[0] for name in samples.names if "/" in name})
            held = f"choose one of {', '.join(splits)}" if splits else "it has no splits"
            raise InputError(f"{where} has no split {settings.split!r}: {held}.")
    names = names[: settings.first]
    if settings.queue is not None:
        prefix = "" if settings.split is None else f"{settings.split}/"
        waits = set(names)
        waiting = [name for found in samples.queue if (name := found.removeprefix(prefix)) in waits][: settings.queue]
        if not waiting:
            raise InputError(
                f"{where} has no samples that wait for a decision and whose uncertainty is known: leave queue out."
            )
        names = tuple(sorted(waiting))
    missing = [task for task in settings.tasks or () if task not in samples.tasks]
    if missing:
        raise InputError(
            f"{where} has no labels for {missing[0]}, only for {', '.join(samples.tasks)}: choose among those."
        )
    tasks = {name: task for name, task in samples.tasks.items() if settings.tasks is None or name in settings.tasks}
    kept = replace(samples, names=names, tasks=tasks, read=lambda name: keep(samples.read(name), tasks))
    if settings.reframes:  # before classes are merged: around and align use the dataset's names
        kept = replace(kept, read=lambda name: keep(framed(samples.read(name), samples.tasks, settings), tasks))
    if settings.classes is None and settings.ignore is None:
        return kept
    if not any(task.merges for task in tasks.values()):
        raise InputError(
            f"{where} gives no masks here, which classes and ignore are about, only {', '.join(tasks)}: leave those "
            "settings out."
        )
    return relabelled(kept, settings, where)


def below(samples: Dataset, prefix: str) -> Dataset:
    """The same dataset with the prefix left out of the names."""
    return replace(samples, read=lambda name: replace(samples.read(f"{prefix}{name}"), name=name))


def keep(sample: LabelledImage, tasks: Mapping[str, Task]) -> LabelledImage:
    return replace(sample, labels={name: sample.labels[name] for name in tasks})


def relabelled(samples: Dataset, settings: ConvertSettings, where: str) -> Dataset:
    """The dataset with classes merged, and ignored pixels turned into a class, in the tasks that have classes."""
    found = {
        name: task.storage.relabel(settings.classes, settings.ignore, where)
        for name, task in samples.tasks.items()
        if task.merges
    }
    tasks = {name: make_task(name, schema) for name, (schema, _) in found.items()}

    def read(name: str) -> LabelledImage:
        sample = samples.read(name)
        changed = {task: relabel(sample.labels[task]) for task, (_, relabel) in found.items()}
        return replace(sample, labels={**sample.labels, **changed})

    return replace(samples, tasks={**samples.tasks, **tasks}, read=read)


def check_supported(tasks: Sequence[str], writer: FormatWriter) -> None:
    """Check that the format can hold labels of these tasks, and of all of them together.

    Raises:
        InputError: it cannot.
    """
    unsupported = [task for task in tasks if task not in writer.holds]
    if unsupported:
        raise InputError(
            f"{writer.title} holds {' and '.join(writer.holds)}, not {unsupported[0]}: choose with --set "
            "'tasks=[…]', or another --format."
        )
    if writer.alone and len(tasks) > 1:
        raise InputError(
            f"{writer.title} holds one kind of label, the samples have {', '.join(tasks)}: choose one with --set "
            "'tasks=[…]'."
        )


def checked(
    samples: Iterator[LabelledImage], tasks: Mapping[str, Task], writer: FormatWriter
) -> Iterator[LabelledImage]:
    """The same images, checked for ignored pixels if the format has none.

    Raises:
        InputError: an image has ignored pixels and the format cannot mark them.
    """
    for sample in samples:
        if not writer.ignores and any(tasks[name].storage.ignores(label) for name, label in sample.labels.items()):
            raise InputError(
                f"{sample.name} has ignored pixels, which {writer.title} cannot say: name the class they become with "
                "--set ignore=CLASS."
            )
        yield sample
