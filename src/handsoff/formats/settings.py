"""The settings of `handsoff convert`."""

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from handsoff.core.frames import Frame, Framing, frame_of
from handsoff.core.reviewed import CORRECTIONS, Use

WRITTEN = (
    "folder",
    "cvat",
    "coco",
    "coco-panoptic",
    "huggingface",
    "webdataset",
    "labelstudio",
    "yolo",
)  # by `convert`

OWN = {"instances": ("coco", "coco-panoptic"), "prefix": ("labelstudio",)}  # settings that these formats alone heed


class ConvertSettings(BaseModel):
    """What to take of a dataset, and how to write it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: str = Field("folder", description=f"how the labels are written: {', '.join(WRITTEN)}")
    source: str | None = Field(
        None, description="the format of what is read, where HandsOff does not recognise it, see docs/formats.md"
    )
    tasks: tuple[str, ...] | None = Field(None, description="kinds of labels to keep; all without")
    split: str | None = Field(None, description="only the samples of this split (train, val, …)")
    first: int | None = Field(None, ge=1, description="only the first so many samples in sorted order")
    corrections: Use | None = Field(None, description=CORRECTIONS)
    queue: int | None = Field(
        None, ge=1, description="only so many samples: the most uncertain ones that nobody has decided about yet"
    )
    classes: dict[str, str] | None = Field(
        None, description="{'left_eye,right_eye' = 'eye'}: which classes make up yours; the others are ignored"
    )
    ignore: str | None = Field(None, description="the class that ignored pixels become, for formats that cannot ignore")
    frame: str | None = Field(None, description="HxW in pixels: the size of all images; as they come without")
    framing: Framing = Field(
        "crop", description="how a photo of another shape gets into the frame: crop, letterbox, pad or stretch"
    )
    around: str | None = Field(
        None, description="what to crop to: 'labels', 'box' (of the annotations), or names of classes and points"
    )
    margin: float = Field(
        0.1, ge=0, le=2, description="how much more to show on every side of it, in parts of its size"
    )
    aspect: float | None = Field(
        None, gt=0, description="width / height that the square photos had before they were squashed"
    )
    align: dict[str, tuple[float, float]] | None = Field(
        None, description="{'left_eye' = [0.35, 0.4], 'mouth' = [0.5, 0.7]}: where parts go in the frame"
    )
    instances: bool = Field(default=False, description="every connected part of a class is an object of its own (COCO)")
    prefix: str = Field("", description="where the output will lie in the folder whose files Label Studio serves")

    @field_validator("frame")
    @classmethod
    def be_a_size(cls, frame: str | None) -> str | None:
        if frame is not None:
            try:
                frame_of(frame)
            except ValueError:
                raise ValueError("write height x width in pixels, such as 96x64") from None
        return frame

    @model_validator(mode="after")
    def heed_all(self) -> "ConvertSettings":
        for setting, formats in OWN.items():
            if getattr(self, setting) and self.format not in formats:
                raise ValueError(
                    f"{setting} says nothing to the format {self.format}: it is for {' and '.join(formats)}"
                )
        if "margin" in self.model_fields_set and self.around is None:
            raise ValueError("margin shows more around what around names: say around too, or leave margin out")
        return self

    @property
    def idle(self) -> dict[str, str]:
        """Setting → why it says nothing beside the others."""
        if self.align is not None:
            return dict.fromkeys(("framing", "around", "margin"), "align says where in the frame everything goes")
        return {} if self.frame is not None else {"framing": "there is no frame to get into"}

    @property
    def size(self) -> Frame | None:
        return None if self.frame is None else frame_of(self.frame)

    @property
    def reframes(self) -> bool:
        """Whether images are more than copied."""
        return not (self.frame is None and self.around is None and self.aspect is None and self.align is None)
