"""A Ray cluster of several local nodes: in order, surviving workers, nodes and drivers."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from handsoff.core.errors import HandsOffError, InputError
from handsoff.engines.contract import Engine
from handsoff.engines.processes import ATTEMPTS
from handsoff.engines.ray import RayEngine
from shards import Numbered, alive, attempts, numbered, patient, refuse, square, wait_for

utils: Any = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings are not ours to mend


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that computes nothing, and a node with one core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # what the tests can import, the nodes can
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
        made.add_node(num_cpus=1, **SMALL)
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def engine(cluster: Any) -> Iterator[RayEngine]:
    with closing(RayEngine(2, cluster.address)) as made:
        yield made


def test_results_come_in_order_and_killed_workers_lose_nothing(engine: RayEngine, tmp_path: Path) -> None:
    assert isinstance(engine, Engine)
    found = list(engine.map(square, numbered(12, _0=1, _3=ATTEMPTS - 1), tmp_path))
    assert [int(file.read_text()) for file in found] == [number**2 for number in range(12)]
    counts = [sum(number == other for other, _ in attempts(tmp_path)) for number in range(12)]
    assert counts == [2, 1, 1, ATTEMPTS, *[1] * 8], "nothing lost, nothing twice"
    assert os.getpid() not in {process for _, process in attempts(tmp_path)}


def test_errors_name_their_shard(engine: RayEngine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^shard 5: photo5.png is damaged: restore it\.$"):
        list(engine.map(refuse, [Numbered(5)], None))
    with pytest.raises(HandsOffError, match=r"^shard 1 ended its worker 3 times \(.*\), as when memory is short"):
        list(engine.map(square, numbered(2, _1=99), tmp_path))


def test_shards_of_a_node_that_is_removed_are_computed_elsewhere(
    cluster: Any, engine: RayEngine, tmp_path: Path
) -> None:
    """Two shards wait on two nodes; one node goes."""
    second = cluster.add_node(num_cpus=1, **SMALL)
    results = engine.map(patient, numbered(2), tmp_path)
    outcome: list[Any] = []
    asking = threading.Thread(target=lambda: outcome.extend(results))
    asking.start()
    wait_for(lambda: len(attempts(tmp_path)) == 2)
    cluster.remove_node(second, allow_graceful=False)
    wait_for(lambda: not all(alive(process) for _, process in attempts(tmp_path)))
    (tmp_path / "go").touch()
    asking.join(300)
    assert outcome == [0, 1]
    assert len(attempts(tmp_path)) == 3, "one was begun again"


DRIVER = """
import sys
from pathlib import Path
from handsoff.engines.ray import RayEngine
from shards import numbered, patient
print(list(RayEngine(2, sys.argv[1]).map(patient, numbered(2), Path(sys.argv[2]))))
"""


def test_a_driver_that_is_killed_and_begun_again(cluster: Any, tmp_path: Path) -> None:
    driver = [sys.executable, "-c", DRIVER, cluster.address, str(tmp_path)]
    with subprocess.Popen(driver) as killed:
        wait_for(lambda: len(attempts(tmp_path)) >= 1)
        killed.kill()
    wait_for(lambda: not any(alive(process) for _, process in attempts(tmp_path)))
    (tmp_path / "go").touch()
    assert subprocess.run(driver, capture_output=True, text=True, check=True).stdout == "[0, 1]\n"
