"""What can be set about training a predictor; every default is what worked best in docs/log.md."""

from pydantic import BaseModel, ConfigDict, Field


class LearnSettings(BaseModel):
    """Which network learns, how long and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field("lite0", description="the network, see docs/evaluate.md")
    steps: int = Field(700, ge=1, description="optimisation steps of every run")
    batch: int = Field(16, ge=2, description="images per step")
    lr: float = Field(1e-3, gt=0, description="the highest learning rate of the one-cycle schedule")
    weight_decay: float = Field(1e-2, ge=0, description="weight decay of the network")
    balance: float = Field(0.25, ge=0, le=1, description="0: pixels count alike; 1: classes count alike")
