from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import handsoff.demo
from handsoff.core.images import to_float
from handsoff.datasets.sources import load_photos, map_photos, open_source
from handsoff.generators.nearness import Nearness, nearness_in
from handsoff.generators.stored import load_generator
from handsoff.training.nearest import Neighbours, cells, flipped, watched

DEMO = Path(handsoff.demo.__file__).parent


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """Rendered heads, 64 x 64: 200 that stand for training photos, 50 others."""
    found = []
    for name in ("test", "train"):
        cache = tmp_path_factory.mktemp("heads") / f"{name}.u8"
        list(load_photos(open_source(DEMO / f"{name}.zip"), (64, 64), cache))
        found.append(np.array(map_photos(cache, (64, 64))))
    return found[0], found[1]


def compared(photos: np.ndarray, samples: Tensor) -> Nearness | None:
    neighbours = Neighbours(photos)
    return neighbours.nearness(neighbours.nearest(cells(samples)))


def blurred(images: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear")


def noisy(images: Tensor) -> Tensor:
    return (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)


def warped(images: Tensor) -> Tensor:
    """Each image moved by a smooth field of some two pixels."""
    field = torch.randn(len(images), 2, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.03
    smooth = F.interpolate(field, size=images.shape[2:], mode="bicubic").permute(0, 2, 3, 1)
    places = F.affine_grid(torch.eye(2, 3)[None].repeat(len(images), 1, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, places + smooth, padding_mode="border", align_corners=False)


REPLAYS: list[Callable[[Tensor], Tensor]] = [
    blurred,
    noisy,
    warped,
    lambda images: images.flip(3),
    lambda images: blurred(warped(images.flip(3).roll(1, 3))),
]


@pytest.mark.parametrize("replay", REPLAYS)
def test_a_generator_that_replays_its_photos_is_found(
    heads: tuple[np.ndarray, np.ndarray], replay: Callable[[Tensor], Tensor]
) -> None:
    found = compared(heads[0], replay(to_float(heads[0][:100])))
    assert found is not None
    assert found.share > 0.9
    assert found.alarming


def test_a_few_replayed_photos_among_others_are_found(heads: tuple[np.ndarray, np.ndarray]) -> None:
    photos, others = heads
    samples = to_float(np.concatenate([others, photos[7:9]]))
    found = compared(photos, blurred(samples))
    assert found is not None
    assert (found.samples, found.photos, found.copies) == (52, 200, 2)
    assert found.alarming


def test_photos_that_a_generator_never_saw_are_no_copies(heads: tuple[np.ndarray, np.ndarray]) -> None:
    found = compared(heads[0], to_float(heads[1]))
    assert found is not None
    assert found.copies == 0
    assert found.ratio == pytest.approx(1, abs=0.15)


def test_a_normal_generator_is_not_accused(heads: tuple[np.ndarray, np.ndarray]) -> None:
    net = load_generator(DEMO / "generator")
    with torch.no_grad():
        samples = net.synthesize(net.draw(range(100))).clamp(-1, 1)
    found = compared(heads[0], samples)
    assert found is not None
    assert not found.alarming


def test_the_nearest_photo_is_named_and_the_mirrored_one_too(heads: tuple[np.ndarray, np.ndarray]) -> None:
    photos = heads[0]
    samples = to_float(photos[[3, 5]])
    samples[1] = samples[1].flip(2)
    found = Neighbours(photos).nearest(cells(samples))
    assert found.photos.tolist() == [3, 5]
    assert found.mirrored.tolist() == [False, True]
    assert torch.allclose(flipped(cells(samples)), cells(samples.flip(3)), atol=1e-5)


def test_the_picture_shows_the_nearest_samples_first_beside_their_photos(
    heads: tuple[np.ndarray, np.ndarray],
) -> None:
    photos, others = heads
    images = np.concatenate([others[:30], photos[11:12, :, ::-1]])
    neighbours = Neighbours(photos)
    sheet = neighbours.picture(neighbours.nearest(cells(to_float(images))), lambda rows: images[rows])
    assert sheet.shape == (6 * 64, 8 * 64, 3)
    assert np.array_equal(sheet[:64, :64], photos[11, :, ::-1])
    assert np.array_equal(sheet[:64, 64:128], photos[11, :, ::-1])


def test_photos_that_are_there_twice_do_not_hide_copies(heads: tuple[np.ndarray, np.ndarray]) -> None:
    photos = heads[0]
    twice = np.concatenate([photos, photos])
    some = Neighbours(np.concatenate([photos, photos[:50]]))
    assert some.spacing == pytest.approx(Neighbours(photos).spacing, rel=0.05)
    assert compared(twice, to_float(photos)) is None  # nothing to compare with


@pytest.mark.parametrize("count", [1, 3])
def test_photos_that_are_all_alike_say_nothing(heads: tuple[np.ndarray, np.ndarray], count: int) -> None:
    photos = heads[0][:1].repeat(count, 0)
    assert compared(photos, to_float(photos)) is None


def test_images_are_watched_as_they_go_by() -> None:
    images, found = torch.rand(5, 3, 20, 24), []  # type: ignore[var-annotated]  # of tensors
    passed = list(watched(iter(images.split(2)), found))
    assert torch.equal(torch.cat(passed), images)
    assert torch.equal(torch.cat(found), cells(images))


def test_what_a_manifest_says_is_read() -> None:
    assert nearness_in({"nearness": {"samples": 8, "photos": 4, "ratio": 0.5, "copies": 2}}) == Nearness(8, 4, 0.5, 2)
    assert nearness_in({}) is None
    assert nearness_in({"nearness": {"samples": "many"}}) is None
