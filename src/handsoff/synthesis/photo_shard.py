"""One shard of a labelled photo dataset: some photos → those that nobody labelled yet → their files and records.

As `synthesis.shard`; the records also say which photos were left out and why.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.images import decode_image
from handsoff.datasets.framing import frame_photo, part_shown
from handsoff.datasets.generated import Record
from handsoff.datasets.likeness import Thumbnails, known, read_seen, read_thumbnails, thumbnails
from handsoff.datasets.sources import Source, open_source, printable
from handsoff.engines.once import Once
from handsoff.formats.containers import UNFIT
from handsoff.formats.samples import alike
from handsoff.geometry.views import Box
from handsoff.jobs.folder import Plan, refuse_changed
from handsoff.synthesis.dataset import CONTENT
from handsoff.synthesis.output import Output
from handsoff.synthesis.samples import NO_ATTRIBUTES, SHOWN, LabelledSample, batch_size, cut_off, samples_of
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.shard import LEDGER, in_shards
from handsoff.synthesis.voter_cards import VoterCard, read_voter
from handsoff.synthesis.voters import Voter, load_voter

APART = f"{LEDGER}/apart.safetensors"  # thumbnails of the photos that are to be left out
LEFT_OUT, WHY = "left_out", "why"  # in the ledger, of a photo that is no sample: the kind of reason; a sentence
LONGEST, SHORT = 200, 40  # bytes of a name with its folders; letters of one that would be too long


@dataclass(frozen=True)
class PhotoShard:
    """Photos `first`, `first` + 1, … of a source: the name of each as a sample, and its file."""

    first: int
    photos: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"photos {printable(self.photos[0][1])} to {printable(self.photos[-1][1])}"

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.photos]


@dataclass(frozen=True)
class PhotoContext:
    """What all shards of a dataset share.

    Attributes:
        photos: folder or zip.
        out: the folder of the dataset.
        output: where its samples go.
        plan: what the dataset is made by, the photos that are to be left out among it; workers keep what they loaded
            only as long as it stays the same.
    """

    voters: tuple[VoterCard, ...]
    photos: Path
    out: Path
    output: Output
    plan: Plan
    settings: LabelSettings


@dataclass(frozen=True)
class FramedPhoto:
    """A photo as the voters see it.

    Attributes:
        shown: the part of the frame that shows it, see `datasets.framing.part_shown`.
    """

    image: UInt8[np.ndarray, "h w 3"]
    shown: Box | None = None


@dataclass(frozen=True)
class Workplace:
    """What a worker loads once.

    Attributes:
        labelled, apart: thumbnails of photos that voters know with their labels, and of those that are to be left out.
    """

    voters: list[Voter]
    source: Source
    labelled: Thumbnails
    apart: Thumbnails


def shards_of(source: Source) -> Iterator[PhotoShard]:
    """The photos of a source in shards."""
    files = list(source.sizes)
    for first, part in in_shards(list(zip(sample_names(files), files, strict=True))):
        yield PhotoShard(first, part)


def sample_names(files: Sequence[str]) -> list[str]:
    """A name for the sample of every photo: its file's without suffix, with its folders where others have that too.

    Names differ in more than upper and lower case, and can be names of files.

    >>> sample_names(["a/one.jpg", "a/two.jpg", "b/two.jpg", "b/two.png"])
    ['one', 'a_two', 'b_two', 'b_two-2']
    """
    stems = [file_name(PurePosixPath(file).stem) for file in files]
    counts = Counter(map(alike, stems))
    taken = {stem for stem in counts if counts[stem] == 1}
    names = []
    for file, stem in zip(files, stems, strict=True):
        name = stem if counts[alike(stem)] == 1 else untaken(with_folders(file, stem), taken)
        taken.add(alike(name))
        names.append(name)
    return names


def file_name(text: str) -> str:
    """As a part of a file's name that can be written anywhere."""
    return UNFIT.sub("_", printable(text))


def with_folders(file: str, stem: str) -> str:
    longer = "_".join([*map(file_name, PurePosixPath(file).parts[:-1]), stem])
    return longer if len(longer.encode()) <= LONGEST else stem[:SHORT]


def untaken(name: str, taken: Collection[str]) -> str:
    """The name, or the first of NAME-2, NAME-3, … that nobody has."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(text for text in itertools.chain([name], numbered) if alike(text) not in taken)


def make_shard(shard: PhotoShard, context: PhotoContext) -> list[Record]:
    """Make the shard and return a record for each of its photos."""
    here = loaded(context)
    photos = framed(here.source, [file for _, file in shard.photos], context.voters[0])
    records = [described(photo, pair, here) for photo, pair in zip(photos, shard.photos, strict=True)]
    fresh = [index for index, record in enumerate(records) if LEFT_OUT not in record]
    usable = [photo for index in fresh if not isinstance(photo := photos[index], InputError)]
    tasks = {voter.task.name: voter.task for voter in here.voters}
    names = [shard.names[index] for index in fresh]
    made = context.output.write(shard.first, names, label_photos(here.voters, usable), tasks, NO_ATTRIBUTES)
    for index, record in zip(fresh, made, strict=True):
        records[index] |= record
    return records


def framed(
    source: Source, files: Sequence[str], card: VoterCard, *, enlarge: bool = False
) -> list[FramedPhoto | InputError]:
    """Photos as the voters see them; where one cannot be used, why."""

    def load(file: str) -> FramedPhoto | InputError:
        said = printable(file)
        try:
            image = decode_image(source.read(file), said, card.image_size)
            photo = frame_photo(image, card.image_size, card.framing, said, enlarge=enlarge)
        except InputError as error:
            return error
        return FramedPhoto(photo, part_shown((image.shape[0], image.shape[1]), card.image_size, card.framing))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(load, files))


def described(photo: FramedPhoto | InputError, pair: tuple[str, str], here: Workplace) -> Record:
    """The record of a photo: where it comes from and, where it is to be no sample, why."""
    record: Record = {"name": pair[0], "draw": {"photo": printable(pair[1])}}
    if isinstance(photo, InputError):
        return {**record, LEFT_OUT: "unusable", WHY: str(photo)}
    small = thumbnails(photo.image[None])
    if known(small, here.labelled).any():
        return {**record, LEFT_OUT: "labelled", WHY: "a copy of a photo whose labels are known already"}
    if known(small, here.apart).any():
        return {**record, LEFT_OUT: "apart", WHY: "a copy of a photo that is to be kept apart"}
    shown = {} if photo.shown is None else {SHOWN: list(photo.shown)}
    return {**record, **shown, CONTENT: hashlib.sha256(photo.image.tobytes()).hexdigest()}


def label_photos(voters: Sequence[Voter], photos: Sequence[FramedPhoto]) -> Iterator[LabelledSample]:
    """Photos with the labels of all voters, in order; where a photo does not fill its frame, nothing is said.

    All batches have the same size, the last one is filled up: so a sample depends on its photo alone.
    """
    tasks = [voter.task for voter in voters]
    together = batch_size((photos[0].image.shape[0], photos[0].image.shape[1])) if photos else 1
    for start in range(0, len(photos), together):
        batch = photos[start : start + together]
        filled = np.stack([photo.image for photo in [*batch, *[batch[-1]] * (together - len(batch))]])
        found = [voter.label(filled) for voter in voters]
        for photo, sample in zip(batch, samples_of(filled, found, tasks, len(batch)), strict=True):
            yield sample if photo.shown is None else cut_off(sample, tasks, photo.shown)


def load(context: PhotoContext) -> Workplace:
    """Voters and thumbnails.

    Raises:
        MismatchError: a voter has changed since the work began.
    """
    for card in context.voters:
        refuse_changed(card.folder, card.fingerprint, read_voter(card.folder, context.settings).fingerprint)
    return Workplace(
        [load_voter(card, context.settings) for card in context.voters],
        open_source(context.photos),
        np.concatenate([read_seen(card.folder) for card in context.voters]),
        read_thumbnails(context.out / APART),
    )


loaded = Once(load)
