"""The pixels that are trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from handsoff.generators.stored import load_generator
from handsoff.labeling import pixel_samples
from handsoff.labeling.examples import TrainingData
from handsoff.labeling.features import make_extractor
from handsoff.labeling.hypercolumn import materialised
from handsoff.labeling.pixel_samples import PixelSamples, read_pixel_samples
from handsoff.tasks.segmentation import Segmentation
from toy import CLASSES


def test_all_pixels_are_kept_where_they_are_few_and_the_likely_ones_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampling = torch.ones(2, 100)
    sampling[:, :10], sampling[1, 50:] = 0, 50
    places, weights = pixel_samples.choose(sampling, 0)
    assert torch.equal(places, torch.arange(100).expand(2, -1))
    assert torch.equal(weights, sampling)
    monkeypatch.setattr(pixel_samples, "PIXELS", 40)
    places, weights = pixel_samples.choose(sampling, 0)
    assert all(len(set(row.tolist())) == 40 for row in places)
    assert (places >= 10).all()
    assert (places[1] >= 50).float().mean() > 0.8
    assert (weights > 0).all()


@pytest.mark.parametrize("kept", [60, 200, 240])
def test_drawing_from_the_kept_pixels_is_drawing_from_all(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """Rare pixels of large weight are drawn as often, however many of the others are kept."""
    sampling = torch.ones(400, 256)
    sampling[:, :8] = 30  # about half of all weight
    monkeypatch.setattr(pixel_samples, "PIXELS", kept)
    places, weights = pixel_samples.choose(sampling, 0)
    share = (weights * (places < 8)).sum(1) / weights.sum(1)
    assert float(share.mean()) == pytest.approx(240 / 488, abs=0.02)


@pytest.mark.parametrize("features", ["generator", "lite0"])
def test_they_hold_the_hypercolumns_of_their_pixels(
    world: Path, monkeypatch: pytest.MonkeyPatch, features: str
) -> None:
    """Read from latents, or from the images alone."""
    monkeypatch.setattr(pixel_samples, "PIXELS", 30)
    extractor = make_extractor(load_generator(world / "generator"), [features])
    latents = extractor.generator.draw(range(3))
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (3, 16, 16), dtype=np.uint8)
    images = random.integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    task = Segmentation({"classes": CLASSES})
    data = TrainingData(task, images, labels, latents if extractor.needs_latents else None)
    work = read_pixel_samples(extractor, data, 0.0, 0)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: PixelSamples = end.value
            break
    places, _ = pixel_samples.choose(torch.ones(3, 256), 0)
    maps = pixel_samples.features_of(extractor, data, slice(0, 3))
    whole = materialised([values.float() for values in maps], (16, 16)).flatten(2).transpose(1, 2)
    expected = torch.stack([whole[n, places[n]] for n in range(3)])
    torch.testing.assert_close(found.hypercolumns.float(), expected, rtol=0.03, atol=0.03)
    assert torch.equal(found.target, torch.from_numpy(labels.reshape(3, -1)).gather(1, places).long())
