"""Values that no run could use are refused before it begins."""

import pytest
from pydantic import BaseModel, ValidationError

from handsoff.inversion.settings import InvertSettings
from handsoff.labeling.settings import FitSettings
from handsoff.training.settings import TrainSettings


@pytest.mark.parametrize("settings", [FitSettings, InvertSettings, TrainSettings])
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_no_random_number_comes_from(settings: type[BaseModel], seed: int) -> None:
    with pytest.raises(ValidationError, match="seed"):
        settings(seed=seed)


def test_a_layer_has_units() -> None:
    with pytest.raises(ValidationError, match="hidden"):
        FitSettings(hidden=(0, 8))
