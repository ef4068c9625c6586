"""Named tensors as safetensors files: sealed by a hash where that is wanted, and finite."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import write_bytes

SEAL = "sha256"  # in the header of a file: hash of its tensors


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, sealed: bool = False, gaps: Collection[str] = ()
) -> None:
    """Write named tensors as safetensors, atomically; `sealed` with a hash that `read_tensors` checks.

    Raises:
        HandsOffError: one is not finite, although it is none of `gaps`, in which NaN says that something is not known.
    """
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    wrong = not_finite(ready, gaps)
    if wrong:
        raise HandsOffError(
            f"{path} is not written: {wrong} would hold numbers that are not finite, what was learnt has diverged. "
            "Choose another output folder and lower rates (lr), or another seed."
        )
    write_bytes(path, save(ready, {SEAL: tensors_hash(ready)} if sealed else None))


def read_tensors(path: Path, prefix: str = "", gaps: Collection[str] = ()) -> dict[str, Tensor]:
    """Read the named tensors whose names begin with `prefix`; the others are not read.

    Raises:
        InputError: the file is missing, not safetensors, its tensors are not those that were sealed, or one that is
            none of `gaps` is not finite.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: the folder is not complete, make it again.")
    try:
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118  # no dict
            seal = (file.metadata() or {}).get(SEAL)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a valid safetensors file ({error}); make the folder again.") from None
    if seal is not None and not prefix and seal != tensors_hash(found):
        raise InputError(f"{path} is damaged (its tensors are not those that were written); make the folder again.")
    wrong = not_finite(found, gaps)
    if wrong:
        raise InputError(f"{path}: {wrong} holds numbers that are not finite: the file is damaged, make it again.")
    return found


def not_finite(tensors: Mapping[str, Tensor], gaps: Collection[str]) -> str | None:
    """The first tensor with numbers that are not finite; single numbers (a best score so far) may be infinite."""
    return next(
        (
            name
            for name, tensor in tensors.items()
            if name not in gaps and tensor.ndim and tensor.is_floating_point() and not bool(tensor.isfinite().all())
        ),
        None,
    )


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
