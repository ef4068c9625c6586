"""A generator that is trained on conditions: it can be asked for them, and resumes to the same weights."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from handsoff.core.device import mixed_precision
from handsoff.core.errors import MismatchError
from handsoff.core.tensors import read_tensors
from handsoff.generators.conditions import encoded
from handsoff.generators.stored import load_generator
from handsoff.jobs.folder import require_done
from handsoff.jobs.progress import run_to_end
from handsoff.sampling.draws import draw_latents, planned_draws
from handsoff.training import snapshots
from handsoff.training.conditions import NOT_MIRRORED, photo_conditions
from handsoff.training.data import TrainingData
from handsoff.training.gan.discriminators import Projected, StyleGAN2Discriminator
from handsoff.training.settings import TrainSettings
from handsoff.training.state import CHECKPOINT
from handsoff.training.train import plan, train
from toy_generators import POSED

Photos = Callable[..., Path]


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MEASURED_IMAGES", 8)
    monkeypatch.setattr(
        snapshots, "distances", lambda real, fake: {"fd_lite0": float((real - fake).square().sum()), "kd_lite0": 0.0}
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("told") / "attributes.json"
    told = {f"{index:03d}": {"yaw": index - 6.5, "hat": "cap" if index % 3 else "none"} for index in range(12)}
    file.write_text(json.dumps(told))
    return file


def tiny(steps: int, told: Path, discriminator: str, mirrored: tuple[str, ...] | None = ("yaw",)) -> TrainSettings:
    return TrainSettings(
        resolution="16", batch=4, channel_base=64, channel_max=8, w_dim=8, feature_size=32, kimg=steps * 4 / 1000,
        discriminator=discriminator, conditions=str(told), mirrored=mirrored, mixing=0.5,
    )  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    clock = ("numbers.seconds", "numbers.best_fd")
    return {name: value for name, value in read_tensors(folder / CHECKPOINT).items() if name not in clock}


@pytest.mark.parametrize("discriminator", ["projected", "stylegan2"])
def test_it_is_trained_resumed_and_asked(tmp_path: Path, photos: Photos, told: Path, discriminator: str) -> None:
    run_to_end(train(photos(), tmp_path / "at once", tiny(3, told, discriminator)))
    for steps in (1, 3):
        run_to_end(train(photos(), tmp_path / "in parts", tiny(steps, told, discriminator)))
    ours, theirs = weights(tmp_path / "at once"), weights(tmp_path / "in parts")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert any("discriminator.embed" in name for name in ours)
    net = load_generator(tmp_path / "at once")
    assert net.conditions.names == ("yaw", "hat")
    assert len(net.conditions.examples) == 12
    first, *others = (
        draw_latents(net, planned_draws(net.conditions, 4, 0, 1.0, asked)).tensors["ws"]
        for asked in ({"yaw": 5.0, "hat": "cap"}, {"yaw": -5.0, "hat": "cap"}, {"yaw": 5.0, "hat": "none"}, "none")
    )
    assert all(not torch.allclose(first, other, atol=1e-4) for other in others)
    assert NOT_MIRRORED not in require_done(tmp_path / "at once", "train")["notes"]


def test_the_plan_knows_the_file_and_where_photos_are_not_mirrored_it_is_said(
    tmp_path: Path, photos: Photos, told: Path
) -> None:
    settings = tiny(1, told, "projected", None)
    found = plan(photos(), settings)
    assert found.inputs["conditions"]["path"] == str(told)
    assert "conditions" not in found.settings
    run_to_end(train(photos(), tmp_path / "out", settings))
    assert NOT_MIRRORED in require_done(tmp_path / "out", "train")["notes"]
    with pytest.raises(MismatchError, match="--init cannot be given together with conditions"):
        run_to_end(train(photos(), tmp_path / "more", settings, tmp_path / "out"))


def test_a_broken_photo_is_skipped(tmp_path: Path, photos: Photos) -> None:
    with zipfile.ZipFile(photos(21)) as archive:
        archive.extractall(tmp_path / "photos")
    (tmp_path / "photos" / "007.png").write_bytes(b"broken")
    told = {f"{index:03d}": {"yaw": index} for index in range(21)}
    (tmp_path / "attributes.json").write_text(json.dumps(told))
    run_to_end(train(tmp_path / "photos", tmp_path / "out", tiny(1, tmp_path / "attributes.json", "stylegan2")))
    assert require_done(tmp_path / "out", "train")["images_used"] == 20
    examples = load_generator(tmp_path / "out").conditions.examples
    assert examples == tuple((float(index),) for index in range(21) if index != 7)


def test_photos_with_conditions_are_as_frequent_as_in_the_data(told: Path) -> None:
    names = [f"{index:03d}.png" for index in range(12)]
    pixels = torch.zeros(12, 2, 2, 3, dtype=torch.uint8).numpy()
    pixels[:, :, 0] = 255  # the left column: it tells whether a photo is mirrored
    data = TrainingData(pixels, photo_conditions(told, names, ("yaw",)), mirror=True)
    torch.manual_seed(0)
    stream = torch.Generator().manual_seed(0)
    reals, shown = data.draw(6000, stream)
    asked = data.draw_conditions(6000, stream)
    assert shown is not None
    assert asked is not None
    for rows in (shown, asked):
        assert float(rows.isnan().any(1).float().mean()) == pytest.approx(0.1, abs=0.02)
        known = rows[~rows.isnan().any(1)]
        assert float((known[:, 1] == 1).float().mean()) == pytest.approx(4 / 12, abs=0.03)
        assert float(known[:, 0].mean()) == pytest.approx(0, abs=0.2), "half of them are mirrored"
    flipped = reals[:, 0, 0, 0] < 0
    assert float(flipped.float().mean()) == pytest.approx(0.5, abs=0.03)
    assert set(shown[flipped, 0].nan_to_num(6.5).tolist()) == {6.5 - index for index in range(12)}


@torch.no_grad()
def test_what_is_not_said_adds_nothing_to_a_logit() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    condition = torch.tensor([[20.0, 2.0], [torch.nan, torch.nan], [-20.0, 0.0]])
    labels = encoded(POSED, condition)
    projected = Projected((16, 16), 32, 0, 5.0, labels.shape[1]).eval()
    for net in (projected, StyleGAN2Discriminator((8, 8, 8), (4, 4), labels.shape[1]).eval()):
        with mixed_precision():
            features = net.extract(images)
            logits = zip(net.logits(features), net.logits(features, labels), strict=True)
        for plain, told in logits:
            apart = (plain - told).abs().flatten(1).amax(1)
            assert apart[1] < 1e-6
            assert apart[0] > 1e-5
            assert apart[2] > 1e-5
