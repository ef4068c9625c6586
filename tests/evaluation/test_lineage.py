"""Labels that come from somebody who learnt from the test are found, whatever they went through."""

import shutil
from pathlib import Path

import pytest

from discs import blobs, write_labelled
from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.lineage import original, voters_behind
from handsoff.evaluation.score import score
from handsoff.evaluation.settings import EvaluateSettings, ScoreSettings
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
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


@pytest.fixture(scope="module")
def converted(world: Path) -> Path:
    """What the oracle labelled, converted twice."""
    run_to_end(convert(world / "annotated", world / "once", ConvertSettings()))
    run_to_end(convert(world / "once", world / "twice", ConvertSettings()))
    return world / "twice"


def test_a_converted_dataset_is_what_it_was(world: Path, converted: Path, tmp_path: Path) -> None:
    """The oracle behind it is found, and its pool is one of photos."""
    assert original(converted) == (world / "annotated").resolve()
    assert list(voters_behind(converted)) == [(world / "oracle").resolve()]
    honest = TINY.model_copy(update={"first": 4, "test_part": "10:", "arms": ("photos_only",)})
    inputs = world / "labelled", [converted], world / "labelled"
    run_to_end(evaluate(*inputs, tmp_path / "honest", honest))
    metrics = read_json(tmp_path / "honest" / "metrics.json")
    assert (metrics["photos"], metrics["unknown_teachers"]) == (["photos"], [])
    with pytest.raises(InputError, match=r"labels of .*twice come from .*oracle, which learnt from 1 photos"):
        run_to_end(evaluate(*inputs, tmp_path / "leaking", honest.model_copy(update={"test_part": "9:"})))


def test_labels_of_an_oracle_that_learnt_from_the_test_are_no_real_ones_either(world: Path, tmp_path: Path) -> None:
    leaking = TINY.model_copy(update={"test_part": "9:", "arms": ("real_only",)})
    with pytest.raises(InputError, match=r"labels of .*annotated come from .*oracle"):
        run_to_end(evaluate(world / "annotated", [], world / "labelled", tmp_path / "report", leaking))


def test_where_nobody_knows_who_labelled_a_dataset_the_report_says_so(
    world: Path, converted: Path, tmp_path: Path
) -> None:
    """The oracle is no longer where it was, or what was converted is not."""
    honest = TINY.model_copy(update={"first": 4, "test_part": "10:"})
    for gone, pool in (("oracle", "photos"), ("annotated", "synthetic")):
        (world / gone).rename(world / "elsewhere")
        try:
            run_to_end(evaluate(world / "labelled", [converted], world / "labelled", tmp_path / gone, honest))
        finally:
            (world / "elsewhere").rename(world / gone)
        assert read_json(tmp_path / gone / "metrics.json")["unknown_teachers"] == [pool]
        page = (tmp_path / gone / "report.html").read_text()
        assert f"Who labelled {pool} was moved or removed since" in page


def test_a_model_is_not_scored_on_photos_whose_teachers_labels_it_learnt(world: Path, tmp_path: Path) -> None:
    """The student never saw true labels of numbers 4 to 9: the oracle that labelled its photos did."""
    settings = TINY.model_copy(update={"first": 4, "test_part": "10:", "arms": ("photos_only",)})
    run_to_end(evaluate(world / "labelled", [world / "annotated"], world / "labelled", tmp_path / "student", settings))
    run_to_end(score([tmp_path / "student"], world / "labelled", tmp_path / "scored", ScoreSettings()))
    metrics = read_json(tmp_path / "scored" / "metrics.json")
    assert (metrics["n_test"], metrics["excluded_from_test"]) == (6, 10)


def test_a_model_is_not_scored_on_photos_that_it_learnt_with_labels_of_a_machine(world: Path, tmp_path: Path) -> None:
    """They may still be labelled: nobody knows their true labels."""
    settings = TINY.model_copy(update={"first": 4, "test_part": "10:", "arms": ("real_only", "photos_only")})
    inputs = world / "labelled", [world / "annotated"], world / "labelled"
    for chosen, left in (("photos_only", 0), ("real_only", 5)):
        run_to_end(evaluate(*inputs, tmp_path / chosen, settings.model_copy(update={"arms": (chosen,)})))
        truth = write_labelled(tmp_path / f"truth of {chosen}", blobs(5, seed=7))
        if left:
            run_to_end(score([tmp_path / chosen], truth, tmp_path / f"score of {chosen}", ScoreSettings()))
            assert read_json(tmp_path / f"score of {chosen}" / "metrics.json")["n_test"] == left
        else:
            with pytest.raises(InputError, match="No test samples are left"):
                run_to_end(score([tmp_path / chosen], truth, tmp_path / f"score of {chosen}", ScoreSettings()))
    done = label([tmp_path / "photos_only"], world / "photos", tmp_path / "again", LabelSettings(keep=1.0))
    assert run_to_end(done) == "made"
