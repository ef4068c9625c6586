"""What can be set about inversion; every default is what worked best in docs/experiments/."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handsoff.core.settings import stated

TRAINED = ("photos", "encoder_batch", "encoder_lr", "encoder_passes")  # about an encoder that is trained
OF_ENCODER = ("encoder", *TRAINED)
NEEDS = {
    "encoder_steps": OF_ENCODER,
    "steps": ("lr", "residual"),
    "residual": ("residual_prior",),
    "tuning_steps": ("tuning_lr", "tuning_batch", "tuning_locality"),
}  # setting → what does nothing where it is 0


class InvertSettings(BaseModel):
    """Settings of `handsoff invert`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    first: int | None = Field(None, ge=1, description="take the first N labelled images in sorted order")
    skip: int = Field(0, ge=0, description="leave out the first N before that")
    tasks: tuple[str, ...] | None = Field(
        None, min_length=1, description="kinds of labels to carry along; without it, all that there are"
    )
    labels: dict[str, dict[str, Any]] = Field(
        {}, description="about the labels, by task: {segmentation = {merge = {'left_eye,right_eye' = 'eye'}}}"
    )
    photos: str | None = Field(
        None, description="unlabelled images for the encoder; default: what the generator was trained on"
    )
    encoder: str | None = Field(None, description="another folder of latents whose encoder to use")
    encoder_steps: int = Field(
        600, ge=0, description="0 = no encoder, start from the mean latents (the paper: optimisation alone)"
    )
    encoder_batch: int = Field(32, ge=2, description="images per step of the encoder")
    encoder_lr: float = Field(5e-4, gt=0, description="learning rate of the encoder")
    encoder_passes: int = Field(
        1,
        ge=1,
        description="times that the encoder looks at photo and reconstruction and corrects itself (ReStyle)",
    )
    steps: int = Field(200, ge=0, description="refinement steps; 0 = the encoder's latents as they are")
    lr: float = Field(0.05, gt=0, description="refinement step size, in standard deviations of w")
    pixel: float = Field(2.0, ge=0, description="weight of the mean squared error in [-1, 1]")
    prior: float = Field(0.02, ge=0, description="weight of the squared Mahalanobis distance to the generator's own w")
    residual: int = Field(
        0, ge=0, description="height of the feature map that a residual per photo is added to, such as 16; 0 = none"
    )
    residual_prior: float = Field(
        0.1, ge=0, description="weight of the mean square of the residual, in standard deviations of its channels"
    )
    tuning_steps: int = Field(
        0, ge=0, description="steps that tune the generator on all photos at once (pivotal tuning); 0 = none"
    )
    tuning_lr: float = Field(3e-4, gt=0, description="learning rate of that")
    tuning_batch: int = Field(10, ge=1, description="photos per step of that, and half as many random samples")
    tuning_locality: float = Field(1.0, ge=0, description="weight of the change in random samples, which is held down")
    batch: int = Field(50, ge=1, description="photos refined together, fewer where they are large")
    seed: int = Field(0, ge=0, lt=2**63, description="where all random numbers come from")

    @model_validator(mode="after")
    def do_something(self) -> "InvertSettings":
        lent = ("encoder_steps", *TRAINED) if self.encoder is not None and self.encoder_steps else ()
        for name in stated(self, lent):
            raise ValueError(f"{name} is about an encoder that is trained, and encoder names another one: leave it out")
        for needed, names in NEEDS.items():
            for name in stated(self, names if getattr(self, needed) == 0 else ()):
                raise ValueError(f"{name} does nothing with {needed} = 0: leave it out, or take more")
        return self
