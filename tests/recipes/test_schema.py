"""What follows from a recipe: the settings of every verb, and which samples are labels, validation and test."""

from pathlib import Path
from typing import Any

import pytest

from handsoff.core.errors import InputError
from handsoff.generators.stored import save_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.recipes.schema import Recipe
from handsoff.tasks import TASKS


def recipe(**values: Any) -> Recipe:
    return Recipe(**{"images": Path("photos.zip"), "labelled": Path("labelled"), "output": Path("out"), **values})


def test_every_budget_is_tested_on_the_same_samples() -> None:
    several = recipe(budgets=[50, 16], validation=20)
    parts = {budget: several.for_evaluate(budget, "segmentation") for budget in several.budgets}
    assert {(settings.validation_part, settings.test_part) for settings in parts.values()} == {("50:70", "70:")}
    assert [settings.first for settings in parts.values()] == [50, 16]
    assert (several.for_invert().first, several.for_fit(16, "segmentation").first) == (50, 16)
    assert recipe(test=Path("other")).for_evaluate(50, "segmentation").test_part is None
    without = recipe(validation=0).for_evaluate(50, "segmentation")
    assert (without.validation_part, without.test_part) == (None, "50:")


def test_the_reserve_lies_between_validation_and_test_and_serves_the_curve() -> None:
    table = {"evaluate": {"curve": [16, 100, "all"]}}
    for budget in (50, 16):
        settings = recipe(budgets=[50, 16], validation=20, reserve=80, tables=table).for_evaluate(
            budget, "segmentation"
        )
        parts = (settings.validation_part, settings.curve_part, settings.test_part)
        assert parts == ("50:70", ":150", "150:")
        assert settings.curve == (16, 100, "all")
    elsewhere = recipe(test=Path("other"), validation=20, reserve=80).for_evaluate(50, "segmentation")
    assert (elsewhere.curve_part, elsewhere.test_part, elsewhere.labels_part) == (":150", None, ":150")
    assert recipe(validation=20).for_evaluate(50, "segmentation").curve_part is None


@pytest.mark.parametrize(
    ("values", "labels"),
    [({}, 50), ({"reserve": 80}, 130), ({"test": Path("other")}, 980), ({"test": Path("other"), "reserve": 80}, 130)],
)
def test_how_many_labels_the_curve_can_have(values: dict[str, Any], labels: int) -> None:
    assert recipe(validation=20, **values).curve_labels(1000) == labels


def test_classes_become_the_merge_table_of_the_tasks_that_merge() -> None:
    merged = recipe(
        classes={"background,hat": "rest", "left_eye,right_eye": "eye"}, labels={"keypoints": {"mirror": [[0, 1]]}}
    )
    labels = merged.for_invert().labels
    merging = {name for name, task in TASKS.items() if task.merges}
    assert {name for name, options in labels.items() if "merge" in options} == merging != set()
    assert all(
        list(labels[name]["merge"].items()) == [("background,hat", "rest"), ("left_eye,right_eye", "eye")]
        for name in merging
    )
    assert labels["keypoints"] == {"mirror": [[0, 1]]}
    assert recipe().options == {}


def test_classes_are_pasted_only_where_labels_have_some() -> None:
    """A recipe for several tasks states `paste` once."""
    stated: Any = recipe(tasks=["segmentation", "keypoints"], tables={"evaluate": {"paste": 0.5}})
    assert [stated.for_evaluate(50, task).paste for task in stated.tasks] == [0.5, 0.0]


def test_pixels_count_by_their_certainty_only_where_labels_have_pixels() -> None:
    """A recipe for several tasks states `confidence` once; for points alone it stays, and is refused."""
    stated: Any = recipe(tasks=["keypoints", "depth"], tables={"evaluate": {"confidence": 0.5}})
    assert [stated.for_evaluate(50, task).confidence for task in stated.tasks] == [None, 0.5]
    alone: Any = recipe(tasks=["keypoints"], tables={"evaluate": {"confidence": 0.5}})
    assert alone.for_evaluate(50, "keypoints").confidence == 0.5


def test_a_methods_settings_give_way_to_the_recipes() -> None:
    stated = recipe(tables={"invert": {"steps": 3}}).with_defaults({"invert": {"steps": 900, "encoder_steps": 0}})
    assert (stated.settings("invert").steps, stated.settings("invert").encoder_steps) == (3, 0)
    assert stated.settings("fit") == recipe().settings("fit")


def test_a_method_without_an_encoder_ignores_what_the_recipe_says_of_one() -> None:
    """Methods are compared on one recipe, and only some of them train an encoder."""
    stated = recipe(tables={"invert": {"encoder_passes": 2, "photos": "photos.zip", "steps": 3}})
    assert stated.for_invert().model_dump(include={"encoder_passes", "photos"}) == {
        "encoder_passes": 2,
        "photos": "photos.zip",
    }
    without: Any = stated.with_defaults({"invert": {"encoder_steps": 0}}).for_invert()
    assert (without.encoder_passes, without.photos, without.steps) == (1, None, 3)


def test_unlabelled_photos_are_framed_as_labelled_ones() -> None:
    assert recipe().for_train().framing == "crop"
    framed = recipe(tables={"convert": {"framing": "letterbox"}, "train": {"resolution": "64x32"}})
    assert framed.for_train().framing == framed.for_convert("test").framing == "letterbox"
    assert framed.for_convert("test").size == (64, 32)
    assert recipe(tables={"train": {"resolution": "64x32"}}).for_convert("test").size is None  # copied as they are
    with pytest.raises(InputError, match=r"\[train\] resolution = big is no size"):
        _ = recipe(tables={"train": {"resolution": "big"}}).frame


def test_a_diffusion_model_has_the_conditions_of_its_own_photos() -> None:
    told = {"train": {"conditions": "told.json", "mirrored": ["yaw"], "r1": 2.0, "seed": 3}}
    same = recipe(tables=told).for_diffusion().model_dump()
    assert (same["conditions"], same["mirrored"], same["seed"]) == ("told.json", ("yaw",), 3)
    other = recipe(tables=told, photos=Path("others.zip")).for_diffusion().model_dump()
    assert (other["conditions"], other["mirrored"], other["seed"]) == (None, None, 3)


def test_a_generator_says_how_photos_get_into_its_frame(tmp_path: Path) -> None:
    """Labelled photos that are converted are framed as those that the generator was trained on, unless stated."""
    config = StyleGAN2Config((16, 8), (4, 2), 16, 16, 2, 256, 16)
    save_generator(StyleGAN2(config, "CC0", "letterbox"), tmp_path)
    made = recipe(images=None, generator=tmp_path, tables={"convert": {"around": "labels"}})
    settings = made.for_convert("labelled")
    assert (settings.framing, settings.size) == ("letterbox", (16, 8))
    stated = recipe(images=None, generator=tmp_path, tables={"convert": {"framing": "stretch"}})
    assert stated.for_convert("labelled").framing == "stretch"
    assert stated.for_real_only(50, "segmentation").model_dump()["framing"] == "letterbox", "a labeler takes it over"
    assert stated.for_diffusion().model_dump()["framing"] == "letterbox"


def test_a_comparison_scores_nobody_of_a_group_that_was_learnt() -> None:
    grouped = recipe(budgets=(8,), validation=2, tables={"evaluate": {"group": "(.*)_"}}).for_score().model_dump()
    assert (grouped["group"], grouped["labels_part"], grouped["test_part"]) == ("(.*)_", ":10", "10:")
    own = recipe(tables={"score": {"group": "(.*)-"}, "evaluate": {"group": "(.*)_"}}).for_score().model_dump()
    assert own["group"] == "(.*)-"
    assert recipe().for_score().model_dump()["labels_part"] is None


def test_an_aim_at_unlabelled_photos_is_one_at_the_recipes() -> None:
    aim = {"hat": 0.2, "match": "unlabelled"}
    found = recipe(tables={"generate": {"aim": aim}}).for_generate()
    assert found.model_dump()["aim"] == {"hat": 0.2, "match": "photos.zip"}
    other = recipe(tables={"generate": {"aim": {"hat": 0.2}}}).for_generate()
    assert other.model_dump()["aim"] == {"hat": 0.2}
    without = recipe(images=None, generator=Path("generator"), tables={"generate": {"aim": aim}})
    with pytest.raises(InputError, match="needs unlabelled photos"):
        without.for_generate()
