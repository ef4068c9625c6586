"""Which engine computes: what is told, and what is refused."""

import sys

import pytest

from handsoff.cli.options import engine_of
from handsoff.core.errors import HandsOffError, InputError
from handsoff.engines.choice import EngineSettings, opened
from handsoff.engines.local import LOCAL
from handsoff.engines.processes import ProcessEngine, cores, places


def test_this_process_computes_unless_another_engine_is_asked_for() -> None:
    with opened(EngineSettings()) as engine:
        assert engine is LOCAL
    with opened(EngineSettings(engine="processes", workers=3)) as engine:
        assert isinstance(engine, ProcessEngine)
        assert len(engine.free) == 3
        assert not engine.idle, "no process is begun before there is work"


def test_options_and_assignments_say_which() -> None:
    told = engine_of(["steps=3", "address=auto"], "ray", 4)
    assert told == EngineSettings(engine="ray", workers=4, address="auto")
    assert engine_of(None, None, None) == EngineSettings()
    with pytest.raises(InputError, match=r"--engine: engine = rays cannot be: did you mean ray\? choose one of"):
        engine_of(None, "rays", None)
    with pytest.raises(InputError, match=r"--engine: workers = 0 cannot be"):
        engine_of(None, "ray", 0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (EngineSettings(workers=2), "needs another engine than local: add --engine processes"),
        (EngineSettings(engine="processes", address="auto"), "The address auto is one of a Ray cluster"),
    ],
)
def test_what_an_engine_would_not_heed_is_refused(settings: EngineSettings, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence), opened(settings):
        pass


def test_ray_that_is_not_installed_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    sentence = r"--engine ray needs Ray: pip install 'handsoff-labels\[ray\]'"
    with pytest.raises(HandsOffError, match=sentence), opened(EngineSettings(engine="ray")):
        pass


def test_workers_share_the_cores_and_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {place.threads for place in places(cores() * 2)} == {1}
    monkeypatch.setattr("handsoff.core.device.chosen_device", lambda: None)
    monkeypatch.setattr("handsoff.core.device.gpus", lambda: ["0", "3"])
    monkeypatch.setattr("handsoff.core.device.best_device", lambda: type("Device", (), {"type": "cuda"}))
    assert [place.gpu for place in places(None)] == ["0", "3"]
    assert [place.gpu for place in places(3)] == ["0", "3", "0"]
    monkeypatch.setattr("handsoff.core.device.chosen_device", lambda: "cuda:1")
    assert [(place.device, place.gpu) for place in places(None)] == [("cuda:1", None)], "no worker per core on one GPU"


def test_ray_gives_no_worker_a_certain_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("handsoff.engines.ray")
    monkeypatch.setattr(ray, "library", lambda: None)
    monkeypatch.setattr(ray, "chosen_device", lambda: "cuda:1")
    with pytest.raises(HandsOffError, match="a GPU of its own, not cuda:1: choose --device cuda or cpu"):
        ray.RayEngine(None, None).join()
