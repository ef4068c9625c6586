"""Commands run in an empty folder, and `handsoff train` may do any work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from handsoff.jobs.folder import Plan, open_job
from handsoff.jobs.progress import Progress, Work
from handsoff.training.settings import TrainSettings


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def replace_train(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Work]], None]:
    def put(work: Callable[..., Work]) -> None:
        import handsoff.training.train  # noqa: PLC0415  # brings torch along

        monkeypatch.setattr(handsoff.training.train, "train", work)

    return put


@pytest.fixture
def three_stages() -> Callable[..., Work]:
    """The work of a verb: two stages of three units."""
    return work_in_stages


def work_in_stages(images: Path, out: Path, settings: TrainSettings) -> Work:
    with open_job(out, Plan("train", {}, {"images": str(images)})) as job:
        if not job.done:
            for stage in ("one", "two"):
                for unit in range(3):
                    yield Progress(stage, unit + 1, 3, f"note {unit}")
            job.finish(seed=settings.seed, answer=[42], deep={"er": 1234.5})
    return job.outcome
