"""Datasets for PyTorch: tensors of the right kind, transforms, worker processes, any format."""

import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import handsoff
from toy import CLASSES, toy_generator, toy_several, write_classes, write_mask


def doubled(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    return image * 2, label


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks, keypoints and depth of the same images."""
    root = tmp_path_factory.mktemp("several")
    toy_several(toy_generator(root / "generator"), root / "labelled")
    return root / "labelled"


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("train/a", "train/b", "train/c", "val/d"):
        mask = rng.integers(0, 3, (6, 4), np.uint8)
        mask[0, 0] = 255
        write_mask(tmp_path / "labelled", name, rng.integers(0, 255, (6, 4, 3), np.uint8), mask)
    write_classes(tmp_path / "labelled", CLASSES)
    return tmp_path / "labelled"


def test_samples_are_tensors(splits: Path) -> None:
    data = handsoff.Dataset(splits)
    opened = handsoff.open_dataset(splits)
    assert (len(data), data.names, data.classes) == (4, opened.names, tuple(CLASSES))
    for index, name in enumerate(data.names):
        image, label = data[index]
        sample = opened.read(name)
        assert (image.dtype, image.shape, label.dtype) == (torch.uint8, (3, 6, 4), torch.int64)
        assert np.array_equal(image.permute(1, 2, 0), sample.image)
        assert np.array_equal(label, sample.labels["segmentation"])
    assert data[-1][0].equal(data[3][0])
    with pytest.raises(IndexError):
        data[4]
    assert repr(data) == f"Dataset({str(splits)!r}, 4 samples, segmentation)"


def test_a_slice_is_a_subset(splits: Path) -> None:
    data = handsoff.Dataset(splits)
    assert [image.equal(data[index][0]) for index, (image, _) in zip((1, 3), data[1::2], strict=True)] == [True, True]
    assert len(data[2:99]) == 2


def test_several_tasks_are_a_dict_and_one_can_be_chosen(several: Path) -> None:
    data = handsoff.Dataset(several)
    _, label = data[0]
    assert {name: (value.dtype, value.ndim) for name, value in label.items()} == {
        "segmentation": (torch.int64, 2),
        "keypoints": (torch.float32, 2),
        "depth": (torch.float32, 2),
    }
    _, points = handsoff.Dataset(several, "keypoints")[0]
    assert points.equal(label["keypoints"])
    assert handsoff.Dataset(several, "keypoints").classes == ("brightest", "darkest")
    with pytest.raises(handsoff.HandsOffError, match="has no labels for pose, only for"):
        handsoff.Dataset(several, "pose")


def test_a_split_can_be_chosen(splits: Path) -> None:
    assert handsoff.Dataset(splits, split="val").names == ("val/d",)
    with pytest.raises(handsoff.HandsOffError, match="has no split 'test': its splits are train, val"):
        handsoff.Dataset(splits, split="test")


@pytest.mark.parametrize("form", ["folder", "zip", "coco", "huggingface", "webdataset"])
def test_any_format_and_a_zip_give_the_same(form: str, splits: Path, tmp_path: Path) -> None:
    there = tmp_path / "out"
    if form == "zip":
        there = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", splits))
    else:
        handsoff.convert(splits, there, format=form)
    for (image, label), (other, same) in zip(handsoff.Dataset(splits), handsoff.Dataset(there), strict=True):
        assert image.equal(other)
        assert label.equal(same)


@pytest.mark.slow
@pytest.mark.parametrize("start", multiprocessing.get_all_start_methods())
def test_worker_processes_read_a_zip_beside_each_other(start: str, splits: Path, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", splits))
    data = handsoff.Dataset(packed, transforms=doubled)
    expected = [data[index] for index in range(len(data))]
    loader = DataLoader(data, batch_size=2, num_workers=2, multiprocessing_context=start)
    found = [pair for images, labels in loader for pair in zip(images, labels, strict=True)]
    for (image, label), (other, same) in zip(expected, found, strict=True):
        assert image.equal(other)
        assert label.equal(same)


def test_a_dataset_travels_without_its_open_files(splits: Path) -> None:
    data = handsoff.Dataset(splits, transforms=doubled)
    copy = pickle.loads(pickle.dumps(data))  # noqa: S301  # our own bytes
    assert copy[1][0].equal(data[1][0])
