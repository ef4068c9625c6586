"""Recipes: what they may say, and that a run skips what is done and goes on with what is not."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsoff import methods
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import read_json
from handsoff.datasets.labelled import open_labelled
from handsoff.jobs.folder import Plan, open_job
from handsoff.jobs.progress import Progress, Work, run_to_end
from handsoff.methods import handsoff, paper
from handsoff.recipes.schema import Recipe, Step
from handsoff.runner import check, load_recipe, prepared, run
from toy import write_classes, write_mask

DATA = 'images = "photos.zip"\nlabelled = "pack"\noutput = "out"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, photos: Callable[..., Path]) -> Path:
    """Twelve labelled samples and a few photos."""
    for index in range(12):
        write_mask(
            tmp_path / "pack", f"{index:02d}", np.full((16, 16, 3), index, np.uint8), np.zeros((16, 16), np.uint8)
        )
    write_classes(tmp_path / "pack", ["background", "eye"])
    photos().rename(tmp_path / "photos.zip")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("images = ", "not a readable TOML recipe"),
        (DATA + "colour = 3", r"recipe\.toml has no setting 'colour': choose one of .*budgets"),
        (DATA + "[invert]\nstepz = 3", r"\[invert\] has no setting 'stepz': choose one of .*steps"),
        (DATA + '[fit]\nsteps = "many"', r"\[fit\]: steps = many cannot be: input should be a valid integer"),
        (DATA + "[generate]\nkeep = 2.0", r"\[generate\]: keep = 2\.0 cannot be"),
        (DATA + "generate = 3", "generate = 3 cannot be"),
        (DATA + "validation = -1", "validation = -1 cannot be"),
        (DATA + "budgets = []", r"budgets = \[\] cannot be"),
        (DATA + "budget = 4\nbudgets = [4]", "keep one of them"),
        (DATA + '[classes]\neye = ["left_eye"]', "cannot be: input should be a valid string"),
        (DATA + "[invert]\nfirst = 3", r"\[invert\] first follows from budgets"),
        (DATA + '[convert]\nframe = "8x8"', r"\[convert\] frame follows from \[train\] resolution"),
        (DATA + '[convert]\nframing = "cut"', r"\[convert\]: framing = cut cannot be"),
        (DATA + 'split = { extra = "x" }', "split = x cannot be|extra"),
        (DATA + '[fit]\ntask = "depth"', r"\[fit\] task follows from tasks"),
        (DATA + '[evaluate]\ntest_part = "3:"', r"\[evaluate\] test_part follows from test"),
        (DATA + 'method = "magic"', "Unknown method 'magic': choose one of handsoff, handsoff-paper"),
        (DATA + 'generator = "gan"', "give either images"),
        ('labelled = "pack"\noutput = "out"', "give either images"),
        ('images = "photos.zip"\noutput = "out"', "lacks labelled: labelled images, a folder or zip"),
        ('images = "photos.zip"\nlabelled = "pack"', "lacks output"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(HandsOffError, match=sentence) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.toml does not exist"):
        load_recipe(tmp_path / "nothing.toml")


def test_paths_are_relative_to_the_recipe_and_the_output_is_not(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA + 'test = "/somewhere/else"'))
    assert (recipe.images, recipe.labelled, recipe.test) == (
        tmp_path / "photos.zip",
        tmp_path / "pack",
        Path("/somewhere/else"),
    )
    assert recipe.output == Path("out")
    assert load_recipe(write(tmp_path, DATA), tmp_path / "other").output == tmp_path / "other"


def test_everything_has_a_default(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA))
    assert (recipe.budgets, recipe.validation, recipe.method, recipe.generate.n) == ((50,), 100, "handsoff", 10_000)
    assert load_recipe(write(tmp_path, DATA + "[generate]\npsi = 0.5\n[train]\nresolution = 32")).generate.n == 10_000
    assert load_recipe(write(tmp_path, DATA + "[train]\nresolution = 32")).train.resolution == "32"
    assert (
        load_recipe(write(tmp_path, DATA + "budget = 7")).budgets
        == load_recipe(write(tmp_path, DATA + "budgets = 7")).budgets
        == (7,)
    )


def test_every_budget_is_tested_on_the_same_samples(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA + "budgets = [50, 16]\nvalidation = 20"))
    parts = {budget: recipe.for_evaluate(budget, "segmentation") for budget in recipe.budgets}
    assert {(settings.validation_part, settings.test_part) for settings in parts.values()} == {("50:70", "70:")}
    assert [settings.first for settings in parts.values()] == [50, 16]
    assert (recipe.for_invert().first, recipe.for_fit(16, "segmentation").first) == (50, 16)
    assert load_recipe(write(tmp_path, DATA + 'test = "pack"')).for_evaluate(50, "segmentation").test_part is None
    without = load_recipe(write(tmp_path, DATA + "validation = 0")).for_evaluate(50, "segmentation")
    assert (without.validation_part, without.test_part) == (None, "50:")


def test_classes_become_a_merge_table_in_their_order(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA + '[classes]\n"background,hat" = "rest"\n"left_eye,right_eye" = "eye"'))
    assert list(recipe.for_invert().labels["segmentation"]["merge"].items()) == [
        ("background,hat", "rest"),
        ("left_eye,right_eye", "eye"),
    ]


def test_a_methods_settings_give_way_to_the_recipes(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA + "[invert]\nsteps = 3")).with_defaults(
        {"invert": {"steps": 900, "encoder_steps": 0}}
    )
    assert (recipe.invert.steps, recipe.invert.encoder_steps) == (3, 0)
    assert recipe.fit == load_recipe(write(tmp_path, DATA)).fit


def test_methods_lay_out_one_folder_per_step(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, DATA + "budgets = [8, 4]"))
    layout = ["generator", "codes", "8/labeler", "8/dataset", "8/report", "4/labeler", "4/dataset", "4/report"]
    assert [step.folder for step in handsoff.steps(recipe)] == [Path("out") / name for name in layout]
    assert [step.folder for step in paper.steps(recipe)] == [Path("out") / name for name in layout]
    made = load_recipe(write(tmp_path, DATA.replace('images = "photos.zip"', 'generator = "gan"')))
    assert [step.folder.name for step in handsoff.steps(made)] == ["codes", "labeler", "dataset", "report"]


def test_recipes_that_come_with_the_project_can_be_read() -> None:
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.toml")):
        assert load_recipe(path).budgets


def test_packs_are_converted_where_that_is_asked_for(folder: Path) -> None:
    def kinds(text: str) -> tuple[list[str], Recipe]:
        recipe = load_recipe(write(folder, DATA + text), folder / "out")
        steps, ready = prepared(recipe)
        return [step.folder.name for step in steps], ready

    assert kinds("")[0] == []
    shutil.copytree(folder / "pack", folder / "splits" / "train")
    shutil.copytree(folder / "pack", folder / "splits" / "val")
    write_classes(folder / "splits", ["background", "eye"])
    names, ready = kinds('split = { labelled = "train", test = "val" }')
    assert names == ["labelled", "test"]
    assert (ready.labelled, ready.test) == (folder / "out" / "labelled", folder / "out" / "test")
    names, ready = kinds('test = "pack"\n[convert]\nframing = "letterbox"')
    assert names == ["labelled", "test"]
    assert ready.for_train().framing == "letterbox"
    assert ready.for_convert("test", "64x32").size == (64, 32)
    assert load_recipe(write(folder, DATA)).for_convert("test", "64x32").size is None  # copied as they are


def test_a_split_teaches_and_another_tests(folder: Path) -> None:
    for name in ("train", "val"):
        for index in range(6):
            write_mask(
                folder / "pack" / name,
                f"{index}",
                np.full((16, 16, 3), index + 9 * (name == "val"), np.uint8),
                np.zeros((16, 16), np.uint8),
            )
    shutil.rmtree(folder / "pack" / "images")
    shutil.rmtree(folder / "pack" / "masks")
    text = 'split = { labelled = "train", test = "val" }\nbudget = 4\nvalidation = 2'
    recipe = load_recipe(write(folder, DATA + text), folder / "out")
    check(recipe)
    for step in prepared(recipe)[0]:
        run_to_end(step.begin())
    assert open_labelled(folder / "out" / "labelled").names == tuple("012345")
    with pytest.raises(InputError, match="holds 6 labelled samples, too few for 5 labels, 2 for validation: lower"):
        check(load_recipe(write(folder, DATA + text.replace("budget = 4", "budget = 5")), folder / "out"))


Log = list[str]


def fake_step(folder: Path, log: Log, *, fails: type[BaseException] | None = None) -> Step:
    """A step that takes three units of work."""

    def begin() -> Work:
        job = open_job(folder, Plan("fake", {}, {}))
        if job.done:
            return
        for unit in range(3):
            log.append(f"{folder.name} {unit}")
            yield Progress("working", unit + 1, 3)
            if fails is not None:
                raise fails
        job.finish()

    return Step(folder, begin)


@pytest.fixture
def begin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Progress], Log]]:
    """Run a recipe of fake steps; gives what was shown and what was done."""

    def start(text: str = "", *, fails: type[BaseException] | None = None) -> tuple[list[Progress], Log]:
        log: Log = []

        def steps(recipe: Recipe) -> Iterator[Step]:
            yield fake_step(recipe.output / "generator", log)
            for budget in recipe.budgets:
                yield fake_step(recipe.output / str(budget) / "report", log, fails=fails)

        monkeypatch.setitem(methods.METHODS, "fake", steps)
        recipe = load_recipe(
            write(folder, f'{DATA}method = "fake"\nvalidation = 2\n{text or "budget = 4"}'), folder / "out"
        )
        return list(run(recipe)), log

    return start


def test_a_finished_run_does_nothing_again(folder: Path, begin: Callable[..., Any]) -> None:
    shown, log = begin()
    assert log == ["generator 0", "generator 1", "generator 2", "report 0", "report 1", "report 2"]
    assert {progress.stage for progress in shown} == {"generator: working", "4/report: working"}
    report = read_json(folder / "out" / "report.json")
    assert list(report["steps"]) == ["generator", "4/report"]
    assert all(seconds is not None for seconds in report["steps"].values())
    finished = (folder / "out" / "DONE").stat().st_mtime_ns
    shown, log = begin()
    assert log == []
    assert [(progress.stage, progress.note) for progress in shown] == [
        ("generator", "done before, skipped"),
        ("4/report", "done before, skipped"),
    ]
    assert (folder / "out" / "DONE").stat().st_mtime_ns == finished


def test_an_interrupted_run_goes_on_and_adds_up_its_time(folder: Path, begin: Callable[..., Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        begin(fails=KeyboardInterrupt)
    assert not (folder / "out" / "DONE").exists()
    assert set(read_json(folder / "out" / "seconds.json")) == {"generator", "4/report"}
    shown, log = begin()
    assert log == ["report 0", "report 1", "report 2"]
    assert shown[0] == Progress("generator", 1, 1, "done before, skipped")
    assert (folder / "out" / "DONE").exists()


def test_a_budget_can_be_added_later(folder: Path, begin: Callable[..., Any]) -> None:
    begin()
    _, log = begin("budgets = [4, 6]")
    assert log == ["report 0", "report 1", "report 2"]
    assert list(read_json(folder / "out" / "report.json")["steps"]) == ["generator", "4/report", "6/report"]


def test_other_data_needs_another_folder(folder: Path, begin: Callable[..., Any]) -> None:
    begin()
    write_mask(folder / "pack", "99", np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8))
    with pytest.raises(InputError, match="was begun with another labelled"):
        begin()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "budget = 10",
            "holds 12 labelled samples, too few for 10 labels, 2 for validation and at least one for the test",
        ),
        ("budget = 3", "too small: use at least 4"),
        ('budget = 4\n[classes]\nskin = "face"', "the class 'skin'"),
        ('budget = 4\ntasks = "smell"', "Unknown task 'smell'"),
        ('budget = 4\ntasks = ["segmentation", "keypoints"]', "pack has no labels for keypoints: add keypoints.json"),
        ('budget = 4\ntest = "nowhere"', "nowhere does not exist"),
    ],
)
def test_what_a_late_step_would_refuse_is_refused_first(
    folder: Path, begin: Callable[..., Any], text: str, sentence: str
) -> None:
    with pytest.raises(HandsOffError, match=sentence):
        begin(text)
    assert not (folder / "out").exists()


def test_a_refused_first_step_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    text = f"{DATA}budget = 4\nvalidation = 2\n[train]\nresolution = 4096"
    recipe = load_recipe(write(folder, text), tmp_path / "new" / "out")
    with pytest.raises(InputError, match="smaller than the resolution"):
        run_to_end(run(recipe))
    assert not (tmp_path / "new" / "out").exists()
