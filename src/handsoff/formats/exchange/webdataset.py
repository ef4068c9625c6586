"""WebDataset: tar shards, and the tasks' cards beside them.

In a shard, the files of a sample follow each other as KEY.jpg, KEY.mask.npy, …. Masks are arrays because the library's
decoders (pil, rgb, torchrgb, …) make colours of whatever is a picture. By the authors' description of the format, a key
ends at the first dot of the file's base name; dots in names are therefore written %2E (and % itself %25).
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Shaped

from handsoff.core.errors import InputError
from handsoff.core.files import parse_json, png, write_bytes
from handsoff.datasets.sources import MAX_BYTES, Source
from handsoff.formats.containers import declare_tasks, full_name, load_image_bytes, split_of, write_cards
from handsoff.formats.manifest import manifest_licence
from handsoff.formats.notes import counted
from handsoff.formats.samples import Dataset, Entry, LabelledImage, Writing
from handsoff.tasks import TASKS
from handsoff.tasks.base import Parse, Task

SHARD = "shard"  # the name of shards without a split
IMAGES = ("jpg", "jpeg", "webp", "png")  # the first one present is the image: beside a jpg, a png is the mask
BLOCK = 512
ARRAY = ".npy"
UNREADABLE = (tarfile.TarError, OSError, ValueError, EOFError, OverflowError, MemoryError, LookupError)


@dataclass(frozen=True)
class Member:
    """Where a file lies in a shard, in bytes."""

    shard: str
    start: int
    size: int


Members = dict[str, Member]  # extension in lower case → file of one sample
Reading = Callable[[Member], bytes]


def recognises(source: Source) -> bool:
    return any(PurePosixPath(file).suffix.lower() == ".tar" for file in source.sizes)


def read(source: Source) -> Dataset:
    """Every sample with an image must have labels of the same tasks; other files are skipped."""
    reading, shards = shard_access(source)
    index: dict[str, Members] = {}
    for shard in (file for file in source.sizes if PurePosixPath(file).suffix.lower() == ".tar"):
        with shards(shard) as file:
            collect(index, shard, tar_members(file, str(source.path / shard)), source)
    found = {name: image_and_labels(files) for name, files in sorted(index.items()) if image_and_labels(files)}
    kinds = [task for task in TASKS if any(task in files for files in found.values())]
    bare = [f"{name}.{extension}" for name, files in index.items() if name not in found for extension in files]
    dotted = [file for file in bare if "." in file.rpartition("/")[2].partition(".")[2] and file.endswith(IMAGES)]
    rule = f" (a key ends at the first dot, so {dotted[0]} is no image: rename it without dots)" if dotted else ""
    if not kinds:
        wanted = "call them KEY.jpg and KEY.mask.npy (or .png, KEY.keypoints.json, KEY.depth.npz)"
        raise InputError(f"{source.path} has tar shards, but no image with a label in them: {wanted}{rule}.")
    for name, files in found.items():
        missing = [task for task in kinds if task not in files]
        if missing:
            where = f"{source.path / files['image'].shard}: {name}"
            raise InputError(
                f"{where} has no label for {missing[0]}, as others have: add {extensions(missing[0])[0]} or remove "
                "the sample."
            )
    first = next(iter(found))
    example = {
        task: None
        if TASKS[task].locations[0].suffixes
        else TASKS[task].first_entry(*read_json_member(source, reading, found[first][task], first))
        for task in kinds
    }
    tasks, parses = declare_tasks(source, example)
    return Dataset(
        tuple(found),
        tasks,
        lambda name: read_image(source, reading, parses, found[name], name),
        manifest_licence(source),
        tuple(counted(source.path, len(index) - len(found), f"{{has}} no image, and {{is}} left out{rule}", "key")),
    )


def shard_access(source: Source) -> tuple[Reading, Callable[[str], io.BufferedIOBase]]:
    """Two functions: one reads a file of a shard, one opens a shard. Shards in a zip are cached, the last two."""
    kept, lock = lru_cache(maxsize=2)(source.read), Lock()

    def shard(file: str) -> io.BufferedIOBase:
        if source.archive is None:
            return (source.path / file).open("rb")
        with lock:
            return io.BytesIO(kept(file))

    def reading(member: Member) -> bytes:
        with shard(member.shard) as file:
            file.seek(member.start)
            return file.read(member.size)

    return reading, shard


def tar_members(file: io.BufferedIOBase, where: str) -> Iterator[tuple[str, int, int]]:
    """Name, start and size of every plain file in a tar archive.

    Raises:
        InputError: the archive is damaged, or cut off (it does not end in an empty block).
    """
    length, reached = file.seek(0, io.SEEK_END), -1
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.offset <= reached or not 0 <= member.size <= min(MAX_BYTES, length - member.offset_data):
                    raise ValueError(f"{member.name!a} declares {member.size:,} bytes")
                reached = member.offset
                if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and member.sparse is None:
                    yield member.name, member.offset_data, member.size
            file.seek(tar.offset)
            if file.read(BLOCK) != bytes(BLOCK):
                raise ValueError("its end is missing")
    except UNREADABLE as error:
        raise InputError(f"{where} is not a whole tar archive ({error}): copy it again.") from None


def collect(index: dict[str, Members], shard: str, found: Iterable[tuple[str, int, int]], source: Source) -> None:
    """Add the files of a shard to their samples.

    Raises:
        InputError: a file comes twice, or a key cannot be a file's name.
    """
    for path, start, size in found:
        folder, slash, base = path.removeprefix("./").rpartition("/")
        key, dot, extension = base.partition(".")
        if not key or not dot:
            continue
        name = full_name(name_of(f"{folder}{slash}{key}"), shard, SHARD)
        files = index.setdefault(name, {})
        if extension.lower() in files:
            both = f"{source.path / shard} and {source.path / files[extension.lower()].shard}"
            raise InputError(f"{path} is in the shards twice ({both}): give every sample a key of its own.")
        files[extension.lower()] = Member(shard, start, size)


def extensions(task: str) -> list[str]:
    return [
        f"{word}{suffix}" for word in TASKS[task].aliases for suffix in TASKS[task].locations[0].suffixes or (".json",)
    ]


def image_and_labels(files: Members) -> Members:
    """What a file holds ("image" or a task) → the file, of one sample; empty where there is no image."""
    image = next((extension for extension in IMAGES if extension in files), None)
    if image is None:
        return {}
    labels = {task: [extension for extension in extensions(task) if extension in files] for task in TASKS}
    for task, found in labels.items():
        found += [extension for extension in TASKS[task].bare if extension in files and extension != image]
    return {"image": files[image], **{task: files[found[0]] for task, found in labels.items() if found}}


def read_json_member(source: Source, reading: Reading, member: Member, name: str) -> tuple[Any, str]:
    """The content of a JSON file in a shard, and where it stands, for error messages.

    Raises:
        InputError: it is not valid JSON.
    """
    where = f"{source.path / member.shard}: {name}"
    return parse_json(reading(member), where), where


def read_image(source: Source, reading: Reading, parses: dict[str, Parse], files: Members, name: str) -> LabelledImage:
    where = f"{source.path / files['image'].shard}: {name}"
    photo = load_image_bytes(reading(files["image"]), name, where)
    labels = {}
    for kind, parse in parses.items():
        data = (
            reading(files[kind])
            if TASKS[kind].locations[0].suffixes
            else read_json_member(source, reading, files[kind], name)[0]
        )
        labels[kind] = parse(data, f"{where} ({kind})", photo.size)
    return LabelledImage(name, photo.image, labels, photo.file, photo.data)


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:
    """Writes one shard per part and split."""
    entries: list[Entry] = []
    shards: dict[str, TarBytes] = {}
    for sample in samples:
        shard = shards.setdefault(split_of(sample.name, SHARD), TarBytes())
        for file, data in sample_files(sample, writing.tasks):
            shard.add(file, data)
        entries.append({"name": sample.name})
    for split, shard in shards.items():
        write_bytes(out / f"{split}-{part:05d}.tar", shard.whole())
    return entries


class TarBytes:
    """A tar archive in memory; the same files give the same bytes."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # `whole` closes it

    def add(self, name: str, data: bytes) -> int:
        """Add a file; the place of its first byte."""
        member = tarfile.TarInfo(name)  # no owner, no time
        member.size = len(data)
        self.tar.addfile(member, io.BytesIO(data))
        return self.buffer.tell() - -(-len(data) // BLOCK) * BLOCK

    def whole(self) -> bytes:
        """All of it."""
        self.tar.close()
        return self.buffer.getvalue()


def sample_files(sample: LabelledImage, tasks: Mapping[str, Task]) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of a sample."""
    key = key_of(sample.name)
    yield (
        f"{key}{PurePosixPath(sample.file).suffix.lower() if sample.data else '.png'}",
        sample.data or png(sample.image),
    )
    for kind, label in sample.labels.items():
        suffix, data = suffix_of(tasks[kind]), tasks[kind].storage.serialise(label)
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        elif suffix == ARRAY:
            data = npy(label)
        yield f"{key}.{TASKS[kind].aliases[0]}{suffix}", data


def suffix_of(task: Task) -> str:
    """That of a task's labels in a shard; what others keep as pictures of numbers, such as masks, are arrays."""
    suffixes = task.locations[0].suffixes
    first = next(iter(suffixes), ".json")
    return ARRAY if first == ".png" and ARRAY in suffixes else first


def key_of(name: str) -> str:
    """A name as a key: without dots."""
    return name.replace("%", "%25").replace(".", "%2E")


def name_of(key: str) -> str:
    """The reverse."""
    return key.replace("%2E", ".").replace("%25", "%")


def npy(array: Shaped[np.ndarray, "..."]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:  # noqa: ARG001  # the shards say what they hold
    write_cards(out, writing.tasks)
