"""Values that no run could use are refused before it begins."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from handsoff.editing.settings import EditSettings
from handsoff.inversion.settings import InvertSettings
from handsoff.labeling.settings import FitSettings
from handsoff.training.settings import TrainSettings


@pytest.mark.parametrize("settings", [FitSettings, InvertSettings, TrainSettings])
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_no_random_number_comes_from(settings: type[BaseModel], seed: int) -> None:
    with pytest.raises(ValidationError, match="seed"):
        settings(seed=seed)


@pytest.mark.parametrize("settings", [{"r1": 1.0}, {"augment": "none"}])
def test_what_holds_the_projected_discriminator_back_is_refused_with_the_other(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is a setting of the projected discriminator: leave it out"):
        TrainSettings(discriminator="stylegan2", **settings)


LENT = [{"encoder_passes": 2}, {"encoder_lr": 1e-3}, {"encoder_batch": 8}, {"encoder_steps": 9}, {"photos": "a.zip"}]
IDLE: list[tuple[str, dict[str, Any]]] = [
    ("encoder_steps", {"encoder": "latents"}),
    *(("encoder_steps", found) for found in LENT if "encoder_steps" not in found),
    *(("tuning_steps", found) for found in ({"tuning_lr": 1e-3}, {"tuning_batch": 2}, {"tuning_locality": 0.0})),
    ("residual", {"residual_prior": 1.0}),
    *(("steps", found) for found in ({"lr": 0.1}, {"residual": 16})),
]


@pytest.mark.parametrize("settings", LENT)
def test_an_encoder_of_another_folder_is_not_trained(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is about an encoder that is trained, and encoder names another one"):
        InvertSettings(encoder="latents", **settings)


@pytest.mark.parametrize(("needed", "settings"), IDLE)
def test_what_would_do_nothing_is_refused(needed: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(settings))} does nothing with {needed} = 0: leave it out"):
        InvertSettings(**{needed: 0, **settings})


def test_settings_come_back_from_a_plan() -> None:
    """There all of them are stated, as they are by default as well."""
    for made in (InvertSettings(encoder_steps=0, steps=0), TrainSettings(discriminator="stylegan2")):
        assert type(made)(**made.model_dump()) == made


@pytest.mark.parametrize(("settings", "name"), [(InvertSettings, "tasks"), (EditSettings, "parts")])
@pytest.mark.parametrize("nothing", [[], ()])
def test_a_list_of_what_is_wanted_names_something(settings: type[BaseModel], name: str, nothing: object) -> None:
    with pytest.raises(ValidationError, match=f"{name}\n.* at least 1 item"):
        settings(**{name: nothing})


def test_a_text_without_names_names_no_parts() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        EditSettings(parts=",")  # type: ignore[arg-type]  # as the command line does


def test_a_layer_has_units() -> None:
    with pytest.raises(ValidationError, match="hidden"):
        FitSettings(hidden=(0, 8))
