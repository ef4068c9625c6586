"""Several GPUs through torchrun: every process takes its share of the batch, gradients are averaged."""

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from handsoff.core.device import best_device, use_gpu
from handsoff.core.errors import HandsOffError
from handsoff.core.interrupts import asked

TORCHRUN = ("LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what it tells every process beside RANK
PATIENCE = timedelta(days=1)  # the first process alone reads and decodes all photos, while the others wait


def join() -> tuple[int, int]:
    """(rank, world size); joins the process group when started by torchrun.

    Raises:
        HandsOffError: something else than torchrun says which process this is, and not all that is needed.
    """
    if "RANK" not in os.environ:
        return 0, 1
    missing = [name for name in TORCHRUN if name not in os.environ]
    if missing:
        raise HandsOffError(
            f"The environment has RANK, as of one process of several, and lacks {', '.join(missing)}: start them with "
            "torchrun, or unset RANK to train in one process."
        )
    use_gpu(int(os.environ["LOCAL_RANK"]))
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if best_device().type == "cuda" else "gloo", timeout=PATIENCE)
    return distributed.get_rank(), distributed.get_world_size()


def processes() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def barrier() -> None:
    if distributed.is_initialized():
        distributed.barrier()


def meet(*, over: bool = False, left: bool = False) -> bool:
    """Wait for all processes, none of which is within a step; whether any of them says that the work is `over`.

    A process that was asked to stop, or that has `left`, ends the work of all: they leave it together.

    Raises:
        KeyboardInterrupt: there is such a process.
    """
    found = torch.tensor([over, left or bool(asked)], dtype=torch.float32, device=best_device())
    if distributed.is_initialized():
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
    if found[1]:
        raise KeyboardInterrupt
    return bool(found[0])


def leave() -> None:
    """Tell the processes that wait in `meet` that this one ends its work."""
    with suppress(KeyboardInterrupt):
        meet(left=True)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Mean of the gradients over all processes, in one message."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not distributed.is_initialized():
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def mean_everywhere(value: Tensor) -> Tensor:
    """The mean of `value` over all processes."""
    if distributed.is_initialized():
        distributed.all_reduce(value)
        value = value / distributed.get_world_size()
    return value


def variance_everywhere(values: Tensor) -> Tensor:
    """The variance of the numbers of all processes, which have equally many."""
    if not distributed.is_initialized():
        return values.var()
    mean = mean_everywhere(values.mean())
    count = values.numel() * distributed.get_world_size()
    return mean_everywhere((values - mean).square().mean()) * count / (count - 1)
