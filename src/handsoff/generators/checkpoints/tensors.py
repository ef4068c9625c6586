"""What a checkpoint may hold: tensors, arrays, plain containers, and network objects as records of their attributes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from handsoff.generators.checkpoints.bounds import RefusedError
from handsoff.generators.checkpoints.machine import Call, Symbol, shown

STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
ARRAYS = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"})  # numpy's names of what torch has too
MAX_DIMENSIONS, MAX_SIDE = 8, 2**40


@dataclass
class Storage:
    """A flat array of `count` numbers, read only when needed, and then once."""

    dtype: torch.dtype
    count: int
    load: Callable[[], bytes | memoryview] | None = None

    @property
    def length(self) -> int:
        """Bytes."""
        return self.count * self.dtype.itemsize

    @cached_property
    def values(self) -> Tensor:
        data = self.load() if self.load else b""
        return torch.frombuffer(bytearray(data), dtype=self.dtype) if data else torch.empty(0, dtype=self.dtype)


def storage_of(identity: Any, where: str) -> tuple[str, Storage]:
    """The key and the storage, without its numbers, of torch's persistent id ("storage", type, key, device, count, …).

    Raises:
        RefusedError: it is none.
    """
    match identity:
        case ("storage", Symbol() as kind, str() | int() as key, _, int() as count, *_) if 0 <= count < MAX_SIDE:
            return str(key), Storage(storage_type(kind, where), count)
    raise RefusedError(f"{where} has a storage of an unknown form: the file is damaged, get it again.")


def storage_type(symbol: Symbol, where: str) -> torch.dtype:
    name = symbol.name.rsplit(".", 1)[-1] if symbol.name.startswith("torch.") else ""
    if name not in STORAGES:
        raise RefusedError(f"{where} holds numbers of the unknown type {shown(symbol)}.")
    return STORAGES[name]


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
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Call):
        return torch.from_numpy(array_of(value, where))
    if not isinstance(value, View):
        raise RefusedError(f"{where} is no tensor: this is not a generator that can be read.")
    if not (is_shape(value.size) and is_shape(value.stride) and is_shape((value.offset,))):
        raise RefusedError(f"{where} reaches beyond its data: the file is damaged, get it again.")
    last = value.offset + sum((length - 1) * step for length, step in zip(value.size, value.stride, strict=True))
    total = math.prod(value.size)
    if total and max(last + 1, total) > value.storage.count:
        raise RefusedError(f"{where} reaches beyond its data: the file is damaged, get it again.")
    if not total:
        return torch.empty(value.size, dtype=value.storage.dtype)
    return value.storage.values.as_strided(value.size, value.stride, value.offset).clone()


def is_shape(sides: Any) -> bool:
    """Whether it is a tuple of a few whole numbers that a tensor could have as its sides, strides or offset."""
    return (
        isinstance(sides, tuple)
        and len(sides) <= MAX_DIMENSIONS
        and all(isinstance(side, int) and 0 <= side < MAX_SIDE for side in sides)
    )


def array_of(call: Call, where: str) -> Shaped[np.ndarray, "..."]:
    """A numpy array from the state that numpy gives it: (version, shape, dtype, order, bytes)."""
    state = call.state
    if call.name != "ndarray" or not isinstance(state, tuple) or len(state) != 5:  # noqa: PLR2004  # as above
        raise RefusedError(f"{where} is no tensor: this is not a generator that can be read.")
    _, shape, kind, fortran, data = state
    dtype = dtype_of(kind, where)
    data = data.encode("latin-1") if isinstance(data, str) else data
    fits = isinstance(data, bytes | bytearray) and is_shape(shape) and math.prod(shape) * dtype.itemsize == len(data)
    if not fits:
        raise RefusedError(f"{where} has a shape that does not fit its data: the file is damaged, get it again.")
    array = np.frombuffer(bytes(data), dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("=")).copy()


def dtype_of(kind: Any, where: str) -> np.dtype:
    """A numpy dtype of numbers from ('f4', …) and its state (version, byte order, …)."""
    code = kind.args[0] if isinstance(kind, Call) and kind.name == "dtype" and kind.args else None
    if not isinstance(code, str) or code not in ARRAYS:
        raise RefusedError(f"{where} is an array of {shown(code)}, not of numbers.")
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "="
    return np.dtype((order if isinstance(order, str) and order in {"<", ">"} else "") + code)
