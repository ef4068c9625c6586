"""Checkpoint files: a plain pickle (NVIDIA's .pkl), torch's zip and torch's older stream (both .pt)."""

import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from handsoff.generators.checkpoints.bounds import Budget, RefusedError, one_sentence
from handsoff.generators.checkpoints.calls import Rules, rules
from handsoff.generators.checkpoints.machine import Machine
from handsoff.generators.checkpoints.tensors import Storage, storage_of

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch's older stream
PIECE = 2**20
ReadAt = Callable[[int, int], bytes | memoryview]  # offset and length → bytes


def read_checkpoint(path: Path) -> Any:
    """The content of a .pkl, .pt or .pth file as data; nothing in it is run.

    Raises:
        InputError: the file is missing or damaged, or asks for something that is not data.
    """
    with one_sentence(str(path)):
        budget = Budget.of_file(str(path), path.stat().st_size)
        allowed = rules(budget, lambda data: read_stream(io.BytesIO(data), from_memory(data, budget), budget, {}))
        if zipfile.is_zipfile(path):
            return read_zip(path, budget, allowed)
        with path.open("rb") as file:
            if is_stream(file):
                return read_stream(file, from_disk(path), budget, allowed)
            return Machine(allowed, None, budget).run(file)


def read_zip(path: Path, budget: Budget, allowed: Rules) -> Any:
    """torch.save since 1.6: NAME/data.pkl, and NAME/data/KEY for the numbers of each storage."""
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        mains = [name for name in sizes if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(mains) != 1:
            raise RefusedError(f"{path} is a zip, but none that torch.save wrote: give a checkpoint file.")
        if sum(sizes.values()) > budget.size // 2:
            raise RefusedError(f"{path} unpacks to far more than its size: this is no checkpoint.")
        root = mains[0].removesuffix("data.pkl")

        storages: dict[str, Storage] = {}  # each is read once, however many tensors are parts of it

        def persistent(identity: Any) -> Storage:
            key, found = storage_of(identity, str(path))
            storage = storages.setdefault(key, found)
            if sizes.get(f"{root}data/{key}") != storage.length:
                raise RefusedError(f"{path} has a storage whose size does not fit: the file is damaged, get it again.")
            storage.load = partial(read_entry, path, f"{root}data/{key}")
            return storage

        return Machine(allowed, persistent, budget).run(io.BytesIO(read_entry(path, mains[0])))


def read_entry(path: Path, name: str) -> bytes:
    """An entry of a zip, never more of it than it declares.

    Raises:
        RefusedError: it is packed in an unusual way, or longer or shorter than it declares.
    """
    with one_sentence(str(path)), zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(name)
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise RefusedError(f"{path} is packed in a way that torch.save does not use: get it again.")
        data = bytearray()
        with archive.open(entry) as file:
            while len(data) < entry.file_size and (piece := file.read(min(PIECE, entry.file_size - len(data)))):
                data += piece
        if len(data) != entry.file_size:
            raise RefusedError(f"{path} has an entry that is shorter than it says: the file is damaged, get it again.")
        return bytes(data)


def is_stream(file: io.BufferedIOBase) -> bool:
    """Whether the file is of torch's older format: whether it begins with its magic number, as a pickle."""
    head = file.read(64)
    file.seek(0)
    return MAGIC.to_bytes(10, "little") in head


def from_disk(path: Path) -> ReadAt:
    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return read


def from_memory(data: bytes, budget: Budget) -> ReadAt:
    def read(offset: int, length: int) -> memoryview:
        budget.spend(size=length)  # a file can have the same bytes read many times
        return memoryview(data)[offset : offset + length]

    return read


def read_stream(file: io.BufferedIOBase, read_at: ReadAt, budget: Budget, allowed: Rules) -> Any:
    """torch.save before 1.6: magic number, protocol, system, content, keys; then for each key its count and numbers."""
    where, storages = budget.where, dict[str, Storage]()

    def persistent(identity: Any) -> Storage:
        key, storage = storage_of(identity, where)
        return storages.setdefault(key, storage)

    if next_pickle(file, budget) != MAGIC or next_pickle(file, budget) != PROTOCOL:
        raise RefusedError(f"{where} is no stream that torch wrote: get it again.")
    next_pickle(file, budget)
    content = Machine(allowed, persistent, budget).run(file)
    keys = next_pickle(file, budget)
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise RefusedError(f"{where} lists no storages: the file is damaged, get it again.")
    if sorted(map(str, keys)) != sorted(storages):
        raise RefusedError(f"{where} lists other storages than it uses: the file is damaged, get it again.")
    for key in map(str, keys):
        storage, count = storages[key], int.from_bytes(file.read(8), "little")
        begin = file.tell()
        end = file.seek(0, io.SEEK_END)
        if count != storage.count or begin + storage.length > end:
            raise RefusedError(f"{where} ends too early: get it again.")
        file.seek(begin + storage.length)
        storage.load = partial(read_at, begin, storage.length)
    return content


def next_pickle(file: io.BufferedIOBase, budget: Budget) -> Any:
    """The value of the next pickle, which may hold plain values only."""
    return Machine({}, None, budget).run(file)
