"""What can be set about a diagnosis."""

from pydantic import BaseModel, ConfigDict, Field


class DiagnoseSettings(BaseModel):
    """Settings of `handsoff diagnose`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    photos: int = Field(50, ge=4, description="held-out photos that are inverted and labelled")
    images: int = Field(
        2000,
        ge=2,
        description="images on each side of the distances between generated and real ones; "
        "of a diffusion model at most 500 are drawn",
    )
    samples: int = Field(300, ge=1, description="kept and dropped samples, each, whose labels are compared")
