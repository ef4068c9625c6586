"""`handsoff label`: a labelled dataset from the user's own photos.

It differs from `generate` in where images come from, and in who labels them; see `synthesis.dataset`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes
from handsoff.datasets.generated import Record
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.likeness import SIDE, thumbnails, write_thumbnails
from handsoff.datasets.sources import Source, open_source, refuse_too_many
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.formats.photos import photos_in
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.synthesis.card import REASONS, labelled_photos
from handsoff.synthesis.dataset import CONTENT, Production, finish, make_samples, remove_files
from handsoff.synthesis.ignoring import check_ignoring, ignore_uncertain
from handsoff.synthesis.photo_shard import APART, LEFT_OUT, WHY, PhotoContext, framed, loaded, make_shard, shards_of
from handsoff.synthesis.select import select
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.voter_cards import VoterCard, licence_of, read_voters
from handsoff.tasks import make_task

LIST = "left_out.jsonl"
CHUNK = 256  # photos that are read between two signs of life


def plan(voters: Sequence[Path], photos: Path, settings: LabelSettings, apart: Sequence[Path] | None = None) -> Plan:
    """What `label` is going to do.

    Raises:
        InputError: a voter is unusable or cannot label photos, two have the same task, or there are no photos.
        MismatchError: the voters do not see photos in the same frame.
    """
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
            with job.undone_if_refused(whole=True):
                yield from write_dataset(job, read_voters(voters, settings), photos, apart or (), engine)
    return job.outcome


def write_dataset(job: Job, voters: Sequence[VoterCard], photos: Path, apart: Sequence[Path], engine: Engine) -> Part:
    """Make all samples, and what the dataset says of itself."""
    settings = LabelSettings(**job.plan.settings)
    source = photos_of(photos, settings)
    if not is_whole(job.out / APART):
        yield from read_apart(job.out / APART, apart, voters[0], settings.apart_first)
    sieve, context = Sieve(source), PhotoContext(tuple(voters), photos, job.out, settings)
    production = Production("labelling", make_shard, list(shards_of(source)), context, len(source.sizes), sieve)
    decide = partial(select, keep=settings.keep, drop=settings.drop, strata=settings.strata or "none")
    records = yield from make_samples(job, production, decide, engine)
    loaded.cache_clear()
    tasks = {card.task: make_task(card.task, card.schema) for card in voters}
    for record in sieve.left_out:
        remove_files(job.out, record["name"], tasks)  # of those that are there twice
    lines = ({"photo": record["draw"]["photo"], "reason": record[WHY]} for record in sieve.left_out)
    write_bytes(job.out / LIST, "".join(json.dumps(line) + "\n" for line in lines).encode())
    first, kept, licence = voters[0], sum(record["kept"] for record in records), licence_of(voters)
    facts: dict[str, Any] = {
        "image_size": list(first.image_size),
        "framing": first.framing,
        "licence": licence,
        "source": "photos",
    }
    counts = {"drawn": len(records), "kept": kept, "left_out": sieve.counts()}
    if settings.ignore_pixels:
        facts["ignored_above"] = yield from ignore_uncertain(job.out, tasks, records, settings.ignore_pixels)
    finish(job.out, tasks, records, labelled_photos(voters, licence, settings, counts), {**facts, **counts})
    job.finish(licence=licence, **counts, notes=[*source.notes, *sieve.notes()])


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
        labelled = open_labelled(apart[0]).part(0, first)
        for start in range(0, len(labelled.names), CHUNK):
            part = labelled.part(start, start + CHUNK)
            found.append(thumbnails(part.load(card.image_size, card.framing, enlarge=True)[0]))
            yield Progress("reading photos to be kept apart", start + len(part.names), len(labelled.names))
        apart = apart[1:]
    for path in apart:
        source = photos_in(open_source(path))
        files = list(source.sizes)
        for start in range(0, len(files), CHUNK):
            images = framed(source, files[start : start + CHUNK], card, enlarge=True)
            broken = next((image for image in images if isinstance(image, InputError)), None)
            if broken is not None:
                raise InputError(f"{path}, which is to be kept apart: {broken}")
            found.append(thumbnails(np.stack([image for image in images if not isinstance(image, InputError)])))
            yield Progress("reading photos to be kept apart", start + len(images), len(files))
    write_thumbnails(file, np.concatenate(found))


@dataclass
class Sieve:
    """Which photos become samples.

    Attributes:
        left_out: records of the others, each with its reason.
    """

    source: Source
    left_out: list[Record] = field(default_factory=list)

    def __call__(self, records: list[Record]) -> list[Record]:
        """The records of those that do, of all records so far.

        Raises:
            InputError: too many photos cannot be used, or all photos are left out.
        """
        samples, self.left_out = [], []
        names: dict[str, str] = {}  # content → the first photo that has it
        for record in records:
            twin = None if LEFT_OUT in record else names.setdefault(record[CONTENT], record["name"])
            if twin is None:
                self.left_out.append(record)
            elif twin != record["name"]:
                self.left_out.append({**record, LEFT_OUT: "duplicates", WHY: f"the same as {twin}"})
            else:
                samples.append(record)
        total = len(self.source.sizes)
        unusable = [InputError(record[WHY]) for record in self.of("unusable")]
        if unusable:
            refuse_too_many(unusable, total, self.source)
        if not samples and len(records) == total:
            held = ", ".join(f"{number} {REASONS[kind]}" for kind, number in self.counts().items() if number)
            raise InputError(f"None of the {total} photos in {self.source.path} is left ({held}): give others.")
        return samples

    def of(self, kind: str) -> list[Record]:
        return [record for record in self.left_out if record[LEFT_OUT] == kind]

    def counts(self) -> dict[str, int]:
        """Reason → number of photos."""
        return {kind: len(self.of(kind)) for kind in REASONS}

    def notes(self) -> list[str]:
        """A sentence about photos that cannot be used, where there are any."""
        unusable = self.of("unusable")
        return [f"{len(unusable)} photos were skipped, the first: {unusable[0][WHY]}"] if unusable else []
