import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jaxtyping import TypeCheckError
from PIL import Image

from handsoff.core import files
from handsoff.core.errors import BrokenImageError, HandsOffError, InputError
from handsoff.core.images import crop_box, decode_image, decode_mask, tile, to_float, to_uint8
from handsoff.core.seeds import standard_normal, step_generator
from handsoff.datasets.framing import frame_photo, frame_sample
from handsoff.tasks.depth import Depth

pictures = arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(3)))


def test_annotations_are_checked_in_tests() -> None:
    with pytest.raises(TypeCheckError):
        tile(np.zeros((2, 4, 4, 1), np.uint8))


# files


def opener_that_fails(number: int) -> Callable[[Path, str], io.FileIO]:
    class Full(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            super().write(data[:3])
            raise OSError(number, os.strerror(number))

    def opened(path: Path, mode: str) -> io.FileIO:
        return Full(path, mode)

    return opened


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "Permission denied")])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    target = tmp_path / "a.json"
    files.write_json(target, {"old": 1})
    monkeypatch.setattr(Path, "open", opener_that_fails(number))
    with pytest.raises(HandsOffError, match=said):
        files.write_json(target, {"new": 2})
    monkeypatch.undo()
    assert files.read_json(target) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_that_cannot_reach_the_disk_is_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(HandsOffError, match="Could not write"):
        files.write_bytes(tmp_path / "a", b"data")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(tmp_path / "a", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(HandsOffError, match="Could not write"):
        files.write_bytes(tmp_path / "a" / "b" / "c", b"data")


def test_json_and_tensors_come_back(tmp_path: Path) -> None:
    value = {"name": "é", "numbers": [1, 2.5, None]}
    files.write_json(tmp_path / "deep" / "a.json", value)
    assert files.read_json(tmp_path / "deep" / "a.json") == value
    tensors = {
        "a": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "b": torch.tensor(3),
        "c": torch.zeros(2, dtype=torch.bfloat16),
    }
    files.write_tensors(tmp_path / "a.safetensors", tensors)
    back = files.read_tensors(tmp_path / "a.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("read", [files.read_json, files.read_tensors])
def test_missing_and_broken_files_are_said_in_one_sentence(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(InputError, match="missing"):
        read(tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"\xff\xfe not what it says")
    with pytest.raises(InputError, match=r"is not (a )?valid"):
        read(tmp_path / "broken")


# images


@given(pictures)
def test_float_and_back_is_the_same_image(images: np.ndarray) -> None:
    inside = to_float(images)
    assert inside.min() >= -1
    assert inside.max() <= 1
    assert np.array_equal(to_uint8(inside), images)


def test_to_uint8_clamps_and_rounds() -> None:
    values = torch.tensor([-3.0, -1.0, 0.0, 1.0, 7.0, -1 + 0.6 / 127.5]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert to_uint8(values)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 1]


@given(pictures)
def test_png_round_trip(images: np.ndarray) -> None:
    assert np.array_equal(decode_image(files.png(images[0]), "a.png"), images[0])
    assert np.array_equal(decode_mask(files.png(images[0, ..., 0]), "a.png"), images[0, ..., 0])


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 500), st.integers(0, 500))
def test_crop_box_is_inside_centred_of_the_frames_shape_and_largest(
    frame: tuple[int, int], more_h: int, more_w: int
) -> None:
    height, width = frame[0] + more_h, frame[1] + more_w
    left, top, right, bottom = crop_box((height, width), frame)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left, bottom - top)[0 if right - left == width else 1] == (
        width if right - left == width else height
    )
    assert abs(left - (width - right)) <= 1
    assert abs(top - (height - bottom)) <= 1
    scale = min(height / frame[0], width / frame[1])
    assert abs((bottom - top) - frame[0] * scale) <= 0.5
    assert abs((right - left) - frame[1] * scale) <= 0.5


@given(st.integers(1, 8), st.integers(1, 8))
def test_an_image_of_the_frames_shape_is_left_alone(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(frame_photo(image, (height, width), "crop", "a"), image)


def test_image_and_mask_are_cropped_alike() -> None:
    mask = np.zeros((30, 50), np.uint8)
    mask[5:25, 20:40] = 7
    image = np.repeat((mask * 30)[..., None], 3, -1)
    small, labels = frame_sample(image, {"depth": mask}, {"depth": Depth({})}, (10, 12), "crop", "a")
    ids = labels["depth"]
    assert set(np.unique(ids)) == {0, 7}
    assert ((small[..., 0] > 105) == (ids == 7)).mean() > 0.9


def test_a_too_small_image_is_refused() -> None:
    with pytest.raises(InputError, match="smaller than the resolution 8x8"):
        frame_photo(np.zeros((7, 20, 3), np.uint8), (8, 8), "crop", "a.png")


def test_orientation_transparency_and_grey_become_upright_rgb() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(buffer, "JPEG", exif=exif)
    assert decode_image(buffer.getvalue(), "a.jpg").shape == (8, 4, 3)
    for mode in ("L", "LA", "RGBA", "P", "1"):
        buffer = io.BytesIO()
        Image.new(mode, (5, 3)).save(buffer, "PNG")
        assert decode_image(buffer.getvalue(), "a.png").shape == (3, 5, 3)


def test_what_is_no_image_is_said() -> None:
    good = files.png(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    mask = files.png(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8))
    for image, ids in ((b"", b""), (b"GIF?", b"GIF?"), (good[: len(good) // 2], mask[: len(mask) // 2])):
        with pytest.raises(BrokenImageError, match=r"^bad\.png is not a readable image"):
            decode_image(image, "bad.png")
        with pytest.raises(InputError, match=r"^bad\.png is not a readable mask"):
            decode_mask(ids, "bad.png")
    with pytest.raises(InputError, match="mode RGB: a mask must be"):
        decode_mask(good, "bad.png")


def test_absurd_sizes_are_refused_before_anything_is_allocated() -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    with pytest.raises(BrokenImageError):
        decode_image(buffer.getvalue(), "huge.png")


def test_tile_lays_rows_out_left_to_right() -> None:
    images = np.stack([np.full((2, 3, 3), value, np.uint8) for value in range(5)])
    sheet = tile(images)
    assert sheet.shape == (4, 9, 3)
    assert sheet[::2, ::3, 0].tolist() == [[0, 1, 2], [3, 4, 255]]
    assert tile(images, 5).shape == (2, 15, 3)
    assert tile(images, 1).shape == (10, 3, 3)


# seeds


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=6), st.integers(1, 20))
def test_latents_do_not_depend_on_their_company(seeds: list[int], dim: int) -> None:
    together = standard_normal(seeds, dim)
    alone = torch.cat([standard_normal([seed], dim) for seed in seeds])
    assert torch.equal(together, alone)


def test_latents_are_standard_normal_and_differ() -> None:
    z = standard_normal(range(500), 64)
    assert abs(float(z.mean())) < 0.02
    assert abs(float(z.std()) - 1) < 0.02
    assert len(torch.unique(z[:, 0])) == 500


def test_every_step_and_process_has_its_own_stream() -> None:
    drawn = {
        float(torch.rand((), generator=step_generator(*key))) for key in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
    }
    assert len(drawn) == 4
    assert torch.equal(torch.rand(3, generator=step_generator(5, 6)), torch.rand(3, generator=step_generator(5, 6)))
