"""Settings that somebody states: what cannot be, or would do nothing, is refused in a sentence."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import handsoff
from handsoff.cli.options import settings_of
from handsoff.core.errors import InputError
from handsoff.evaluation.settings import EvaluateSettings, ScoreSettings
from handsoff.formats.settings import ConvertSettings
from handsoff.labeling.settings import FitSettings
from handsoff.recipes.errors import checked

ALIGNED = {"frame": "8x8", "align": {"nose": (0.5, 0.5)}}
IDLE: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (FitSettings, {"sigmas": (0.5,)}, "sigmas says nothing, for features name no diffusion: leave it out"),
    (FitSettings, {"head": "conv", "hidden": (8, 8)}, "hidden says nothing, for head = conv"),
    (FitSettings, {"head": "conv", "pixels": 9}, "pixels says nothing, for head = conv"),
    (FitSettings, {"networks": 0, "network_share": 0.5}, "network_share says nothing, for networks = 0"),
    (FitSettings, {"networks": 0, "network_steps": 5}, "network_steps says nothing, for networks = 0"),
    (ConvertSettings, {"framing": "pad"}, "framing says nothing, for there is no frame to get into"),
    (ConvertSettings, {"framing": "pad", "around": "labels"}, "framing says nothing, for there is no frame"),
    (ConvertSettings, {**ALIGNED, "framing": "pad"}, "framing says nothing, for align says where in the frame"),
    (ConvertSettings, {**ALIGNED, "around": "labels"}, "around says nothing, for align says"),
    (ConvertSettings, {**ALIGNED, "around": "labels", "margin": 0.5}, "around says nothing, for align says"),
    (EvaluateSettings, {"teacher_from": 5}, 'teacher_from says nothing, for unlabelled = "labels"'),
    (EvaluateSettings, {"teacher_threshold": 0.5}, "teacher_threshold says nothing"),
    (EvaluateSettings, {"labels_part": ":50"}, "labels_part says nothing, for there is no group: leave it out"),
    (EvaluateSettings, {"curve_part": "50:"}, "curve_part says nothing, for there is no curve"),
    (ScoreSettings, {"labels_part": ":50"}, "labels_part says nothing, for there is no group"),
]


@pytest.mark.parametrize(("model", "values", "sentence"), IDLE)
def test_what_says_nothing_beside_the_others_is_refused(
    model: type[BaseModel], values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=f"verb: {sentence}"):
        checked(model, values, "verb")


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (FitSettings, {"sigmas": (0.5,), "features": ("diffusion",)}),
        (FitSettings, {"hidden": (8, 8), "pixels": 9, "network_share": 0.5}),
        (FitSettings, {"networks": 0, "head": "conv"}),
        (FitSettings, FitSettings(networks=0).model_dump()),
        (ConvertSettings, {"frame": "8x8", "framing": "pad", "around": "labels", "margin": 0.5}),
        (ConvertSettings, {**ALIGNED, "aspect": 1.5}),
        (EvaluateSettings, {"teacher_from": 5, "unlabelled": "teacher", "patience": 5}),
        (EvaluateSettings, {"labels_part": ":50", "group": ".", "curve": "16,all", "curve_part": "50:"}),
        (ScoreSettings, {"labels_part": ":50", "group": "."}),
    ],
)
def test_what_counts_is_not_nor_is_a_default_that_is_stated(model: type[BaseModel], values: dict[str, Any]) -> None:
    checked(model, values, "verb")


def test_the_command_line_and_python_refuse_it_alike(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fit: network_share says nothing, for networks = 0: leave it out"):
        settings_of("fit", ["networks=0", "network_share=0.5"])
    with pytest.raises(InputError, match="fit: network_share says nothing, for networks = 0: leave it out"):
        handsoff.fit("generator", "latents", tmp_path / "out", networks=0, network_share=0.5)
