"""Painting: latents follow a mask, and what is outside of it stays."""

from pathlib import Path

import numpy as np
import pytest

from handsoff.core.errors import InputError
from handsoff.editing.paint import open_canvas, paint, widened
from handsoff.editing.settings import PaintSettings
from handsoff.labeling.labeler import load_labeler
from toy import CLASSES

FREE = PaintSettings(steps=25, refine_steps=0, lr=0.1, pull=0.0, outside=0.0)
BRIGHT = CLASSES.index("bright")


def test_an_image_follows_the_painted_mask_and_the_rest_stays(world: Path) -> None:
    labeler = load_labeler(world / "labeler")
    latents = labeler.generator.draw([8])
    images, (mask,), _ = labeler.label(latents)
    region = np.zeros((16, 16), bool)
    region[4:10, 3:9] = True
    wanted = np.where(region, np.uint8(BRIGHT), mask)
    assert not (mask == BRIGHT).any()
    after, image, label = paint(labeler, latents, wanted, settings=FREE)
    assert (label[region] == BRIGHT).mean() > 0.6
    remade, labels, _ = labeler.label(after)
    assert np.array_equal(image, remade[0])
    assert np.array_equal(label, labels[0]), "the label is what the labeler sees, not what was painted"
    held = FREE.model_copy(update={"outside": 0.1, "refine_steps": 2})
    kept, (second,) = paint(labeler, latents, wanted, region, held)[0], [image]
    outside = ~widened(region[None]).numpy()[0]

    def moved(other: np.ndarray) -> float:
        return float(np.abs(other.astype(int) - images[0].astype(int))[outside].mean())

    assert moved(labeler.label(kept)[0][0]) < moved(second) / 2


def test_what_cannot_be_painted_is_refused(world: Path) -> None:
    labeler = load_labeler(world / "labeler")
    latents = labeler.generator.draw([3])
    mask = labeler.label(latents)[1][0]
    with pytest.raises(InputError, match="is that of the sample: paint something else"):
        paint(labeler, latents, mask)
    with pytest.raises(InputError, match="no map of 16x16 pixels"):
        paint(labeler, latents, mask[:8])
    assert open_canvas(labeler).labeler is labeler
