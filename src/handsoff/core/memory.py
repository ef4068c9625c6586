"""How much memory a stretch of work takes at its peak."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PEAK = "VmHWM:"  # the process's largest resident size
MIB = 2**20


def forget_peak() -> None:
    """Begin a new stretch. Where the system cannot (it is not Linux), `peak_memory` is that of the whole process."""
    with suppress(OSError):
        RESET.write_text("5", encoding="ascii")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> dict[str, float]:
    """MiB at the peak since `forget_peak`: `ram_mib` of the process and, where there is a GPU, `gpu_mib`."""
    found = {"ram_mib": round(resident_peak() / MIB, 1)}
    if torch.cuda.is_available():
        found["gpu_mib"] = round(torch.cuda.max_memory_allocated() / MIB, 1)
    return found


def resident_peak() -> int:
    """Bytes."""
    with suppress(OSError, StopIteration, ValueError):
        line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(PEAK))
        return int(line.split()[1]) * 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
