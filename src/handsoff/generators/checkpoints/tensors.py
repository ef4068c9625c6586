"""What a checkpoint may hold: tensors, arrays, plain containers, and network objects as records of their attributes.

Three file formats are read: a plain pickle (NVIDIA's .pkl), torch's zip and torch's older stream (both .pt).
"""

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.machine import Call, Machine, RefusedError, Symbol

STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
ARRAY_KINDS = "fiub"  # numpy's dtype kinds: floats, integers, booleans
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch's older stream
MAX_BYTES = 16 * 2**30  # that one file may declare


@dataclass
class Storage:
    """A flat array of `count` numbers, read only when needed."""

    dtype: torch.dtype
    count: int
    load: Callable[[], bytes | memoryview] | None = None

    @property
    def length(self) -> int:
        """Bytes."""
        return self.count * self.dtype.itemsize

    def values(self) -> Tensor:
        data = self.load() if self.load else b""
        return torch.frombuffer(bytearray(data), dtype=self.dtype) if data else torch.empty(0, dtype=self.dtype)


@dataclass(frozen=True)
class View:
    """A tensor that is not read yet: a view of a storage. `tensor_of` makes it a torch tensor."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Record:
    """The attributes of an object of a network class. Source code that came with it is dropped unread.

    Attributes:
        nvidia: whether it was written by NVIDIA's code, which stores its own source in the file.
    """

    name: str
    attributes: dict[str, Any]
    nvidia: bool = False


def tensor_of(value: Any, where: str) -> Tensor:
    """A tensor, copied out of its storage.

    Raises:
        RefusedError: the value is no tensor, or its view reaches beyond its storage.
    """
    if isinstance(value, Call):
        return torch.from_numpy(array_of(value, where))
    if not isinstance(value, View):
        raise RefusedError(f"{where} is no tensor: this is not a generator that can be read.")
    flat = value.storage.values()
    last = value.offset + sum((length - 1) * step for length, step in zip(value.size, value.stride, strict=True))
    total = math.prod(value.size)
    if min((value.offset, *value.size, *value.stride)) < 0 or (total and last >= len(flat)) or total > len(flat):
        raise RefusedError(f"{where} reaches beyond its data: the file is damaged, get it again.")
    return (
        flat.as_strided(value.size, value.stride, value.offset).clone()
        if total
        else torch.empty(value.size, dtype=flat.dtype)
    )


def array_of(call: Call, where: str) -> Shaped[np.ndarray, "..."]:
    """A numpy array from the state that numpy gives it: (version, shape, dtype, order, bytes)."""
    state = call.state
    if call.name != "ndarray" or not isinstance(state, tuple) or len(state) != 5:  # noqa: PLR2004  # as above
        raise RefusedError(f"{where} is no tensor: this is not a generator that can be read.")
    _, shape, kind, fortran, data = state
    dtype = dtype_of(kind, where)
    data = data.encode("latin-1") if isinstance(data, str) else data
    if (
        not isinstance(data, bytes | bytearray)
        or not isinstance(shape, tuple)
        or math.prod(shape) * dtype.itemsize != len(data)
    ):
        raise RefusedError(f"{where} has a shape that does not fit its data: the file is damaged, get it again.")
    array = np.frombuffer(bytes(data), dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("=")).copy()


def dtype_of(kind: Any, where: str) -> np.dtype:
    """A numpy dtype of numbers from ('f4', …) and its state (version, byte order, …)."""
    code = kind.args[0] if isinstance(kind, Call) and kind.name == "dtype" and kind.args else None
    if not isinstance(code, str) or code[:1] not in ARRAY_KINDS or not code[1:].isdigit():
        raise RefusedError(f"{where} is an array of {code!r}, not of numbers.")
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "="
    return np.dtype(("" if order in {"|", "="} else str(order)) + code)


# --- rules: name → function that gives the value of a call of it


def view(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> View:
    if not isinstance(storage, Storage) or not all(isinstance(number, int) for number in (offset, *size, *stride)):
        raise TypeError("a tensor without a storage")
    return View(storage, offset, tuple(size), tuple(stride))


def persistent_object(meta: Any) -> Record:
    """NVIDIA's persistent objects: {"type", "version", "module_src", "class_name", "state"}; the source is not read."""
    if (
        not isinstance(meta, dict)
        or not isinstance(meta.get("class_name"), str)
        or not isinstance(meta.get("state"), dict)
    ):
        raise TypeError("a persistent object of an unknown form")
    return Record(meta["class_name"], meta["state"], nvidia=True)


def plain_dict(*args: Any) -> dict[Any, Any]:
    return dict(*args)


def text_bytes(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in {"latin1", "latin-1", "utf-8", "utf8", "ascii"}:
        raise TypeError("bytes in an unknown encoding")
    return text.encode(encoding)


def call_of(name: str) -> Callable[..., Call]:
    return lambda *args: Call(name, args)


def rules(where: str) -> dict[str, Callable[..., Any]]:
    """Every function that a checkpoint may call."""
    found: dict[str, Callable[..., Any]] = {
        "torch._utils._rebuild_tensor": view,
        "torch._utils._rebuild_tensor_v2": view,
        "torch._utils._rebuild_parameter": lambda data, *_: data,
        "torch.storage._load_from_bytes": lambda data: read_stream(io.BytesIO(data), from_memory(data), where),
        "torch.Size": lambda size=(): tuple(size),
        "torch.device": lambda *args: str(args),
        "torch_utils.persistence._reconstruct_persistent_obj": persistent_object,
        "collections.OrderedDict": plain_dict,
        "dnnlib.util.EasyDict": plain_dict,
        "argparse.Namespace": call_of("Namespace"),
        "_codecs.encode": text_bytes,
        "builtins.set": lambda items=(): set(items),
        "__builtin__.set": lambda items=(): set(items),
        "builtins.slice": lambda *args: ("slice", *args),
        "numpy.dtype": call_of("dtype"),
        "numpy.ndarray": call_of("ndarray"),
    }
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray._reconstruct"] = lambda *_: Call("ndarray", ())
        found[f"{core}.multiarray.scalar"] = lambda kind, data: scalar(kind, data, where)
    return found


def scalar(kind: Any, data: Any, where: str) -> Any:
    dtype, raw = dtype_of(kind, where), text_bytes(data) if isinstance(data, str) else data
    if not isinstance(raw, bytes | bytearray) or len(raw) != dtype.itemsize:
        raise TypeError("a number whose bytes do not fit")
    return np.frombuffer(bytes(raw), dtype)[0].item()


def storage_type(symbol: Any, where: str) -> torch.dtype:
    name = symbol.name.rsplit(".", 1)[-1] if isinstance(symbol, Symbol) and symbol.name.startswith("torch.") else ""
    if name not in STORAGES:
        raise RefusedError(f"{where} holds numbers of the unknown type {getattr(symbol, 'name', symbol)!r}.")
    return STORAGES[name]


# --- file formats


def read_checkpoint(path: Path) -> Any:
    """The content of a .pkl, .pt or .pth file as data; nothing in it is run.

    Raises:
        InputError: the file is missing or damaged, or asks for something that is not data.
    """
    where = str(path)
    try:
        if zipfile.is_zipfile(path):
            return read_zip(path)
        with path.open("rb") as file:
            return (
                read_stream(file, from_disk(path), where)
                if is_stream(file)
                else Machine(rules(where), None, where).run(file)
            )
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): give a checkpoint file.") from None


def read_zip(path: Path) -> Any:
    """torch.save since 1.6: NAME/data.pkl, and NAME/data/KEY for the numbers of each storage."""
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            (main,) = [name for name in sizes if name == "data.pkl" or name.endswith("/data.pkl")]
            if sum(sizes.values()) > min(MAX_BYTES, 2 * path.stat().st_size + 2**20):
                raise RefusedError(f"{where} unpacks to far more than its size: this is no checkpoint.")
            root = main.removesuffix("data.pkl")

            def persistent(identity: Any) -> Storage:
                kind, symbol, key, _, count = identity
                storage = Storage(storage_type(symbol, where), count, in_zip(path, f"{root}data/{key}"))
                if kind != "storage" or sizes[f"{root}data/{key}"] != storage.length:
                    raise RefusedError(
                        f"{where} has a storage {key} whose size does not fit: the file is damaged, get it again."
                    )
                return storage

            return Machine(rules(where), persistent, where).run(io.BytesIO(archive.read(main)))
    except (zipfile.BadZipFile, ValueError, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise RefusedError(
            f"{where} is damaged or no checkpoint ({type(error).__name__}: {str(error)[:100]}): get it again."
        ) from None


def in_zip(path: Path, name: str) -> Callable[[], bytes]:
    def load() -> bytes:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)

    return load


def is_stream(file: io.BufferedIOBase) -> bool:
    """Whether the file is of torch's older format: whether it begins with its magic number, as a pickle."""
    head = file.read(64)
    file.seek(0)
    return MAGIC.to_bytes(10, "little") in head


ReadAt = Callable[[int, int], bytes | memoryview]  # offset and length → bytes


def from_disk(path: Path) -> ReadAt:
    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return read


def from_memory(data: bytes) -> ReadAt:
    return lambda offset, length: memoryview(data)[offset : offset + length]


def read_stream(file: io.BufferedIOBase, read_at: ReadAt, where: str) -> Any:
    """torch.save before 1.6: magic number, protocol, system, content, keys; then for each key its count and numbers."""
    storages: dict[str, Storage] = {}

    def persistent(identity: Any) -> Storage:
        kind, symbol, key, _, count, *_ = identity
        if kind != "storage" or not isinstance(count, int) or not 0 <= count <= MAX_BYTES:
            raise RefusedError(f"{where} has a storage of an unknown form: the file is damaged, get it again.")
        return storages.setdefault(str(key), Storage(storage_type(symbol, where), count))

    if next_pickle(file, where) != MAGIC or next_pickle(file, where) != PROTOCOL:
        raise RefusedError(f"{where} is no stream that torch wrote: get it again.")
    next_pickle(file, where)
    content = Machine(rules(where), persistent, where).run(file)
    keys = next_pickle(file, where)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise RefusedError(f"{where} lists other storages than it uses: the file is damaged, get it again.")
    for key in map(str, keys):
        storage, count = storages[key], int.from_bytes(file.read(8), "little")
        begin = file.tell()
        if count != storage.count or file.seek(storage.length, io.SEEK_CUR) > file.seek(0, io.SEEK_END):
            raise RefusedError(f"{where} ends too early: get it again.")
        file.seek(begin + storage.length)
        storage.load = partial(read_at, begin, storage.length)
    return content


def next_pickle(file: io.BufferedIOBase, where: str) -> Any:
    """The value of the next pickle, which may hold plain values only."""
    return Machine({}, None, where).run(file)
