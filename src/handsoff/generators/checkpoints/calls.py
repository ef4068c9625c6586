"""The functions that a checkpoint may call, each as a rule that gives the value as data."""

from collections.abc import Callable
from typing import Any

import numpy as np

from handsoff.generators.checkpoints.bounds import Budget
from handsoff.generators.checkpoints.machine import Call, is_key
from handsoff.generators.checkpoints.tensors import MAX_DIMENSIONS, Record, Storage, View, dtype_of, is_shape

Rules = dict[str, Callable[..., Any]]
ENCODINGS = ("latin1", "latin-1", "utf-8", "utf8", "ascii")


def view(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> View:
    shaped = is_shape(size) and is_shape(stride) and is_shape((offset,)) and len(size) == len(stride)
    if not isinstance(storage, Storage) or not shaped:
        raise TypeError("a tensor of an unknown form")
    return View(storage, offset, size, stride)


def persistent_object(meta: Any) -> Record:
    """NVIDIA's persistent objects: {"type", "version", "module_src", "class_name", "state"}; the source is not read."""
    if (
        not isinstance(meta, dict)
        or not isinstance(meta.get("class_name"), str)
        or not isinstance(meta.get("state"), dict)
    ):
        raise TypeError("a persistent object of an unknown form")
    return Record(meta["class_name"], meta["state"], nvidia=True)


def size(sides: Any = ()) -> tuple[int, ...]:
    found = tuple(sides) if isinstance(sides, list) and len(sides) <= MAX_DIMENSIONS else sides
    if not is_shape(found):
        raise TypeError("a size of no sides")
    return found


def call_of(name: str) -> Callable[..., Call]:
    return lambda *args: Call(name, args)


def number(kind: Any, data: Any) -> Any:
    """A numpy number as Python's."""
    dtype, raw = dtype_of(kind, "A number"), data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(raw, bytes | bytearray) or len(raw) != dtype.itemsize:
        raise TypeError("a number whose bytes do not fit")
    return np.frombuffer(bytes(raw), dtype)[0].item()


def array_from_buffer(data: Any, kind: Any, shape: Any, order: Any = "C", *_: Any) -> Call:
    """A numpy array as pickle's protocol 5 writes it."""
    return Call("ndarray", (), (1, shape, kind, order == "F", data))


class CopyingCalls:
    """The calls that copy what they are given, and so spend of what the file may cost."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def plain_dict(self, items: Any = ()) -> dict[Any, Any]:
        pairs = list(items.items()) if isinstance(items, dict) else items
        if not isinstance(pairs, list | tuple):
            raise TypeError("a dict of no items")
        self.budget.spend(steps=len(pairs))
        if not all(is_key(key) for key, _ in pairs):
            raise TypeError("a dict with other keys than names and numbers")
        return dict(pairs)

    def plain_set(self, items: Any = ()) -> set[Any]:
        if not isinstance(items, list | tuple):
            raise TypeError("a set of no items")
        self.budget.spend(steps=len(items))
        if not all(map(is_key, items)):
            raise TypeError("a set of other things than names and numbers")
        return set(items)

    def text_bytes(self, text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or not isinstance(encoding, str) or encoding not in ENCODINGS:
            raise TypeError("bytes in an unknown encoding")
        self.budget.spend(size=len(text))
        return text.encode(encoding)


def rules(budget: Budget, read_storage: Callable[[bytes], Any]) -> Rules:
    """Name → rule. `read_storage` reads the stream that a storage inside a plain pickle is."""
    copying = CopyingCalls(budget)
    found: Rules = {
        "torch._utils._rebuild_tensor": view,
        "torch._utils._rebuild_tensor_v2": view,
        "torch._utils._rebuild_parameter": lambda data, *_: data,
        "torch.storage._load_from_bytes": read_storage,
        "torch.Size": size,
        "torch.device": call_of("device"),
        "torch_utils.persistence._reconstruct_persistent_obj": persistent_object,
        "collections.OrderedDict": copying.plain_dict,
        "dnnlib.util.EasyDict": copying.plain_dict,
        "argparse.Namespace": call_of("Namespace"),
        "_codecs.encode": copying.text_bytes,
        "builtins.set": copying.plain_set,
        "__builtin__.set": copying.plain_set,
        "builtins.slice": call_of("slice"),
        "numpy.dtype": call_of("dtype"),
        "numpy.ndarray": call_of("ndarray"),
    }
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray._reconstruct"] = lambda *_: Call("ndarray", ())
        found[f"{core}.multiarray.scalar"] = number
        found[f"{core}.numeric._frombuffer"] = array_from_buffer
    return found
