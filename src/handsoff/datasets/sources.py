"""Unlabelled images: a folder or a zip of png, jpg and webp files, read in sorted order."""

import hashlib
import itertools
import json
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import disk_error
from handsoff.core.frames import Frame, Framing
from handsoff.core.images import IMAGE_SUFFIXES, decode_image
from handsoff.datasets.framing import frame_photo
from handsoff.jobs.progress import Progress
from handsoff.tasks import TASKS

MAX_BROKEN = 0.05
MAX_BYTES = 2**32  # of one file: what a zip declares is not believed beyond that
CHUNK = 256  # images decoded ahead of the one being written: all of them would pile up in memory


@dataclass(frozen=True)
class Source:
    """Files in a folder or zip, by their path inside it (posix, sorted).

    Attributes:
        notes: what was left out of the listing and the user should know of, a sentence each, with numbers.
    """

    path: Path
    sizes: dict[str, int]
    archive: zipfile.ZipFile | None = None
    notes: tuple[str, ...] = ()

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            InputError: it cannot be read.
        """
        if self.sizes[name] > MAX_BYTES:
            raise InputError(
                f"{self.path}: {name} declares {self.sizes[name]:,} bytes, more than {MAX_BYTES:,}: split it "
                f"or leave it out."
            )
        try:
            return self.archive.read(name) if self.archive else (self.path / name).read_bytes()
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise InputError(f"{self.path}: {name} cannot be read ({error}): replace it.") from None

    def json(self, name: str) -> Any:
        """The content of a JSON file, None if there is no such file.

        Raises:
            InputError: it is not JSON.
        """
        if name not in self.sizes:
            return None
        try:
            return json.loads(self.read(name))
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path / name} is not a text in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8 "
                "(older tools on Windows write other encodings, such as GBK)."
            ) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.path / name} is not valid JSON ({error}): correct it.") from None

    def describe(self) -> dict[str, str]:
        """Path and fingerprint (names and sizes), for a report."""
        digest = hashlib.sha256(
            "\n".join(f"{name}\t{size}" for name, size in self.sizes.items()).encode(errors="surrogateescape")
        ).hexdigest()
        return {"path": str(self.path.resolve()), "fingerprint": digest}


def open_source(path: Path) -> Source:
    """List a folder (recursively) or a zip; hidden files and macOS resource forks are left out.

    Raises:
        InputError: there is no such folder or zip, or the zip is damaged.
    """
    if path.is_dir():
        sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in path.rglob("*") if file.is_file()}
        archive = None
    elif not path.exists():
        raise InputError(f"{path} does not exist: give a folder or a zip of images.")
    else:
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise InputError(f"{path} is neither a folder nor a readable zip ({error}).") from None
        sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    for name in sizes:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise InputError(f"{path} holds the path {name!a}, which leads out of it: make the zip again.")
    visible = {
        name: sizes[name]
        for name in sorted(sizes)
        if not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
    }
    return Source(path, visible, archive)


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
        return any(folder.name in labels and folder.with_name("images") in folders for folder in file.parents)

    names = [
        name
        for name in source.sizes
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and not is_label(PurePosixPath(name))
    ]
    if not names:
        raise InputError(f"{source.path} holds no images: give a folder or zip with png, jpg or webp files.")
    return names


def load_photos(source: Source, frame: Frame, cache: Path, framing: Framing = "crop") -> Iterator[Progress]:
    """Decode every image of `source` to the frame into the memory-mapped file `cache` (uint8 [N, H, W, 3]).

    Broken and too small files are named and skipped. A finished cache is used as it is.

    Raises:
        InputError: no images, or more than 5 % of them cannot be used.
    """
    if cache.is_file():
        return
    names = image_names(source)

    def load(name: str) -> UInt8[np.ndarray, "h w 3"] | InputError:
        try:
            return frame_photo(decode_image(source.read(name), name), frame, framing, name)
        except InputError as error:
            return error

    partial = cache.with_suffix(".part")
    broken: list[InputError] = []
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file, ThreadPoolExecutor() as pool:
            chunks = (pool.map(load, names[start : start + CHUNK]) for start in range(0, len(names), CHUNK))
            for index, result in enumerate(itertools.chain.from_iterable(chunks), start=1):
                if isinstance(result, InputError):
                    broken.append(result)
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


def refuse_too_many(broken: list[InputError], total: int, source: Source) -> None:
    """Stop as soon as more than 5 % of all files are known to be unusable."""
    if len(broken) > MAX_BROKEN * total:
        raise InputError(
            f"More than {MAX_BROKEN:.0%} of the {total} images in {source.path} cannot be used. The first: {broken[0]}"
        )


def map_photos(cache: Path, frame: Frame) -> UInt8[np.ndarray, "n h w 3"]:
    """The decoded images, mapped from disk: they take no memory of their own."""
    return np.memmap(cache, np.uint8, "r").reshape(-1, *frame, 3)
