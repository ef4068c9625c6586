"""The command: a process that serves one dataset, alone, until it is stopped; what is written survives it."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from discs import blobs, write_dataset
from handsoff.core.errors import HandsOffError, InputError
from handsoff.datasets.labelled import open_labelled
from handsoff.jobs.lock import locked
from handsoff.jobs.progress import run_to_end
from handsoff.review import session
from handsoff.review.returned import take_back
from handsoff.review.serve import serve

Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start() -> Iterator[Start]:
    processes = []

    def begin(*arguments: object) -> tuple["subprocess.Popen[str]", str]:
        command = [sys.executable, "-m", "handsoff", "review", *map(str, arguments), "--no-browser"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        processes.append(process)
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if found := re.search(r"http://\S+", line):
                return process, found[0]
        raise AssertionError(printed)

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", blobs(3, 0))


def decide(address: str, name: str, decision: str) -> None:
    base = address.partition("/?")[0]
    with httpx2.Client(base_url=base, follow_redirects=True) as browser:
        browser.get(address)
        answer = browser.put(f"/api/decision/{name}", json={"decision": decision, "version": 0})
    assert answer.json()["decision"] == decision


@pytest.mark.slow
def test_one_server_at_a_time_and_nothing_is_lost_when_it_is_killed(dataset: Path, start: Start) -> None:
    process, address = start(dataset)
    decide(address, "001", "reject")
    with pytest.raises(HandsOffError, match="is under review already"):
        serve(dataset, None, print)
    with pytest.raises(HandsOffError, match="another handsoff process"):
        run_to_end(take_back(dataset, dataset).work())
    process.kill()
    process.wait()
    assert open_labelled(dataset).names == ("000", "002")
    process, address = start(dataset)
    decide(address, "002", "reject")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert open_labelled(dataset).names == ("000",)
    assert not (dataset / "corrections" / ".lock").exists()


def test_others_are_kept_out_before_anything_is_read(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opening(path: Path) -> None:
        with pytest.raises(HandsOffError, match="another handsoff process"), locked(path / "corrections"):
            pass
        raise InputError("Nobody else can write while this is read.")

    monkeypatch.setattr(session, "open_session", opening)
    with pytest.raises(InputError, match="Nobody else can write"):
        serve(dataset, None, print)
    assert not (dataset / "corrections").exists()


def test_what_is_no_dataset_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing does not exist"):
        serve(tmp_path / "nothing", None, print)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty has no images"):
        serve(tmp_path / "empty", None, print)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_a_missing_extra_is_a_sentence(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(HandsOffError, match=r"pip install 'handsoff-labels\[review\]'"):
        serve(dataset, None, print)
