"""CVAT for images 1.1: every kind of shape, and whatever a stranger's XML may hold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import cvat_xml, format_of, open_dataset
from handsoff.formats.samples import Dataset

SIZE = (8, 10)
META = """<meta><job><labels>
<label><name>stem</name><type>any</type></label><label><name>leaf</name><type>polygon</type></label>
<label><name>blurry</name><type>tag</type></label>
<label><name>body</name><type>skeleton</type></label>
<label><name>head</name><type>points</type><parent>body</parent></label>
<label><name>foot</name><type>points</type><parent>body</parent></label>
<label><name>hand</name><type>points</type><parent>body</parent></label>
</labels></job></meta>"""


def image(*shapes: str, name: str = "a.png", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="10" height="8" {more}>{"".join(shapes)}</image>'


def polygon(label: str, left: int, top: int, right: int, bottom: int, z: int = 0) -> str:
    points = f"{left},{top};{right},{top};{right},{bottom};{left},{bottom}"
    return f'<polygon label="{label}" points="{points}" z_order="{z}"/>'


def block(top: int, left: int, bottom: int, right: int, value: int = 1) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def put(folder: Path, *images: str, meta: str = META, files: tuple[str, ...] = ("images/a.png",)) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(folder / file)
    (folder / "annotations.xml").write_text(f"<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>")
    return folder


def opened(folder: Path) -> Dataset:
    source = open_source(folder)
    assert format_of(source) == "cvat-xml"
    return open_dataset(source)


def mask_of(samples: Dataset, name: str = "a") -> np.ndarray:
    return samples.read(name).labels["segmentation"]


def read_all(folder: Path) -> None:
    samples = opened(folder)
    for name in samples.names:
        samples.read(name)


def refused(folder: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_all(folder)
    assert str(folder) in str(caught.value)


def test_polygons_masks_and_ellipses_lie_by_their_order(tmp_path: Path) -> None:
    mask = '<mask label="stem" rle="1, 2, 1, 2" left="7" top="5" width="3" height="2" z_order="0"/>'
    ellipse = '<ellipse label="leaf" cx="2" cy="6" rx="1.2" ry="1.2" rotation="30" z_order="0"/>'
    samples = opened(put(tmp_path, image(polygon("leaf", 0, 0, 4, 4, z=2), polygon("stem", 2, 0, 6, 4), mask, ellipse)))
    assert samples.tasks["segmentation"].parts == ("background", "stem", "leaf")
    expected = block(0, 0, 4, 4, 2) + block(0, 4, 4, 6, 1) + block(5, 1, 7, 3, 2)
    expected[5, 8:] = expected[6, 8:] = 1
    np.testing.assert_array_equal(mask_of(samples), expected)
    assert samples.notes == ()


def test_an_ellipse_without_an_area_covers_nothing(tmp_path: Path) -> None:
    flat = '<ellipse label="leaf" cx="2.5" cy="2.5" rx="0" ry="2" z_order="1"/>'
    samples = opened(put(tmp_path, image(polygon("stem", 0, 0, 4, 4), flat)))
    np.testing.assert_array_equal(mask_of(samples), block(0, 0, 4, 4, 1))


def test_boxes_are_ignored_and_tags_named(tmp_path: Path) -> None:
    box = '<box label="stem" xtl="0" ytl="0" xbr="3" ybr="3"/>'
    turned = '<box label="stem" xtl="5" ytl="3" xbr="9" ybr="5" rotation="90"/>'
    tag = '<tag label="blurry" source="manual"/>'
    samples = opened(put(tmp_path, image(polygon("leaf", 2, 2, 4, 4), box, turned, tag)))
    expected = block(0, 0, 3, 3, IGNORE) + block(2, 6, 6, 8, IGNORE)
    expected[2:4, 2:4] = 2
    np.testing.assert_array_equal(mask_of(samples), expected)
    told = " ".join(samples.notes)
    assert "2 objects have only a box" in told
    assert "1 tag is left out (blurry)" in told


def test_an_image_that_its_subset_lacks_is_not_that_of_another_subset(tmp_path: Path) -> None:
    train = image(polygon("leaf", 0, 0, 4, 4), more='subset="one"')
    files = ("images/one/b.png", "images/two/a.png")
    refused(put(tmp_path, train, files=files), r"'a\.png' of one, and .* only has images/two/a\.png")
    put(tmp_path, train, files=("images/a.png", "one/a.png"))
    assert opened(tmp_path).read("a").file == "one/a.png"


@pytest.mark.parametrize("home", ["{}", "top/{}", "{}/task"])
def test_two_exports_may_have_frames_of_one_name(tmp_path: Path, home: str) -> None:
    for number, folder in enumerate(("one", "two")):
        frame = image(polygon(("stem", "leaf")[number], 0, 0, 4, 4), name="frame_000000.png")
        put(tmp_path / home.format(folder), frame, files=("images/frame_000000.png",))
    samples = opened(tmp_path)
    assert samples.names == ("one/frame_000000", "two/frame_000000")
    assert [mask_of(samples, name).max() for name in samples.names] == [1, 2]
    files = [f"{home.format(folder)}/images/frame_000000.png" for folder in ("one", "two")]
    assert [samples.read(name).file for name in samples.names] == files
    (tmp_path / files[0]).rename(tmp_path / files[0].replace("0.png", "1.png"))
    refused(tmp_path, r"'frame_000000\.png' of one, and .* only has .*two.*, which is that of another folder")


def test_exports_of_subsets_in_folders_called_so(tmp_path: Path) -> None:
    for subset in ("train", "val"):
        put(tmp_path / subset, image(polygon("leaf", 0, 0, 4, 4), more=f'subset="{subset}"'))
    assert opened(tmp_path).names == ("train/a", "val/a")


def test_no_file_is_skipped_however_many_there_are(tmp_path: Path) -> None:
    for number in range(40):
        name = f"{number:02d}.png"
        put(tmp_path, image(polygon("leaf", 0, 0, 4, 4), name=name), files=(name,))
        (tmp_path / "annotations.xml").rename(tmp_path / f"task{number:02d}.xml")
    samples = opened(tmp_path)
    assert len(samples.names) == 40
    assert samples.notes == ()


def test_skeletons_are_keypoints(tmp_path: Path) -> None:
    def skeleton(*points: str) -> str:
        return f'<skeleton label="body" z_order="0">{"".join(points)}</skeleton>'

    def point(label: str, place: str, more: str = 'outside="0" occluded="0"') -> str:
        return f'<points label="{label}" points="{place}" {more}/>'

    large = skeleton(
        point("foot", "9.00,7.00", 'outside="0" occluded="1"'),
        point("head", "1,1"),
        point("hand", "3,3", 'outside="1"'),
    )
    small = skeleton(point("head", "2,2"), point("foot", "3,3"))
    folder = put(tmp_path, image(small, large), image(name="b.png"), files=("images/a.png", "images/b.png"))
    samples = opened(folder)
    assert samples.tasks["keypoints"].parts == ("head", "foot", "hand")
    np.testing.assert_allclose(samples.read("a").labels["keypoints"][:2], [[0.5, 0.5, 2], [8.5, 6.5, 1]])
    assert samples.read("a").labels["keypoints"][2, 2] == 0
    assert not samples.read("b").labels["keypoints"][:, 2].any()
    told = " ".join(samples.notes)
    assert "1 skeleton is left out" in told
    assert "1 image of 2 has no shape" in told


def test_points_are_keypoints_and_numbered_where_a_shape_has_several(tmp_path: Path) -> None:
    shapes = '<points label="tip" points="1,2"/>', '<points label="edge" points="3,4;5,6" occluded="1"/>'
    samples = opened(put(tmp_path, image(*shapes)))
    assert samples.tasks["keypoints"].parts == ("edge 1", "edge 2", "tip")
    np.testing.assert_allclose(samples.read("a").labels["keypoints"], [[2.5, 3.5, 1], [4.5, 5.5, 1], [0.5, 1.5, 2]])


def test_points_that_are_no_keypoints_are_counted(tmp_path: Path) -> None:
    point = '<points label="tip" points="1,2"/>'
    samples = opened(put(tmp_path, image(polygon("leaf", 0, 0, 4, 4), point, point)))
    assert list(samples.tasks) == ["segmentation"]
    assert "2 shapes of points are left out" in " ".join(samples.notes)


def test_subsets_are_splits(tmp_path: Path) -> None:
    images = [image(polygon("leaf", 0, 0, 4, 4), more=f'subset="{subset}"') for subset in ("train", "val")]
    samples = opened(put(tmp_path, *images, files=("images/train/a.png", "images/val/a.png")))
    assert samples.names == ("train/a", "val/a")
    assert samples.read("val/a").file == "images/val/a.png"


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ('<polyline label="leaf" points="0,0;1,1"/>', "is a polyline, which covers no pixels"),
        ('<cuboid label="leaf" xtl1="0"/>', "is a cuboid, which covers no pixels"),
        ('<blob label="leaf"/>', "is a blob, which is not known"),
        ('<polygon points="0,0;1,1;2,0"/>', r"\(polygon\) has no label"),
        ('<polygon label="leaf" points="0,0;1"/>', "points are not at least 3 pairs"),
        ('<polygon label="leaf" points="0,0;1,nan;2,0"/>', "points are not at least 3 pairs"),
        ('<polygon label="leaf" points="0,0;1,1;2,0" z_order="up"/>', "z_order is 'up' instead of a number"),
        ('<mask label="leaf" rle="1,2" left="0" top="0" width="2" height="2"/>', "do not fill 2x2 pixels"),
        ('<mask label="leaf" rle="1,-1,4" left="0" top="0" width="2" height="2"/>', "do not fill 2x2 pixels"),
        ('<mask label="leaf" rle="4" left="9" top="0" width="2" height="2"/>', "beyond the image of 10x8"),
        ('<mask label="leaf" rle="4"/>', "left is 'None' instead of a number"),
        ('<box label="leaf" xtl="0" ytl="0" xbr="3" ybr="3"/>', "has boxes only"),
        ('<tag label="blurry"/>', "has no shapes"),
        ("", "has no shapes"),
    ],
)
def test_what_cannot_be_a_label_is_refused(tmp_path: Path, shape: str, sentence: str) -> None:
    refused(put(tmp_path, image(shape)), sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<annotations><image", "is not valid XML"),
        ("<annotations><version>1.1</version></annotations>", "without any image"),
        ('<annotations><track id="0" label="leaf"/></annotations>', "CVAT for video .tracks.: export CVAT for images"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations>&a;</annotations>', "declares a document type"),
        ("<annotations>" + "<a>" * 200 + "</a>" * 200 + "</annotations>", "more than 100 elements inside"),
        ('<annotations><image name="gone.png" width="1" height="1"/></annotations>', "'gone.png', which is not in"),
        ('<annotations><image width="1" height="1"/></annotations>', "has no name"),
        ('<annotations><image name="a.png"/><image name="a.png"/></annotations>', "is the same image as"),
    ],
)
def test_files_that_are_not_cvats_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    put(tmp_path)
    (tmp_path / "annotations.xml").write_text(text)
    refused(tmp_path, sentence)


def test_another_size_than_the_images_is_refused(tmp_path: Path) -> None:
    text = image(polygon("leaf", 0, 0, 4, 4)).replace('width="10"', 'width="12"')
    refused(put(tmp_path, text), "states height 8 and width 12")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_masks_of_any_runs(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    left, top = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 7))
    width, height = data.draw(st.integers(1, 10 - left)), data.draw(st.integers(1, 8 - top))
    part = np.array(data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height)))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], part]))).tolist()
    runs = np.diff([0, *edges, len(part)]).tolist()
    shape = f'<mask label="leaf" rle="{", ".join(map(str, runs))}" left="{left}" top="{top}" width="{width}"'
    samples = opened(put(tmp_path_factory.mktemp("runs"), image(f'{shape} height="{height}"/>')))
    expected = np.zeros(SIZE, np.uint8)
    expected[top : top + height, left : left + width] = 2 * part.reshape(height, width)
    np.testing.assert_array_equal(mask_of(samples), expected)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_damage_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    shapes = polygon("leaf", 0, 0, 4, 4), '<skeleton label="body"><points label="head" points="1,1"/></skeleton>'
    text = f"<annotations>{META}{image(*shapes)}</annotations>"
    start = data.draw(st.integers(0, len(text) - 1))
    junk = data.draw(st.sampled_from(["", "<", '"', "\x00", "nan", "1e999", "é", "&x;"]))
    folder = put(tmp_path_factory.mktemp("damage"))
    (folder / "annotations.xml").write_text(text[:start] + junk + text[start + data.draw(st.integers(0, 9)) :])
    try:
        samples = cvat_xml.read(open_source(folder))
        for name in samples.names:
            samples.read(name)
    except InputError:
        pass
