"""What can be set about training; every default is what worked best in docs/experiments/."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handsoff.core.frames import Framing
from handsoff.core.settings import stated

ALONE = {
    "stylegan2": (
        "discriminator",
        "channel_base",
        "channel_max",
        "w_dim",
        "g_lr",
        "d_lr",
        "r1",
        "mixing",
        "augment",
    ),
    "diffusion": ("unet_channels", "lr"),
}  # settings that say something about one kind of generator only
PROJECTED = ("r1", "augment")  # about the projected discriminator only
SHAPE = ("channel_base", "channel_max", "w_dim")  # about what a generator that training begins with has already


class TrainSettings(BaseModel):
    """Settings of `handsoff train`. A run stops at `kimg` thousand images or after `minutes`, whichever comes first."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["stylegan2", "diffusion"] = Field(
        "stylegan2",
        description="what is trained: stylegan2 (a GAN) or diffusion (pip install 'handsoff-labels[diffusion]')",
    )
    resolution: str = Field(
        "64", description="H or HxW, a power of two times the base (4x4, or as small as the shape allows)"
    )
    discriminator: Literal["projected", "stylegan2"] = Field(
        "projected", description="who tells real from made: projected (on pretrained features) or stylegan2"
    )
    kimg: float | None = Field(
        None, gt=0, description="thousands of images shown to the discriminator; 200 without kimg and minutes"
    )
    minutes: float | None = Field(None, gt=0, description="minutes of training, resumed parts added up")
    framing: Framing = Field(
        "crop", description="how an image of another shape gets into the frame: crop, letterbox, pad or stretch"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="where all random numbers come from")
    batch: int = Field(32, ge=2, description="images per step over all processes")
    channel_base: int | None = Field(
        None, ge=64, description="channels at height r are channel_base / r; default: 48 in the finest block"
    )
    channel_max: int = Field(192, ge=8, description="channels at any height at the most")
    w_dim: int = Field(192, ge=8, description="numbers of a latent w")
    g_lr: float = Field(2e-3, gt=0, description="learning rate of the generator")
    d_lr: float = Field(2e-4, gt=0, description="learning rate of the discriminator")
    r1: float = Field(
        5.0, ge=0, description="weight of the gradient penalty of the projected discriminator, on standardised features"
    )
    unet_channels: tuple[int, ...] = Field(
        (32, 64, 128, 128),
        min_length=1,
        description="of the U-Net of a diffusion model, level by level, fine to coarse",
    )
    lr: float = Field(4e-4, gt=0, description="learning rate of a diffusion model")
    mixing: float = Field(0.0, ge=0, le=1, description="probability of style mixing per sample")
    mirror: bool = Field(default=True, description="flip half of the images left to right")
    conditions: str | None = Field(
        None,
        description="JSON with a number or a word per photo and attribute: the generator can then be asked for these",
    )
    mirrored: tuple[str, ...] | None = Field(
        None,
        description="conditions whose sign changes in the mirror, such as ['yaw']; unless said, photos with conditions "
        "are not mirrored",
    )
    augment: Literal["none"] | None = Field(
        None,
        description="none: the projected discriminator sees images as they are; unless said, moved, tinted and in part "
        "covered",
    )
    feature_size: int = Field(128, ge=32, description="longer side of images for the projected discriminator, pixels")
    snapshot_kimg: float = Field(20.0, gt=0, description="how often to measure, draw the grid and keep the best")
    tensorboard: bool = Field(
        default=False, description="also write TensorBoard event files: pip install 'handsoff-labels[tensorboard]'"
    )
    licence: str = Field("unknown: inherits the terms of the training images", description="travels into every dataset")

    @model_validator(mode="after")
    def fits_the_kind(self) -> "TrainSettings":
        for kind, names in ALONE.items():
            for name in stated(self, names) if kind != self.kind else ():
                raise ValueError(f"{name} is a setting of kind = {kind}, not of {self.kind}: leave it out")
        for name in stated(self, PROJECTED) if self.discriminator != "projected" else ():
            raise ValueError(f"{name} is a setting of the projected discriminator: leave it out")
        return self

    @model_validator(mode="after")
    def has_conditions_to_mirror(self) -> "TrainSettings":
        if self.mirrored is not None and self.conditions is None:
            raise ValueError("mirrored says which conditions change in the mirror, and there are none: give conditions")
        if self.mirrored is not None and not self.mirror:
            raise ValueError("mirrored says what changes in the mirror, and mirror = false: leave one of them out")
        return self
