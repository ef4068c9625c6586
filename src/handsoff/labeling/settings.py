"""What can be set about the labeler; every default is what worked best in docs/experiments/."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from handsoff.core.reviewed import CORRECTIONS, Use


class FitSettings(BaseModel):
    """Settings of `handsoff fit`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: str = Field("segmentation", description="which labels to learn: segmentation, keypoints, depth or normals")
    first: int | None = Field(None, ge=1, description="use the first N labelled images only")
    labels: dict[str, dict[str, Any]] = Field(
        {}, description="of labelled photos: about the labels, by task, as for handsoff invert"
    )
    head: Literal["pixels", "conv"] = Field(
        "pixels",
        description="what reads the feature maps: pixels (an MLP looks at every pixel alone), conv (convolutions look "
        "at whole maps and, of a class-conditional generator, at the class)",
    )
    members: int = Field(10, ge=1, description="pixel classifiers, or convolutional heads, in the ensemble")
    hidden: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (128, 32), description="widths of the two hidden layers"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="share of hidden values that training leaves out")
    features: tuple[str, ...] = Field(
        ("generator", "lite0"),
        min_length=1,
        description="feature maps that labels are read from: generator (its own, the paper's form), lite0 "
        "(pretrained), diffusion (of the image with noise)",
    )
    sigmas: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
        (0.05, 0.25, 0.5), min_length=1, description="noise levels at which a diffusion model is read"
    )
    steps: int = Field(300, ge=1, description="training steps of the pixel classifiers")
    images: int = Field(10, ge=1, description="images per step")
    pixels: int = Field(400, ge=1, description="pixels sampled from each of them")
    lr: float = Field(2e-3, gt=0, description="learning rate of the pixel classifiers")
    weight_decay: float = Field(1e-4, ge=0, description="weight decay of the pixel classifiers")
    balance: float = Field(0.25, ge=0, le=1, description="0: pixels are drawn alike; 1: classes are drawn alike")
    networks: int = Field(
        3, ge=0, description="image networks trained on the labelled images, which label beside the pixel classifiers"
    )
    network_steps: int = Field(1200, ge=1, description="training steps of every image network")
    network_share: float = Field(0.75, ge=0, le=1, description="weight of all image networks together in the ensemble")
    corrections: Use | None = Field(None, description=CORRECTIONS)
    seed: int = Field(0, ge=0, lt=2**63, description="where all random numbers come from")

    @property
    def idle(self) -> dict[str, str]:
        """Setting → why it says nothing beside the others."""
        alone = {} if self.networks else dict.fromkeys(("network_steps", "network_share"), "networks = 0")
        whole = {} if self.head == "pixels" else dict.fromkeys(("hidden", "pixels"), "head = conv")
        return {**alone, **whole, **({} if "diffusion" in self.features else {"sigmas": "features name no diffusion"})}
