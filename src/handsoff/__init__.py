"""HandsOff: a folder of images and a few labels in; a labelled dataset and an honest report out.

Its functions are those of the command line: `train`, `import_checkpoint`, `invert`, `sample`, `fit`, `edit`,
`generate`, `label`, `evaluate`, `score`, `convert`, `diagnose`, `run`, `push`. `Dataset` gives labelled images to
PyTorch, see docs/python.md.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("handsoff-labels")
_HOMES = {  # importing handsoff alone loads no torch: what is asked for is imported then
    "Dataset": "handsoff.api.dataset",
    "HandsOffError": "handsoff.core.errors",
    "export": "handsoff.learning.onnx",
    "load_generator": "handsoff.api.functions",
    "load_labeler": "handsoff.api.functions",
    "open_dataset": "handsoff.api.functions",
    "push": "handsoff.datasets.hub",
    "run": "handsoff.api.functions",
    "use_device": "handsoff.core.device",
}
__all__ = [
    "Dataset",
    "HandsOffError",
    "__version__",
    "convert",
    "diagnose",
    "edit",
    "evaluate",
    "export",
    "fit",
    "generate",
    "import_checkpoint",
    "invert",
    "label",
    "load_generator",
    "load_labeler",
    "open_dataset",
    "push",
    "run",
    "sample",
    "score",
    "train",
    "use_device",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    elif name in __all__:
        found = import_module("handsoff.api.functions").FUNCTIONS[name]
    else:
        raise AttributeError(f"module 'handsoff' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
