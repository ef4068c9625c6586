"""What can be set about generation; every default is what worked best in docs/experiments/."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator, field_validator, model_validator

from handsoff.core.urls import is_url
from handsoff.sampling.aims import LABELLED, Aim, read_aim, read_text


def what_can_be_asked(value: Any, check: Callable[[Any], Any]) -> Any:
    """One sentence where a value is none of the forms of a condition."""
    try:
        return check(value)
    except ValidationError:
        raise ValueError("write a class such as 3, attributes such as {yaw = 30, hat = 'yes'}, or none") from None


Strata = Literal["none", "parts"]
Asked = Annotated[
    Annotated[int, Field(ge=0)] | Literal["none"] | dict[str, float | str], WrapValidator(what_can_be_asked)
]
CONDITION = (
    "what a conditional generator is asked for: a class such as 3, attributes such as {yaw = 30, hat = 'yes'}, or none "
    "(drawn unconditionally); unless said, classes come alike often and attributes as in the training photos"
)
GUIDANCE = (
    "how strongly samples of a diffusion model follow the condition: 1 = as it learnt, more = closer to it and less "
    "varied, in twice the time; unless said, 1, or what the model was imported with"
)


class Selection(BaseModel):
    """Which samples stay, and how much of their labels."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    keep: float = Field(0.9, gt=0, le=1, description="share of the samples that is kept: the most certain ones")
    drop: Literal["any", "all"] = Field(
        "any",
        description="with labels of several tasks: drop what any of them, or only what all of them find uncertain",
    )
    strata: Strata = Field(
        "parts",
        description="whose uncertainty is compared: parts = that of samples which show the same rare part, none = that "
        "of all samples",
    )
    ignore_pixels: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the pixels that the labels ignore: the most uncertain ones of all samples",
    )
    output: Literal["folder", "webdataset"] = Field(
        "folder",
        description="how samples are stored: folder = files of a folder, webdataset = tar shards, for millions of them",
    )
    url: str | None = Field(
        None,
        description="where tar shards are written, anything that fsspec knows such as s3://bucket/folder; unless said, "
        "into the output folder",
    )

    @model_validator(mode="after")
    def fit_together(self) -> "Selection":
        if self.url is not None and not is_url(self.url):
            raise ValueError(f"url = {self.url} is no URL: write one such as s3://bucket/folder")
        if self.url is not None and self.output == "folder":
            raise ValueError("url is for shards: add output = webdataset, or leave url out")
        if self.ignore_pixels and self.output != "folder":
            raise ValueError("ignore_pixels changes labels after all of them are known: it needs output = folder")
        return self


class SampleSettings(BaseModel):
    """Settings of `handsoff sample`: sample i of `n` has the seed `seed` + i, which is also its name."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    n: int = Field(ge=1, lt=2**62, description="how many images are drawn")
    seed: int = Field(0, ge=0, lt=2**62, description="of the first sample; the others count on from it")
    psi: float = Field(1.0, gt=0, le=1, description="truncation: 1 = all of the generator's variety")
    condition: Asked | None = Field(None, description=CONDITION)
    guidance: float | None = Field(None, ge=1, le=100, description=GUIDANCE)


class GenerateSettings(Selection):
    """Settings of `handsoff generate`: sample i of `n` has the seed `seed` + i, which is also its name."""

    n: int = Field(ge=1, lt=2**62, description="how many samples are drawn; `keep` of them stay")
    seed: int = Field(0, ge=0, lt=2**62, description="of the first sample; the others count on from it")
    psi: float = Field(1.0, gt=0, le=1, description="truncation: 1 = all of the generator's variety")
    condition: Asked | None = Field(None, description=CONDITION)
    guidance: float | None = Field(None, ge=1, le=100, description=GUIDANCE)
    aim: dict[str, Any] | None = Field(
        None, description="what the dataset is to hold, such as {'glasses' = 0.3}, see docs/composition.md"
    )
    attributes: str | None = Field(
        None,
        description="a labelled folder whose attributes.json gives further attributes that the aim may ask for",
    )
    draws_limit: int | None = Field(
        None,
        ge=1,
        lt=2**62,
        description="how many samples may be drawn to reach the aim, n or more; unless said, four times n",
    )

    @field_validator("aim", mode="before")
    @classmethod
    def be_an_aim(cls, aim: Any) -> Any:
        said = read_text(aim) if isinstance(aim, str) else aim
        if isinstance(said, Mapping):
            read_aim(said)
        return said

    @model_validator(mode="after")
    def serve_an_aim(self) -> "GenerateSettings":
        for name in ("attributes", "draws_limit"):
            if self.aim is None and getattr(self, name) is not None:
                raise ValueError(f"{name} is about reaching an aim, and there is none: add one, or leave it out")
        if self.draws_limit is not None and self.draws_limit < self.n:
            raise ValueError(
                f"draws_limit = {self.draws_limit} is less than n = {self.n}, which are drawn before the aim is looked "
                "at: raise it, or lower n"
            )
        return self

    @property
    def wanted(self) -> Aim | None:
        """The aim, read."""
        return None if self.aim is None else read_aim(self.aim)

    @property
    def placeless_aim(self) -> dict[str, Any] | None:
        """The aim without the place of what is matched: it does not matter, and is nobody else's business."""
        here = self.wanted is None or self.wanted.match in {None, LABELLED}
        return self.aim if here else {**(self.aim or {}), "match": "the input"}

    @property
    def most_draws(self) -> int:
        """How many samples are drawn at the most."""
        return self.n if self.aim is None else self.draws_limit or 4 * self.n


class LabelSettings(Selection):
    """Settings of `handsoff label`."""

    n: int | None = Field(
        None, ge=1, description="label so many of the photos only, spread evenly over them in sorted order"
    )
    apart_first: int | None = Field(
        None, ge=1, description="only the first N labelled samples of the first --apart are kept apart"
    )
    mirror: bool = Field(
        default=True, description="networks also look at the mirror image of every photo, where its labels are known"
    )
    inversion: Literal["none", "encoder", "refined"] = Field(
        "none",
        description="how labelers that read latents get those of a photo, so that their pixel classifiers vote too: "
        "none (they do not), encoder (its latents as they are), refined (by 200 steps of optimisation)",
    )
