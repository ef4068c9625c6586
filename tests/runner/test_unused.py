"""What a recipe says and no step would look at is refused; whatever one step of its method looks at is not."""

from pathlib import Path
from typing import Any

import pytest

from handsoff.core.errors import HandsOffError, InputError
from handsoff.methods import METHODS
from handsoff.recipes.load import load_recipe
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.runner.compare import possible_steps
from handsoff.runner.unused import refuse_unused

ROOT = Path(__file__).parents[2]
GIVEN = ("driving.toml", "faces.toml", "cars.toml", "fashion.toml")  # the data of others is not at hand
ALIGN = {"nose": [0.5, 0.5]}


def recipe(**values: Any) -> Recipe:
    return Recipe(**{"images": "photos.zip", "labelled": "labelled", "output": "out", **values})


def refuse(stated: Recipe) -> None:
    converted = Step("convert", stated.output / "labelled", {}, stated.for_convert("labelled"))
    refuse_unused(stated, [converted, *METHODS[stated.method](stated)])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": "handsoff-paper", "rounds": 3}, "rounds says how often .* no step of the method labels them"),
        ({"method": "transfer", "rounds": 3}, "rounds says how often"),
        (
            {"method": "handsoff-paper", "photos": "more.zip"},
            r"photos = more\.zip says nothing: no step of the method reads",
        ),
        ({"method": "transfer", "photos": "more.zip"}, r"photos = more\.zip says nothing"),
        ({"diffusion": "model"}, "diffusion = model says nothing"),
        (
            {"method": "transfer", "tables": {"evaluate": {"arms": ["real_only"]}}},
            r"\[evaluate\] arms = \['real_only'\] says",
        ),
        (
            {"method": "transfer", "tables": {"evaluate": {"confidence": 0.5}}},
            r"\[evaluate\] confidence = 0\.5 says nothing",
        ),
        (
            {"method": "transfer", "tables": {"evaluate": {"cutmix": 0.5}}},
            "cutmix = 0.5 .*: the method sets it to 0.0 itself",
        ),
        ({"method": "transfer", "tables": {"train": {"minutes": 5}}}, r"settings for \[train\].*: leave minutes out"),
        ({"method": "self-training", "tables": {"train": {"licence": "CC0"}}}, "leave licence out"),
        (
            {"method": "datasetgan", "reserve": 9, "tables": {"label": {"keep": 0.5}}},
            r"\[label\] keep = 0\.5 says nothing",
        ),
        (
            {"method": "datasetgan", "reserve": 9, "tables": {"label": {"ignore_pixels": 0.5}}},
            "ignore_pixels = 0.5 says",
        ),
        (
            {"method": "self-training", "tables": {"label": {"inversion": "encoder"}}},
            "inversion = encoder says nothing",
        ),
        (
            {"method": "frozen-features", "tables": {"score": {"inversion": "encoder"}}},
            "inversion = encoder says nothing",
        ),
        ({"method": "frozen-features", "tables": {"fit": {"networks": 2}}}, r"\[fit\] networks = 2 says nothing"),
        (
            {"method": "ddpm-features", "tables": {"fit": {"features": ["lite0"]}}},
            r"\[fit\] features = .* says nothing",
        ),
        ({"method": "datasetddpm", "tables": {"fit": {"networks": 2}}}, "networks = 2 says nothing"),
        ({"tables": {"fit": {"networks": 0, "network_steps": 5}}}, r"network_steps = 5 says nothing, for networks = 0"),
        (
            {"tables": {"fit": {"networks": 0, "network_share": 0.5}}},
            r"network_share = 0\.5 says nothing, for networks = 0",
        ),
        ({"tables": {"convert": {"align": ALIGN, "around": "labels"}}}, "around = labels says nothing, for align says"),
        ({"tables": {"fit": {"sigmas": [0.1]}}}, r"sigmas = \[0\.1\] says nothing, for features name no diffusion"),
        ({"method": "bigdatasetgan", "reserve": 9, "tables": {"fit": {"pixels": 9}}}, "pixels = 9 .*, for head = conv"),
        (
            {"method": "handsoff-paper", "tables": {"invert": {"encoder_passes": 3}}},
            r"\[invert\] encoder_passes = 3 says nothing: the method sets it to 1 itself",
        ),
        ({"validation": 0, "tables": {"evaluate": {"patience": 5}}}, "patience = 5 says nothing, for validation = 0"),
        ({"tables": {"evaluate": {"teacher_from": 5}}}, "teacher_from = 5 says nothing, for unlabelled = "),
        (
            {"labels": {"keypoints": {"scale": [[0], [1]]}}},
            r"\[labels.keypoints\] says nothing, for tasks does not name",
        ),
        ({"tasks": ("keypoints",), "classes": {"a": "b"}}, r"\[classes\] says nothing, for keypoints"),
        ({"labels": {"smell": {}}}, "Unknown task 'smell'"),
    ],
)
def test_what_no_step_looks_at_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HandsOffError, match=sentence):
        refuse(recipe(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"rounds": 3, "photos": "more.zip"},
        {"method": "self-training", "rounds": 3, "tables": {"train": {"resolution": "32"}}},
        {"method": "ddpm-features", "photos": "more.zip", "tables": {"train": {"kimg": 3}, "fit": {"steps": 3}}},
        {"method": "ddpm-features", "photos": "more.zip", "tables": {"fit": {"sigmas": [0.1]}}},
        {"method": "gan-ddpm", "tables": {"fit": {"networks": 2, "features": ["diffusion"]}}},
        {"method": "handsoff-paper", "photos": "more.zip", "tables": {"generate": {"aim": {"match": "unlabelled"}}}},
        {"method": "datasetgan", "reserve": 9, "tables": {"label": {"mirror": False}, "sample": {"psi": 0.5}}},
        {"tables": {"evaluate": {"arms": ["real_only"], "patience": 5, "curve": [5, "all"]}}},
        {"tables": {"evaluate": {"unlabelled": "teacher", "teacher_from": 5}}},
        {"tables": {"convert": {"framing": "pad"}}},
        {"tables": {"convert": {"framing": "pad", "align": ALIGN}}},
        {"tables": {"label": {"keep": 0.9}, "generate": {"n": 10_000}}},
        {"tasks": ("segmentation", "keypoints"), "classes": {"a": "b"}, "labels": {"keypoints": {"scale": [[0], [1]]}}},
    ],
)
def test_what_some_step_looks_at_is_not(values: dict[str, Any]) -> None:
    refuse(recipe(**values))


def test_a_method_may_have_settings_beside_which_others_say_nothing() -> None:
    """Of several methods one may look at what is stated."""
    stated = recipe(tables={"invert": {"encoder_passes": 3}})
    refuse_unused(stated, [*METHODS["handsoff-paper"](stated), *METHODS["handsoff"](stated)])


def test_a_comparison_accepts_what_any_method_looks_at() -> None:
    """Of methods that are not compared, too."""
    stated = recipe(photos="more.zip", diffusion="model", rounds=2, tables={"fit": {"networks": 2, "network_steps": 5}})
    refuse_unused(stated, [*possible_steps(stated)])
    with pytest.raises(InputError, match="no step of that kind"):
        refuse_unused(recipe(tables={"diagnose": {"photos": 4}}), [*possible_steps(stated)])


@pytest.mark.parametrize(
    "name", [*GIVEN, "heads.toml", "../src/handsoff/demo/demo.toml", "../src/handsoff/demo/full.toml"]
)
def test_our_own_recipes_say_nothing_useless(name: str) -> None:
    refuse(load_recipe(ROOT / "recipes" / name))


def test_nor_does_the_one_of_the_comparison() -> None:
    stated = load_recipe(ROOT / "recipes" / "heads-methods.toml")
    refuse_unused(stated, [*possible_steps(stated)])
