"""Work functions: drained to the end, or shown under another name."""

import pytest

from handsoff.jobs.progress import Progress, Rate, Work, named, run_to_end


def counting(log: list[str]) -> Work:
    try:
        for index in range(3):
            log.append(str(index))
            yield Progress("counting", index, 3)
    finally:
        log.append("tidy")
    return "made"


def test_work_is_run_to_its_end() -> None:
    log: list[str] = []
    assert run_to_end(counting(log)) == "made"
    assert log == ["0", "1", "2", "tidy"]


def test_named_work_is_the_same_work() -> None:
    log: list[str] = []
    work = named("50/labeler", counting(log))
    assert next(work) == Progress("50/labeler: counting", 0, 3)
    assert run_to_end(work) == "made"
    assert log == ["0", "1", "2", "tidy"]


def test_named_work_that_is_closed_closes_what_it_names() -> None:
    log: list[str] = []
    work = named("50/labeler", counting(log))
    next(work)
    work.close()
    assert log == ["0", "tidy"]
    with pytest.raises(StopIteration):
        next(work)


def test_a_rate_leaves_out_what_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 104.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    rate = Rate("samples")
    rate.count(64)
    rate.count(64)
    assert str(rate) == "16.0 samples/s"
