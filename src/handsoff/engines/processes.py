"""Worker processes on this machine, one per core or GPU.

A worker that dies (the system kills what takes too much memory) takes one shard with it, which another worker computes
again. A worker ends at once when the process that asks has ended, however that was.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from handsoff.core.interrupts import stop_if_asked
from handsoff.engines.answers import answer, lost, result
from handsoff.engines.contract import C, R, S
from handsoff.engines.order import in_order

SPAWN = multiprocessing.get_context("spawn")  # forked processes cannot use a GPU, and inherit locks
ATTEMPTS = 3  # at a shard whose worker dies
MOMENT = 0.2  # seconds that are waited for a result before Ctrl-C is looked at


@dataclass(frozen=True)
class Place:
    """Where a worker computes.

    Attributes:
        device: what `--device` says, if anything.
        gpu: the only one that the worker sees, None for all.
        threads: of its own, on a CPU.
    """

    device: str | None
    gpu: str | None
    threads: int


@dataclass(frozen=True)
class Task:
    """A shard that is being computed, for the `attempt`th time."""

    number: int
    shard: Any
    attempt: int = 1


class Worker:
    """A process that computes one shard at a time."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(theirs, place), daemon=True)
        with interrupts_blocked():
            self.process.start()
        theirs.close()

    def kill(self) -> None:
        """End it whatever it does: files are whole or absent."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class ProcessEngine:
    """Computes in processes of this machine, which stay for all calls of `map` until `close`."""

    def __init__(self, workers: int | None = None) -> None:
        """Begin no process yet; `workers` of them at most, by default one per GPU or, where there is none, per core."""
        self.free = places(workers)
        self.idle: list[Worker] = []
        self.crew: Crew | None = None

    def map(self, function: Callable[[S, C], R], shards: Iterable[S], context: C) -> Iterator[R]:
        """As the contract says. A shard whose worker dies is computed again.

        Raises:
            HandsOffError: what the function raised, or a shard's workers died; the sentence names the shard.
            RuntimeError: the results of an earlier call are still being read.
        """
        if self.crew is not None and self.crew.works:
            raise RuntimeError("All workers belong to another map, which is not finished.")
        self.crew = Crew(self, function, context)
        return in_order(self.crew, shards)

    def close(self) -> None:
        """End the workers."""
        if self.crew is not None:
            self.crew.end()
        while self.idle:
            self.idle.pop().kill()


class Crew:
    """The workers of one `map`.

    Attributes:
        works: from the first shard until the last result was read or the rest is given up.
    """

    def __init__(self, engine: ProcessEngine, function: Callable[[Any, Any], Any], context: Any) -> None:
        self.engine, self.function, self.context = engine, function, context
        self.size = len(engine.free) + len(engine.idle)
        self.busy: dict[Connection, tuple[Worker, Task]] = {}
        self.works = False

    def begin(self, number: int, shard: Any) -> None:
        self.works = True
        self.give(Task(number, shard))

    def give(self, task: Task) -> None:
        """Have an idle worker, or a new one, compute a shard."""
        worker = self.engine.idle.pop() if self.engine.idle else Worker(self.engine.free.pop())
        self.busy[worker.pipe] = worker, task
        with suppress(BrokenPipeError):  # a dead worker: its pipe says so where answers are read
            worker.pipe.send((self.function, task.shard, self.context))

    def finished(self) -> Iterator[tuple[int, Any]]:
        stop_if_asked()
        for pipe in wait(list(self.busy), MOMENT):
            assert isinstance(pipe, Connection)  # noqa: S101  # for the type checker
            worker, task = self.busy[pipe]
            try:
                found = pipe.recv()
            except (EOFError, OSError):
                self.replace(worker, task)
                continue
            del self.busy[pipe]
            self.engine.idle.append(worker)
            yield task.number, result(found, task.shard)

    def replace(self, worker: Worker, task: Task) -> None:
        """Bury a dead worker, and have its shard computed again."""
        self.dismiss(worker)
        if task.attempt == ATTEMPTS:
            code = worker.process.exitcode or 0
            raise lost(task.shard, ATTEMPTS, f"signal {-code}" if code < 0 else f"exit code {code}")
        self.give(replace(task, attempt=task.attempt + 1))

    def dismiss(self, worker: Worker) -> None:
        del self.busy[worker.pipe]
        worker.process.join()
        worker.pipe.close()
        self.engine.free.append(worker.place)

    def end(self) -> None:
        self.works = False
        for worker, _ in list(self.busy.values()):
            worker.process.kill()
            self.dismiss(worker)


def places(workers: int | None) -> list[Place]:
    """A place for every worker; GPUs in turn, cores shared out."""
    from handsoff.core.device import best_device, chosen_device, gpus  # noqa: PLC0415  # brings torch along

    device = chosen_device()
    kind = best_device().type
    shared = gpus() if kind == "cuda" and device in {None, "cuda"} else []
    count = workers or len(shared) or (cores() if kind == "cpu" else 1)  # of one GPU, one
    threads = max(1, cores() // count)
    return [Place(device, shared[index % len(shared)] if shared else None, threads) for index in range(count)]


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """A process that is started within gets no Ctrl-C, not even while it starts: whoever asks for shards decides."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(pipe: Connection, place: Place) -> None:
    """The life of a worker: shards in, answers out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    settle(place)
    with suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(answer(*pipe.recv()))


def end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def settle(place: Place) -> None:
    """Compute there; before torch is loaded."""
    os.environ.setdefault("OMP_NUM_THREADS", str(place.threads))
    if place.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = place.gpu
    elif place.device is not None:
        from handsoff.core.device import use_device  # noqa: PLC0415  # brings torch along

        use_device(place.device)
