"""`handsoff export`: a trained predictor as one ONNX file, which other runtimes run without HandsOff or PyTorch.

Input `images`, uint8 [n, h, w, 3], RGB, any n. Outputs as in `Learning.answers` of the task: for segmentation `labels`
and `scores`. Scaling to [-1, 1] is part of the file. Its metadata say `task`, `classes`, `framing`, `licence`, …
"""

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from handsoff.core.device import full_precision
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import write_bytes
from handsoff.core.frames import Framing
from handsoff.learning.models import brief
from handsoff.learning.predictor import FOLDER, Predictor, PredictorCard, find_predictor, load_predictor
from handsoff.tasks.base import Task

OPSET = 18  # of ONNX: all runtimes since 2023 read it
TRACED = 2  # images that the network is shown to see what it does; the file takes any number
PLACED: dict[Framing, str] = {
    "crop": "ImageOps.fit(photo, size)",
    "letterbox": "ImageOps.pad(photo, size)",
    "pad": "ImageOps.pad(photo, size)  # handsoff lets the edge go on instead of black bars",
    "stretch": "photo.resize(size)",
}
EXAMPLE = """import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model = onnxruntime.InferenceSession("model.onnx")
size = model.get_inputs()[0].shape[2:0:-1]  # width, height
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
image = {placed}
{names} = model.run(None, {{"images": np.asarray(image)[None]}})
print({first}[0])
"""


class Exported(nn.Module):
    """A network from pixels to answers."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, images: UInt8[Tensor, "n h w 3"]) -> tuple[Tensor, ...]:
        outputs = self.network(images.permute(0, 3, 1, 2).float() / 127.5 - 1).float()
        return tuple(self.task.learning.answers(outputs).values())


def export(model: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Write the best network of a trained predictor as one ONNX file.

    Args:
        model: The report of `handsoff evaluate`, or its folder `model`.
        out: The file to write; another ONNX file in its place is overwritten.

    Returns:
        The file.

    Raises:
        InputError: There is no such model, or `out` is something else than an ONNX file.
        HandsOffError: The extra `onnx` is not installed, or the network cannot be exported.
    """
    onnx, target = imported_onnx(), Path(out)
    folder = find_predictor(Path(model))
    if folder is None:
        raise InputError(f"{model} holds no model: give the report of handsoff evaluate, or its folder {FOLDER}.")
    refuse_other(target, onnx)
    predictor = load_predictor(folder)
    proto = traced(predictor)
    onnx.helper.set_model_props(proto, metadata(predictor.card, predictor.task))
    onnx.checker.check_model(proto)
    write_bytes(target, proto.SerializeToString())
    return target


def imported_onnx() -> Any:
    """The package.

    Raises:
        HandsOffError: it, or what PyTorch needs besides, is not there.
    """
    try:
        import_module("onnxscript")
        return import_module("onnx")
    except ImportError:
        raise HandsOffError("handsoff export needs onnx and onnxscript: pip install 'handsoff-labels[onnx]'.") from None


def refuse_other(target: Path, onnx: Any) -> None:
    """Refuse to overwrite what is no ONNX file.

    Raises:
        InputError: it is a folder, or a file of another kind.
    """
    if not target.exists():
        return
    try:
        nodes = len(onnx.load_model(target, load_external_data=False).graph.node)
    except Exception:  # noqa: BLE001  # a folder, or whatever a foreign file makes of the parser
        nodes = 0
    if not nodes:
        raise InputError(f"{target} is there and is no ONNX file: choose another file with -o, or delete it.")


def traced(predictor: Predictor) -> Any:
    """The best network as ONNX knows it.

    Raises:
        HandsOffError: it does something that ONNX has no word for.
    """
    card, task = predictor.card, predictor.task
    module = Exported(predictor.networks[card.best].cpu(), task).eval()
    images = torch.zeros(TRACED, *predictor.size, 3, dtype=torch.uint8)
    try:
        with full_precision(), quiet(), torch.no_grad():
            program = torch.onnx.export(
                module, (images,), input_names=["images"], output_names=answer_names(task), opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("n")},), dynamo=True, verbose=False,
            )  # fmt: skip
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise HandsOffError(f"The network {card.network} cannot be exported as ONNX ({brief(error)}).") from None
    return program.model_proto if program is not None else None


@contextmanager
def quiet() -> Iterator[None]:
    """Without what PyTorch's exporter says of packages that are not there and of its own old parts."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def answer_names(task: Task) -> list[str]:
    """What the outputs are called, as any image shows."""
    return list(task.learning.answers(torch.zeros(1, task.channels, 16, 16)))


def metadata(card: PredictorCard, task: Task) -> dict[str, str]:
    """What the file says of itself; lists and objects as JSON."""
    stated = {
        "task": card.task,
        "classes": json.dumps(list(task.parts), ensure_ascii=False),
        "schema": json.dumps(card.schema, ensure_ascii=False),
        "framing": card.framing,
        "licence": card.licence or "",
        "arm": card.arm,
        card.metric: str(card.test[card.best]),
    }
    return {"producer": "handsoff", **stated}


def example(task: Task, framing: Framing) -> str:
    """Python that labels a photo with the file model.onnx and needs numpy, Pillow and onnxruntime only."""
    names = answer_names(task)
    listed = ", ".join(names) + ("," if len(names) == 1 else "")
    return EXAMPLE.format(placed=PLACED[framing], names=listed, first=names[0])
