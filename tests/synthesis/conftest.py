"""Labelers of toy generators, fitted in a few steps."""

from pathlib import Path

import numpy as np
import pytest
import torch

from handsoff.core.images import to_uint8
from handsoff.generators.stored import save_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.settings import FitSettings
from handsoff.tasks import TASKS
from toy import CLASSES, toy_generator, toy_labels, toy_several, write_classes, write_mask
from toy_generators import POSED, toy_posed

FIT = FitSettings(members=3, hidden=(8, 8), steps=5, images=2, pixels=20, networks=0)
INVERT = InvertSettings(encoder_steps=0, steps=2)


def fitted(root: Path, *tasks: str) -> list[Path]:
    """Invert `root/labelled` with `root/generator`, and fit a labeler for each task."""
    run_to_end(invert(root / "generator", root / "labelled", root / "latents", INVERT))
    for task in tasks:
        run_to_end(fit(root / "generator", root / "latents", root / task, FIT.model_copy(update={"task": task})))
    return [root / task for task in tasks]


@pytest.fixture(scope="session")
def labeler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments images of 32 x 24 pixels."""
    root = tmp_path_factory.mktemp("one")
    toy_labels(toy_generator(root / "generator", resolution=(32, 24)), root / "labelled")
    return fitted(root, "segmentation")[0]


@pytest.fixture(scope="session")
def labelers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of each task, of one generator of 16 x 16 pixels."""
    root = tmp_path_factory.mktemp("several")
    toy_several(toy_generator(root / "generator"), root / "labelled")
    return fitted(root, *TASKS)


def fitted_to_samples(root: Path, net: StyleGAN2, condition: torch.Tensor) -> Path:
    """Segments the images of a conditional generator: eight of them are its labelled photos."""
    save_generator(net, root / "generator")
    with torch.no_grad():
        images = to_uint8(net.synthesize(net.draw(range(1000, 1008), condition)))
    levels = np.digitize(images.mean(-1), np.quantile(images.mean(-1), [0.33, 0.67])).astype(np.uint8)
    for index, (image, mask) in enumerate(zip(images, levels, strict=True)):
        write_mask(root / "labelled", f"photo{index}", image, mask)
    write_classes(root / "labelled", CLASSES)
    return fitted(root, "segmentation")[0]


@pytest.fixture(scope="session")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments the images of a class-conditional generator."""
    torch.manual_seed(0)
    net = StyleGAN2(StyleGAN2Config((16, 16), (4, 4), 16, 16, 2, 256, 16, classes=3), "CC0").eval()
    return fitted_to_samples(tmp_path_factory.mktemp("conditional"), net, torch.arange(8) % 3)


@pytest.fixture(scope="session")
def posed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments the images of a generator that is asked for a yaw and a hat."""
    return fitted_to_samples(tmp_path_factory.mktemp("posed"), toy_posed(), torch.tensor(POSED.examples[:8]))
