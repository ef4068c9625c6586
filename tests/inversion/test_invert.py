"""Inversion of photos whose codes are known."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import png, read_json, read_tensors, write_json
from handsoff.core.images import decode_mask
from handsoff.datasets.labelled import open_labelled
from handsoff.generators.stored import load_generator
from handsoff.inversion import invert as module
from handsoff.inversion.encoder import latent_space
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.inversion.variants import moved
from handsoff.jobs.progress import run_to_end
from handsoff.tasks import make_task
from toy import CLASSES, toy_generator, toy_labels

QUICK = InvertSettings(encoder_steps=0, steps=80, batch=4)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    toy_labels(toy_generator(root / "generator"), root / "labelled")
    run_to_end(invert(root / "generator", root / "labelled", root / "codes", QUICK))
    return root


def test_standardised_codes_are_standard(world: Path) -> None:
    net = load_generator(world / "generator")
    space = latent_space(net)
    ws = net.mapping(torch.randn(4000, 16, generator=torch.Generator().manual_seed(5)))[:, 0]
    y = space.to_y(ws)
    assert y.mean(0).abs().max() < 0.1
    assert (torch.cov(y.T) - torch.eye(16)).abs().max() < 0.2
    torch.testing.assert_close(space.to_w(y), ws, rtol=1e-2, atol=1e-3)


def test_the_generators_own_images_are_found_again(world: Path) -> None:
    card, mean_code = read_json(world / "codes" / "codes.json"), []
    net = load_generator(world / "generator")
    with torch.no_grad():
        mean = net.synthesize(net.mapping(torch.zeros(1, 16), psi=0.0))[0]
    for name in open_labelled(world / "labelled").names:
        image = torch.from_numpy(open_labelled(world / "labelled").image(name).copy()).permute(2, 0, 1) / 127.5 - 1
        mean_code.append(float((image - mean[0]).square().mean()))
    assert np.mean(card["pixel"]) < 0.35 * np.mean(mean_code)
    assert read_tensors(world / "codes" / "codes.safetensors")["ws"].shape == (8, net.num_ws, 16)


def test_labels_and_errors_lie_beside_the_codes(world: Path) -> None:
    labels = open_labelled(world / "codes" / "labels")
    assert labels.tasks["segmentation"].schema["classes"] == CLASSES
    original = open_labelled(world / "labelled")
    for name in original.names:
        np.testing.assert_array_equal(labels.label("segmentation", name), original.label("segmentation", name))
        assert (world / "codes" / "errors" / f"{name}.png").is_file()
    assert (world / "codes" / "contact.png").is_file()


def test_a_killed_inversion_goes_on_and_finds_the_same(world: Path, tmp_path: Path) -> None:
    work = invert(world / "generator", world / "labelled", tmp_path / "codes", QUICK)
    next(work)
    work.close()
    first = next((tmp_path / "codes" / "chunks").iterdir())
    before = first.stat().st_mtime_ns
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "codes", QUICK))
    assert first.stat().st_mtime_ns == before, "a finished chunk is not made again"
    ours, again = (read_tensors(folder / "codes.safetensors")["ws"] for folder in (world / "codes", tmp_path / "codes"))
    assert torch.equal(ours, again)


def test_an_encoder_is_trained_resumed_and_lent(world: Path, tmp_path: Path) -> None:
    quick = InvertSettings(encoder_steps=3, encoder_batch=4, steps=2, photos=str(world / "labelled" / "images"))
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "codes", quick))
    assert (tmp_path / "codes" / "encoder.safetensors").is_file()
    assert not (tmp_path / "codes" / "photos.u8").exists()
    shutil.move(tmp_path / "codes", tmp_path / "moved")
    lent = quick.model_copy(update={"encoder": str(tmp_path / "moved")})
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "second", lent))
    ours, again = (read_tensors(tmp_path / folder / "codes.safetensors")["ws"] for folder in ("moved", "second"))
    assert torch.equal(ours, again)


def test_variants_move_photo_and_mask_alike(world: Path, tmp_path: Path) -> None:
    ramp = torch.linspace(-1, 1, 32).view(1, 1, 1, 32).expand(2, 3, 32, 32)
    masks = (ramp[:, 0].numpy() > 0).astype(np.uint8)
    tasks = {"segmentation": make_task("segmentation", {"classes": ["left", "right"]})}
    images, labels = moved(ramp.contiguous(), {"segmentation": masks}, tasks, 3)
    shifted = labels["segmentation"]
    inside = shifted != 255
    mirrored = images[:, 0, 16, 4] > images[:, 0, 16, -4]
    assert mirrored.tolist() in ([True, False], [False, True])
    dark_side = np.where(mirrored.numpy()[:, None, None], images[:, 0].numpy() < 0, images[:, 0].numpy() > 0)
    assert (dark_side == shifted)[inside].mean() > 0.95, "left and right keep their sides of the picture"
    assert inside.mean() > 0.8
    run_to_end(
        invert(
            world / "generator",
            world / "labelled",
            tmp_path / "codes",
            QUICK.model_copy(update={"variants": 2, "steps": 2}),
        )
    )
    card = read_json(tmp_path / "codes" / "codes.json")
    assert len(card["names"]) == 16
    assert card["photo"][:8] == card["photo"][8:]


def test_too_few_labels_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 4"):
        run_to_end(
            invert(world / "generator", world / "labelled", tmp_path / "codes", QUICK.model_copy(update={"first": 3}))
        )
    assert not (tmp_path / "codes").exists()


def test_photos_smaller_than_the_generator_are_refused_and_leave_nothing(world: Path, tmp_path: Path) -> None:
    toy_generator(tmp_path / "large", resolution=(32, 32))
    with pytest.raises(InputError, match="smaller than the resolution"):
        run_to_end(invert(tmp_path / "large", world / "labelled", tmp_path / "codes", QUICK))
    assert not (tmp_path / "codes").exists()


def test_masks_of_one_class_are_refused(world: Path, tmp_path: Path) -> None:
    """0 and 255 is how many tools write a mask of one object; here 255 means: ignore."""
    shutil.copytree(world / "labelled", tmp_path / "binary")
    for path in (tmp_path / "binary" / "masks").iterdir():
        mask = decode_mask(path.read_bytes(), path.name)
        path.write_bytes(png(np.where(mask == 0, 0, 255).astype(np.uint8)))
    with pytest.raises(InputError, match=r"only the class dark \(255 is ignored\): write the ids of classes.json"):
        run_to_end(invert(world / "generator", tmp_path / "binary", tmp_path / "out", QUICK))
    assert not (tmp_path / "out").exists()


def test_the_encoder_sees_the_photos_framed_as_in_training(
    tmp_path: Path, photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_labels(toy_generator(tmp_path / "generator"), tmp_path / "labelled")
    flat = str(photos(count=4, height=10, width=40))
    write_json(
        tmp_path / "generator" / "job.json",
        {"inputs": {"images": {"path": flat}}, "settings": {"framing": "letterbox"}},
    )
    seen: list[np.ndarray] = []
    monkeypatch.setattr(
        module, "train_encoder", lambda generator, pictures, *rest: iter(seen.append(np.array(pictures)) or ())
    )  # what it would train on
    with pytest.raises(HandsOffError):
        run_to_end(invert(tmp_path / "generator", tmp_path / "labelled", tmp_path / "codes", InvertSettings(steps=1)))
    assert (seen[0][:, 0] == 0).all()
