"""What can be set about edits; the defaults are those of EditGAN's paper where it states them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from handsoff.core.reviewed import CORRECTIONS, Use


class PaintSettings(BaseModel):
    """How latents are moved until the labeler sees the mask that is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    steps: int = Field(100, ge=1, description="optimisation steps towards the edited mask")
    refine_steps: int = Field(
        30, ge=0, description="further steps towards the mask that the labeler then sees, which mend what lies outside"
    )
    lr: float = Field(0.05, gt=0, description="learning rate of the edit, in standard deviations of w")
    outside: float = Field(1.0, ge=0, description="weight of what changes outside of the edited region")
    pull: float = Field(0.1, ge=0, description="weight of the edit's own mean square, in standard deviations of w")


class EditSettings(PaintSettings):
    """Settings of `handsoff edit`."""

    parts: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="classes that edits are to add; unless said, those that few of the labelled photos show",
    )
    vectors: int = Field(8, ge=1, lt=2**32, description="edits that are tried per class, each of another sample")
    first: int | None = Field(None, ge=1, description="use the first N labelled photos only")
    labels: dict[str, dict[str, Any]] = Field({}, description="about the labels, by task, as for handsoff invert")
    corrections: Use | None = Field(None, description=CORRECTIONS)
    seed: int = Field(0, ge=0, lt=2**62, description="of the first sample that an edit is tried on")

    @field_validator("parts", mode="before")
    @classmethod
    def split_names(cls, parts: object) -> object:
        """`glasses,hat` are two names."""
        return [name.strip() for name in parts.split(",") if name.strip()] if isinstance(parts, str) else parts
