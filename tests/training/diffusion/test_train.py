"""Training a diffusion model; what all kinds of generators share is tested in tests/training/gan/test_train.py."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.tensors import read_tensors
from handsoff.generators.diffusion import Diffusion
from handsoff.generators.stored import load_generator
from handsoff.jobs.folder import require_done
from handsoff.jobs.progress import run_to_end
from handsoff.training.diffusion import train as training
from handsoff.training.diffusion.train import config_of, denoising_loss
from handsoff.training.settings import TrainSettings
from handsoff.training.state import CHECKPOINT, update_ema
from handsoff.training.train import train
from toy import toy_generator
from toy_generators import toy_unet

Photos = Callable[..., Path]
BATCH = 4


def tiny(steps: int, **changes: Any) -> TrainSettings:
    chosen = {"kind": "diffusion", "resolution": "16", "unet_channels": (8, 16), "feature_size": 32}
    return TrainSettings(**{**chosen, "batch": BATCH, "kimg": steps * BATCH / 1000, **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for name, value in read_tensors(folder / CHECKPOINT).items() if name != "numbers.seconds"}


def test_what_is_interrupted_ends_with_the_weights_of_what_was_not(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(5, snapshot_kimg=3 * BATCH / 1000, licence="CC0-1.0")
    run_to_end(train(photos(), tmp_path / "whole", settings))
    calls = iter(range(100))

    def interrupted(*given: Any) -> None:
        if next(calls) == 3:
            raise KeyboardInterrupt
        update_ema(*given)

    monkeypatch.setattr(training, "update_ema", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(train(photos(), tmp_path / "parts", settings))
    monkeypatch.setattr(training, "update_ema", update_ema)
    run_to_end(train(photos(), tmp_path / "parts", settings))
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert not [name for name in whole if not torch.equal(whole[name], parts[name])]
    net = load_generator(tmp_path / "parts")
    assert isinstance(net, Diffusion)
    assert (net.image_size, net.licence, net.config.prediction) == ((16, 16), "CC0-1.0", "edm")
    lines = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert [line["kimg"] for line in lines] == [0.01, 0.02]
    assert all(0 < line["loss_denoising"] < 3 for line in lines)
    page = (tmp_path / "parts" / "progress.html").read_text()
    assert '<th scope="col">loss</th>' in page
    assert "loss D" not in page
    assert require_done(tmp_path / "parts", "train")["generator"]["unet"]["block_out_channels"] == [8, 16]


def test_it_learns_to_denoise() -> None:
    """Of one flat image: after a few steps the denoiser knows it, whatever the noise."""
    net = toy_unet().requires_grad_().train()
    images = torch.tensor([0.5, -0.2, 0.1]).view(1, 3, 1, 1).expand(4, 3, 16, 16)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    torch.manual_seed(0)
    losses = []
    for _ in range(40):
        loss = denoising_loss(net, images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    with torch.no_grad():
        found = net.denoise(images + torch.randn(4, 3, 16, 16), torch.ones(4))
    assert float((found - images).abs().mean()) < 0.3


def test_the_loss_weighs_all_noise_levels_alike_at_the_beginning() -> None:
    """λ c_out² = 1: where the network says nothing, what is missing has the images' own scale at every σ."""
    net = toy_unet()
    torch.nn.init.zeros_(net.unet.conv_out.weight)
    torch.nn.init.zeros_(net.unet.conv_out.bias)
    images = torch.randn(512, 3, 16, 16).mul(0.5)
    torch.manual_seed(0)
    assert abs(float(denoising_loss(net, images)) - 1) < 0.05


def test_the_form_follows_the_settings() -> None:
    config = config_of(TrainSettings(kind="diffusion"))
    assert 2e6 < sum(value.numel() for value in Diffusion(config).parameters()) < 6e6
    assert config.unet.down_block_types[-1] == config.unet.up_block_types[0].replace("Up", "Down")
    with pytest.raises(InputError, match=r"no U-Net with unet_channels = \[30, 64\]"):
        config_of(TrainSettings(kind="diffusion", unet_channels=(30, 64)))
    with pytest.raises(InputError, match="cannot be halved 3 times"):
        config_of(TrainSettings(kind="diffusion", resolution="60"))
    with pytest.raises(InputError, match="is not a size"):
        config_of(TrainSettings(kind="diffusion", resolution="big"))


@pytest.mark.parametrize(
    ("kind", "wrong"), [("diffusion", {"r1": 1.0}), ("diffusion", {"augment": "none"}), ("stylegan2", {"lr": 1.0})]
)
def test_a_setting_of_another_kind_is_refused(kind: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"is a setting of kind = .*, not of {kind}: leave it out"):
        TrainSettings(kind=kind, **wrong)  # type: ignore[arg-type]  # as the command line does


def test_bad_circumstances_leave_no_folder(tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_generator(tmp_path / "gan")
    with pytest.raises(MismatchError, match="leave it out with --kind diffusion"):
        run_to_end(train(photos(), tmp_path / "out", tiny(1), tmp_path / "gan"))
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(HandsOffError, match=r"pip install 'handsoff-labels\[diffusion\]'"):
        run_to_end(train(photos(), tmp_path / "out", tiny(1)))
    assert not (tmp_path / "out").exists()
