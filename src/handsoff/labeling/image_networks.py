"""Networks trained on the labelled photos themselves, which label generated images beside the pixel classifiers.

A pixel classifier knows photos through inversion only, whose errors move labels against the image. An image network has
seen the photos as they are, but no feature of a generator. Their mistakes differ: where the two disagree, a sample is
uncertain.
"""

from pathlib import Path

from handsoff.core.tensors import write_tensors
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.progress import Part
from handsoff.labeling.settings import FitSettings
from handsoff.learning.data import LabelledArrays, Pool
from handsoff.learning.predictor import load_networks, network_file
from handsoff.learning.pyramid import PyramidNet
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import train_predictor
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


def load_image_networks(folder: Path, task: Task, count: int) -> tuple[PyramidNet, ...]:
    """The image networks of a labeler, in evaluation mode.

    Raises:
        InputError: a file is missing or damaged.
        MismatchError: a file is of another task.
    """
    blank = [PyramidNet(task.channels, pretrained=False) for _ in range(count)]
    return load_networks(folder, blank, "its labeler", "run handsoff fit again")
