"""A cluster of Ray: every shard is a task, computed wherever there is room.

Ray computes the shards of a worker or machine that is lost again elsewhere. All machines must have the same HandsOff
and see inputs and output under the same paths.
"""

import os
import platform
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from handsoff.core.device import chosen_device
from handsoff.core.errors import HandsOffError
from handsoff.core.interrupts import stop_if_asked
from handsoff.engines.answers import Failure, answer, lost, named, result
from handsoff.engines.contract import C, R, S
from handsoff.engines.order import in_order
from handsoff.engines.processes import ATTEMPTS, MOMENT, cores

STORE_BYTES = 2**27  # of shared memory on a local cluster: shards and answers are small


class RayEngine:
    """Computes in the tasks of a Ray cluster, from its making until `close`."""

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        """Do nothing yet: the cluster is joined, or begun on this machine, when there is work.

        Args:
            workers: shards computed at once; by default one per GPU of the cluster or, where there is none, per core.
            address: of the cluster, "auto" for the one that this machine belongs to; without it and without the
                variable RAY_ADDRESS a cluster of this machine alone is begun.

        Raises:
            HandsOffError: Ray is not installed.
        """
        self.ray, self.workers = library(), workers
        self.address = address or os.environ.get("RAY_ADDRESS") or "local"
        self.size, self.on_gpu = 0, False

    def join(self) -> None:
        """Join the cluster, or begin one.

        Raises:
            HandsOffError: it cannot be reached, or one certain GPU is chosen.
        """
        if chosen_device() not in {None, "cuda", "cpu"}:
            raise HandsOffError(
                f"The engine ray gives every worker a GPU of its own, not {chosen_device()}: "
                "choose --device cuda or cpu, or another engine."
            )
        begun = {"num_cpus": self.workers or cores(), "object_store_memory": STORE_BYTES, "include_dashboard": False}
        own = begun if self.address == "local" else {}
        handler = signal.getsignal(signal.SIGTERM)
        try:
            self.ray.init(self.address, log_to_driver=False, logging_level="error", **own)
        except (OSError, RuntimeError, ValueError) as error:
            raise HandsOffError(f"The Ray cluster {self.address!r} cannot be joined ({first_line(error)}).") from None
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGTERM, handler)  # Ray's own would end this process within a step
        resources = self.ray.cluster_resources()
        self.on_gpu = chosen_device() in {None, "cuda"} and resources.get("GPU", 0) >= 1
        self.size = self.workers or max(1, int(resources.get("GPU" if self.on_gpu else "CPU", 1)))

    def map(self, function: Callable[[S, C], R], shards: Iterable[S], context: C) -> Iterator[R]:
        """As the contract says. A shard whose worker or machine is lost is computed again.

        Raises:
            HandsOffError: the cluster cannot be reached, what the function raised, or a shard's workers died; then the
                sentence names the shard.
        """
        if not self.size:
            self.join()
        yield from in_order(Tasks(self, function, context), shards)

    def close(self) -> None:
        """Leave the cluster; one that was begun here ends."""
        if self.size:
            self.ray.shutdown()


class Tasks:
    """The tasks of one `map`."""

    def __init__(self, engine: RayEngine, function: Callable[[Any, Any], Any], context: Any) -> None:
        self.ray, self.size, self.function, self.context = engine.ray, engine.size, function, context
        room = {"num_cpus": 0, "num_gpus": 1} if engine.on_gpu else {"num_cpus": 1}
        self.answer = self.ray.remote(answer_in).options(max_retries=ATTEMPTS - 1, name="handsoff", **room)
        self.folder = str(Path.cwd())
        self.running: dict[Any, tuple[int, Any]] = {}

    def begin(self, number: int, shard: Any) -> None:
        self.running[self.answer.remote(self.folder, self.function, shard, self.context)] = number, shard

    def finished(self) -> Iterator[tuple[int, Any]]:
        stop_if_asked()
        done, _ = self.ray.wait(list(self.running), num_returns=1, timeout=MOMENT)
        for reference in done:
            number, shard = self.running.pop(reference)
            try:
                found = self.ray.get(reference)
            except self.ray.exceptions.RayTaskError as error:  # what the function raises is an answer
                raise HandsOffError(
                    f"{named(shard)} could not begin on a machine of the cluster ({error.cause}): install the same "
                    "version of HandsOff on all of them."
                ) from None
            except self.ray.exceptions.RayError as error:
                raise lost(shard, ATTEMPTS, first_line(error)) from None
            yield number, result(found, shard)

    def end(self) -> None:
        for reference in self.running:
            self.ray.cancel(reference, force=True)
        self.running.clear()


def answer_in(folder: str, function: Callable[[S, C], R], shard: S, context: C) -> R | Failure:
    """As `answer`, in the folder where the work was started: paths may be relative."""
    try:
        os.chdir(folder)
    except OSError as error:
        return Failure(
            HandsOffError,
            f"{folder}, where handsoff was started, cannot be entered on {platform.node()} ({error.strerror}): start "
            "it in a folder that all machines of the cluster see.",
        )
    return answer(function, shard, context)


def library() -> Any:
    """Ray itself, which then tells nobody that it is used.

    Raises:
        HandsOffError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415  # an extra
    except ImportError:
        raise HandsOffError("--engine ray needs Ray: pip install 'handsoff-labels[ray]'.") from None
    ray._private.worker.print_to_stdstream = unprinted  # noqa: SLF001  # there is no switch for it
    return ray


def unprinted(*_: object, **__: object) -> None:
    """Instead of Ray's reports about lost workers on standard output, which belongs to the command."""


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
