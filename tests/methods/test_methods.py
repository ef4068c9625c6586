"""Methods: which steps they make of a recipe, and where those lie."""

from pathlib import Path
from typing import Any

import pytest

from handsoff.core.errors import InputError
from handsoff.methods import METHODS, bigdatasetgan, datasetgan, ddpm, editgan, handsoff, paper, self_training, transfer
from handsoff.recipes.schema import Recipe
from handsoff.verbs import VERBS
from toy import toy_generator


def recipe(**values: Any) -> Recipe:
    return Recipe(**{"images": Path("photos.zip"), "labelled": Path("labelled"), "output": Path("out"), **values})


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods") / "gan"
    toy_generator(folder)
    return folder


def test_methods_lay_out_one_folder_per_step(gan: Path) -> None:
    several = recipe(budgets=[8, 4])
    parts = ["labeler", "dataset", "photos", "report"]
    layout = ["generator", "latents", *(f"{budget}/{part}" for budget in (8, 4) for part in parts)]
    first = ["8/teacher", "4/teacher"]
    assert [step.folder for step in handsoff.steps(several)] == [Path("out") / name for name in (*first, *layout)]
    without = [Path("out") / name for name in layout if not name.endswith("photos")]
    assert [step.folder for step in paper.steps(several)] == without, "no image network that could label photos"
    made = recipe(images=None, generator=gan)
    names = [step.folder.name for step in handsoff.steps(made)]
    assert names == ["teacher", "latents", "labeler", "dataset", "report"]


def test_several_tasks_share_latents_and_dataset() -> None:
    steps = list(handsoff.steps(recipe(tasks=["segmentation", "depth"])))
    names = [step.folder.relative_to("out").as_posix() for step in steps]
    assert names[:2] == ["50/teacher-segmentation", "50/teacher-depth"]
    assert names[4:6] == ["50/labeler-segmentation", "50/labeler-depth"]
    assert names[6:] == ["50/dataset", "50/photos", "50/report-segmentation", "50/report-depth"]
    assert [step.inputs["teacher"] for step in steps[4:6]] == [step.folder for step in steps[:2]]
    stated = list(handsoff.steps(recipe(tasks=["segmentation", "depth"], tables={"fit": {"network_steps": 7}})))
    assert [step.settings for step in stated] == [step.settings for step in steps], "nothing trains so long"
    assert steps[6].inputs["labelers"] == [step.folder for step in steps[4:6]]
    assert steps[7].inputs["voters"] == [step.folder for step in steps[:2]]
    assert steps[8].inputs["synthetic"] == [step.folder for step in steps[6:8]]


@pytest.mark.parametrize("method", METHODS)
def test_every_step_gives_its_verb_what_it_takes(method: str) -> None:
    for step in METHODS[method](recipe(reserve=20)):
        verb = VERBS[step.verb]
        taken = {taken.name: taken for taken in verb.inputs}
        assert isinstance(step.settings, verb.settings)
        assert step.inputs.keys() <= taken.keys()
        assert all(name in step.inputs or taken[name].optional for name in taken)
        assert all(isinstance(value, list) == taken[name].several for name, value in step.inputs.items())


def test_labelled_photos_hold_no_label_no_validation_photo_and_no_test_photo() -> None:
    """A dataset that holds the test too is kept apart as a whole; of any other, what labels and chooses."""
    whole, part = recipe(), recipe(test=Path("test"), budgets=[50, 16], validation=30, reserve=5)
    (label,) = [step for step in handsoff.steps(whole) if step.verb == "label"]
    assert label.inputs["photos"] == whole.images
    assert (label.inputs["apart"], label.settings.model_dump()["apart_first"]) == ([whole.labelled], None)
    for label in (step for step in handsoff.steps(part) if step.verb == "label"):
        assert label.inputs["apart"] == [part.labelled, part.test]
        assert label.settings.model_dump()["apart_first"] == 50 + 30 + 5


def test_photos_to_label_may_be_others_than_those_of_the_generator(gan: Path) -> None:
    other = recipe(images=None, generator=gan, photos=Path("others"))
    assert [step.inputs["photos"] for step in handsoff.steps(other) if step.verb == "label"] == [Path("others")]


def test_networks_of_real_only_label_the_photos_and_are_those_of_the_labelers() -> None:
    """Each report takes the runs of its teacher over."""
    stated = {"curve": (16,), "arms": ("real_only", "real_plus_photos")}
    plain = recipe(tasks=("segmentation", "depth"), tables={"fit": {"networks": 0}, "evaluate": stated})
    made = {step.folder.relative_to("out").as_posix(): step for step in handsoff.steps(plain)}
    teachers = [Path("out/50/teacher-segmentation"), Path("out/50/teacher-depth")]
    assert made["50/photos"].inputs["voters"] == teachers
    assert made["50/report-depth"].inputs["before"] == teachers[1]
    assert made["50/teacher-depth"].inputs["synthetic"] == []
    settings = made["50/teacher-depth"].settings.model_dump()
    assert settings["arms"] is None, "they are of evaluations with datasets"
    assert settings["curve"] == (16,), "the report takes its points over too"
    assert "teacher" not in made["50/labeler-depth"].inputs, "which has no image networks"
    voting = {step.folder.relative_to("out").as_posix(): step for step in handsoff.steps(recipe())}
    teacher = Path("out/50/teacher")
    assert voting["50/photos"].inputs["voters"] == [teacher]
    assert voting["50/report"].inputs["before"] == voting["50/labeler"].inputs["teacher"] == teacher


@pytest.mark.parametrize("method", [handsoff.steps, paper.steps, transfer.steps, self_training.steps, datasetgan.steps])
def test_the_learning_curve_is_trained_for_the_first_budget_alone(method: Any) -> None:
    stated = {"budgets": (50, 16), "reserve": 20}
    for tables in ({}, {"evaluate": {"curve": (16, "all")}}):
        made = {step.folder.relative_to("out").as_posix(): step for step in method(recipe(**stated, tables=tables))}
        first, second = (next(made[f"{b}/{k}"] for k in ("teacher", "report") if f"{b}/{k}" in made) for b in (50, 16))
        assert first.inputs.get("before") is None
        assert second.inputs.get("before") == (first.folder if tables else None)


def test_in_further_rounds_the_models_label_that_learnt_from_the_photos() -> None:
    """Each round is labelled by the reports of the round before, and only the last one's photos are in the report."""
    several = recipe(rounds=3, tasks=("segmentation", "keypoints"), tables={"evaluate": {"curve": (16, "all")}})
    made = list(handsoff.steps(several))
    labels = [step for step in made if step.verb == "label"]
    rounds = [step for step in made if step.verb == "evaluate" and "round-" in str(step.folder)]
    last = [step for step in made if step.verb == "evaluate" and "report" in step.folder.name and step not in rounds]
    out = several.output / "50"
    assert [step.folder for step in labels] == [out / "round-1/photos", out / "round-2/photos", out / "photos"]
    assert labels[1].inputs["voters"] == [step.folder for step in rounds[:2]]
    assert labels[2].inputs["voters"] == [step.folder for step in rounds[2:]]
    assert [step.inputs["synthetic"] for step in rounds] == [[labels[0].folder]] * 2 + [[labels[1].folder]] * 2
    assert {(step.settings.model_dump()["arms"], step.settings.model_dump()["curve"]) for step in rounds} == {
        (("real_plus_photos",), None)
    }, "of all arms only the one whose model labels"
    assert [step.inputs["synthetic"] for step in last] == [[out / "dataset", labels[2].folder]] * 2
    assert last[0].settings.model_dump()["curve"] == (16, "all")


def test_evaluations_of_labels_alone_know_nothing_of_a_machines_labels() -> None:
    """Settings about those would be refused there, after the hours that came before."""
    about = {"confidence": 0.5, "unlabelled": "teacher", "cutmix": 0.5}
    for method in ("self-training", "datasetgan"):
        made = [*METHODS[method](recipe(budgets=[16], reserve=20, tables={"evaluate": about}))]
        for step in (step for step in made if step.verb == "evaluate"):
            stated = step.settings.model_dump()
            alone = not step.inputs["synthetic"]
            assert (stated["confidence"], stated["unlabelled"], stated["cutmix"]) == (
                (None, "labels", 0.0) if alone else tuple(about.values())
            ), step.folder


def test_models_label_photos_without_inversion() -> None:
    """They read no latents, and are refused where something else is asked for."""
    asked = recipe(budgets=[16], rounds=2, tables={"label": {"inversion": "encoder"}})
    rounds = [step for step in handsoff.steps(asked) if step.verb == "label"]
    assert [step.folder for step in rounds] == [Path("out/16/round-1/photos"), Path("out/16/photos")]
    assert [step.settings.model_dump()["inversion"] for step in rounds] == ["encoder", "none"]
    bare = recipe(budgets=[16], tables={"label": {"inversion": "encoder"}, "fit": {"networks": 0}})
    (label,) = [step for step in handsoff.steps(bare) if step.verb == "label"]
    assert label.inputs["voters"] == [Path("out/16/labeler")], "whose pixel classifiers read the inverted photos"
    alone = [step for step in METHODS["self-training"](asked) if step.verb == "label"]
    assert {step.settings.model_dump()["inversion"] for step in alone} == {"none"}


def test_an_oracle_learns_from_labels_that_nothing_else_sees() -> None:
    """It is tested and validated as the arms are, and gives every generated image its labels."""
    several = recipe(budgets=(50, 16), validation=30, reserve=20, tasks=("segmentation", "depth"))
    made = {step.folder.relative_to("out").as_posix(): step for step in datasetgan.steps(several)}
    oracle, arms = (made[name].settings.model_dump() for name in ("oracle-depth", "16/report-depth"))
    assert (oracle["skip"], oracle["first"]) == (50 + 30, 20)
    assert (oracle["validation_part"], oracle["test_part"]) == (arms["validation_part"], arms["test_part"])
    assert arms["first"] == 16
    assert made["16/annotated"].inputs == {
        "voters": [Path("out/oracle-segmentation"), Path("out/oracle-depth")], "photos": Path("out/16/samples"),
    }  # fmt: skip
    assert made["16/annotated"].settings.model_dump()["keep"] == 1
    assert made["16/samples"].settings.model_dump()["n"] == 16
    assert made["16/labeler-depth"].inputs["samples"] == Path("out/16/samples")
    control = {step.folder.relative_to("out").as_posix(): step for step in datasetgan.control_steps(several)}
    assert control["annotated"].inputs["photos"] == several.labelled
    assert control["latents"].inputs["labelled"] == Path("out/annotated")
    with pytest.raises(InputError, match="say how many with reserve = N"):
        list(datasetgan.steps(recipe()))


def test_edits_are_made_by_masks_and_serve_the_dataset() -> None:
    both = recipe(budgets=(50, 16), tasks=("segmentation", "depth"))
    made = {step.folder.relative_to("out").as_posix(): step for step in editgan.steps(both)}
    edits, dataset = made["16/edits"], made["16/dataset"]
    assert edits.inputs == {"labeler": Path("out/16/labeler-segmentation"), "examples": Path("out/latents")}
    assert edits.settings.model_dump()["first"] == 16
    assert dataset.inputs["edits"] == Path("out/16/edits")
    assert dataset.settings.model_dump()["aim"] == {"match": "labelled"}
    own = recipe(tables={"generate": {"aim": {"hat": 0.2}}})
    (dataset,) = [step for step in editgan.steps(own) if step.verb == "generate"]
    assert dataset.settings.model_dump()["aim"] == {"hat": 0.2}
    with pytest.raises(InputError, match="name segmentation among the tasks"):
        list(editgan.steps(recipe(tasks=("depth",))))


def test_the_other_head_is_measured_online_too() -> None:
    made = {step.folder.relative_to("out").as_posix(): step for step in bigdatasetgan.steps(recipe(reserve=20))}
    assert made["50/labeler"].settings.model_dump()["head"] == "conv"
    arms = made["50/report"].settings.model_dump()["arms"]
    assert set(arms) >= {"real_only", "synthetic_only", "online_only", "real_plus_online"}
    assert made["oracle"].settings.model_dump()["arms"] is None


def test_the_papers_form_differs_only_in_settings_and_labels_no_photos() -> None:
    plain = recipe(tables={"fit": {"networks": 0}})
    ours, theirs = list(handsoff.steps(plain, photos=False)), list(paper.steps(plain))
    assert [(step.verb, step.folder, step.inputs) for step in ours] == [
        (step.verb, step.folder, step.inputs) for step in theirs
    ]
    changed = {a.verb for a, b in zip(ours, theirs, strict=True) if a.settings != b.settings}
    assert changed == set(paper.SETTINGS) == {"invert", "fit", "generate"}


def test_methods_that_read_a_diffusion_model_invert_nothing(gan: Path) -> None:
    """They train one where none is named, in the frame of the generator, and without the settings of GANs."""
    both = recipe(tables={"train": {"w_dim": 64, "minutes": 5, "resolution": "32"}})
    for steps in (ddpm.features_steps, ddpm.dataset_steps, ddpm.both_steps):
        made = list(steps(both))
        assert "invert" not in {step.verb for step in made}
        (train,) = [step for step in made if step.folder.name == "diffusion"]
        stated = train.settings.model_dump()
        assert (stated["kind"], stated["minutes"], stated["resolution"]) == ("diffusion", 5, "32x32")
        (fit,) = [step for step in made if step.verb == "fit"]
        assert fit.inputs["examples"] == both.labelled
        assert "diffusion" in fit.settings.model_dump()["features"]
    assert [step.verb for step in ddpm.features_steps(both)] == ["train", "fit", "score"]
    assert [step.verb for step in ddpm.dataset_steps(both)] == ["train", "fit", "generate", "evaluate"]
    train, _, teacher, fit, *_ = ddpm.both_steps(both)
    assert train.settings.model_dump()["w_dim"] == 64
    assert fit.inputs["denoiser"] == Path("out/diffusion")
    assert fit.inputs["teacher"] == teacher.folder
    given = recipe(images=None, generator=gan, diffusion=Path("model"))
    assert [step.verb for step in ddpm.both_steps(given)] == ["evaluate", "fit", "generate", "evaluate"]
    with pytest.raises(InputError, match="name one as diffusion, or photos to train it on"):
        list(ddpm.features_steps(recipe(images=None, generator=Path("gan"))))
