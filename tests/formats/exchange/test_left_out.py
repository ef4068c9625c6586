"""Whatever a reader leaves out is counted: points, images and labels without a partner, files of other tools."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.files import png, read_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import open_dataset
from handsoff.formats.settings import ConvertSettings
from handsoff.inspection.inspect import describe
from handsoff.jobs.progress import run_to_end

SIZE = (8, 10)
PHOTO = png(np.full((*SIZE, 3), 90, np.uint8))


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def told(folder: Path, name: str) -> str:
    return " ".join(open_dataset(open_source(folder), name).notes)


def paletted(ids: np.ndarray) -> bytes:
    """A mask as LabelMe and Pascal VOC save it: indices into VOC's colours."""
    colours = np.zeros((256, 3), np.uint8)
    colours[1], colours[2], colours[255] = (128, 0, 0), (0, 128, 0), (224, 224, 192)
    image, buffer = Image.fromarray(ids), io.BytesIO()
    image.putpalette(colours.ravel().tolist())
    image.save(buffer, "PNG")
    return buffer.getvalue()


def voc(folder: Path, names: str | None = None) -> Path:
    ids = np.zeros(SIZE, np.uint8)
    ids[0], ids[1], ids[2] = 1, 2, 255
    files = {f"JPEGImages/{name}.jpg": PHOTO for name in "abcd"}
    files |= {f"SegmentationClass/{name}.png": paletted(ids) for name in "abc"}
    files |= {f"Annotations/{name}.xml": b"<annotation><object><bndbox/></object></annotation>" for name in "abcd"}
    files |= {"ImageSets/Segmentation/train.txt": b"a\r\n", "ImageSets/Segmentation/val.txt": b"b\r\n"}
    files |= {"ImageSets/Segmentation/trainval.txt": b"a\r\nb\r\n"}
    return put(folder, files | ({"class_names.txt": names.encode()} if names else {}))


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (None, ("background", "aeroplane", "bicycle")),
        ("__ignore__\n_background_\nleaf\nstem\n", ("_background_", "leaf", "stem")),
    ],
)
def test_a_tree_of_pascal_voc(tmp_path: Path, names: str | None, classes: tuple[str, ...]) -> None:
    samples = open_dataset(open_source(voc(tmp_path, names)))
    assert samples.names == ("train/a", "val/b")
    assert samples.tasks["segmentation"].parts[:3] == classes
    np.testing.assert_array_equal(samples.read("train/a").labels["segmentation"][:4, 0], [1, 2, 255, 0])
    assert "1 mask is in no list of ImageSets/Segmentation" in " ".join(samples.notes)
    assert "1 image has no mask, and is left out" in " ".join(samples.notes)


def test_grey_ids_in_a_voc_tree_are_refused_with_the_place_they_belong(tmp_path: Path) -> None:
    grey = png(np.ones(SIZE, np.uint8))
    folder = put(tmp_path, {"JPEGImages/a.jpg": PHOTO, "SegmentationClass/a.png": grey})
    with pytest.raises(InputError, match="a grey mask of class ids belongs into the folder format"):
        open_dataset(open_source(folder)).read("a")


def test_labelme_counts_what_it_leaves_out(tmp_path: Path) -> None:
    point = {"label": "tip", "points": [[1, 1]], "shape_type": "point"}
    leaf = {"label": "leaf", "points": [[0, 0], [4, 0], [4, 4]], "shape_type": "polygon"}
    files = {
        "a.json": {"imagePath": "a.png", "shapes": [leaf, point, point]},
        "b.json": {"imagePath": "a.png", "shapes": []},
        "other.json": {"x": 1},
    }
    put(tmp_path, {name: json.dumps(content).encode() for name, content in files.items()})
    text = told(put(tmp_path, {"a.png": PHOTO, "c.png": PHOTO}), "labelme")
    for sentence in (
        "2 points are left out: labels come twice in an image",
        "1 file has no shape: all of it is background",
        "1 file says imagePath like another",
        "1 file is not LabelMe's, and left alone (other.json)",
        "1 image is not in the annotations, and left out (the first is c.png)",
    ):
        assert sentence in text


def shard(folder: Path, names: dict[str, bytes]) -> Path:
    with tarfile.open(folder / "train-0000.tar", "w") as tar:
        for name, data in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return put(folder, {"classes.json": b'["background", "leaf"]'})


def test_dots_in_the_keys_of_shards_are_said(tmp_path: Path) -> None:
    mask = png(np.ones(SIZE, np.uint8))
    dotted = {"cam.0001.png": PHOTO, "cam.0001.mask.png": mask}
    with pytest.raises(InputError, match=r"a key ends at the first dot, so \S*cam\.0001\.(mask\.)?png is no image"):
        open_dataset(open_source(shard(tmp_path, dotted)))
    assert "1 key has no image, and is left out (a key ends at the first dot" in told(
        shard(tmp_path, {**dotted, "a.png": PHOTO, "a.mask.png": mask}), "webdataset"
    )


def test_images_and_parts_without_a_partner(tmp_path: Path) -> None:
    part = png(np.full(SIZE, 255, np.uint8))
    files = {
        "CelebA-HQ-img/0.JPG": PHOTO,
        "CelebA-HQ-img/1.jpg": PHOTO,
        "CelebAMask-HQ-mask-anno/0/00000_skin.png": part,
        "CelebAMask-HQ-mask-anno/0/00002_skin.png": part,
    }
    text = told(put(tmp_path, files), "celebamask")
    assert "1 image has no label, and is left out (00001)" in text
    assert "1 image has labels but is not there (00002)" in text


@pytest.mark.parametrize("missing", ["keypoints", "depth"])
def test_kinds_of_label_that_an_image_lacks_are_named(tmp_path: Path, missing: str) -> None:
    points = {name: [[1, 1]] for name in "abc" if (missing, name) != ("keypoints", "c")}
    files = {f"images/{name}.png": PHOTO for name in "abc"}
    files |= {f"masks/{name}.png": png(np.eye(*SIZE, dtype=np.uint8)) for name in "abc"}
    files |= {f"depth/{name}.png": png(np.ones(SIZE, np.uint8)) for name in "abc" if (missing, name) != ("depth", "c")}
    files |= {"classes.json": b'["background", "leaf"]', "keypoints.json": json.dumps(points).encode()}
    put(tmp_path / "data", {**files, "depth.json": b'{"scale": 1}'})
    left = "keypoints" if missing == "keypoints" else "depth and normals"
    sentence = f"Labels for {left} are left out: {tmp_path / 'data/images/c.png'} has no label in {missing}"
    assert told(tmp_path / "data", "folder").startswith(sentence)
    assert any(problem.startswith(sentence) for problem in describe(tmp_path / "data")[3])
    run_to_end(convert(tmp_path / "data", tmp_path / "out", ConvertSettings(format="folder")))
    assert read_json(tmp_path / "out" / "report.json")["notes"][0].startswith(sentence)
    assert missing not in open_labelled(tmp_path / "out").tasks
