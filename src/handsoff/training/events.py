"""TensorBoard's event files, by tensorboardX, which needs neither TensorBoard nor TensorFlow."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import HandsOffError

FOLDER = "tensorboard"


def writer_library() -> ModuleType:
    """tensorboardX.

    Raises:
        HandsOffError: it is not installed.
    """
    try:
        return importlib.import_module("tensorboardX")
    except ImportError:
        raise HandsOffError(
            "tensorboard=true needs a writer of event files: pip install 'handsoff-labels[tensorboard]', or leave it "
            "out."
        ) from None


class Events:
    """Curves and grids of one run; a step is an image shown.

    A run that goes on after `images` writes a further file, whose first event tells TensorBoard to forget what an
    interrupted run wrote of later steps.
    """

    def __init__(self, out: Path, images: int) -> None:
        self.writer: Any = writer_library().SummaryWriter(
            str(out / FOLDER), purge_step=images + 1, filename_suffix=f".{images}"
        )

    def write(self, images: int, scalars: Mapping[str, float | None], grid: UInt8[np.ndarray, "h w 3"]) -> None:
        """One snapshot, on the disk when this returns."""
        for name, value in scalars.items():
            if value is not None:
                self.writer.add_scalar(name, value, images)
        self.writer.add_image("grid", grid, images, dataformats="HWC")
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
