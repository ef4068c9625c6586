"""`handsoff label`: a labelled dataset from the user's own photos.

It differs from `generate` in where images come from, and in who labels them; see `synthesis.dataset`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from handsoff.core.errors import InputError, UselessError
from handsoff.core.files import write_lines
from handsoff.datasets.generated import Record
from handsoff.datasets.labelled import list_labelled
from handsoff.datasets.likeness import SIDE, thumbnails, write_thumbnails
from handsoff.datasets.sources import Source, open_source, refuse_too_many
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.formats.photos import photos_in
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.ledger import read_entry
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.synthesis.card import REASONS, labelled_photos
from handsoff.synthesis.dataset import CONTENT, Production, finish, make_samples
from handsoff.synthesis.ignoring import check_ignoring, ignore_uncertain
from handsoff.synthesis.output import output_of
from handsoff.synthesis.photo_shard import (
    APART,
    LEFT_OUT,
    WHY,
    PhotoContext,
    PhotoShard,
    framed,
    loaded,
    make_shard,
    shards_of,
)
from handsoff.synthesis.select import select
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.shard import entry_of
from handsoff.synthesis.table import SHOWN, PartOf, Table
from handsoff.synthesis.voter_cards import VoterCard, licence_of, origin_of, read_voters
from handsoff.tasks import make_task

LIST = "left_out.jsonl"
CHUNK = 256  # photos that are read between two signs of life
KINDS = (
    "",
    "labelled",
    "apart",
    "unusable",
)  # why a photo is no sample, by its record alone
DIGEST = 32  # bytes
NO_CONTENT = "00" * DIGEST


def plan(voters: Sequence[Path], photos: Path, settings: LabelSettings, apart: Sequence[Path] | None = None) -> Plan:
    """What `label` is going to do.

    Raises:
        InputError: a voter is unusable or cannot label photos, two have the same task, there are no photos, or
            `apart_first` is asked for and nothing is kept apart.
        MismatchError: the voters do not see photos in the same frame.
    """
    if settings.apart_first is not None and not apart:
        raise InputError("apart_first says how much of the first --apart is kept apart, and there is none: give one.")
    cards = read_voters(voters, settings)
    check_ignoring(settings.ignore_pixels, {card.task: make_task(card.task, card.schema) for card in cards})
    inputs = {
        numbered("voter", index): {"path": str(folder.resolve()), "fingerprint": card.fingerprint}
        for index, (folder, card) in enumerate(zip(voters, cards, strict=True))
    }
    inputs["photos"] = photos_of(photos, settings).describe()
    for index, path in enumerate(apart or ()):
        inputs[numbered("apart", index)] = photos_in(open_source(path)).describe()
    return Plan("label", inputs, settings.model_dump())


def numbered(name: str, index: int) -> str:
    return name if index == 0 else f"{name} {index + 1}"


def label(
    voters: Sequence[Path],
    photos: Path,
    out: Path,
    settings: LabelSettings,
    apart: Sequence[Path] | None = None,
    engine: Engine = LOCAL,
) -> Work:
    """Label photos, drop the most uncertain; `out` becomes a labelled folder with a manifest, as `generate` makes it.

    Left out are copies of photos whose labels a voter knows, copies of the photos in `apart`, photos that are there
    twice, and up to 5 % that cannot be used.

    Args:
        voters: folders of labelers, and of models or the reports that hold them, each of another task.
        photos: folder or zip.
        out: folder to write.
        settings: see there.
        apart: folders or zips of photos that must not become samples, such as those of a test.
        engine: who does the work.

    Raises:
        InputError: as `plan`, nothing is left of the photos, too many cannot be used, or `out` holds something else.
        MismatchError: as `plan`.
    """
    with open_job(out, plan(voters, photos, settings, apart)) as job:
        if not job.done:
            yield from write_dataset(job, read_voters(voters, settings), photos, apart or (), engine)
    return job.outcome


def write_dataset(job: Job, voters: Sequence[VoterCard], photos: Path, apart: Sequence[Path], engine: Engine) -> Part:
    """Make all samples, and what the dataset says of itself."""
    settings = LabelSettings(**job.plan.settings)
    source, output = photos_of(photos, settings), output_of(settings, job.out)
    output.check(job.plan)
    if not is_whole(job.out / APART):
        yield from read_apart(job.out / APART, apart, voters[0], settings.apart_first)
    tasks = {card.task: make_task(card.task, card.schema) for card in voters}
    shards, context = list(shards_of(source)), PhotoContext(tuple(voters), photos, job.out, output, job.plan, settings)
    parts = {(name, part): SHOWN for name, task in tasks.items() for part in task.parts if settings.strata == "parts"}
    begin = partial(PhotoTable, source, parts)
    production = Production("labelling", make_shard, shards, context, len(source.sizes), tasks, begin)
    decide = partial(select, keep=settings.keep, drop=settings.drop, strata=settings.strata)
    samples = yield from make_samples(job, production, decide, engine)
    table = cast("PhotoTable", samples.table)
    loaded.forget()
    write_lines(job.out / LIST, map(json.dumps, left_out(job.out, shards, table)))
    first, images = voters[0], origin_of(photos)
    licence = licence_of(voters, images)
    facts: dict[str, Any] = {
        "image_size": list(first.image_size),
        "framing": first.framing,
        "licence": licence,
        **(images.facts if images.drawn else {"source": "photos"}),
    }
    counts = {"drawn": len(samples), "kept": samples.kept, "left_out": table.counts()}
    if settings.ignore_pixels:
        facts["ignored_above"] = yield from ignore_uncertain(job.out, tasks, samples, settings.ignore_pixels)
    origin = labelled_photos(voters, licence, settings, counts, drawn=images.drawn)
    finish(samples, production, origin, {**facts, **counts})
    job.finish(licence=licence, **counts, notes=[*source.notes, *table.notes()])


def photos_of(path: Path, settings: LabelSettings) -> Source:
    """The photos to be labelled.

    Raises:
        InputError: there are none.
    """
    source = photos_in(open_source(path))
    files = sorted(source.sizes)
    if settings.n is None or settings.n >= len(files):
        return source
    chosen = [files[index * len(files) // settings.n] for index in range(settings.n)]
    return replace(source, sizes={file: source.sizes[file] for file in chosen})


def read_apart(file: Path, apart: Sequence[Path], card: VoterCard, first: int | None) -> Iterator[Progress]:
    """Write the thumbnails of all photos that are to be kept apart; of the first source, those of `first` samples only.

    Raises:
        InputError: one cannot be read: nobody would know whether there is a copy of it.
    """
    found = [np.empty((0, SIDE, SIDE), np.uint8)]
    if first is not None and apart:
        labelled = list_labelled(open_source(apart[0])).part(0, first)
        for start in range(0, len(labelled.names), CHUNK):
            part = labelled.part(start, start + CHUNK)
            found.append(thumbnails(part.load(card.image_size, card.framing, enlarge=True)[0]))
            yield Progress("reading photos to be kept apart", start + len(part.names), len(labelled.names))
        apart = apart[1:]
    for path in apart:
        source = photos_in(open_source(path))
        files = list(source.sizes)
        for start in range(0, len(files), CHUNK):
            photos = framed(source, files[start : start + CHUNK], card, enlarge=True)
            broken = next((photo for photo in photos if isinstance(photo, InputError)), None)
            if broken is not None:
                raise InputError(f"{path}, which is to be kept apart: {broken}")
            found.append(thumbnails(np.stack([photo.image for photo in photos if not isinstance(photo, InputError)])))
            yield Progress("reading photos to be kept apart", start + len(photos), len(files))
    write_thumbnails(file, np.concatenate(found))


class PhotoTable(Table):
    """The columns of photos, and which of them become samples.

    Attributes:
        source: of the photos.
        left_out: by row why it is no sample: its place in `KINDS`, 0 of a sample.
        twins: row of a photo that is there twice → the row of the first one.
    """

    def __init__(self, source: Source, parts: Mapping[PartOf, str]) -> None:
        super().__init__(parts)
        self.source, self.left_out, self.twins = source, bytearray(), dict[int, int]()
        self.digests, self.first_unusable = bytearray(), ""

    def add(self, records: Sequence[Record]) -> None:
        super().add(records)
        for record in records:
            self.left_out.append(KINDS.index(record.get(LEFT_OUT, "")))
            self.digests += bytes.fromhex(record.get(CONTENT, NO_CONTENT))
            if record.get(LEFT_OUT) == "unusable":
                self.first_unusable = self.first_unusable or record[WHY]

    def samples(self) -> Int64[np.ndarray, " n"]:
        """The rows of the photos that become samples.

        Raises:
            UselessError: too many photos cannot be used, or all photos are left out.
        """
        rows = np.flatnonzero((reasons := np.frombuffer(bytes(self.left_out), np.uint8)) == 0)
        contents = np.frombuffer(bytes(self.digests), f"V{DIGEST}")[rows]
        _, first, kind = np.unique(contents, return_index=True, return_inverse=True)
        fresh = first[kind.reshape(-1)] == np.arange(len(rows))
        self.twins = dict(zip(rows[~fresh].tolist(), rows[first[kind.reshape(-1)]][~fresh].tolist(), strict=True))
        total, unusable = len(self.source.sizes), int((reasons == KINDS.index("unusable")).sum())
        if unusable:
            try:
                refuse_too_many([InputError(self.first_unusable)] * unusable, total, self.source)
            except InputError as error:
                raise UselessError(str(error)) from None
        if not fresh.any() and self.count == total:
            held = ", ".join(f"{number} {REASONS[kind]}" for kind, number in self.counts().items() if number)
            raise UselessError(f"None of the {total} photos in {self.source.path} is left ({held}): give others.")
        return rows[fresh]

    def counts(self) -> dict[str, int]:
        """Reason → number of photos."""
        found = {kind: self.left_out.count(number) for number, kind in enumerate(KINDS)}
        return {kind: {**found, "duplicates": len(self.twins)}[kind] for kind in REASONS}

    def notes(self) -> list[str]:
        """A sentence about photos that cannot be used, where there are any."""
        unusable = self.counts()["unusable"]
        return [f"{unusable} photos were skipped, the first: {self.first_unusable}"] if unusable else []


def left_out(out: Path, shards: Sequence[PhotoShard], table: PhotoTable) -> Iterator[dict[str, str]]:
    """Every photo that is no sample, and why."""
    row = 0
    for shard in shards:
        for record in read_entry(entry_of(out, shard)):
            if row in table.twins:
                twin = table.twins[row]
                first = shards[twin // len(shards[0].names)]
                yield {"photo": record["draw"]["photo"], "reason": f"the same as {first.names[twin - first.first]}"}
            elif LEFT_OUT in record:
                yield {"photo": record["draw"]["photo"], "reason": record[WHY]}
            row += 1
