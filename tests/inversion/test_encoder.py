"""An encoder that looks at its own reconstruction and corrects itself."""

from pathlib import Path

import pytest
import torch

from handsoff.backbones.lite0 import frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.core.images import to_float
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.datasets.labelled import open_labelled
from handsoff.generators.latents import Latents
from handsoff.generators.stored import load_generator
from handsoff.inversion import encoder as module
from handsoff.inversion.encoder import ENCODER, Encoder, encoded, load_encoder, train_encoder
from handsoff.inversion.invert import invert
from handsoff.inversion.latent_space import measure_latent_space, require_w_space
from handsoff.inversion.refine import Target
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from toy import toy_generator, toy_labels

TWO = InvertSettings(encoder_steps=6, encoder_batch=4, encoder_passes=2, steps=0)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    folder = tmp_path_factory.mktemp("encoder")
    toy_generator(folder / "generator")
    net = require_w_space(load_generator(folder / "generator"), "the generator")
    return Target(net, measure_latent_space(net), Perceptual(frozen_lite0(), net.image_size))


@pytest.fixture(scope="module")
def trained(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run_to_end(train_encoder(target, None, out, TWO))
    return out


def images(target: Target) -> torch.Tensor:
    with torch.no_grad():
        return target.generator.synthesize(target.generator.draw(range(3))).clamp(-1, 1)


def test_every_pass_corrects_the_one_before(target: Target, trained: Path) -> None:
    encoder = load_encoder(target.generator, trained)
    assert encoder.passes == 2
    photos = images(target)
    with torch.no_grad():
        seen, y = encoder.see(photos), torch.zeros(3, *encoder.shape)
        first = encoder(y, seen, target.rebuild(y))
        second = encoder(first, seen, target.rebuild(first))
    assert torch.allclose(encoded(encoder, target, photos), second, atol=1e-5)
    assert not torch.allclose(first, second, atol=1e-3)


def test_an_interrupted_training_goes_on_to_the_same_encoder(
    target: Target, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    monkeypatch.setattr(module, "save_checkpoint", stopped_after(module.save_checkpoint, 2))
    with pytest.raises(KeyboardInterrupt):
        run_to_end(train_encoder(target, None, tmp_path, TWO))
    monkeypatch.undo()
    run_to_end(train_encoder(target, None, tmp_path, TWO))
    ours, again = (read_tensors(folder / ENCODER) for folder in (trained, tmp_path))
    assert ours.keys() == again.keys()
    assert all(torch.allclose(ours[name].float(), again[name].float(), atol=1e-5) for name in ours)


def test_any_number_of_steps_has_a_schedule(target: Target, tmp_path: Path) -> None:
    """Nine steps are ten of the schedule, of which a tenth is one."""
    settings = InvertSettings(encoder_steps=9, encoder_batch=2, steps=0)
    run_to_end(train_encoder(target, None, tmp_path, settings))
    assert (tmp_path / ENCODER).is_file()


def stopped_after(save: object, calls: int) -> object:
    """The same function, interrupted at the end of the given call."""
    made: list[int] = []

    def saved(*arguments: object) -> None:
        save(*arguments)  # type: ignore[operator]  # a function
        made.append(1)
        if len(made) == calls:
            raise KeyboardInterrupt

    return saved


def test_a_lent_encoder_keeps_its_passes(target: Target, trained: Path, tmp_path: Path) -> None:
    net = toy_generator(tmp_path / "generator")
    toy_labels(net, tmp_path / "labelled", count=4)
    settings = InvertSettings(encoder=str(trained), steps=0)
    run_to_end(invert(tmp_path / "generator", tmp_path / "labelled", tmp_path / "latents", settings))
    data = open_labelled(tmp_path / "labelled")
    photos = to_float(data.load((16, 16))[0])
    expected = target.space.unwhiten(encoded(load_encoder(target.generator, trained), target, photos))
    found = read_tensors(tmp_path / "latents" / "latents.safetensors")["ws"]
    assert float((found - expected).norm() / expected.norm()) < 0.05  # 16-bit arithmetic


def test_an_encoder_file_that_says_nothing_of_passes_has_one(target: Target, tmp_path: Path) -> None:
    net = target.generator
    torch.manual_seed(0)
    write_tensors(tmp_path / ENCODER, Encoder(net.num_ws, net.w_dim, net.image_size, pretrained=False).state_dict())
    encoder = load_encoder(net, tmp_path)
    assert (encoder.passes, encoder.looks_back) == (1, False)
    assert encoded(encoder, target, images(target)).shape == (3, net.num_ws, net.w_dim)
    assert isinstance(net.draw([0]), Latents)
