"""What can be set about importing a checkpoint."""

from pydantic import BaseModel, ConfigDict, Field

from handsoff.core.frames import Framing


class ImportSettings(BaseModel):
    """Settings of `handsoff import`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    framing: Framing = Field(
        "crop", description="how photos got into the frame when it was trained: crop, letterbox, pad or stretch"
    )
    licence: str | None = Field(
        None, description="the terms of the weights, as their makers state them; goes into every dataset"
    )
    steps: int = Field(18, ge=1, le=1000, description="of the sampler, of a diffusion model")
    without_class: bool = Field(default=False, description="the last class that a diffusion model is told means none")
    guidance: float = Field(
        1.0, ge=1, le=100, description="weight of classifier-free guidance, of a diffusion model with such a class"
    )
    mapping_lr: float | None = Field(
        None,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="learning-rate multiplier of the mapping network, where it is not 0.01 and the file lacks it",
    )
