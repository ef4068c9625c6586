"""Networks trained on the labelled photos themselves, which label generated images beside the pixel classifiers.

They are trained here, or taken over from an evaluation of the same labels, whose runs end when they are over.

A pixel classifier knows photos through inversion only, whose errors move labels against the image. An image network has
seen the photos as they are, but no feature of a generator. Their mistakes differ: where the two disagree, a sample is
uncertain.
"""

from pathlib import Path
from typing import Any

from torch import nn

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import write_bytes
from handsoff.core.frames import Frame, Framing
from handsoff.core.tensors import write_tensors
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.progress import Part
from handsoff.labeling.settings import FitSettings
from handsoff.learning.data import LabelledArrays, Pool
from handsoff.learning.models import build_model
from handsoff.learning.predictor import find_predictor, load_networks, network_file, read_predictor_card
from handsoff.learning.pyramid import PyramidNet
from handsoff.learning.settings import REAL_ONLY, LearnSettings
from handsoff.learning.supervised import train_predictor
from handsoff.tasks import make_task
from handsoff.tasks.base import Task


def train_image_networks(task: Task, photos: LabelledArrays, out: Path, settings: FitSettings) -> Part:
    """`settings.networks` predictors trained on the photos; those that lie whole in `out` are not trained again."""
    learning = LearnSettings(steps=settings.network_steps, balance=settings.balance)

    def mixture(_: float) -> list[tuple[Pool, int]]:
        return [(photos, learning.batch)]

    for index in range(settings.networks):
        half = unfinished(out, index)
        if not is_whole(network_file(out, index)):
            stage = f"network {index + 1} of {settings.networks} on the photos"
            seed = settings.seed * 1000 + 500 + index
            trained = yield from train_predictor(task, mixture, seed, learning, stage, checkpoint=half)
            write_tensors(network_file(out, index), trained.model.state_dict(), sealed=True)
        half.unlink(missing_ok=True)


def unfinished(out: Path, index: int) -> Path:
    """The checkpoint of the network that is being trained; after a kill no other network goes on from it."""
    return out / f"unfinished-{index}.safetensors"


def teaching_model(teacher: Path, task: str, frame: Frame, framing: Framing, examples: int) -> Path:
    """The folder of the model that a report holds, whose networks a labeler may take over.

    Args:
        teacher: the report, or the model itself.
        task: that is to be labelled.
        frame: of the generator.
        framing: how photos get into it.
        examples: labels that a labeler is fitted to, and a teacher may have learnt from.

    Raises:
        InputError: there is no model.
        MismatchError: it labels something else, learnt from other data, or sees photos in another frame.
    """
    model = find_predictor(teacher)
    if model is None:
        raise InputError(f"{teacher} holds no model: give the report of handsoff evaluate.")
    card = read_predictor_card(model)
    if card.task != task:
        raise MismatchError(f"{teacher} labels {card.task}, not {task}: give a report about {task}.")
    if (card.arm, card.examples) != (REAL_ONLY, examples):
        raise MismatchError(
            f"{teacher} learnt from {card.examples} labels ({card.arm.replace('_', ' ')}), the labeler is fitted to "
            f"{examples}: give the report of an evaluation of these labels alone, without datasets."
        )
    if (tuple(card.image_size), card.framing) != (frame, framing):
        seen, needed = ("x".join(map(str, size)) for size in (card.image_size, frame))
        raise MismatchError(
            f"{teacher} sees photos of {seen} ({card.framing}), the generator makes {needed} ({framing}): "
            f"evaluate with --set frame={needed} --set framing={framing}."
        )
    return model


def take_over(model: Path, task: Task, out: Path, most: int) -> dict[str, Any]:
    """Copy the first `most` networks of a model; what the labeler's card says of them.

    Raises:
        MismatchError: its labels mean something else.
    """
    card = read_predictor_card(model)
    if make_task(card.task, card.schema).schema != task.schema:
        raise MismatchError(f"{model} learnt other {task.name} labels than these: evaluate with the same labels.")
    count = min(most, card.networks)
    for index in range(count):
        write_bytes(network_file(out, index), network_file(model, index).read_bytes())
    return {"networks": count, "network": card.network}


def load_image_networks(folder: Path, task: Task, count: int, name: str) -> tuple[nn.Module, ...]:
    """The image networks of a labeler, in evaluation mode.

    Args:
        folder: of the labeler.
        task: that they label.
        count: how many there are.
        name: of their architecture.

    Raises:
        InputError: a file is missing or damaged.
        MismatchError: a file is of another task.
    """
    own = name == LearnSettings().model  # whose pretrained weights would be replaced at once
    blank = [
        PyramidNet(task.channels, pretrained=False) if own else build_model(name, task.channels) for _ in range(count)
    ]
    return load_networks(folder, blank, "its labeler", "run handsoff fit again")
