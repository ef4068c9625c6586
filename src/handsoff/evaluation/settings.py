"""What can be set about the evaluation; every default is what worked best in docs/log.md."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from handsoff.learning.settings import LearnSettings

Part = Annotated[str, Field(pattern=r"^\d*:\d*$")]


class EvaluateSettings(LearnSettings):
    """Settings of `handsoff evaluate`: the same for every arm.

    Parts are written like Python slices of the pack's samples in sorted order ("50:150", "150:"), so that one pack can
    serve as labels (`first`), validation part and test part.
    """

    task: str | None = Field(None, description="which labels of the dataset; its first kind unless said")
    first: int | None = Field(None, ge=1, description="only the first N real labelled samples")
    group: str | None = Field(
        None,
        description="regular expression: names that match it alike show the same person or scene, never on both sides of a test",
    )
    validation_part: Part | None = Field(
        None, description="which samples of --validation, or of --real without it, choose the checkpoint"
    )
    test_part: Part | None = Field(None, description="which samples of --test are the test")
    seeds: int = Field(3, ge=1, description="runs per arm")
    real_share_start: float = Field(
        0.25, ge=0, le=1, description="share of real images in a batch of real + synthetic, first step"
    )
    real_share_end: float = Field(1.0, ge=0, le=1, description="the same, last step; linear between")
    note: str | None = Field(None, description="a sentence about the data for the top of the report")

    @field_validator("group")
    @classmethod
    def compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"it is no regular expression ({error})") from None
        return pattern


def group_of(pattern: str | None, name: str) -> str:
    """What the regular expression finds in a sample's name (its first group, if it has one); the name itself without."""
    found = re.search(pattern, name) if pattern else None
    return found.group(1 if found.re.groups else 0) if found else name


def part_bounds(part: str | None) -> tuple[int, int | None]:
    """'50:150' → (50, 150), '150:' → (150, None), None → everything."""
    start, _, stop = (part or ":").partition(":")
    return int(start or 0), int(stop) if stop else None
