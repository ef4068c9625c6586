"""The settings of `handsoff convert`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ConvertSettings(BaseModel):
    """What to take of a pack, and how to write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = Field("folder", description="how the labels are written: see docs/formats.md")
    source: str | None = Field(None, description="the format of what is read, where HandsOff does not recognise it")
    tasks: tuple[str, ...] | None = Field(None, description="kinds of labels to keep; all without")
    split: str | None = Field(None, description="only the samples of this split (train, val, …)")
    first: int | None = Field(None, ge=1, description="only the first so many samples in sorted order")
    classes: dict[str, str] | None = Field(None, description="{'left_eye,right_eye' = 'eye'}: which classes make up yours; the others are ignored")
    ignore: str | None = Field(None, description="the class that ignored pixels become, for formats that cannot ignore")
    instances: bool = Field(False, description="every connected part of a class is an object of its own (COCO)")
