"""The whole way with several kinds of label: one inversion, a labeler per task, one dataset, a report per task.

What a dataset with several tasks holds is tested in tests/synthesis/test_several_labelers.py.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.core.images import to_uint8
from handsoff.datasets.labelled import open_labelled
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.generators.stored import load_generator
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.learning.predictor import load_predictor
from handsoff.recipes.load import load_recipe
from handsoff.runner.run import run
from handsoff.synthesis.generate import generate
from handsoff.synthesis.settings import GenerateSettings
from handsoff.tasks import TASKS
from toy import POINTS, QUICK_RECIPE, toy_generator, toy_labels, toy_several

FIT = FitSettings(members=3, hidden=(8, 8), steps=4, images=2, pixels=20, networks=0, features=("generator",))
INVERT = InvertSettings(encoder_steps=0, steps=2)
TINY = EvaluateSettings(steps=2, seeds=1, batch=2, first=4)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos with three kinds of label, inverted once; a labeler for each of the four tasks."""
    root = tmp_path_factory.mktemp("world")
    toy_several(toy_generator(root / "generator"), root / "labelled")
    run_to_end(invert(root / "generator", root / "labelled", root / "latents", INVERT))
    for task in TASKS:
        run_to_end(fit(root / "generator", root / "latents", root / task, FIT.model_copy(update={"task": task})))
    return root


# --- latents and labelers --------------------------------------------------------------------------------------


def test_one_inversion_carries_every_kind_of_label(world: Path) -> None:
    photos, latents = (open_labelled(folder) for folder in (world / "labelled", world / "latents" / "labels"))
    assert list(photos.kinds) == list(latents.kinds) == list(TASKS), "normals come with depth"
    assert list(read_json(world / "latents" / "latents.json")["tasks"]) == list(TASKS)
    for name in photos.names:
        (image, labels), (same, others) = photos.sample(name), latents.sample(name)
        assert np.array_equal(image, same)
        for task, label in labels.items():
            assert np.array_equal(label, others[task]), task
    assert latents.tasks["depth"].schema["range"] is None, "left to those who learn from them"
    near, far = load_labeler(world / "depth").task.schema["range"]
    depths = np.stack([photos.label("depth", name) for name in photos.names])
    assert 0.9 * depths.min() < near < depths.min() < depths.max() < far < 1.1 * depths.max(), "taken from the labels"
    assert latents.tasks["keypoints"].schema["names"] == POINTS


def test_every_labeler_reads_the_same_latents(world: Path) -> None:
    reports = [read_json(world / task / "report.json") for task in TASKS]
    assert {report["inputs"]["examples"]["path"] for report in reports} == {str((world / "latents").resolve())}
    assert [load_labeler(world / task).task.name for task in TASKS] == list(TASKS)
    assert load_labeler(world / "depth").task.schema["unit"] == "metres"
    assert all(np.isfinite(report["held_out_loss"]).all() for report in reports)


def test_one_kind_of_label_can_be_chosen(world: Path, tmp_path: Path) -> None:
    chosen = InvertSettings(encoder_steps=0, steps=0, tasks=("keypoints",))
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", chosen))
    assert list(open_labelled(tmp_path / "latents" / "labels").kinds) == ["keypoints"]


@pytest.fixture(scope="module")
def masks_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another generator, its photos with masks only, and a labeler for them."""
    root = tmp_path_factory.mktemp("masks")
    toy_labels(toy_generator(root / "generator", seed=1), root / "labelled")
    run_to_end(
        invert(root / "generator", root / "labelled", root / "latents", InvertSettings(encoder_steps=0, steps=0))
    )
    run_to_end(fit(root / "generator", root / "latents", root / "segmentation", FIT))
    return root


def test_a_task_that_the_latents_lack_is_refused_and_leaves_nothing(masks_only: Path, tmp_path: Path) -> None:
    sentence = r"latents .*segmentation, not for depth"
    with pytest.raises(InputError, match=sentence):
        run_to_end(
            fit(
                masks_only / "generator",
                masks_only / "latents",
                tmp_path / "labeler",
                FIT.model_copy(update={"task": "depth"}),
            )
        )
    assert not (tmp_path / "labeler").exists()


# --- datasets --------------------------------------------------------------------------------------------------------


def test_labelers_with_and_without_pretrained_features_go_together(world: Path, tmp_path: Path) -> None:
    """Each gives the labels that it gives alone."""
    seeing = FIT.model_copy(update={"task": "depth", "features": ("generator", "lite0")})
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "seeing", seeing))
    settings = GenerateSettings(n=3, keep=1)
    folders = {
        "alone": [tmp_path / "seeing"],
        "masks": [world / "segmentation"],
        "plain": [world / "depth"],
        "both": [world / "segmentation", tmp_path / "seeing"],
    }
    for name, labelers in folders.items():
        run_to_end(generate(labelers, tmp_path / name, settings))
    alone, masks, plain, both = (open_labelled(tmp_path / name) for name in folders)
    for name in both.names:
        assert np.array_equal(both.label("depth", name), alone.label("depth", name))
        assert not np.array_equal(both.label("depth", name), plain.label("depth", name))
        assert np.array_equal(both.label("segmentation", name), masks.label("segmentation", name))
        assert np.array_equal(both.image(name), alone.image(name))


def test_an_unfinished_labeler_is_refused(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "depth", tmp_path / "half")
    (tmp_path / "half" / "DONE").unlink()
    with pytest.raises(InputError, match="half is not finished: run handsoff fit again"):
        run_to_end(generate([world / "keypoints", tmp_path / "half"], tmp_path / "out", GenerateSettings(n=2)))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def few(world: Path) -> Path:
    """Four samples, as many as there are real ones in the evaluations."""
    run_to_end(generate([world / task for task in TASKS], world / "few", GenerateSettings(n=4, keep=1)))
    return world / "few"


# --- reports ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def test_data(world: Path) -> Path:
    """Eight other photos that have the same names as the training photos."""
    toy_several(toy_generator(world / "generator"), world / "test", first=5000)
    return world / "test"


METRICS = {
    "segmentation": {"miou", "miou_foreground"},
    "keypoints": {"pck@0.1", "pck@0.05", "nme"},
    "depth": {"nmse", "rmse", "abs_rel", "rmse_log", "sq_rel"},
    "normals": {"angle", "within_11.25"},
}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_its_report(few: Path, world: Path, test_data: Path, tmp_path: Path, task: str) -> None:
    run_to_end(
        evaluate(world / "labelled", [few], test_data, tmp_path / "report", TINY.model_copy(update={"task": task}))
    )
    metrics = read_json(tmp_path / "report" / "metrics.json")
    assert metrics["task"] == task
    assert (metrics["n_real"], metrics["n_synthetic"], metrics["n_test"]) == (4, 4, 8)
    for scores in metrics["arms"].values():
        assert set(scores) == METRICS[task]
        assert all(np.isfinite(entry["mean"]) for entry in scores.values())
    page = (tmp_path / "report" / "report.html").read_text()
    assert all(TASKS[task].metrics[name].title in page for name in list(METRICS[task])[:1])
    assert (tmp_path / "report" / "DONE").is_file()


@pytest.mark.slow
def test_a_group_that_was_trained_on_is_no_test(few: Path, world: Path, test_data: Path, tmp_path: Path) -> None:
    r"""Names alike in the regular expression are one person: photo00 to photo03 were trained on and are no test."""
    settings = TINY.model_copy(update={"task": "depth", "group": r"photo(\d+)", "test_part": "2:8", "steps": 1})
    run_to_end(evaluate(world / "labelled", [few], test_data, tmp_path / "report", settings))
    metrics = read_json(tmp_path / "report" / "metrics.json")
    assert (metrics["n_real"], metrics["n_test"], metrics["excluded_from_test"]) == (4, 4, 2)
    with pytest.raises(
        InputError, match=r"No test samples are left \(all of them are of groups that were trained or chosen on\)"
    ):
        run_to_end(
            evaluate(
                world / "labelled", [few], test_data, tmp_path / "none", settings.model_copy(update={"group": "photo"})
            )
        )
    assert not (tmp_path / "none").exists()


def test_a_task_that_the_dataset_lacks_is_refused(world: Path, tmp_path: Path) -> None:
    run_to_end(generate([world / "keypoints"], tmp_path / "dataset", GenerateSettings(n=2, keep=1)))
    with pytest.raises(InputError, match=r"dataset has labels for keypoints, not for depth: choose one of them"):
        run_to_end(
            evaluate(
                world / "labelled",
                [tmp_path / "dataset"],
                world / "labelled",
                tmp_path / "out",
                TINY.model_copy(update={"task": "depth"}),
            )
        )
    assert not (tmp_path / "out").exists()


# --- the user's own photos -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_labels_the_photos_too_and_says_what_won(world: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    net = load_generator(world / "generator")
    for index, image in enumerate(to_uint8(net.synthesize(net.draw(range(900, 906))))):
        Image.fromarray(image).save(photos / f"{index}.png")
    recipe = QUICK_RECIPE.replace("networks = 0", "networks = 1")
    text = f"""photos = "{photos}"\nrounds = 2{recipe}""".replace('"labelled"', f'"{world / "labelled"}"')
    text = text.replace('"generator"\n', f'"{world / "generator"}"\n').replace("budget = 6", "budget = 4")
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    run_to_end(run(load_recipe(tmp_path / "recipe.toml", tmp_path / "run")))
    metrics, report = (read_json(tmp_path / "run" / name) for name in ("4/report/metrics.json", "report.json"))
    assert list(metrics["arms"]) == [
        "real_only", "photos_only", "synthetic_only", "real_plus_photos", "real_plus_synthetic",
        "real_plus_photos_plus_synthetic",
    ]  # fmt: skip
    assert [step["verb"] for step in report["steps"].values()] == [
        "evaluate", "invert", "fit", "generate", "label", "evaluate", "label", "evaluate",
    ]  # fmt: skip
    delivered = report["delivered"]["4"]
    assert delivered["arm"] == metrics["handed_over"]["arm"]
    assert load_predictor(tmp_path / "run" / delivered["model"]).card.arm == delivered["arm"]
    assert all((tmp_path / "run" / name / "manifest.json").is_file() for name in delivered["datasets"])
    assert len(delivered["datasets"]) == len(metrics["shares"][delivered["arm"]].keys() - {"real"})
