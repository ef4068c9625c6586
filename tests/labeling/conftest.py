"""A labeler fitted to inverted photos that its generator made itself."""

from pathlib import Path

import pytest

from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from toy import FIT, toy_generator, toy_labels, toy_several


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with generator, labelled, latents and labeler."""
    root = tmp_path_factory.mktemp("world")
    toy_labels(toy_generator(root / "generator"), root / "labelled")
    settings = InvertSettings(encoder_steps=0, steps=60, batch=4)
    run_to_end(invert(root / "generator", root / "labelled", root / "latents", settings))
    run_to_end(fit(root / "generator", root / "latents", root / "labeler", FIT))
    return root


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generator and latents, with labels of every task."""
    root = tmp_path_factory.mktemp("several")
    toy_several(toy_generator(root / "generator"), root / "labelled", count=4)
    settings = InvertSettings(encoder_steps=0, steps=0)
    run_to_end(invert(root / "generator", root / "labelled", root / "latents", settings))
    return root
