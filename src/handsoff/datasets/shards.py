"""Datasets in shards: what would be files of a folder lies in tar archives, in the folder itself or at a URL.

`shards.jsonl` says where. Its first line is {"url": where the shards lie, null = in the folder}, every other line
{"shard": its file, "files": {path in the folder format: [first byte, number of bytes]}}. Whoever reads such a folder
through `datasets.sources` sees the folder format.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import read_failure, write_lines
from handsoff.core.places import Place
from handsoff.core.urls import is_url

INDEX = "shards.jsonl"
Extents = dict[str, list[int]]  # path in the folder format → first byte and number of bytes


@dataclass(frozen=True)
class Shards:
    """The shards of a dataset.

    Attributes:
        folder: the dataset, which has the other files.
        place: where the shards are.
        files: path in the folder format → its shard, first byte and number of bytes.
    """

    folder: Path
    place: Place
    files: dict[str, tuple[str, int, int]]

    def read(self, name: str) -> bytes:
        """A file of the dataset, in a shard or not.

        Raises:
            InputError: it cannot be read.
            HandsOffError: the shards cannot be reached.
        """
        if name not in self.files:
            try:
                return (self.folder / name).read_bytes()
            except OSError as error:
                raise read_failure(f"{self.folder}: {name}", error) from None
        shard, start, size = self.files[name]
        data = self.place.read(shard, start, size)
        if data is None or len(data) != size:
            lacking = "is missing" if data is None else "is cut off"
            raise InputError(f"{self.place.where}/{shard} {lacking}, and {name} is in it: restore it.")
        return data


def url_of(folder: Path) -> str | None:
    """The URL at which the shards of a folder lie, None where they lie in it or there are none.

    Raises:
        InputError: `shards.jsonl` is damaged.
    """
    return next(entries_of(folder / INDEX), {}).get("url") if (folder / INDEX).is_file() else None


def find_shards(folder: Path) -> Shards | None:
    """The shards of a folder, None where it has none.

    Raises:
        InputError: `shards.jsonl` is damaged.
    """
    if not (folder / INDEX).is_file():
        return None
    files: dict[str, tuple[str, int, int]] = {}
    lines = entries_of(folder / INDEX)
    url = next(lines, {}).get("url")
    for entry in lines:
        files |= {name: (entry["shard"], start, size) for name, (start, size) in entry["files"].items()}
    return Shards(folder, Place(url or str(folder)), files)


def entries_of(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of an index.

    Raises:
        InputError: one is none, or there is none.
    """
    number = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not (is_head(entry) if number == 1 else is_entry(entry)):
                raise InputError(f"{file}, line {number} is damaged: restore the file or make the dataset again.")
            yield entry
    if not number:
        raise InputError(f"{file} is empty: restore the file or make the dataset again.")


def is_head(entry: Any) -> bool:
    match entry:
        case {"url": None}:
            return True
        case {"url": str(url)}:
            return is_url(url)
    return False


def is_entry(entry: Any) -> bool:
    """Whether a line names a shard that does not lie outside, and the extents of files."""
    match entry:
        case {"shard": str(shard), "files": dict(files)}:
            path = PurePosixPath(shard)
            inside = not path.is_absolute() and ".." not in path.parts
            return inside and all(map(is_extent, files.values()))
    return False


def is_extent(value: Any) -> bool:
    match value:
        case [int(start), int(size)]:
            return start >= 0 and size >= 0
    return False


def write_index(folder: Path, url: str | None, shards: Iterable[tuple[str, Extents]]) -> None:
    """Write `shards.jsonl`: where the shards lie, and of each its file and what is in it."""

    def lines() -> Iterator[str]:
        yield json.dumps({"url": url})
        for shard, files in shards:
            yield json.dumps({"shard": shard, "files": files}, ensure_ascii=False)

    write_lines(folder / INDEX, lines())
