"""Labels read from a diffusion model: of its own images, of photos without inversion, of another generator's images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.core.images import to_uint8
from handsoff.datasets.generated import open_generated
from handsoff.generators.stored import load_generator, save_generator
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.features import Denoising, make_extractor, shared_features
from handsoff.labeling.fit import fit, plan
from handsoff.labeling.hypercolumn import materialised
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.synthesis.generate import generate
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import GenerateSettings, LabelSettings
from toy import FIT, toy_generator, toy_labels
from toy_generators import toy_unet

SETTINGS = FIT.model_copy(update={"features": ("diffusion",), "sigmas": (0.1, 0.4), "steps": 30})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GAN and labelled samples of it, as photos; a diffusion model; a labeler of each that reads the latter."""
    root = tmp_path_factory.mktemp("world")
    toy_labels(toy_generator(root / "gan"), root / "labelled")
    save_generator(toy_unet(), root / "unet")
    run_to_end(fit(root / "unet", root / "labelled", root / "own", SETTINGS))
    run_to_end(fit(root / "gan", root / "labelled", root / "both", SETTINGS, denoiser=root / "unet"))
    return root


def test_maps_of_all_noise_levels_are_read_and_never_built(world: Path) -> None:
    """The classifiers say the same from tiles as from whole hypercolumns, of images and of latents."""
    labeler = load_labeler(world / "own")
    net = labeler.generator
    assert labeler.extractor.channels == 2 * (16 + 8)
    latents = net.draw(range(3))
    with torch.no_grad():
        images, maps = labeler.extractor.from_latents(latents)
        assert all(torch.equal(a, b) for a, b in zip(maps, labeler.extractor.from_images(images), strict=True))
        columns = materialised(maps, net.image_size)
        whole = labeler.ensemble(columns.permute(0, 2, 3, 1).flatten(0, 2)).unflatten(1, (3, 16, 16)).movedim(-1, 2)
        tiled = labeler.ensemble.dense(maps, net.image_size)
    assert torch.allclose(tiled, whole, atol=1e-3)


def test_labelers_label_photos_and_samples_without_inversion(world: Path, tmp_path: Path) -> None:
    gan, photos = load_generator(world / "gan"), tmp_path / "photos"
    photos.mkdir()
    for index, image in enumerate(to_uint8(gan.synthesize(gan.draw(range(70, 74))))):
        Image.fromarray(image).save(photos / f"{index}.png")
    for name in ("own", "both"):
        run_to_end(label([world / name], photos, tmp_path / f"{name}-photos", LabelSettings(keep=1.0)))
        assert len(open_generated(tmp_path / f"{name}-photos").records()) == 4
        run_to_end(generate([world / name], tmp_path / name, GenerateSettings(n=4, keep=1.0)))
        labeler = load_labeler(world / name)
        image, found, _ = labeler.sample([2])
        data = open_generated(tmp_path / name).labelled("segmentation")
        assert np.abs(data.image("00000002").astype(int) - image[0]).max() <= 1
        images, labels, _ = labeler.sample([2, 3, 4])
        assert np.abs(images[0].astype(int) - image[0]).max() <= 1
        assert (labels[0] == found[0]).mean() > 0.98


def test_a_labeler_of_two_generators_carries_both_and_their_terms(world: Path, tmp_path: Path) -> None:
    card = read_json(world / "both" / "labeler.json")
    assert (card["sigmas"], card["licence"]) == ([0.1, 0.4], "CC0")
    assert (world / "both" / "denoiser" / "generator.safetensors").is_file()
    other = toy_unet()
    other.licence = "CC BY 4.0"
    save_generator(other, tmp_path / "unet")
    run_to_end(fit(world / "gan", world / "labelled", tmp_path / "labeler", SETTINGS, denoiser=tmp_path / "unet"))
    assert read_json(tmp_path / "labeler" / "labeler.json")["licence"] == "CC0; CC BY 4.0"
    torch.nn.init.normal_(other.unet.conv_in.weight)
    save_generator(other, tmp_path / "labeler" / "denoiser")
    with pytest.raises(MismatchError, match="denoiser is"):
        load_labeler(tmp_path / "labeler")


def test_labelers_that_read_other_noise_levels_do_not_share_maps() -> None:
    net = toy_unet()
    one, other = (make_extractor(net, ["diffusion"], Denoising(sigmas)) for sigmas in ((0.1,), (0.4,)))
    latents = net.draw([1, 2])
    _, (first, second) = shared_features([one, other], latents)
    assert not torch.allclose(first[0], second[0], atol=1e-3)
    assert torch.equal(second[0], other.from_latents(latents)[1][0])


def test_what_cannot_be_read_is_said(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no diffusion model, and features of one are asked for: name one"):
        plan(world / "gan", world / "labelled", SETTINGS)
    lite0 = FitSettings(features=("lite0",))
    with pytest.raises(InputError, match="Nothing reads the denoiser: add diffusion to features"):
        plan(world / "gan", world / "labelled", lite0, denoiser=world / "unet")
    with pytest.raises(InputError, match="no feature maps of its own"):
        plan(world / "unet", world / "labelled", FitSettings(features=("generator",)))
    toy_generator(tmp_path / "wide", resolution=(16, 12))
    with pytest.raises(MismatchError, match="sees images in another frame"):
        plan(tmp_path / "wide", world / "labelled", SETTINGS, denoiser=world / "unet")
    with pytest.raises(InputError, match="no diffusion model"):
        plan(world / "unet", world / "labelled", SETTINGS, denoiser=world / "gan")
    damaged = read_json(world / "unet" / "generator.json")
    damaged["config"]["unet"]["layers_per_block"] = 1_000_000
    (tmp_path / "damaged").mkdir()
    write_json(tmp_path / "damaged" / "generator.json", damaged)
    (tmp_path / "damaged" / "generator.safetensors").write_bytes(
        (world / "unet" / "generator.safetensors").read_bytes()
    )
    with pytest.raises(InputError, match="does not describe a generator"):
        load_generator(tmp_path / "damaged")
