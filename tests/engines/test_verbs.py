"""What the verbs make does not depend on the engine: the same bytes, whatever was killed meanwhile."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from alike import contents, differences
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.engines.processes import ProcessEngine
from handsoff.engines.ray import RayEngine
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.settings import FitSettings
from handsoff.synthesis import shard
from handsoff.synthesis.settings import GenerateSettings, LabelSettings
from handsoff.verbs import VERBS
from shards import alive, wait_for
from toy import toy_generator, toy_several

pytestmark = pytest.mark.slow
SETTINGS = {
    "invert": InvertSettings(first=7, encoder_steps=2, encoder_batch=4, steps=4, batch=1),
    "generate": GenerateSettings(n=40, keep=0.7),
    "label": LabelSettings(keep=0.7),
    "evaluate": EvaluateSettings(
        first=4, steps=2, seeds=2, batch=2, validation_part="4:6", test_part="7:10", curve="2,all", arms="real_only"
    ),
}
FIT = FitSettings(
    members=2, hidden=(8, 8), steps=4, images=2, pixels=20, networks=1, network_steps=2, features=("generator",)
)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Small shards; workers compute with one thread, as this process does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "SHARD", 4)
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, photos: Any) -> Path:
    """What the verbs take, and what each makes of it in this process, in the folder of its name."""
    root = tmp_path_factory.mktemp("world")
    toy_several(toy_generator(root / "generator"), root / "labelled", 10)
    (root / "photos.zip").write_bytes(photos().read_bytes())
    run_to_end(work("invert", root, root / "invert"))
    inputs = {"generator": root / "generator", "examples": root / "invert"}
    run_to_end(VERBS["fit"].work(inputs, root / "labeler", FIT))
    for verb in ("generate", "label", "evaluate"):
        run_to_end(work(verb, root, root / verb))
    return root


def work(verb: str, world: Path, out: Path, engine: Engine = LOCAL) -> Any:
    inputs: dict[str, dict[str, Any]] = {
        "invert": {"generator": world / "generator", "labelled": world / "labelled"},
        "generate": {"labelers": [world / "labeler"]},
        "label": {"voters": [world / "labeler"], "photos": world / "photos.zip"},
        "evaluate": {"real": world / "labelled", "synthetic": [world / "generate"], "test": world / "labelled"},
    }
    return VERBS[verb].work(inputs[verb], out, SETTINGS[verb], engine)


@pytest.fixture(scope="module")
def engine() -> Iterator[ProcessEngine]:
    with closing(ProcessEngine(2)) as made:
        yield made


@pytest.mark.parametrize("verb", SETTINGS)
def test_processes_make_the_same_bytes_although_one_is_killed(verb: str, world: Path, engine: ProcessEngine) -> None:
    out = world / verb  # the same place: a report names it
    whole = contents(out)
    shutil.rmtree(out)
    killed: list[int] = []
    for _ in work(verb, world, out, engine):
        busy = [] if engine.crew is None else [worker for worker, _ in engine.crew.busy.values()]
        if busy and not killed:
            killed += [busy[0].process.pid or 0]
            os.kill(killed[0], signal.SIGKILL)
    assert killed
    assert not differences(contents(out), whole)


def test_a_ray_cluster_makes_the_same_bytes_although_a_worker_is_killed(world: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with closing(RayEngine(1)) as engine:
        killed: list[int] = []
        for now in work("generate", world, tmp_path / "out", engine):
            if now.done and not killed:
                killed = [process for process in processes() if os.kill(process, signal.SIGKILL) is None]
    assert killed
    assert not differences(contents(tmp_path / "out"), contents(world / "generate"))


def processes() -> list[int]:
    """That compute tasks of the cluster which this process began."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (place / "cmdline").read_bytes().startswith(b"ray::handsoff") and parent(parent(place)) == Path(
                f"/proc/{os.getpid()}"
            ):
                found.append(int(place.name))
    return found


def parent(place: Path) -> Path:
    return place.with_name(re.search(r"^PPid:\t(\d+)$", (place / "status").read_text(), re.MULTILINE)[1])  # type: ignore[index]  # every process has one


class TwiceEngine:
    """Computes every shard twice, at the same time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def map(self, function: Any, shards: Any, context: Any) -> Iterator[Any]:
        results = self.engine.map(function, (part for part in shards for _ in range(2)), context)
        for first in results:
            assert next(results) == first
            yield first


def test_shards_that_are_made_twice_at_once_are_the_same(world: Path, engine: ProcessEngine, tmp_path: Path) -> None:
    run_to_end(work("generate", world, tmp_path / "out", TwiceEngine(engine)))
    assert not differences(contents(tmp_path / "out"), contents(world / "generate"))


COMMAND = """
import os
import signal
import sys
import time
from handsoff.synthesis import shard

label_draws = shard.label_draws

def held(labelers, draws, *others):
    if draws and draws[0].seed >= int(os.environ["HOLD"]):
        time.sleep(600)
    return label_draws(labelers, draws, *others)

if __name__ == "__main__":
    from handsoff.cli.main import main
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that runs in the background ignores Ctrl-C
    shard.SHARD = 4
    sys.exit(main(sys.argv[1:]))
else:  # a worker
    shard.label_draws = held
"""


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc to see workers in")
def test_a_run_that_is_stopped_and_killed_goes_on_with_another_engine(world: Path, tmp_path: Path) -> None:
    (tmp_path / "command.py").write_text(COMMAND)
    out, environment = tmp_path / "out", {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = ["generate", str(world / "labeler"), "-o", str(out), "-n", "40", "--keep", "0.7"]
    command = [sys.executable, str(tmp_path / "command.py"), *arguments, "--engine", "processes", "--workers", "2"]
    for number, stop in ((2, signal.SIGINT), (5, signal.SIGKILL)):
        environment["HOLD"] = str(4 * number)
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True) as driver:
            wait_for(lambda least=number: driver.poll() or len(list((out / "ledger").glob("*.json"))) >= least)
            workers = children(driver.pid)
            (os.killpg if stop == signal.SIGINT else os.kill)(driver.pid, stop)  # Ctrl-C reaches the workers too
            said = driver.communicate()[1].decode()
        assert driver.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[stop], said
        assert "Traceback" not in said
        assert len(workers) >= 2
        wait_for(lambda gone=workers: not any(map(alive, gone)))
    assert not (out / "DONE").is_file()
    assert run_to_end(work("generate", world, out)) == "continued"
    assert not differences(contents(out), contents(world / "generate"))
