"""A diffusion model that is trained on conditions: it can be asked for them, and resumes to the same weights."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from handsoff.core.tensors import read_tensors
from handsoff.generators.contract import Conditions
from handsoff.generators.stored import load_generator
from handsoff.jobs.folder import require_done
from handsoff.jobs.progress import run_to_end
from handsoff.sampling.draws import draw_latents, planned_draws
from handsoff.training.conditions import NOT_MIRRORED, PhotoConditions
from handsoff.training.data import TrainingData
from handsoff.training.diffusion.state import new_state
from handsoff.training.diffusion.train import build, denoising_step
from handsoff.training.kinds import Limits
from handsoff.training.settings import TrainSettings
from handsoff.training.state import CHECKPOINT
from handsoff.training.train import train
from toy_generators import toy_unet

Photos = Callable[..., Path]
WORDS = Conditions("attributes", ("tone",), (("light", "dark"),), ((0.0, 1.0),), ((0.0,), (1.0,)))


def tiny(steps: int, told: Path | None, mirrored: tuple[str, ...] | None = None) -> TrainSettings:
    return TrainSettings(
        kind="diffusion", resolution="16", unet_channels=(8, 16), feature_size=32, batch=4, kimg=steps * 4 / 1000,
        conditions=None if told is None else str(told), mirrored=mirrored,
    )  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    clock = ("numbers.seconds", "numbers.best_fd")
    return {name: value for name, value in read_tensors(folder / CHECKPOINT).items() if name not in clock}


def test_it_is_trained_resumed_and_asked(tmp_path: Path, photos: Photos) -> None:
    told = tmp_path / "attributes.json"
    entries = {f"{index:03d}": {"yaw": index - 6.5, "hat": "cap" if index % 3 else "none"} for index in range(12)}
    told.write_text(json.dumps(entries))
    run_to_end(train(photos(), tmp_path / "at once", tiny(3, told, ("yaw",))))
    for steps in (1, 3):
        run_to_end(train(photos(), tmp_path / "in parts", tiny(steps, told, ("yaw",))))
    ours, theirs = weights(tmp_path / "at once"), weights(tmp_path / "in parts")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    net = load_generator(tmp_path / "at once")
    assert (net.conditions.names, len(net.conditions.examples), net.conditions.guidance) == (("yaw", "hat"), 12, 1.0)
    first, *others = (
        net.synthesize(draw_latents(net, planned_draws(net.conditions, 2, 0, 1.0, asked, strength)))
        for asked, strength in (
            ({"yaw": 5.0, "hat": "cap"}, None), ({"yaw": -5.0, "hat": "cap"}, None),
            ({"yaw": 5.0, "hat": "none"}, None), ({"yaw": 5.0, "hat": "cap"}, 8.0), ("none", None),
        )
    )  # fmt: skip
    assert all(not torch.equal(first, other) for other in others)
    assert NOT_MIRRORED not in require_done(tmp_path / "at once", "train")["notes"]
    plain, conditional = (build(tiny(1, None), None, found).denoiser for found in (None, net.conditions))
    assert not [name for name in plain.state_dict() if not name.startswith("unet.")]
    assert all(
        torch.equal(value, conditional.unet.state_dict()[name]) for name, value in plain.unet.state_dict().items()
    )


def test_what_is_asked_for_comes_out_and_more_strongly_with_guidance() -> None:
    """Photos are light or dark: a word chooses, nothing said is in between, guidance goes beyond the photos."""
    settings = TrainSettings(kind="diffusion", resolution="16", batch=16, lr=1e-2)
    pixels = np.zeros((8, 16, 16, 3), np.uint8)
    pixels[:4], pixels[4:] = 190, 65
    values = torch.tensor([[0.0]] * 4 + [[1.0]] * 4)
    data = TrainingData(pixels, PhotoConditions(WORDS, values, torch.ones(1), mirrored=True), mirror=True)
    run = new_state(toy_unet(conditions=WORDS).requires_grad_().train(), settings.lr)
    run.images = 10_000  # the learning rate has risen
    for _ in range(40):
        run.count(denoising_step(run, data, settings, Limits({}, 0, 1)), 16)
    torch.manual_seed(0)
    x = torch.randn(8, 3, 16, 16)
    with torch.no_grad():
        light, unsaid, dark, darker = (
            float(run.denoiser.guided(x, 1.0, torch.full((8, 1), word), strength).mean())
            for word, strength in ((0.0, None), (torch.nan, None), (1.0, None), (1.0, torch.full((8,), 2.0)))
        )
    assert light > unsaid > dark > darker
    assert light - dark > 0.5
