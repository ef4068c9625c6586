"""HandsOff: a folder of images and a few labels in; a labelled dataset and an honest report out."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handsoff.generators.stored import load_generator
    from handsoff.labeling.labeler import load_labeler

__all__ = ["load_generator", "load_labeler"]
__version__ = version("handsoff-labels")


def __getattr__(name: str) -> Any:  # PEP 562: torch is loaded when first needed
    if name == "load_generator":
        from handsoff.generators.stored import load_generator as found  # noqa: PLC0415  # lazily, see above
    elif name == "load_labeler":
        from handsoff.labeling.labeler import load_labeler as found  # type: ignore[assignment]  # noqa: PLC0415  # lazily, see above
    else:
        raise AttributeError(name)
    return found
