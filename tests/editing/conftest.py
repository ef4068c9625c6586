"""A labeler of a toy generator: a pixel's class is how bright it is, and few samples have bright ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from handsoff.core.images import to_uint8
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from toy import CLASSES, FIT, toy_generator, write_classes, write_mask


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with generator, labelled, latents and labeler."""
    root = tmp_path_factory.mktemp("edits")
    net = toy_generator(root / "generator")
    with torch.no_grad():
        images = to_uint8(net.synthesize(net.draw(range(1000, 1024))))
    grey = images.mean(-1)
    edges = np.quantile(grey, (0.5, 0.9))
    ranked = np.argsort((grey >= edges[1]).mean((1, 2)), kind="stable")
    for place, index in enumerate([*ranked[:6], *ranked[-2:]]):
        mask = np.digitize(grey[index], edges).astype(np.uint8)
        write_mask(root / "labelled", f"photo{place}", images[index], mask)
    write_classes(root / "labelled", CLASSES)
    run_to_end(
        invert(root / "generator", root / "labelled", root / "latents", InvertSettings(encoder_steps=0, steps=5))
    )
    plain = FIT.model_copy(update={"steps": 60, "features": ("generator",)})
    run_to_end(fit(root / "generator", root / "latents", root / "labeler", plain))
    return root
