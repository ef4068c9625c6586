"""A residual on one feature map: what latents miss of a photo."""

from pathlib import Path

import numpy as np
import pytest
import torch

from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.core.images import to_float
from handsoff.datasets.labelled import open_labelled
from handsoff.generators.latents import load_latents
from handsoff.generators.stored import load_generator
from handsoff.inversion.invert import invert, plan
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from toy import FIT, toy_generator, toy_labels

QUICK = InvertSettings(encoder_steps=0, steps=20)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that no latents of the generator give: another generator made them."""
    root = tmp_path_factory.mktemp("residual")
    toy_generator(root / "generator")
    toy_labels(toy_generator(root / "other", seed=1), root / "labelled")
    for name, residual in (("none", 0), ("residual", 8)):
        settings = QUICK.model_copy(update={"residual": residual})
        run_to_end(invert(root / "generator", root / "labelled", root / name, settings))
    return root


def test_a_residual_makes_the_error_fall(world: Path) -> None:
    none, residual = (read_json(world / name / "latents.json") for name in ("none", "residual"))
    for term in ("pixel", "perceptual"):
        assert np.mean(residual[term]) < 0.9 * np.mean(none[term])


def test_it_lies_beside_the_ws_and_everything_read_from_latents_sees_it(world: Path, tmp_path: Path) -> None:
    latents = load_latents(world / "residual" / "latents.safetensors")
    assert latents.tensors["residual"].shape == (8, 16, 8, 8)
    run_to_end(fit(world / "generator", world / "residual", tmp_path, FIT.model_copy(update={"steps": 4})))
    images = load_labeler(tmp_path).label(latents[:2])[0]
    ws_alone = load_labeler(tmp_path).label(load_latents(world / "none" / "latents.safetensors")[:2])[0]
    assert np.abs(images.astype(int) - ws_alone).mean() > 1


def test_a_strong_prior_leaves_nothing_of_it(world: Path, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"residual": 8, "residual_prior": 1e4})
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", settings))
    weak, strong = (
        load_latents(folder / "latents.safetensors").tensors["residual"].abs().mean()
        for folder in (world / "residual", tmp_path / "latents")
    )
    assert strong < 0.2 * weak


def test_a_height_that_no_map_has_is_refused(world: Path, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"residual": 12})
    with pytest.raises(InputError, match="residual = 12, but the generator's feature maps are 4, 8, 16 pixels high"):
        plan(world / "generator", world / "labelled", settings)
    with pytest.raises(InputError, match="residual = 12"):
        run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", settings))
    assert not (tmp_path / "latents").exists()


def test_a_tuned_generator_is_measured_with_the_residuals(world: Path, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"steps": 2, "residual": 8, "tuning_steps": 2, "tuning_lr": 1e-2})
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", settings))
    latents = load_latents(tmp_path / "latents" / "latents.safetensors")
    assert latents.tensors["residual"].shape == (8, 16, 8, 8)
    with torch.no_grad():
        images = load_generator(tmp_path / "latents" / "generator").synthesize(latents).clamp(-1, 1)
    photos = to_float(open_labelled(world / "labelled").load((16, 16))[0])
    errors = (images - photos).square().mean((1, 2, 3))
    assert read_json(tmp_path / "latents" / "latents.json")["pixel"] == pytest.approx(errors.tolist(), rel=0.05)
