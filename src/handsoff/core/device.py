"""Where to compute and in which precision."""

import ctypes
import functools
import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import nn

from handsoff.core.errors import InputError

DEVICE = re.compile(r"(cpu|mps|cuda)|cuda:(\d{1,4})")
chosen: list[str] = []  # by `use_device`, at most one
exact: ContextVar[bool] = ContextVar("exact", default=False)  # whether `mixed_precision` does nothing
M = TypeVar("M", bound=nn.Module)


def use_device(name: str) -> None:
    """Compute there from now on, in this process.

    Args:
        name: "cpu", "cuda" (the current GPU), "cuda:N" or "mps".

    Raises:
        InputError: there is no such device.
    """
    found = DEVICE.fullmatch(str(name))
    if found is None:
        raise InputError(f"{name!r} is no device: choose one of cpu, cuda, cuda:N, mps.")
    kind, number = found[1] or "cuda", int(found[2] or 0)
    gpus = torch.cuda.device_count()
    if kind == "cuda" and number >= gpus:
        held = (
            f"GPUs 0 to {gpus - 1}" if gpus > 1 else "the GPU cuda:0 only" if gpus else "no CUDA GPU that PyTorch sees"
        )
        raise InputError(f"The device {name} does not exist: this machine has {held}.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("The device mps does not exist: this machine has no Apple GPU that PyTorch sees.")
    if found[2]:
        if "RANK" in os.environ:
            raise InputError(f"The device {name} cannot be chosen under torchrun, which gives each process its own.")
        torch.cuda.set_device(number)
    chosen[:] = [name]
    best_device.cache_clear()
    fast_dtype.cache_clear()


def chosen_device() -> str | None:
    """What `use_device` was told, None where it was told nothing: for other processes of the same work."""
    return chosen[0] if chosen else None


def gpus() -> list[str]:
    """The GPUs that this process sees, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(index) for index in range(count)]


@functools.cache
def best_device() -> torch.device:
    """What `use_device` chose; without it the GPU where there is one, else the CPU."""
    kind = chosen[0].partition(":")[0] if chosen else "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device("cuda", torch.cuda.current_device()) if kind == "cuda" else torch.device(kind)


def use_gpu(number: int) -> None:
    """Compute on this GPU from now on, where GPUs are used: of the processes of torchrun each has its own."""
    if best_device().type == "cuda":
        torch.cuda.set_device(number)
        best_device.cache_clear()
        fast_dtype.cache_clear()


def described() -> str:
    """Device and precision, for people."""
    device = best_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return f"{device} ({name}), {str(fast_dtype()).removeprefix('torch.')}"


@functools.cache
def fast_dtype() -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively (AMX, AVX512-BF16, any GPU we support), else float32."""
    kind = best_device().type
    if kind == "mps":
        return torch.float32
    if kind == "cuda" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported():  # noqa: SLF001  # torch offers no public test
        return torch.bfloat16
    return torch.float32


def on_device(module: M, dtype: torch.dtype | None = None) -> M:
    """The module on `best_device`, channels last in memory, as convolutions are fastest."""
    return module.to(best_device(), dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it


def mixed_precision() -> AbstractContextManager[None]:
    """Autocast to `fast_dtype` on `best_device`; does nothing where that is float32, or within `full_precision`."""
    dtype = torch.float32 if exact.get() else fast_dtype()
    return torch.autocast(best_device().type, dtype, enabled=dtype is not torch.float32)


@contextmanager
def full_precision() -> Iterator[None]:
    """Within, `mixed_precision` does nothing: networks that leave HandsOff compute in float32 everywhere."""
    token = exact.set(True)
    try:
        yield
    finally:
        exact.reset(token)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks: a seventh more images/s in training on a CPU.

    Does nothing where there is no glibc. Called once, by the command line.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(ctypes.c_int(-3), ctypes.c_int(2**30))  # M_MMAP_THRESHOLD
        mallopt(ctypes.c_int(-1), ctypes.c_int(2**31 - 1))  # M_TRIM_THRESHOLD
