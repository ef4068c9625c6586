"""What can be set about the evaluation; every default is what worked best in docs/experiments/."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from handsoff.core.errors import InputError
from handsoff.core.frames import Framing
from handsoff.core.reviewed import CORRECTIONS, Use
from handsoff.learning.settings import REAL_ONLY, LearnSettings

Part = Annotated[str, Field(pattern=r"^\d*:\d*$")]
Size = Annotated[str, Field(pattern=r"^[1-9]\d{0,3}(x[1-9]\d{0,3})?$")]
Share = Annotated[float, Field(ge=0, le=1)]
Points = tuple[int | Literal["all"], ...]  # of the learning curve: numbers of labels
Shares = Share | tuple[Share, Share]  # throughout, or at the first and at the last step

ARM_NAME = re.compile(r"\w[\w.+-]*")  # it names files
ALL_LABELS = "all"  # the last point of a learning curve: as many labels as there are
FEWEST = 2  # labels at a point
PARTS = {"labels_part": "group", "curve_part": "curve"}  # setting → the one that it is about
TAUGHT = ("teacher_from", "teacher_threshold")  # settings of labels that a teacher makes during training
TOLERANCE = 1e-3  # shares such as 0.333 three times are meant to add up to 1


def is_pattern(text: str) -> str:
    """The text, if it is a regular expression.

    Raises:
        ValueError: it is none.
    """
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"it is no regular expression ({error})") from None
    return text


Pattern = Annotated[str, AfterValidator(is_pattern)]
GROUP = "regular expression: names that match it alike show the same person or scene, never on both sides of a test"


class EvaluateSettings(LearnSettings):
    """Settings of `handsoff evaluate`: the same for every arm.

    Parts are written like Python slices of the samples in sorted order ("50:150", "150:"), so that one folder can serve
    as labels (`first`), validation part and test part.
    """

    task: str | None = Field(None, description="which labels of the dataset; its first kind unless said")
    first: int | None = Field(None, ge=1, description="only the first N real labelled samples")
    skip: int = Field(0, ge=0, description="leave out the first N real labelled samples before that")
    labels: dict[str, dict[str, Any]] = Field(
        {}, description="without datasets, which say it: about the labels, by task, as for handsoff invert"
    )
    frame: Size | None = Field(
        None,
        description="without datasets: the size of all images, H or HxW in pixels; "
        "unless said, that of the first labelled one",
    )
    framing: Framing | None = Field(
        None, description="without datasets: how photos of another shape get into the frame; unless said, crop"
    )
    group: Pattern | None = Field(None, description=GROUP)
    labels_part: Part | None = Field(
        None,
        description="which samples of --real are labels of any budget that is compared: nobody of their groups is "
        "tested; unless said, the first N, or with the test in the same folder all but validation and test",
    )
    validation_part: Part | None = Field(
        None, description="which samples of --validation, or of --real without it, choose the checkpoint"
    )
    test_part: Part | None = Field(None, description="which samples of --test are the test")
    curve: Points | None = Field(
        None,
        description="also train real only on so many labels, such as 16,50,100,all: "
        "it tells how many real labels an arm is worth",
    )
    curve_part: Part | None = Field(
        None,
        description="which samples of --real beyond the first N the curve may use; "
        "unless said, all that are neither validation nor test",
    )
    seeds: int = Field(3, ge=1, description="runs per arm")
    arms: dict[str, dict[str, Shares]] | tuple[str, ...] | None = Field(
        None,
        description="only these of the default arms, by their names, or other arms: "
        "{NAME = {POOL = share of a batch, or [share at first, share at the end]}}",
    )
    mirror: bool = Field(
        default=False, description="test photos and their mirror images are labelled together, in every arm alike"
    )
    corrections: Use | None = Field(None, description=CORRECTIONS)
    note: str | None = Field(None, description="a sentence about the data for the top of the report")

    @model_validator(mode="after")
    def curve_begins_at_the_first(self) -> "EvaluateSettings":
        """A learning curve is about the first labels."""
        if self.skip and self.curve is not None:
            raise ValueError("skip leaves out the first labels, with which a curve begins: leave one of both out")
        return self

    @field_validator("curve", mode="before")
    @classmethod
    def order_points(cls, points: object) -> object:
        """Numbers in ascending order, each once, and "all" last; text is read as `16,50,all`."""
        if isinstance(points, int | str):
            points = [point.strip() for point in str(points).split(",")]
        if not isinstance(points, list | tuple):
            return points
        if not points:
            raise ValueError("it names no point: write numbers of labels, or leave the setting away")
        for point in points:
            if point != ALL_LABELS and not re.fullmatch(r"\d{1,9}", str(point)):
                raise ValueError(f"{str(point)!r} is no number of labels: write numbers and all, such as 16,50,100,all")
        numbers = sorted({int(point) for point in points if point != ALL_LABELS})
        if numbers and numbers[0] < FEWEST:
            raise ValueError(f"{numbers[0]} is too few labels to learn from: begin with {FEWEST} or more")
        return (*numbers, *([ALL_LABELS] if ALL_LABELS in points else []))

    @field_validator("arms", mode="before")
    @classmethod
    def split_names(cls, arms: object) -> object:
        """`real_only,real_plus_photos` are two names."""
        return [name.strip() for name in arms.split(",") if name.strip()] if isinstance(arms, str) else arms

    @field_validator("arms")
    @classmethod
    def check_arms(
        cls, arms: dict[str, dict[str, Shares]] | tuple[str, ...] | None
    ) -> dict[str, dict[str, Shares]] | tuple[str, ...] | None:
        if arms is not None and not arms:
            raise ValueError("it names no arm: name at least one, or leave the setting away")
        if isinstance(arms, tuple):
            return tuple(dict.fromkeys(arms))
        for name, shares in (arms or {}).items():
            check_shares(name, shares)
        return arms

    @property
    def idle(self) -> dict[str, str]:
        """Setting → why it says nothing beside the others."""
        taught = {} if self.unlabelled == "teacher" else dict.fromkeys(TAUGHT, 'unlabelled = "labels"')
        parts = {name: f"there is no {needed}" for name, needed in PARTS.items() if getattr(self, needed) is None}
        return {**taught, **parts}


class ScoreSettings(BaseModel):
    """Settings of `handsoff score`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    test_part: Part | None = Field(None, description="which samples of --test are the test")
    group: Pattern | None = Field(None, description=f"{GROUP}; needs --labelled")
    labels_part: Part | None = Field(
        None, description="which samples of --labelled somebody learnt from, or was chosen by; unless said, all"
    )
    mirror: bool = Field(
        default=True, description="networks also look at the mirror image of every photo, where its labels are known"
    )
    inversion: Literal["none", "encoder", "refined"] = Field(
        "none", description="how labelers that read latents get those of a photo, as for handsoff label"
    )

    @property
    def idle(self) -> dict[str, str]:
        """Setting → why it says nothing beside the others."""
        return {} if self.group is not None else {"labels_part": "there is no group"}


def check_shares(name: str, shares: dict[str, Shares]) -> None:
    """Refuse what cannot be an arm.

    Raises:
        ValueError: its name, or its shares.
    """
    if not ARM_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name an arm: use letters, digits and _ . + -")
    if not shares:
        raise ValueError(f"the arm {name} is empty: say which share of its batches comes from which pool")
    for index, when in enumerate(("first", "last")):
        total = sum(share[index] if isinstance(share, tuple) else share for share in shares.values())
        if not math.isclose(total, 1, abs_tol=TOLERANCE):
            raise ValueError(f"the shares of the arm {name} add up to {total:g} at the {when} step, not to 1")
    if name == REAL_ONLY and set(shares) != {"real"}:
        raise ValueError(f"the arm {REAL_ONLY}, to which reports compare the others, learns from real alone")


def group_of(pattern: str | None, name: str) -> str:
    """What the regular expression finds in a sample's name (its first group, if it has one), else the name itself.

    Raises:
        InputError: it matches the name and finds nothing in it: all such names would count as one person or scene.
    """
    found = re.search(pattern, name) if pattern else None
    if found is None:
        return name
    group: str | None = found.group(1 if found.re.groups else 0)
    if not group:
        raise InputError(
            f"group = {pattern} matches {name} and takes nothing from it, so all such names would be one person or "
            "scene: write an expression whose first parentheses hold something wherever it matches."
        )
    return group


def part_bounds(part: str | None) -> tuple[int, int | None]:
    """'50:150' → (50, 150), '150:' → (150, None), None → everything."""
    start, _, stop = (part or ":").partition(":")
    return int(start or 0), int(stop) if stop else None
