"""What can be set about generation; every default is what worked best in docs/log.md."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class GenerateSettings(BaseModel):
    """Settings of `handsoff generate`: sample i of `n` has the seed `seed` + i, which is also its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int = Field(ge=1, description="how many samples are drawn; `keep` of them stay")
    seed: int = Field(0, ge=0, description="of the first sample; the others count on from it")
    keep: float = Field(0.9, gt=0, le=1, description="share of the drawn samples that is kept: the most certain ones")
    drop: Literal["any", "all"] = Field(
        "any",
        description="with several labelers: drop what any of them, or only what all of them find uncertain",
    )
    psi: float = Field(1.0, gt=0, le=1, description="truncation: 1 = all of the generator's variety")
    condition: int | None = Field(
        None,
        ge=0,
        description="class that all samples show, of a class-conditional generator; default: all alike often",
    )


class LabelSettings(BaseModel):
    """Settings of `handsoff label`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int | None = Field(
        None, ge=1, description="label so many of the photos only, spread evenly over them in sorted order"
    )
    apart_first: int | None = Field(
        None, ge=1, description="only the first N labelled samples of the first --apart are kept apart"
    )
    keep: float = Field(0.9, gt=0, le=1, description="share of the photos that is kept: the most certain ones")
    drop: Literal["any", "all"] = Field(
        "any",
        description="with labels of several tasks: drop what any of them, or only what all of them find uncertain",
    )
    mirror: bool = Field(
        default=True, description="networks also look at the mirror image of every photo, where its labels are known"
    )
    inversion: Literal["none", "encoder", "refined"] = Field(
        "none",
        description="how labelers that read latents get those of a photo, so that their pixel classifiers vote too: "
        "none (they do not), encoder (its latents as they are), refined (by 200 steps of optimisation)",
    )
