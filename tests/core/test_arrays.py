"""Masks and depth maps as other tools write them: npy, 16-bit PNG, pfm, exr, tiff; and files that are none."""

import importlib.util
import io
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from handsoff.core.arrays import exr_values, npy_mask, npy_values, pfm_values
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import tiff
from handsoff.core.images import decode_mask
from handsoff.datasets.labelled import open_labelled
from handsoff.tasks.depth import Depth
from handsoff.tasks.segmentation import Segmentation
from toy import parsed

DEPTH = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
CLASSES = Segmentation({"classes": ["ground", "tree", "sky"]})


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def declared(descr: str, shape: str, data: bytes = b"") -> bytes:
    """An npy file that declares any kind and shape."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def pfm(array: np.ndarray, scale: str = "-1.0") -> bytes:
    """Written by hand: rows from the bottom up."""
    order = "<f4" if scale.startswith("-") else ">f4"
    return f"Pf\n{array.shape[1]} {array.shape[0]}\n{scale}\n".encode() + array[::-1].astype(order).tobytes()


def exr(folder: Path, **channels: np.ndarray) -> bytes:
    module: Any = pytest.importorskip("OpenEXR")
    header = {"compression": module.ZIP_COMPRESSION, "type": module.scanlineimage}
    named = {name.replace("__", "."): array for name, array in channels.items()}
    module.File(header, named).write(str(folder / "made.exr"))
    return (folder / "made.exr").read_bytes()


# --- masks ------------------------------------------------------------------------------------------------------------


SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
WHOLE = st.sampled_from([np.uint8, np.int16, np.uint16, np.int64, ">i4"])


@given(hnp.arrays(WHOLE, SHAPES, elements=st.integers(0, 2)), st.booleans())
@settings(max_examples=50, deadline=None)
def test_whole_numbers_of_any_kind_are_ids(mask: np.ndarray, columns: bool) -> None:  # noqa: FBT001
    stored = npy(np.asfortranarray(mask) if columns else mask)
    read = parsed(CLASSES, stored, "x", (mask.shape[0], mask.shape[1]))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, mask)


def test_truths_and_ignored_pixels_are_ids() -> None:
    assert parsed(CLASSES, npy(np.array([[True, False]])), "x", (1, 2)).tolist() == [[1, 0]]
    assert parsed(CLASSES, npy(np.array([[2, 255]])), "x", (1, 2)).tolist() == [[2, 255]]
    assert parsed(CLASSES, png(np.array([[2, 255]], np.uint16)), "x", (1, 2)).tolist() == [[2, 255]]


MASKS = {
    "negative": (
        npy(np.array([[0, -1]])),
        r"x holds the id -1: write class ids from 0 to 254, and 255 for what is ignored",
    ),
    "large": (npy(np.array([[0, 300]])), r"x holds the id 300: write class ids"),
    "larger than any": (npy(np.array([[2**64 - 1]], np.uint64)), r"x holds the id 18446744073709551615: write"),
    "sixteen bits": (png(np.array([[0, 65535]], np.uint16)), r"x holds the id 65535: write class ids"),
    "unnamed": (npy(np.array([[0, 7]])), r"x holds the id 7, but classes.json names only 0 to 2"),
    "floats": (
        npy(np.ones((1, 2))),
        r"x holds an array of float64 with the shape \(1, 2\): a mask must be a two-dimensional array of whole numbers",
    ),
    "channels": (npy(np.ones((1, 2, 3), np.uint8)), r"x holds an array of uint8 with the shape \(1, 2, 3\)"),
    "one number": (npy(np.uint8(1)), r"x holds an array of uint8 with the shape \(\)"),
    "other size": (npy(np.ones((2, 1), np.uint8)), r"x is 2x1 pixels, its image 1x2 \(upright\)"),
    "objects": (
        npy(np.array([[{}]], object)),
        r"x is not a readable array \(it holds Python objects\): save it with numpy.save",
    ),
    "records": (declared("[('a', '<i4')]", "(1, 2)", bytes(8)), r"x holds an array of \[\('a', '<i4'\)\] with"),
    "declares terabytes": (
        declared("'|u1'", "(1000000, 1000000)"),
        r"x is not a readable array \(it declares the shape \(1000000, 1000000\), more than",
    ),
    "declares a negative side": (declared("'|u1'", "(-1, 3)", bytes(3)), r"x is not a readable array"),
    "declares records": (declared("[('a', '|V2000000000')]", "(50000000,)"), r"x is not a readable array"),
    "half": (
        npy(np.ones((40, 30), np.uint8))[:500],
        r"x is not a readable array \(buffer is smaller than requested size\)",
    ),
    "nothing but a beginning": (b"\x93NUMPY", r"x is not a readable array"),
    "another version": (b"\x93NUMPY\x09\x00" + bytes(20), r"x is not a readable array \(version 9"),
    "a program": (declared("__import__('os').abort()", "(1,)"), r"x is not a readable array"),
}


@pytest.mark.parametrize("case", MASKS)
def test_what_is_wrong_with_a_mask_is_said(case: str) -> None:
    data, sentence = MASKS[case]
    with pytest.raises(InputError, match=rf"^{sentence}") as caught:
        parsed(CLASSES, data, "x", (1, 2))
    assert "\n" not in str(caught.value)


@given(
    st.sampled_from([npy(np.ones((4, 3), np.uint8)), npy(np.ones((4, 3), np.int64)), png(np.ones((4, 3), np.uint16))]),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_damaged_masks_are_read_or_refused_in_a_sentence(whole: bytes, data: st.DataObject) -> None:
    spoilt = damaged(whole, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy and Pillow about some damage
        for read in (
            lambda: parsed(CLASSES, spoilt, "x", (4, 3)),
            lambda: npy_mask(spoilt, "x"),
            lambda: decode_mask(spoilt, "x"),
        ):
            with suppress(InputError):
                assert read().dtype == np.uint8


def damaged(whole: bytes, data: st.DataObject) -> bytes:
    spoilt = bytearray(whole)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        spoilt[place] = value
    return bytes(spoilt[: data.draw(st.none() | st.integers(0, len(whole)))])


def test_a_folder_may_hold_masks_as_arrays(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name, mask in {"a": np.array([[0, 1]]), "b": np.array([[1], [255]], np.uint8)}.items():
        Image.new("RGB", (mask.shape[1], mask.shape[0])).save(tmp_path / "images" / f"{name}.png")
        np.save(tmp_path / "masks" / f"{name}.npy", mask)
    (tmp_path / "classes.json").write_text('["ground", "tree"]')
    dataset = open_labelled(tmp_path)
    assert [dataset.label("segmentation", name).tolist() for name in dataset.names] == [[[0, 1]], [[1], [255]]]


# --- depth ------------------------------------------------------------------------------------------------------------


def depth_of(data: bytes) -> np.ndarray:
    return np.asarray(parsed(Depth({}), data, "x", (4, 3)))


@pytest.mark.parametrize("scale", ["-1.0", "1", "-0.00392156862745098", "+1e-3", "-1e+00"])
def test_a_portable_float_map_has_its_last_row_first(scale: str) -> None:
    read = depth_of(pfm(DEPTH, scale))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, DEPTH)


def test_portable_float_maps_are_read_as_pillow_writes_them() -> None:
    buffer = io.BytesIO()
    Image.fromarray(DEPTH).save(buffer, "PPM")
    np.testing.assert_array_equal(depth_of(buffer.getvalue()), DEPTH)


def test_infinity_in_a_portable_float_map_is_not_known() -> None:
    assert depth_of(pfm(np.where(DEPTH == 2, np.inf, DEPTH)))[0].tolist() == [1, 0, 3]


@pytest.mark.parametrize(
    "array", [*map(DEPTH.astype, (np.float32, np.float64, np.float16, np.int32, ">f4")), np.asfortranarray(DEPTH)]
)
def test_npy_and_tiff_are_exact(array: np.ndarray) -> None:
    np.testing.assert_array_equal(depth_of(npy(array)), DEPTH)
    np.testing.assert_array_equal(depth_of(tiff(array.astype(np.float32))), DEPTH)


def test_a_scale_counts_for_whole_numbers_only() -> None:
    task = Depth({"scale": 0.25})
    np.testing.assert_array_equal(parsed(task, npy((DEPTH * 4).astype(np.uint16)), "x", (4, 3)), DEPTH)
    np.testing.assert_array_equal(parsed(task, pfm(DEPTH), "x", (4, 3)), DEPTH)


@pytest.mark.parametrize("channel", ["Z", "Y", "R", "anything", "depth__Z", "View Layer__Depth__Z"])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_an_openexr_image_of_one_channel_is_depth(tmp_path: Path, channel: str, kind: type) -> None:
    read = depth_of(exr(tmp_path, **{channel: DEPTH.astype(kind)}))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, DEPTH)


def test_among_the_channels_of_an_openexr_image_z_is_depth(tmp_path: Path) -> None:
    colours = {name: np.zeros((4, 3), np.float16) for name in "RGB"}
    np.testing.assert_array_equal(depth_of(exr(tmp_path, Z=DEPTH, **colours)), DEPTH)
    np.testing.assert_array_equal(depth_of(exr(tmp_path, main__depth=DEPTH, **colours)), DEPTH)
    with pytest.raises(
        InputError, match=r"^x is not a readable depth map \(it has the channels B, G, R and not exactly one called Z\)"
    ):
        depth_of(exr(tmp_path, **colours))
    with pytest.raises(InputError, match="not exactly one called Z"):
        depth_of(exr(tmp_path, a__Z=DEPTH, b__Z=DEPTH))


def test_without_the_package_openexr_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = exr(tmp_path, Z=DEPTH)
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(HandsOffError, match=r"install it with pip install 'handsoff-labels\[exr\]'"):
        depth_of(data)


def huge(data: bytes) -> bytes:
    """The same OpenEXR image, whose windows declare 60000 x 60000 pixels."""
    window = (0).to_bytes(8, "little") + (2).to_bytes(4, "little") + (3).to_bytes(4, "little")
    assert data.count(window) == 2
    return data.replace(window, bytes(8) + (59999).to_bytes(4, "little") * 2)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow about the tiff
def test_what_is_wrong_with_a_depth_map_is_said(tmp_path: Path) -> None:
    cases = {
        "pfm other size": (pfm(DEPTH.T), r"x is 3x4, its image 4x3 pixels"),
        "pfm cut off": (pfm(DEPTH)[:-1], r"x is not a readable depth map \(47 bytes instead of the 48 of 3x4 pixels\)"),
        "pfm with more": (pfm(DEPTH) + b"\n", r"x is not a readable depth map \(49 bytes"),
        "pfm without size": (b"Pf\n3 \n", r"x is not a readable depth map \(a portable float map without its size\)"),
        "pfm in colours": (b"PF\n3 4\n-1.0\n" + bytes(144), r"x is not a readable depth map"),
        "pfm declares terabytes": (
            b"Pf\n999999999 999999999\n-1.0\n",
            r"x is not a readable depth map \(0 bytes instead of",
        ),
        "npy of texts": (npy(np.full((4, 3), "far")), r"x holds <U3 instead of numbers"),
        "npy of objects": (npy(np.array([[{}]], object)), r"x is not a readable depth map \(it holds Python objects\)"),
        "npy declares terabytes": (
            declared("'<f8'", "(1000000, 1000000)"),
            r"x is not a readable depth map \(it declares the shape",
        ),
        "exr other size": (exr(tmp_path, Z=DEPTH.T.copy()), r"x is 3x4, its image 4x3 pixels"),
        "exr cut off": (exr(tmp_path, Z=DEPTH)[:-20], r"x is not a readable depth map \(not a whole OpenEXR image\)"),
        "exr declares gigabytes": (
            huge(exr(tmp_path, Z=DEPTH)),
            r"x is not a readable depth map \(more than 100,000,000 numbers\)",
        ),
        "negative": (tiff(-DEPTH), r"x holds negative depths"),
        "tiff cut off": (tiff(DEPTH)[:20], r"x is not a readable depth map"),
    }
    for case, (data, sentence) in cases.items():
        with pytest.raises(InputError, match=rf"^{sentence}") as caught:
            depth_of(data)
        assert "\n" not in str(caught.value), case


@pytest.mark.parametrize("kind", ["npy", "pfm", "tiff", "exr"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_depth_maps_are_read_or_refused_in_a_sentence(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    whole = {"npy": npy(DEPTH), "pfm": pfm(DEPTH), "tiff": tiff(DEPTH)}.get(kind) or exr(tmp_path, Z=DEPTH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            depth = depth_of(damaged(whole, data))
        except InputError:
            return
    assert depth.shape == (4, 3)
    assert np.isfinite(depth).all()
    assert (depth >= 0).all()


@given(st.sampled_from([npy(DEPTH), pfm(DEPTH)]), st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_whatever_is_cut_off_is_refused(whole: bytes, stop: int) -> None:
    if stop < len(whole):
        with pytest.raises(InputError):
            depth_of(whole[:stop])


def test_readers_say_what_they_cannot_read() -> None:
    with pytest.raises(ValueError, match="magic string"):
        npy_values(b"something else")
    with pytest.raises(ValueError, match="without its size"):
        pfm_values(b"something else")
    if importlib.util.find_spec("OpenEXR"):
        with pytest.raises(ValueError, match="not a whole OpenEXR image"):
            exr_values(b"something else")


def test_a_folder_may_hold_depth_of_any_kind(tmp_path: Path) -> None:
    for folder in ("images", "depth"):
        (tmp_path / folder).mkdir()
    files = {
        "a.npy": npy(DEPTH),
        "b.pfm": pfm(DEPTH),
        "c.tiff": tiff(DEPTH),
        "d.exr": exr(tmp_path, Z=DEPTH),
        "e.TIF": tiff(DEPTH),
    }
    for name, data in files.items():
        (tmp_path / "depth" / name).write_bytes(data)
        Image.new("RGB", (3, 4)).save(tmp_path / "images" / f"{Path(name).stem}.png")
    (tmp_path / "made.exr").unlink()
    dataset = open_labelled(tmp_path)
    assert list(dataset.kinds) == ["depth", "normals"]
    for name in dataset.names:
        np.testing.assert_array_equal(dataset.label("depth", name), DEPTH)
        assert dataset.label("normals", name).shape == (4, 3, 3)
