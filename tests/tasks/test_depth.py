"""Depth: stored, learnt, decided and scored; and files that are none."""

import io
import os
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.images import ORIENTATION, decode_image
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.geometry.views import fitting
from handsoff.tasks.base import Task
from handsoff.tasks.depth import Depth
from handsoff.tasks.maps import known
from handsoff.tasks.normals import Normals
from toy import affine, parsed

RANGES = st.tuples(st.floats(1e-3, 1e3), st.floats(1.01, 1e4)).map(lambda pair: [pair[0], pair[0] * pair[1]])


def metres(near: float = 0.5, far: float = 8.0) -> Depth:
    return Depth({"unit": "metres", "range": [near, far]})


def outputs(task: Depth, depth: np.ndarray) -> torch.Tensor:
    """What a member says that is right: [N, 1, H, W]."""
    return task.learning.encode(depth, (depth.shape[1], depth.shape[2]))[:, None]


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


# --- in learning ------------------------------------------------------------------------------------------------------


@given(RANGES, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_depths_within_the_range_come_back(limits: list[float], seed: int) -> None:
    task, rng = Depth({"range": limits}), np.random.default_rng(seed)
    depth = np.exp(rng.uniform(*np.log(limits), (2, 5, 7))).astype(np.float32)
    depth[0, 0, :2] = limits
    members = outputs(task, depth)[None].expand(3, -1, -1, -1, -1)
    found, uncertainty = task.learning.decode(members)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, depth, rtol=1e-3)
    assert float(uncertainty.max()) < 1e-3


def test_nearest_and_farthest_are_the_ends_of_the_scale() -> None:
    task = metres(0.5, 8)
    assert outputs(task, np.array([[[0.5, 2, 8]]], np.float32)).flatten().tolist() == pytest.approx(
        [-1, 0, 1], abs=1e-6
    )
    beyond = torch.tensor([-7.0, 0.0, 30.0]).view(1, 1, 1, 1, 3)
    np.testing.assert_allclose(task.learning.decode(beyond)[0], [[[0.5, 2, 8]]], rtol=1e-6)


def test_members_meet_at_their_geometric_mean_and_their_spread_is_the_uncertainty() -> None:
    task = metres(1, 4)
    members = torch.cat([outputs(task, np.full((1, 1, 1), value, np.float32))[None] for value in (1, 4)])
    label, uncertainty = task.learning.decode(members)
    assert label.item() == pytest.approx(2)
    assert uncertainty.item() == pytest.approx(1), "as far apart as can be"
    label, uncertainty = task.learning.decode(members, torch.tensor([0.75, 0.25]))
    assert label.item() == pytest.approx(2**0.5)
    assert uncertainty.item() == pytest.approx(2 * 0.75**0.5 * 0.25**0.5)
    nearer = torch.cat([members[:1], members[:1] + 0.1])
    assert 0 < task.learning.decode(nearer)[1].item() < 0.1


def test_what_is_not_known_neither_teaches_nor_counts() -> None:
    task, rng = metres(), np.random.default_rng(0)
    depth = rng.uniform(1, 7, (2, 6, 5)).astype(np.float32)
    depth[:, 2:4, 1:3] = 0
    unknown = torch.from_numpy(depth == 0)
    target = task.learning.encode(depth, (6, 5))
    said = torch.randn(2, 1, 6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = task.learning.loss(said, target)
    assert loss.shape == (2, 6, 5)
    assert (loss[unknown] == 0).all()
    assert (loss[~unknown] > 0).all()
    loss.sum().backward()
    assert said.grad is not None
    assert (said.grad[:, 0][unknown] == 0).all()
    assert (said.grad[:, 0][~unknown] != 0).any()
    assert float(task.learning.loss(outputs(task, depth).nan_to_num(5.0), target).max()) == 0
    right = task.learning.decode(outputs(task, depth).nan_to_num(0.3)[None])[0]
    wild = np.where(depth > 0, right, rng.uniform(0.1, 99, depth.shape)).astype(np.float32)
    assert task.scores.score([(right, depth)]) == task.scores.score([(wild, depth)])
    assert np.array_equal(known(depth, 0.0), depth > 0)
    assert np.array_equal(task.learning.sampling_weights(depth, (6, 5), 0.25).numpy() > 0, (depth > 0).reshape(2, -1))
    listed = task.learning.loss(said.flatten(2), target.flatten(1))
    torch.testing.assert_close(listed, loss.flatten(1))


def test_an_image_of_which_nothing_is_known_can_be_drawn_from() -> None:
    """After a strong move nothing may be left; torch.multinomial wants a chance all the same."""
    assert float(metres().learning.sampling_weights(np.zeros((1, 3, 3), np.float32), (3, 3), 0.0).min()) > 0


def test_a_range_that_is_not_stated_is_taken_from_the_labels() -> None:
    depth = np.array([[[0, 2], [4, 8]]], np.float32)
    near, far = Depth({"unit": "metres"}).learning.infer_schema(depth, "dataset")["range"]
    assert (near, far) == pytest.approx((2 / 4**0.05, 8 * 4**0.05))
    assert metres(0.1, 100).learning.infer_schema(depth, "dataset")["range"] == [0.1, 100]
    for flat in (np.full((1, 2, 2), 3, np.float32), np.zeros((1, 2, 2), np.float32)):
        with pytest.raises(
            InputError, match=r"depths of dataset are (all the same|known nowhere): there is nothing to learn"
        ):
            Depth({}).learning.infer_schema(flat, "dataset")


@pytest.mark.parametrize(
    ("absurd", "span"), [(1e10, "2 to 1e\\+10"), (float(np.finfo(np.float32).max), r"2 to 3\.4"), (1e-30, "1e-30 to 8")]
)
def test_numbers_that_stand_for_unknown_depth_elsewhere_make_no_range(absurd: float, span: str) -> None:
    depth = np.array([[[0, 2], [absurd, 8]]], np.float32)
    with pytest.raises(InputError, match=rf"depths of dataset go from {span}.*: write 0 where depth is not known, or"):
        Depth({}).learning.infer_schema(depth, "dataset")
    stated = metres(1, 10)
    assert stated.learning.infer_schema(depth, "dataset") == stated.schema
    assert float(stated.learning.encode(depth, (2, 2)).nan_to_num().abs().max()) <= 1, "kept within the range"
    assert stated.scores.span(depth[0]) == pytest.approx((min(2, absurd), max(8, absurd)))


def test_options_of_the_user_are_refused_as_such() -> None:
    for card, options, sentence in (
        ({"unti": "m"}, {}, r"depth\.json has no setting 'unti': did you mean unit\?"),
        ({}, {"unti": "m"}, r"labels\.depth has no setting 'unti'"),
        ({"unit": "m"}, {"range": [2, 1]}, r"labels\.depth: range = \[2, 1\] must be"),
        ({"range": [2, 1]}, {"unit": "m"}, r"depth\.json: range = \[2, 1\] must be"),
    ):
        with pytest.raises(InputError, match=f"^{sentence}"):
            Depth.declare(card, "depth.json", options, None)


# --- in numbers -------------------------------------------------------------------------------------------------------


def test_scores_are_those_computed_by_hand() -> None:
    truth = np.array([[[1, 2], [4, 0]], [[2, 5], [0, 0]]], np.float32)
    predicted = np.array([[[2, 2], [1, 9]], [[2, 4], [3, 3]]], np.float32)
    whole = metres(0.5, 8).scores.score(iter([(predicted[:1], truth[:1]), (predicted[1:], truth[1:])]))
    errors = {"squares": 1 + 0 + 9 + 0 + 1, "energy": 1 + 4 + 16 + 4 + 25}
    logs = np.log([2, 1, 1 / 4, 1, 4 / 5])
    expected = {
        "nmse": errors["squares"] / errors["energy"],
        "rmse": (errors["squares"] / 5) ** 0.5,
        "rmse_log": float((logs**2).mean() ** 0.5),
        "abs_rel": (1 / 1 + 0 + 3 / 4 + 0 + 1 / 5) / 5,
        "sq_rel": (1 / 1 + 0 + 9 / 4 + 0 + 1 / 5) / 5,
    }
    assert whole["metrics"] == pytest.approx(expected)
    assert list(whole["metrics"]) == list(Depth.metrics)
    assert whole["per_class"] == {}


def test_predictions_are_clamped_to_the_range_before_they_are_scored() -> None:
    truth, predicted = np.array([[[8.0, 1.0]]], np.float32), np.array([[[80.0, 0.0]]], np.float32)
    scores = metres(0.5, 8).scores.score([(predicted, truth)])["metrics"]
    assert scores["rmse"] == pytest.approx((0.25 / 2) ** 0.5)
    assert scores["rmse_log"] == pytest.approx((np.log(2) ** 2 / 2) ** 0.5)


def test_where_nothing_is_known_there_is_no_score() -> None:
    nothing = np.zeros((1, 2, 2), np.float32)
    assert all(np.isnan(value) for value in metres().scores.score([(nothing + 1, nothing)])["metrics"].values())
    assert metres().scores.label_statistics(np.array([[[1, 0]], [[0, 0]]], np.float32)) == {"depth": (1, 0.25)}


# --- on images --------------------------------------------------------------------------------------------------------


def test_depth_moves_without_mixing_two_surfaces() -> None:
    depth = np.repeat(np.array([[[1.0] * 8 + [5.0] * 8]], np.float32), 16, 1)
    moved = metres().geometry.move(
        depth, affine((16, 16), 0.3, 1.2, (0.1, 0.0)).float(), torch.tensor([False]), (16, 16)
    )
    assert set(np.unique(moved)) == {0, 1, 5}
    assert set(
        np.unique(
            metres().geometry.place(depth[0], fitting((0.0, 0.0, 16.0, 16.0), (11, 7), "crop"), (16, 16), (11, 7))
        )
    ) == {1, 5}


def test_near_is_drawn_bright_and_the_unknown_black() -> None:
    depth = np.array([[[0.5, 2, 8, 0]]], np.float32)
    drawn = metres().drawing.draw(np.full((1, 1, 4, 3), 77, np.uint8), depth).astype(int).sum(-1)[0, 0]
    assert drawn[0] > drawn[1] > drawn[2] > drawn[3] == 0


# --- in files ---------------------------------------------------------------------------------------------------------


def make(folder: Path, files: dict[str, bytes], size: tuple[int, int] = (4, 3), card: str | None = None) -> Path:
    (folder / "depth").mkdir(parents=True)
    (folder / "images").mkdir()
    for name, data in files.items():
        (folder / "depth" / name).write_bytes(data)
        Image.new("RGB", (size[1], size[0])).save(folder / "images" / f"{Path(name).stem}.png")
    if card is not None:
        (folder / "depth.json").write_text(card)
    return folder


DEPTH = np.arange(1, 13, dtype=np.float32).reshape(4, 3)


@given(st.tuples(st.integers(1, 30), st.integers(1, 30)), st.integers(0, 1000), st.sampled_from([None, [0.25, 64.0]]))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back_elsewhere(size: tuple[int, int], seed: int, limits: list[float] | None) -> None:
    rng = np.random.default_rng(seed)
    task = Depth({"unit": "metres", "range": limits})
    depth = (rng.uniform(0.3, 60, (2, *size)) * (rng.random((2, *size)) < 0.8)).astype(np.float32)
    depth[:, 0, 0] = 1
    with tempfile.TemporaryDirectory() as made:
        for index, label in enumerate(depth):
            write_sample(
                Path(made) / "here", str(index), np.zeros((*size, 3), np.uint8), {"depth": label}, {"depth": task}
            )
        write_cards(Path(made) / "here", {"depth": task})
        (Path(made) / "here").rename(Path(made) / "there")
        dataset = open_labelled(Path(made) / "there", tasks=["depth"])
        assert dataset.tasks["depth"].schema == task.schema
        for index, label in enumerate(depth):
            again = dataset.label("depth", str(index))
            assert again.dtype == np.float32
            assert np.array_equal(again, label), "exactly"
            assert task.storage.serialise(again) == task.storage.serialise(label), "the same bytes every time"
            assert task.storage.serialise(label) == (Path(made) / "there" / "depth" / f"{index}.npz").read_bytes()


def test_many_ways_of_writing_depth_are_read(tmp_path: Path) -> None:
    files = {
        "named.npz": npz(depth=DEPTH, weights=np.ones(3)),
        "only.npz": npz(disparity=DEPTH.astype(np.float64)),
        "half.npz": npz(depth=DEPTH.astype(np.float16)),
        "steps.npz": npz(depth=(DEPTH * 4).astype(np.uint16)),
        "sixteen.png": png((DEPTH * 4).astype(np.uint16)),
        "eight.png": png((DEPTH * 4).astype(np.uint8)),
    }
    dataset = open_labelled(make(tmp_path / "dataset", files, card='{"unit": "metres", "scale": 0.25}'))
    assert dataset.tasks["depth"].schema == {"unit": "metres", "range": None, "scale": 0.25}
    for name in dataset.names:
        np.testing.assert_array_equal(dataset.label("depth", name), DEPTH, name)
    plain = open_labelled(make(tmp_path / "plain", {"a.png": files["sixteen.png"]}))
    assert plain.tasks["depth"].schema == {"unit": "relative", "range": None, "scale": 1.0}
    np.testing.assert_array_equal(plain.label("depth", "a"), DEPTH * 4)


def test_nan_infinity_and_what_float32_cannot_hold_are_not_known() -> None:
    holes = DEPTH.astype(np.float64)
    holes[0] = np.nan, np.inf, 1e300
    read = parsed(Depth({}), npz(depth=holes), "x", (4, 3))
    assert read.dtype == np.float32
    assert read[0].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(read[1:], DEPTH[1:])


@pytest.mark.parametrize("task", [metres(1.0, 9.0), Normals({})])
def test_an_image_of_which_nothing_is_known_teaches_nothing(task: Task) -> None:
    empty = np.zeros((1, 4, 3) if task.channels == 1 else (1, 4, 3, 3), np.float32 if task.channels == 1 else np.uint8)
    outputs = torch.randn(1, task.channels, 4, 3, requires_grad=True)
    loss = task.learning.loss(outputs, task.learning.encode(empty, (4, 3)))
    loss.sum().backward()
    assert outputs.grad is not None
    assert not loss.any()
    assert not outputs.grad.any(), "NaN would count as true"


@pytest.mark.parametrize("empty", [npz(depth=DEPTH * np.nan), png(np.zeros((4, 3), np.uint16))])
def test_single_maps_may_know_nothing_but_not_all_of_a_dataset(tmp_path: Path, empty: bytes) -> None:
    suffix = "npz" if empty.startswith(b"PK") else "png"
    some = open_labelled(make(tmp_path / "some", {f"a.{suffix}": empty, "b.npz": npz(depth=DEPTH)}))
    assert not some.label("depth", "a").any()
    assert not some.tasks["depth"].drawing.draw(np.ones((1, 4, 3, 3), np.uint8), some.label("depth", "a")[None]).any()
    with pytest.raises(InputError, match="all: the depth maps hold no depth at all"):
        open_labelled(make(tmp_path / "all", {f"{name}.{suffix}": empty for name in "ab"}))
    with pytest.raises(InputError, match="known nowhere"):
        Depth({"range": [1, 2]}).learning.infer_schema(np.zeros((2, 4, 3), np.float32), "x")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_depth_maps_are_turned_upright_as_their_photos_are(kind: str, orientation: int) -> None:
    depth = np.arange(1, 16, dtype=np.uint16).reshape(3, 5)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    files = {}
    for name, values in (("depth", depth * 1000), ("photo", np.repeat(depth[..., None] * 10, 3, -1).astype(np.uint8))):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, kind, exif=exif)
        files[name] = buffer.getvalue()
    shown = decode_image(files["photo"], "photo")[..., 0] // 10
    read = parsed(Depth({"scale": 0.001}), files["depth"], "depth", shown.shape)
    np.testing.assert_allclose(read, shown)


class Bomb:
    """Whoever unpickles it creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def declared(shape: str, data: bytes = b"") -> bytes:
    """An npz whose array declares any shape."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("depth.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data)
    return buffer.getvalue()


def zipped(member: str, data: bytes, kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        archive.writestr(member, data)
    return buffer.getvalue()


def locked(data: bytes) -> bytes:
    """The same zip, said to be encrypted."""
    spoilt = bytearray(data)
    for start in (data.index(b"PK\x03\x04") + 6, data.rindex(b"PK\x01\x02") + 8):
        spoilt[start] |= 1
    return bytes(spoilt)


def inflated(data: bytes, size: int) -> bytes:
    """The same zip, whose directory says that its (one) member is this large."""
    spoilt = bytearray(data)
    start = data.rindex(b"PK\x01\x02") + 24
    spoilt[start : start + 4] = size.to_bytes(4, "little")
    return bytes(spoilt)


def huge_png() -> bytes:
    """A PNG that declares 60000 x 60000 pixels."""
    data = bytearray(png(np.zeros((1, 1), np.uint16)))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = __import__("zlib").crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


FILES = {
    "other size": (
        npz(depth=DEPTH.T),
        r"x is 3x4, its image 4x3 pixels \(upright\): make the depth map as large as the image",
    ),
    "other png size": (png(np.ones((2, 3), np.uint16)), r"x is 2x3, its image 4x3 pixels"),
    "channels": (npz(depth=DEPTH[..., None]), r"x is 4x3x1, its image 4x3 pixels"),
    "one number": (npz(depth=np.float32(1)), r"x is a single number, its image 4x3 pixels"),
    "negative": (npz(depth=DEPTH - 3), r"x holds negative depths: write positive distances, and 0 where there is none"),
    "minus infinity": (npz(depth=np.where(DEPTH == 3, -np.inf, DEPTH)), r"x holds negative depths"),
    "text": (
        b"1 2 3",
        (
            r"x is not a readable depth map \(not a known image format\): write a 16-bit PNG, or an npz with an "
            r"array named depth"
        ),
    ),
    "empty": (b"", r"x is not a readable depth map \(not a known image format\)"),
    "colours": (
        png(np.ones((4, 3, 3), np.uint8)),
        r"x is not a readable depth map \(mode RGB, not one channel of 16 bits\)",
    ),
    "half a png": (png((DEPTH * 400).astype(np.uint16))[:60], r"x is not a readable depth map"),
    "half an npz": (npz(depth=DEPTH)[:100], r"x is not a readable depth map"),
    "two arrays": (
        npz(a=DEPTH, b=DEPTH),
        r"x has no array named depth: write one with numpy.savez\(file, depth=array\)",
    ),
    "no array": (zipped("readme", b"hello"), r"x holds \|S5 instead of numbers: write floats"),
    "empty zip": (b"PK\x05\x06" + bytes(18), r"x has no array named depth"),
    "texts": (npz(depth=np.full((4, 3), "far")), r"x holds <U3 instead of numbers"),
    "truths": (npz(depth=DEPTH > 3), r"x holds bool instead of numbers"),
    "complex": (npz(depth=DEPTH * 1j), r"x holds complex64 instead of numbers"),
    "encrypted": (locked(npz(depth=DEPTH)), r"x is not a readable depth map \(.*encrypted"),
    "declares terabytes": (declared("(1000000, 1000000)"), r"x is not a readable depth map"),
    "declares petabytes": (declared("(100000000, 1000000000)", b"1" * 8), r"x is not a readable depth map"),
    "declares too much for any machine": (declared("(10000000000, 10000000000)"), r"x is not a readable depth map"),
    "zip that says it is large": (
        inflated(npz(depth=DEPTH), 2_000_000_000),
        r"x is not a readable depth map \(more than 100,000,000 numbers\)",
    ),
    "png that says it is large": (huge_png(), r"x is not a readable depth map"),
    "broken lzma": (
        zipped("depth.npy", b"1" * 300, zipfile.ZIP_LZMA).replace(b"]\x00\x00", b"\xff\xff\xff"),
        r"x is not a readable depth map",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_what_is_wrong_with_a_depth_map_is_said(case: str) -> None:
    data, sentence = FILES[case]
    with pytest.raises(InputError, match=rf"^{sentence}") as caught:
        parsed(Depth({}), data, "x", (4, 3))
    assert "\n" not in str(caught.value)


def test_a_pickle_in_an_npz_is_never_opened(tmp_path: Path) -> None:
    target = tmp_path / "created"
    array = np.empty((4, 3), object)
    array[0, 0] = Bomb(target)
    data = npz(depth=array)
    with np.load(io.BytesIO(data), allow_pickle=True) as arrays:
        assert arrays["depth"].shape == (4, 3)
    assert target.is_dir(), "numpy would have opened it"
    target.rmdir()
    with pytest.raises(
        InputError, match=r"dataset/depth/a.npz is not a readable depth map \(Object arrays cannot be loaded"
    ):
        open_labelled(make(tmp_path / "dataset", {"a.npz": data}), tasks=["depth"]).label("depth", "a")
    assert not target.exists()


@given(
    st.sampled_from([npz(depth=DEPTH), Depth({}).storage.serialise(DEPTH), png((DEPTH * 400).astype(np.uint16))]),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_read_or_refused_in_a_sentence(whole: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(whole)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        spoilt[place] = value
    stop = data.draw(st.none() | st.integers(0, len(whole)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile and numpy warn about some damage before they give up
        try:
            depth = parsed(Depth({}), bytes(spoilt[:stop]), "x", (4, 3))
        except InputError:
            return
    assert depth.shape == (4, 3)
    assert (depth >= 0).all()
    assert np.isfinite(depth).all()


CARDS = {
    "list": (
        "[0.5, 10]",
        r'depth.json is not a JSON object: write {"unit": "metres", "range": \[0.5, 10\]} or leave it out',
    ),
    "unknown": (
        '{"near": 1}',
        r"depth.json has no setting 'near': choose one of unit, range, scale",
    ),
    "falling": (
        '{"range": [10, 0.5]}',
        r"depth.json: range = \[10, 0.5\] must be \[nearest, farthest\], positive and rising",
    ),
    "from zero": ('{"range": [0, 1]}', r"depth.json: range = \[0, 1\] must be"),
    "endless": ('{"range": [1, Infinity]}', r"depth.json: range = \[1, inf\] must be"),
    "one end": ('{"range": 10}', r"depth.json: range = 10 must be"),
    "texts": ('{"range": ["1", "2"]}', r"depth.json: range = \['1', '2'\] must be"),
    "three": ('{"range": [1, 2, 3]}', r"depth.json: range"),
    "no scale": (
        '{"scale": 0}',
        r"depth.json: scale = 0 must be a positive number, the depth of one step of a 16-bit PNG",
    ),
    "true scale": ('{"scale": true}', r"depth.json: scale = True must be"),
    "huge scale": ('{"scale": 1' + 400 * "0" + "}", r"depth.json: scale = 10+ must be"),
    "null scale": ('{"scale": null}', r"depth.json: scale = None must be"),
    "unit": ('{"unit": 3}', r"depth.json: unit = 3 must be a text"),
}


@pytest.mark.parametrize("case", CARDS)
def test_what_is_wrong_with_depth_json_is_said(case: str, tmp_path: Path) -> None:
    card, sentence = CARDS[case]
    with pytest.raises(InputError, match=sentence):
        open_labelled(make(tmp_path / "dataset", {"a.npz": npz(depth=DEPTH)}, card=card), tasks=["depth"])


def test_another_unit_is_no_match_and_another_scale_is_read_by_its_own(tmp_path: Path) -> None:
    steps = png((DEPTH * 4).astype(np.uint16))
    folder = make(tmp_path / "dataset", {"a.png": steps}, card='{"unit": "metres", "scale": 0.25}')
    with pytest.raises(
        MismatchError, match=r"depth.json states depth in metres, the dataset in feet: convert one of them"
    ):
        open_like(folder, {"depth": {"unit": "feet"}})
    alike = open_like(folder, {"depth": {"unit": "metres", "range": [0.1, 99.0], "scale": 17.0}})
    np.testing.assert_array_equal(alike.label("depth", "a"), DEPTH)
    assert alike.tasks["depth"].schema["range"] == [0.1, 99.0]


def test_the_user_may_say_what_the_file_does_not(tmp_path: Path) -> None:
    folder = make(tmp_path / "dataset", {"a.npz": npz(depth=DEPTH)})
    assert open_labelled(folder, {"depth": {"unit": "metres", "range": [1, 20]}}).tasks["depth"].schema == {
        "unit": "metres",
        "range": [1, 20],
        "scale": 1.0,
    }
    with pytest.raises(InputError, match="no setting 'focal'"):
        open_labelled(folder, {"depth": {"focal": 1}})


def test_depth_in_8_bits_needs_a_scale(tmp_path: Path) -> None:
    eight = {"a.png": png((DEPTH * 4).astype(np.uint8))}
    with pytest.raises(InputError, match=r"a\.png has 8 bits, as pictures for the eye have"):
        open_labelled(make(tmp_path / "plain", eight)).label("depth", "a")
    stated = open_labelled(make(tmp_path / "stated", eight, card='{"scale": 1}'))
    np.testing.assert_array_equal(stated.label("depth", "a"), DEPTH * 4)
    assert stated.label("normals", "a").any(), "the unit does not matter to normals"


def test_depth_in_the_unit_of_nobody_is_refused(tmp_path: Path) -> None:
    test = make(tmp_path, {"a.npz": npz(depth=DEPTH * 1000)})
    schema = {"unit": "relative", "range": [0.5, 8.0], "scale": 1.0}
    with pytest.raises(MismatchError, match=r"a\.npz holds depths from 1000 to 12000, the range is 0\.5 to 8: state"):
        open_like(test, {"depth": schema}).label("depth", "a")
    np.testing.assert_array_equal(
        open_like(test, {"depth": {**schema, "range": [0.5, 100.0]}}).label("depth", "a"), DEPTH * 1000
    )
