"""What can be set about training a predictor; every default is what worked best in docs/experiments/."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

REAL_ONLY = "real_only"  # the arm of what learns from people's labels alone
MACHINE = ("confidence", "unlabelled", "teacher_from", "teacher_threshold", "cutmix")  # of labels that a machine made


class LearnSettings(BaseModel):
    """Which network learns, how long and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str = Field("lite0", description="the network, see docs/evaluate.md")
    steps: int = Field(
        3000, ge=1, description="optimisation steps of a run at the most; without validation photos exactly so many"
    )
    patience: int = Field(400, ge=1, description="a run cools down when validation has not improved for so many steps")
    cooldown: int = Field(
        300, ge=0, description="steps over which the learning rate falls to 0 at the end, at most half of steps"
    )
    batch: int = Field(16, ge=2, description="images per step")
    lr: float = Field(1e-3, gt=0, description="learning rate between warm-up and cooldown")
    weight_decay: float = Field(1e-2, ge=0, description="weight decay of the network")
    balance: float = Field(0.25, ge=0, le=1, description="0: pixels count alike; 1: classes count alike")
    paste: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of images over which a class is pasted that fewer than half of the labelled images show",
    )
    confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="pixels that a machine labelled count as much as it was certain (1 - uncertainty), "
        "and not at all where that is below this; unless set, all count in full",
    )
    unlabelled: Literal["labels", "teacher"] = Field(
        "labels",
        description="what is learnt of images that a machine labelled: those labels, or at every step anew what a "
        "teacher, the averaged weights of the run itself, says of them",
    )
    teacher_from: int = Field(
        500, ge=0, description="the step from which the teacher labels, labels are learnt before; at most half of steps"
    )
    teacher_threshold: float = Field(
        0.9, ge=0, le=1, description="a pixel counts where the teacher's most probable class is at least so probable"
    )
    cutmix: float = Field(
        0.0, ge=0, le=1, description="share of images labelled by a machine into which a piece of another is pasted"
    )

    @property
    def about_machine(self) -> list[str]:
        """The settings by which labels that a machine made are learnt otherwise than a person's."""
        asked = {
            "confidence": self.confidence is not None,
            "unlabelled": self.unlabelled == "teacher",
            "cutmix": self.cutmix > 0,
        }
        return [name for name, given in asked.items() if given]
