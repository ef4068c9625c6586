"""Folders and zips of files, and the unlabelled images in them, read in sorted order."""

import hashlib
import itertools
import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import disk_error, parse_json, read_failure, sha256
from handsoff.core.frames import Frame, Framing
from handsoff.core.images import IMAGE_SUFFIXES, READABLE, decode_image
from handsoff.core.reviewed import Use
from handsoff.datasets.archives import PIECE, Archive, is_hidden, open_archive
from handsoff.datasets.corrections import Corrections, find_corrections, is_corrections
from handsoff.datasets.framing import frame_photo
from handsoff.datasets.shards import Shards, find_shards
from handsoff.jobs.ledger import fits, read_entry, write_entry
from handsoff.jobs.progress import Progress
from handsoff.tasks import TASKS

MAX_BROKEN = 0.05
MAX_BYTES = 2**32  # of one file: what a zip declares is not believed beyond that
NAMED_KINDS = 4  # of files, in a sentence
CHUNK = 256  # images decoded ahead of the one being written: all of them would pile up in memory


@dataclass(frozen=True)
class Source:
    """Files in a folder or zip, by their path inside it (posix, sorted).

    Attributes:
        notes: what was left out of the listing and the user should know of, a sentence each, with numbers.
        corrections: what a person corrected, to be applied to its labels; its files are not among those listed.
    """

    path: Path
    sizes: dict[str, int]
    archive: Archive | Shards | None = None
    notes: tuple[str, ...] = ()
    corrections: Corrections | None = None

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            InputError: it cannot be used as it is.
            HandsOffError: it is gone, or its disk or network is.
        """
        if name not in self.sizes:
            raise HandsOffError(f"{self.path}: {name} is no longer there: restore it, then run the same command again.")
        if self.sizes[name] > MAX_BYTES:
            raise InputError(
                f"{self.path}: {name} declares {self.sizes[name]:,} bytes, more than {MAX_BYTES:,}: split it "
                f"or leave it out."
            )
        if self.archive:
            return self.archive.read(name)
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise read_failure(f"{self.path}: {name}", error) from None

    def json(self, name: str) -> Any:
        """The content of a JSON file, None if there is no such file.

        Raises:
            InputError: it is not JSON.
        """
        if name not in self.sizes:
            return None
        return parse_json(self.read(name), str(self.path / name))

    def describe(self) -> dict[str, str]:
        """Path and fingerprint (names, sizes and contents, the same in a folder and a zip), for a report."""
        marks = self.checksums()
        lines = [f"{name}\t{size}\t{mark}" for (name, size), mark in zip(self.sizes.items(), marks, strict=True)]
        digest = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
        return {"path": str(self.path.resolve()), "fingerprint": digest}

    def checksums(self) -> list[int | None]:
        """CRC-32 of every file's content, which a zip states; None where a file cannot be read.

        Raises:
            HandsOffError: the disk or network of a file is gone.
        """
        if isinstance(self.archive, Archive):
            return [self.archive.entries[name].CRC for name in self.sizes]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(self.checksum, self.sizes))

    def checksum(self, name: str) -> int | None:
        try:
            if self.archive:
                return zlib.crc32(self.archive.read(name))
            file = self.path / name
            return checksum_of(file, file.stat().st_mtime_ns, self.sizes[name])
        except InputError:
            return None  # whoever needs the file says so
        except OSError as error:
            failure = read_failure(f"{self.path}: {name}", error)
            if isinstance(failure, InputError):
                return None
            raise failure from None

    def describe_corrected(self) -> dict[str, str]:
        """The same of a labelled dataset: corrections that change it change its fingerprint.

        Raises:
            InputError: a correction cannot be read.
        """
        found = self.describe()
        if self.corrections is not None:
            both = found["fingerprint"] + self.corrections.fingerprint()
            found["fingerprint"] = hashlib.sha256(both.encode()).hexdigest()
        return found


@lru_cache(maxsize=2**18)  # the steps of a run ask for the same photos
def checksum_of(file: Path, changed: int, size: int) -> int:  # noqa: ARG001  # when, and how large: of the same file
    """CRC-32 of a file as it was then."""
    with file.open("rb") as data:
        return reduce(lambda mark, piece: zlib.crc32(piece, mark), iter(lambda: data.read(PIECE), b""), 0)


def open_source(path: Path, corrections: Use | None = None) -> Source:
    """List a folder (recursively, also through links) or a zip; hidden files and resource forks are left out.

    Args:
        path: the folder or zip.
        corrections: what to do with the corrections beside it: apply them, unless this says "ignore" or "only".

    Raises:
        InputError: there is no such folder or zip, it is damaged, a link leads nowhere or in a circle, a folder
            cannot be read, or only corrected samples are asked for and there are no corrections.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in str(path.absolute())):
        raise InputError(f"The path {str(path)!a} is not valid UTF-8: rename its folders.")
    if not path.exists():
        raise InputError(f"{path} does not exist: give a folder or a zip of images.")
    if not path.is_dir():
        archive = open_archive(path)
        sizes = {name: archive.entries[name].file_size for name in sorted(archive.entries)}
        return Source(path, sizes, archive, archive.notes, find_corrections(path, corrections))
    found, shards = dict(files_in(path, "", (os.path.realpath(path),))), find_shards(path)
    if shards is not None:
        tars = {shard for shard, _, _ in shards.files.values()}
        inside = {name: size for name, (_, _, size) in shards.files.items()}
        found = {name: size for name, size in found.items() if name not in tars} | inside
    return Source(path, dict(sorted(found.items())), shards, corrections=find_corrections(path, corrections))


def files_in(folder: Path, prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Path inside and size of every file that is neither hidden nor part of corrections; links are followed.

    Args:
        folder: where to look.
        prefix: its path inside the source, "" or "FOLDER/".
        above: where it and the folders that lead to it really lie.

    Raises:
        InputError: a link leads nowhere or to a folder above it, or a folder cannot be read.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}): change its permissions or remove it.") from None
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if is_hidden(entry.name):
            continue
        try:
            if entry.is_dir():
                real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(above[-1], entry.name)  # noqa: PTH118  # strings, of many folders
                if real in above:
                    raise InputError(f"{entry.path} is a link to a folder that holds it: remove the link.")
                if is_corrections(Path(entry.path)):
                    continue
                yield from files_in(Path(entry.path), f"{name}/", (*above, real))
            elif entry.is_file():
                yield name, entry.stat().st_size
            elif entry.is_symlink():
                raise InputError(f"{entry.path} is a link that leads nowhere: restore its target or remove the link.")
        except OSError as error:
            raise InputError(f"{entry.path} cannot be read ({error.strerror}): restore or remove it.") from None


def label_folders() -> set[str]:
    """Names of folders that hold labels, or what was found out about them."""
    locations = (location for task in TASKS.values() for location in task.locations)
    return {"uncertainty", *(location.folder for location in locations if location.suffixes)}


def image_names(source: Source) -> list[str]:
    """The images among the files; of a labelled dataset, what lies beside `images/` as labels is none.

    Raises:
        InputError: there are none.
    """
    labels = label_folders()
    folders = {parent for name in source.sizes for parent in PurePosixPath(name).parents}

    def is_label(file: PurePosixPath) -> bool:
        named = (folder for folder in file.parents if folder.name in labels or folder.name.startswith("uncertainty-"))
        return any(folder.with_name("images") in folders for folder in named)

    names = [
        name
        for name in source.sizes
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and not is_label(PurePosixPath(name))
    ]
    if not names:
        kinds = kinds_of(source.sizes)
        held = f" ({kinds})" if kinds else ""
        raise InputError(f"{source.path} holds no images{held}: give a folder or zip with {READABLE} files.")
    return names


def printable(name: str) -> str:
    """A file's name for a sentence: bytes that are no UTF-8 are written out, for no terminal can show them."""
    return name.encode("utf-8", "backslashreplace").decode()


def kinds_of(files: Collection[str]) -> str:
    """How many files there are of which suffix, the most frequent first, for a sentence: 10 .heic, 2 .txt."""
    kinds = Counter(
        printable(PurePosixPath(file).suffix.lower() or PurePosixPath(file).name) for file in files
    ).most_common()
    others = sum(count for _, count in kinds[NAMED_KINDS:])
    named = [f"{count:,} {kind}" for kind, count in kinds[:NAMED_KINDS]]
    return ", ".join([*named, f"{others:,} others"] if others else named)


def load_photos(source: Source, frame: Frame, cache: Path, framing: Framing = "crop") -> Iterator[Progress]:
    """Decode every image of `source` to the frame into the memory-mapped file `cache` (uint8 [N, H, W, 3]).

    Broken and too small files are named and skipped. A finished cache is used as it is, unless it is damaged.

    Raises:
        InputError: no images, or more than 5 % of them cannot be used.
    """
    stamp = read_entry(stamp_of(cache))
    if stamp is not None and fits(cache, *stamp[:2]):
        return
    names = image_names(source)

    def load(name: str) -> UInt8[np.ndarray, "h w 3"] | InputError:
        try:
            said = printable(name)
            return frame_photo(decode_image(source.read(name), said, frame), frame, framing, said)
        except InputError as error:
            return error

    partial = cache.with_suffix(".part")
    broken: list[InputError] = []
    skipped: list[str] = []
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file, ThreadPoolExecutor() as pool:
            chunks = (pool.map(load, names[start : start + CHUNK]) for start in range(0, len(names), CHUNK))
            for index, result in enumerate(itertools.chain.from_iterable(chunks), start=1):
                if isinstance(result, InputError):
                    broken.append(result)
                    skipped.append(names[index - 1])
                    refuse_too_many(broken, len(names), source)
                else:
                    file.write(result.tobytes())
                if index % 200 == 0 or index == len(names):
                    note = f"skipped {len(broken)}, the last one: {broken[-1]}" if broken else ""
                    yield Progress("reading images", index, len(names), note)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise disk_error(cache, error) from error
    except HandsOffError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(cache)
    write_entry(stamp_of(cache), (cache.stat().st_size, sha256(cache), skipped))


def loaded_names(source: Source, cache: Path) -> list[str]:
    """The images that a finished cache holds, in its order."""
    skipped = set(read_entry(stamp_of(cache))[2])
    return [name for name in image_names(source) if name not in skipped]


def skipped_photos(cache: Path) -> list[str]:
    """The images that a finished cache does not hold, broken or too small, as a sentence or a report can name them."""
    return [printable(name) for name in read_entry(stamp_of(cache))[2]]


def stamp_of(cache: Path) -> Path:
    """Where size and hash of a finished cache lie, and which images were skipped."""
    return cache.with_suffix(".json")


def forget_photos(cache: Path) -> None:
    """Remove a cache."""
    stamp_of(cache).unlink(missing_ok=True)
    cache.unlink(missing_ok=True)


def refuse_too_many(broken: list[InputError], total: int, source: Source) -> None:
    """Stop as soon as more than 5 % of all files are known to be unusable."""
    if len(broken) > MAX_BROKEN * total:
        raise InputError(
            f"More than {MAX_BROKEN:.0%} of the {total} images in {source.path} cannot be used. The first: {broken[0]}"
        )


def map_photos(cache: Path, frame: Frame) -> UInt8[np.ndarray, "n h w 3"]:
    """The decoded images, mapped from disk: they take no memory of their own."""
    return np.memmap(cache, np.uint8, "r").reshape(-1, *frame, 3)
