"""Labels that come from somebody who learnt from the test are found, whatever they went through."""

import shutil
from pathlib import Path

import pytest

from discs import blobs, write_labelled
from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.lineage import voters_behind
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.jobs.progress import run_to_end
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import LabelSettings

TINY = EvaluateSettings(steps=1, seeds=1, batch=2, frame="32")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An oracle that learnt from six photos, and photos that it labelled."""
    root = tmp_path_factory.mktemp("oracle")
    write_labelled(root / "labelled", blobs(16, seed=1))
    oracle = TINY.model_copy(update={"skip": 4, "first": 6, "test_part": "10:"})
    run_to_end(evaluate(root / "labelled", [], root / "labelled", root / "oracle", oracle))
    write_labelled(root / "others", blobs(5, seed=7))
    shutil.move(root / "others" / "images", root / "photos")
    run_to_end(label([root / "oracle"], root / "photos", root / "annotated", LabelSettings(keep=1.0)))
    return root


def test_an_oracle_that_learnt_from_the_test_is_refused(world: Path, tmp_path: Path) -> None:
    assert list(voters_behind(world / "annotated")) == [(world / "oracle").resolve()]
    honest = TINY.model_copy(update={"first": 4, "test_part": "10:", "arms": ("photos_only",)})
    inputs = world / "labelled", [world / "annotated"], world / "labelled"
    run_to_end(evaluate(*inputs, tmp_path / "honest", honest))
    assert read_json(tmp_path / "honest" / "metrics.json")["n_test"] == 6
    with pytest.raises(InputError, match=r"come from .*oracle, which learnt from 1 photos of the test, such as "):
        run_to_end(evaluate(*inputs, tmp_path / "leaking", honest.model_copy(update={"test_part": "9:"})))
    assert not (tmp_path / "leaking").exists()


def test_what_an_arm_learns_from_itself_is_no_leak(world: Path, tmp_path: Path) -> None:
    """The test holds no copies of the real labels: whoever learnt from those may label."""
    own = TINY.model_copy(update={"skip": 4, "first": 6, "test_part": "10:", "arms": ("photos_only",)})
    inputs = world / "labelled", [world / "annotated"], world / "labelled"
    assert run_to_end(evaluate(*inputs, tmp_path / "report", own)) == "made"
