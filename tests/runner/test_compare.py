"""Methods side by side: what they share is done once, and every one of them has a row."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from handsoff.cli.main import main
from handsoff.core.errors import InputError, UnknownNameError
from handsoff.core.files import read_json
from handsoff.core.images import to_uint8
from handsoff.datasets.generated import read_records
from handsoff.generators.stored import load_generator
from handsoff.jobs.progress import Progress, run_to_end
from handsoff.methods import METHODS
from handsoff.recipes.load import load_recipe
from handsoff.recipes.schema import Recipe
from handsoff.report.comparison import tables
from handsoff.runner import run as runs
from handsoff.runner.compare import REAL, compare, graph, planned
from toy import QUICK_RECIPE, toy_generator, toy_several

OUT = Path("out")


def recipe(**values: Any) -> Recipe:
    return Recipe(**{"images": Path("photos.zip"), "labelled": Path("labelled"), "output": OUT, **values})


def folders(plan: Any, method: str) -> list[str]:
    names: list[str] = plan.methods[method]
    return names


def test_equal_steps_are_done_once() -> None:
    plan = planned(recipe(), ["handsoff", "handsoff-paper", "self-training", "transfer", "frozen-features"])
    trains = [step for step in plan.steps if step.verb == "train"]
    assert [step.folder for step in trains] == [OUT / "handsoff/generator", OUT / "frozen-features/frame"]
    assert "handsoff/generator" in folders(plan, "handsoff-paper")
    assert "handsoff-paper/latents" in folders(plan, "handsoff-paper"), "inverted with other settings"
    real = f"{REAL}/50/report"
    assert all(real in folders(plan, method) for method in ("handsoff", "handsoff-paper", "self-training", "transfer"))
    assert folders(plan, "transfer") == ["transfer/50/frozen", real]
    assert len({step.folder for step in plan.steps}) == len(plan.steps)


def test_steps_read_the_folders_that_they_share() -> None:
    plan = planned(recipe(), ["handsoff", "handsoff-paper"])
    fits = {step.folder: step for step in plan.steps if step.verb in {"invert", "fit"}}
    assert fits[OUT / "handsoff-paper/latents"].inputs["generator"] == OUT / "handsoff/generator"
    assert fits[OUT / "handsoff-paper/50/labeler"].inputs["examples"] == OUT / "handsoff-paper/latents"


def test_shared_samples_are_those_that_every_method_learns_from() -> None:
    plan = planned(recipe(reserve=20, tables={"sample": {"psi": 1.0}}), ["datasetgan", "bigdatasetgan"])
    fits = [step for step in plan.steps if step.verb == "fit"]
    assert [step.folder for step in fits] == [OUT / "datasetgan/50/labeler", OUT / "bigdatasetgan/50/labeler"]
    assert {step.inputs["samples"] for step in fits} == {OUT / "datasetgan/50/samples"}


def test_real_only_runs_are_those_of_all_methods() -> None:
    """The methods' own evaluations train all their arms but that one; with its networks they label the same photos."""
    plan = planned(recipe(rounds=2), ["handsoff", "self-training"])
    arms = {
        step.folder.relative_to(OUT).as_posix(): step.settings.model_dump()["arms"]
        for step in plan.steps
        if step.verb == "evaluate"
    }
    assert arms == {
        "handsoff/50/round-1/report": ("real_plus_photos",),
        f"{REAL}/50/report": None,
        "handsoff/50/report": (
            "photos_only", "synthetic_only", "real_plus_photos", "real_plus_synthetic",
            "real_plus_photos_plus_synthetic",
        ),
        "self-training/50/report": ("real_plus_photos",),
    }  # fmt: skip


def test_teachers_are_the_real_only_runs_whichever_method_comes_first() -> None:
    plan = planned(recipe(), ["self-training", "transfer"])
    assert [step.folder for step in plan.steps if step.verb == "evaluate"] == [
        OUT / f"{REAL}/50/report", OUT / "self-training/50/report", OUT / "transfer/50/frozen",
    ]  # fmt: skip
    (label,) = [step for step in plan.steps if step.verb == "label"]
    assert label.inputs["voters"] == [OUT / f"{REAL}/50/report"]


def test_a_learning_curve_makes_no_second_teacher() -> None:
    curve = {"evaluate": {"curve": [16, 50, "all"]}}
    for stated in (recipe(reserve=20), recipe(reserve=20, tables=curve)):
        plan = planned(stated, ["datasetgan", "self-training"])
        assert OUT / "self-training/50/teacher" not in {step.folder for step in plan.steps}


def test_the_learning_curve_of_one_budget_is_that_of_all() -> None:
    curve = {"evaluate": {"curve": [16, 50, "all"]}}
    plan = planned(recipe(budgets=(50, 16), reserve=20, tables=curve), ["handsoff", "datasetgan", "transfer"])
    real = [step for step in plan.steps if step.folder.is_relative_to(OUT / REAL)]
    assert [step.folder for step in real] == [OUT / f"{REAL}/{budget}/report" for budget in (50, 16)]
    assert [step.inputs.get("before") for step in real] == [None, OUT / f"{REAL}/50/report"]
    others = [step for step in plan.steps if step.verb == "evaluate" and step not in real]
    assert not any(step.settings.model_dump()["curve"] for step in others)


def test_an_evaluation_of_real_only_alone_is_the_shared_one() -> None:
    plan = planned(recipe(tables={"evaluate": {"arms": ["real_only"]}}), ["handsoff"])
    assert [step.folder for step in plan.steps if step.verb == "evaluate"] == [OUT / f"{REAL}/50/report"]


def test_arms_of_the_users_own_stay_as_they_are() -> None:
    own = {"mine": {"real": 1.0}}
    plan = planned(recipe(tables={"evaluate": {"arms": own}}), ["handsoff"])
    teacher, report = (step for step in plan.steps if step.verb == "evaluate")
    assert teacher.folder == OUT / f"{REAL}/50/report"
    assert report.settings.model_dump()["arms"] == own


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_compared(method: str) -> None:
    plan = planned(recipe(budgets=(50, 16), reserve=20, tasks=("segmentation", "keypoints")), [method])
    assert {step.folder for step in plan.steps} == {OUT / name for name in folders(plan, method)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy generator, twelve labelled photos and six others, and a recipe."""
    root = tmp_path_factory.mktemp("compare")
    net = toy_generator(root / "generator")
    toy_several(net, root / "labelled", count=14)
    (root / "photos").mkdir()
    net = load_generator(root / "generator")
    for index, image in enumerate(to_uint8(net.synthesize(net.draw(range(900, 906))))):
        Image.fromarray(image).save(root / "photos" / f"{index}.png")
    text = QUICK_RECIPE.replace("networks = 0", "networks = 1\nnetwork_steps = 2").replace("budget = 6", "budget = 4")
    stated = 'photos = "photos"\nreserve = 4'
    (root / "recipe.toml").write_text(stated + text, encoding="utf-8")
    return root


@pytest.mark.slow
def test_a_comparison_has_a_row_per_arm_and_what_each_method_took(world: Path) -> None:
    plan = load_recipe(world / "recipe.toml", world / "out")
    plan = plan.model_copy(update={"tables": {**plan.tables, "evaluate": {**plan.tables["evaluate"], "curve": [2, 8]}}})
    names = ["handsoff", "self-training", "frozen-features"]
    assert run_to_end(compare(plan, names)) == "made"
    found = read_json(world / "out" / "compare.json")
    assert list(found["methods"]) == names
    assert all(entry["seconds"] > 0 and entry["ram_mib"] > 0 for entry in found["methods"].values())
    measured = found["results"]["4"]
    assert measured[f"{REAL}/4/report"]["methods"] == ["handsoff", "self-training"]
    assert list(measured[f"{REAL}/4/report"]["metrics"]["arms"]) == ["real_only"]
    scores, worths, classes, costs = tables(found)
    assert [row[0] for row in scores.rows].count("all") == 1
    assert {"handsoff", "self-training", "frozen-features"} <= {row[0] for row in scores.rows}
    assert {"handsoff", "self-training", "frozen-features"} == {row[0] for row in worths.rows}, "real only is the curve"
    assert all("labels (" in row[2] for row in worths.rows)
    assert all(f"{number} labels" in worths.reading for number in (2, 4, 8))
    curves = [entry["metrics"]["curve"] for entry in measured.values()]
    assert {str(curve["points"]) for curve in curves} == {str(curves[0]["points"])}
    assert len(classes.header) == 1 + len(measured)
    assert [row[0] for row in costs.rows] == names
    page = (world / "out" / "compare.html").read_text(encoding="utf-8")
    assert "frozen-features" in page
    assert run_to_end(compare(plan, names)) == "done"
    more = [*names, "transfer"]
    assert [node.name for node in graph(plan, more)[0] if node.state != "done"] == ["transfer/4/frozen"]
    assert run_to_end(compare(plan, more)) == "continued"
    assert list(read_json(world / "out" / "compare.json")["methods"]) == more
    alone, kept = graph(plan, ["transfer"])
    assert list(kept.methods) == more, "what is there comes first, so that shared steps stay where they are"
    assert {node.state for node in alone} == {"done"}
    assert run_to_end(compare(plan, ["transfer"])) == "done"
    assert any(cell.endswith("~") or "(~" in cell for row in scores.rows for cell in row), "single runs cannot tell"


@pytest.mark.slow
def test_a_method_that_trains_no_model_can_be_run_alone(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'method = "frozen-features"\ngenerator = "generator"\nlabelled = "labelled"\noutput = "alone"\nbudget = 4\n'
    text += "validation = 2\n[fit]\nmembers = 2\nhidden = [8, 8]\nsteps = 4\nimages = 2\npixels = 20\n"
    (world / "alone.toml").write_text(text, encoding="utf-8")
    assert main(["run", str(world / "alone.toml"), "-o", str(world / "alone")]) == 0
    assert "labels of" in capsys.readouterr().out
    report = read_json(world / "alone" / "report.json")
    assert (list(report["results"]), report["delivered"]) == (["4"], {})


@pytest.mark.slow
def test_an_oracle_labels_in_a_persons_place_and_is_told(world: Path, tmp_path: Path) -> None:
    """Generated images of which the latents are known; and, as the control, the real photos, which are inverted."""
    plan, out = load_recipe(world / "recipe.toml", tmp_path / "out"), tmp_path / "out"
    names = ["datasetgan", "datasetgan-control"]
    assert run_to_end(compare(plan, names)) == "made"
    assert [record["name"] for record in read_records(out / "datasetgan/4/samples")] == [
        f"{seed:08d}" for seed in range(10_000_000, 10_000_004)
    ]
    assert {record["name"] for record in read_records(out / "datasetgan/4/annotated")} == {
        record["name"] for record in read_records(out / "datasetgan/4/samples")
    }
    inverted = read_json(out / "datasetgan-control/latents/latents.json")["names"]
    assert inverted == [f"photo{index:02d}" for index in range(4)], "the oracle knows all other photos"
    found = read_json(out / "compare.json")
    for method in names:
        (oracle,) = found["methods"][method]["oracles"].values()
        assert oracle["labels"] == 4
        assert oracle["scores"]["miou"]["runs"]
    assert "4 (mIoU" in str(next(table for table in tables(found) if table.title == "What it takes").rows)


@pytest.mark.slow
def test_edits_serve_a_dataset_like_the_labelled_photos(world: Path, tmp_path: Path) -> None:
    plan, out = load_recipe(world / "recipe.toml", tmp_path / "out"), tmp_path / "out"
    quick = {"parts": ["bright"], "vectors": 1, "steps": 2, "refine_steps": 1}
    only = {**plan.tables["evaluate"], "arms": ["synthetic_only"]}
    plan = plan.model_copy(update={"tables": {**plan.tables, "edit": quick, "evaluate": only}})
    assert run_to_end(compare(plan, ["editgan"])) == "made"
    assert list(read_json(out / "editgan/4/edits/edits.json")["edits"]) == ["segmentation/bright/0"]
    assert read_json(out / "editgan/4/dataset/aim.json")["aim"] == {"match": "labelled"}
    assert list(read_json(out / "compare.json")["results"]["4"]) == ["editgan/4/report"]


def test_an_interrupted_comparison_goes_on_where_its_methods_are(world: Path, tmp_path: Path) -> None:
    """Whichever is named first then: what they share stays in the folder where it was begun."""
    plan = load_recipe(world / "recipe.toml", tmp_path / "out")
    work = compare(plan, ["frozen-features", "transfer"])
    while not next(work).stage.startswith("frozen-features"):
        pass
    work.close()
    _, found = graph(plan, ["transfer", "frozen-features", "self-training"])
    assert list(found.methods) == ["frozen-features", "transfer", "self-training"]


def test_a_method_that_is_refused_before_any_work_is_not_compared(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every later comparison in the folder would be refused for it."""
    plan, out = load_recipe(world / "recipe.toml", tmp_path / "out"), tmp_path / "out"
    work = compare(plan, ["frozen-features", "transfer"])
    while not next(work).stage.startswith("frozen-features"):
        pass
    work.close()

    def refuse(*_: object) -> Iterator[Progress]:
        yield Progress("reading", 0, 1)
        raise InputError("no use")

    with monkeypatch.context() as patched:
        patched.setattr(runs, "rehearse", refuse)
        with pytest.raises(InputError, match="no use"):
            run_to_end(compare(plan, ["self-training"]))
    assert list(graph(plan, ["transfer"])[1].methods) == ["frozen-features", "transfer"]
    assert read_json(out / "methods.json") == {"methods": ["frozen-features", "transfer"]}


def test_a_comparison_that_is_refused_before_any_work_leaves_nothing(world: Path, tmp_path: Path) -> None:
    plan = load_recipe(world / "recipe.toml", tmp_path / "out")
    plan = plan.model_copy(update={"tables": {**plan.tables, "evaluate": {"group": "0", "steps": 2}}})
    with pytest.raises(InputError, match="No validation samples are left"):
        run_to_end(compare(plan, ["transfer"]))
    assert not (tmp_path / "out").exists()


def test_labels_are_converted_where_the_recipe_says_how(world: Path, tmp_path: Path) -> None:
    plan = load_recipe(world / "recipe.toml", tmp_path / "out")
    plan = plan.model_copy(update={"tables": {**plan.tables, "convert": {"framing": "letterbox"}}})
    assert graph(plan, ["handsoff"])[0][0].name == "labelled"


def test_a_table_may_be_of_a_method_that_is_not_compared(world: Path, tmp_path: Path) -> None:
    """[fit] is of other methods than self-training; [diagnose] is of none."""
    plan = load_recipe(world / "recipe.toml", tmp_path / "out")
    assert plan.tables["fit"]
    assert "fit" not in {node.step.verb for node in graph(plan, ["self-training"])[0]}
    other = plan.model_copy(update={"tables": {**plan.tables, "diagnose": {"photos": 4}}})
    with pytest.raises(InputError, match=r"settings for \[diagnose\], and no step of that kind"):
        graph(other, ["self-training"])


def test_what_cannot_be_compared_is_refused_in_a_sentence(world: Path, tmp_path: Path) -> None:
    plan = load_recipe(world / "recipe.toml", tmp_path / "out")
    with pytest.raises(UnknownNameError, match="Unknown method 'magic': choose one of bigdatasetgan, datasetddpm, "):
        run_to_end(compare(plan, ["magic"]))
    alone = plan.model_copy(update={"photos": None})
    with pytest.raises(InputError, match="self-training learns from unlabelled photos"):
        run_to_end(compare(alone, ["self-training"]))
    assert not (tmp_path / "out").exists()
