"""A task is a few plain functions in one small object."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor


@runtime_checkable
class Task(Protocol):
    """How one kind of label is learnt, decided, scored and drawn.

    Attributes:
        name: as in the registry and in `--task`.
        channels: how many outputs per pixel a model of this task has.
        schema: what must be known to read the labels again (class names, …); goes into every folder.
    """

    name: str
    channels: int
    schema: dict[str, Any]

    def encode(self, labels: UInt8[np.ndarray, "n h w"]) -> Tensor:
        """Labels as stored → targets of `loss`, one per sample."""
        ...

    def loss(self, logits: Float[Tensor, "n k ..."], target: Tensor) -> Float[Tensor, "n ..."]:
        """Loss per pixel, 0 where the label says ignore."""
        ...

    def balanced(self, pools: Sequence[UInt8[np.ndarray, "_n h w"]], power: float) -> "Task":
        """The same task with a loss that counts rare classes more: each by its frequency in `pools` to the -`power`."""
        ...

    def decode(
        self, members: Float[Tensor, "e n k h w"], votes: Float[Tensor, " e"] | None = None
    ) -> tuple[UInt8[np.ndarray, "n h w"], Float[Tensor, "n h w"]]:
        """Outputs of every ensemble member → label and its uncertainty in [0, 1] per pixel; `votes` are the members' parts of 1, equal without."""
        ...

    def score(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
        """Batches of (predicted, true) labels → {"metrics": {name: value}, "per_class": {class: value}}."""
        ...

    def draw(self, images: UInt8[np.ndarray, "n h w 3"], labels: UInt8[np.ndarray, "n h w"]) -> UInt8[np.ndarray, "n h w 3"]:
        """Labels over images, for people."""
        ...
