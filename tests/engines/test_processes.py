"""Worker processes: in order, surviving their workers, ending when they should."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.interrupts import asked
from handsoff.engines.contract import Engine
from handsoff.engines.processes import ATTEMPTS, ProcessEngine
from shards import Numbered, alive, attempts, fail, nothing, numbered, patient, refuse, square, wait_for


@pytest.fixture(scope="module")
def engine() -> Iterator[ProcessEngine]:
    with closing(ProcessEngine(2)) as made:
        yield made


def test_results_come_in_order_from_several_processes(engine: ProcessEngine, tmp_path: Path) -> None:
    assert isinstance(engine, Engine)
    found = list(engine.map(square, numbered(20), tmp_path))
    assert found == [tmp_path / f"{number}.txt" for number in range(20)]
    assert [int(file.read_text()) for file in found] == [number**2 for number in range(20)]
    assert sorted(number for number, _ in attempts(tmp_path)) == list(range(20))
    processes = {process for _, process in attempts(tmp_path)}
    assert os.getpid() not in processes
    assert processes <= {worker.process.pid for worker in engine.idle}, "workers stay"


def test_shards_are_begun_only_a_little_before_their_turn(engine: ProcessEngine) -> None:
    taken: list[int] = []

    def counted() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = engine.map(nothing, counted(), None)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(taken) <= 3 + 2 * 4


def test_a_shard_whose_worker_is_killed_is_computed_again(engine: ProcessEngine, tmp_path: Path) -> None:
    found = list(engine.map(square, numbered(5, _0=1, _3=ATTEMPTS - 1), tmp_path))
    assert [int(file.read_text()) for file in found] == [number**2 for number in range(5)]
    counts = [sum(number == other for other, _ in attempts(tmp_path)) for number in range(5)]
    assert counts == [2, 1, 1, ATTEMPTS, 1], "nothing lost, nothing twice"


def test_a_shard_that_always_kills_its_worker_is_named(engine: ProcessEngine, tmp_path: Path) -> None:
    with pytest.raises(HandsOffError, match=r"^shard 2 ended its worker 3 times \(signal 9\), as when memory is short"):
        list(engine.map(square, numbered(4, _2=99), tmp_path))
    assert list(engine.map(nothing, range(3), None)) == [0, 1, 2], "the engine goes on"


def test_errors_name_their_shard(engine: ProcessEngine) -> None:
    with pytest.raises(InputError, match=r"^shard 5: photo5.png is damaged: restore it\.$"):
        list(engine.map(refuse, [Numbered(5)], None))
    with pytest.raises(HandsOffError, match=r"^shard 6 failed in a worker \(ZeroDivisionError: division by") as caught:
        list(engine.map(fail, [Numbered(6)], None))
    assert "shards.py" in caught.value.__notes__[0]


def test_a_stop_ends_the_workers_within_their_shard(engine: ProcessEngine, tmp_path: Path) -> None:
    results = engine.map(patient, numbered(2), tmp_path)
    asked.append(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(results)
    finally:
        asked.clear()
    assert not engine.idle
    assert list(engine.map(nothing, range(3), None)) == [0, 1, 2]


DRIVER = """
import sys
from pathlib import Path
from handsoff.engines.processes import ProcessEngine
from shards import numbered, patient
if __name__ == "__main__":
    list(ProcessEngine(2).map(patient, numbered(2), Path(sys.argv[1])))
"""


def test_no_worker_outlives_a_killed_driver(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(tmp_path / "driver.py"), str(tmp_path)], env=environment) as driver:
        wait_for(lambda: len(attempts(tmp_path)) == 2)
        driver.kill()
    wait_for(lambda: not any(alive(process) for _, process in attempts(tmp_path)))


def test_a_second_map_does_not_come_up_empty(engine: ProcessEngine, tmp_path: Path) -> None:
    """Not even where all workers are idle, because the first map has not been asked for more."""
    for count in (6, 1):
        first = engine.map(square, numbered(count), tmp_path)
        next(first)
        with pytest.raises(RuntimeError, match="belong to another map"):
            engine.map(square, numbered(2), tmp_path)
        assert len(list(first)) == count - 1
        assert len(list(engine.map(square, numbered(2), tmp_path))) == 2
