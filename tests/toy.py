"""A toy world: a tiny random generator and labelled photos that it made itself, so that the right answers are known."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from handsoff.core.frames import Framing
from handsoff.core.images import to_uint8
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.generators.stored import save_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.labeling.settings import FitSettings
from handsoff.tasks.base import Label, StorageLocation, Task
from handsoff.tasks.depth import Depth
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.segmentation import Segmentation

SHARED = Path(__file__).parents[2] / "shared"  # real data of development; tests skip without it
CLASSES = ["dark", "middle", "bright"]
POINTS = ["brightest", "darkest"]
FIT = FitSettings(members=4, hidden=(24, 12), steps=150, images=4, pixels=100, dropout=0.0, networks=0)  # quick
QUICK_RECIPE = """
generator = "generator"
labelled = "labelled"
output = "run"
budget = 6
validation = 2
[invert]
encoder_steps = 0
steps = 2
[fit]
members = 2
hidden = [8, 8]
steps = 4
images = 2
pixels = 20
networks = 0
features = ["generator"]
[generate]
n = 12
[evaluate]
steps = 2
batch = 2
seeds = 1
"""


def toy_generator(
    folder: Path, seed: int = 0, resolution: tuple[int, int] = (16, 16), framing: Framing = "crop"
) -> StyleGAN2:
    """An untrained generator of 16 px images, written to `folder`."""
    torch.manual_seed(seed)
    base = (4, 4) if resolution[0] == resolution[1] else (4, 3)
    config = StyleGAN2Config(resolution, base, z_dim=16, w_dim=16, mapping_layers=2, channel_base=256, channel_max=16)
    net = StyleGAN2(config, "CC0", framing)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("torgb.weight"):
                parameter.mul_(0.3)  # images inside [-1, 1]
        net.mapping_network.w_avg.copy_(net.mapping_network(torch.randn(1000, 16)).mean(0))
    save_generator(net, folder)
    return net.eval().requires_grad_(requires_grad=False)


def toy_labels(net: StyleGAN2, folder: Path, count: int = 8) -> None:
    """Samples of `net` as labelled photos: the class of a pixel is how bright the image is there."""
    with torch.no_grad():
        images = to_uint8(net.synthesize(net.draw(range(1000, 1000 + count))))
    levels = np.digitize(images.mean(-1), np.quantile(images.mean(-1), [0.33, 0.67])).astype(np.uint8)
    for index, (image, mask) in enumerate(zip(images, levels, strict=True)):
        write_mask(folder, f"photo{index:02d}", image, mask)
    write_classes(folder, CLASSES)


def write_mask(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """One sample of a segmentation dataset."""
    write_sample(folder, name, image, {"segmentation": mask}, {"segmentation": Segmentation({"classes": CLASSES})})


def write_classes(folder: Path, classes: list[str]) -> None:
    write_cards(folder, {"segmentation": Segmentation({"classes": classes})})


def toy_several(net: StyleGAN2, folder: Path, count: int = 8, first: int = 1000) -> None:
    """Samples of `net` with masks, brightest and darkest pixel as keypoints, and 1 + brightness as depth in metres."""
    with torch.no_grad():
        images = to_uint8(net.synthesize(net.draw(range(first, first + count))))
    grey = images.mean(-1)
    tasks = {
        "segmentation": Segmentation({"classes": CLASSES}),
        "keypoints": Keypoints({"names": POINTS}),
        "depth": Depth({"unit": "metres"}),
    }
    rests = {}
    for index, (image, shade) in enumerate(zip(images, grey, strict=True)):
        ends = (np.unravel_index(flat, shade.shape) for flat in (shade.argmax(), shade.argmin()))
        points = np.array([(column, row, 2) for row, column in ends], np.float32)
        mask = np.digitize(shade, np.quantile(grey, [0.33, 0.67])).astype(np.uint8)
        labels = {"segmentation": mask, "keypoints": points, "depth": (1 + shade / 255).astype(np.float32)}
        rests[f"photo{index:02d}"] = write_sample(folder, f"photo{index:02d}", image, labels, tasks)
    write_cards(folder, tasks, rests)


def parsed(task: Task, data: Any, where: str, size: tuple[int, int], location: StorageLocation | None = None) -> Label:
    """A label as a dataset of the task itself stores it."""
    card = task.storage.cards().get(task.card)
    return task.storage.bind(card, task.card, location or task.locations[0])(data, where, size)


def affine(
    frame: tuple[int, int],
    angle: float = 0.0,
    zoom: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    *,
    mirror: bool = False,
) -> torch.Tensor:
    """A map as `affine_grid` wants it that keeps pixels square: [1, 2, 3]; angle in radians, shift in half sides."""
    aspect, sign = frame[0] / frame[1], -1.0 if mirror else 1.0
    cos, sin = zoom * float(np.cos(angle)), zoom * float(np.sin(angle))
    return torch.tensor(
        [[[sign * cos, -sin * aspect, shift[0]], [sign * sin / aspect, cos, shift[1]]]], dtype=torch.float64
    )
