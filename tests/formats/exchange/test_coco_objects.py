"""COCO's objects: crowds of brush tools are drawn, real crowds and mere boxes are ignored, and all of it is counted."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handsoff.core.errors import InputError
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import WRITERS, open_dataset
from handsoff.formats.samples import Dataset, LabelledImage, Writing
from handsoff.formats.shapes import rle_of
from handsoff.tasks import make_task

SIZE = (6, 8)
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]


def region(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


CRAWL = region(3, 0, 6, 4)
COUNTS = [3, 3, 3, 3, 3, 3, 3, 3, 24]  # of the same region, down the columns


def written(folder: Path, *annotations: dict[str, Any], file: str = "annotations.json", image: str = "a.png") -> Path:
    (folder / image).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(folder / image)
    content = {
        "images": [{"id": 1, "file_name": Path(image).name}],
        "categories": [{"id": 1, "name": "leaf"}, {"id": 2, "name": "stem"}],
        "annotations": [{"id": index, "image_id": 1, **said} for index, said in enumerate(annotations)],
    }
    (folder / file).write_text(json.dumps(content))
    return folder


def opened(folder: Path, name: str = "coco") -> Dataset:
    return open_dataset(open_source(folder), name)


def mask_of(samples: Dataset, name: str = "a") -> np.ndarray:
    return samples.read(name).labels["segmentation"]


@pytest.mark.parametrize("mark", [1, True, "1"])
@pytest.mark.parametrize("shape", [rle_of(CRAWL), {"size": [6, 8], "counts": COUNTS}, [[0, 3, 4, 3, 4, 6, 0, 6]]])
def test_where_every_region_is_a_crowd_none_is(tmp_path: Path, shape: Any, mark: Any) -> None:
    samples = opened(written(tmp_path, {"category_id": 2, "segmentation": shape, "iscrowd": mark}))
    np.testing.assert_array_equal(mask_of(samples), np.where(CRAWL, 2, 0))
    (note,) = samples.notes
    assert "1 object is marked iscrowd 1" in note
    assert "0 ignored" in note


def test_crowds_beside_other_regions_are_ignored_and_counted(tmp_path: Path) -> None:
    alone = {"category_id": 1, "segmentation": [SQUARE], "iscrowd": 0}
    crowd = {"category_id": 2, "segmentation": rle_of(CRAWL), "iscrowd": 1}
    samples = opened(written(tmp_path, alone, crowd, crowd))
    np.testing.assert_array_equal(np.unique(mask_of(samples)), [0, 1, IGNORE])
    (note,) = samples.notes
    assert "2 objects are ignored (255)" in note
    assert "set iscrowd to 0" in note


def test_a_box_beside_crowds_does_not_make_them_groups(tmp_path: Path) -> None:
    box = {"category_id": 1, "segmentation": [], "bbox": [6, 0, 2, 2], "iscrowd": 0}
    samples = opened(written(tmp_path, box, {"category_id": 2, "segmentation": rle_of(CRAWL), "iscrowd": 1}))
    np.testing.assert_array_equal(mask_of(samples), np.where(CRAWL, 2, 0) + np.where(region(0, 6, 2, 8), IGNORE, 0))
    assert len(samples.notes) == 2


def test_a_mark_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"annotations\[0\] has the iscrowd 'maybe' instead of 0 or 1"):
        opened(written(tmp_path, {"category_id": 2, "segmentation": [SQUARE], "iscrowd": "maybe"}))


def test_ignored_pixels_that_handsoff_wrote_stay_ignored(tmp_path: Path) -> None:
    task = make_task("segmentation", {"classes": ["background", "leaf"]})
    label = np.where(CRAWL, IGNORE, 0).astype(np.uint8)
    sample = LabelledImage("a", np.zeros((*SIZE, 3), np.uint8), {"segmentation": label})
    writer, writing = WRITERS["coco"], Writing({"segmentation": task}, ("a",))
    writer.finish(tmp_path, writer.write(tmp_path, 0, [sample], writing), writing)
    np.testing.assert_array_equal(mask_of(opened(tmp_path)), label)


@pytest.mark.parametrize("nothing", [[], [[]], None])
def test_boxes_among_regions_are_ignored_where_nothing_covers_them(tmp_path: Path, nothing: Any) -> None:
    box = {"category_id": 2, "segmentation": nothing, "bbox": [0, 0, 3, 3]}
    samples = opened(written(tmp_path, {"category_id": 1, "segmentation": [SQUARE]}, box))
    expected = np.where(region(0, 0, 3, 3), IGNORE, 0)
    expected[1:3, 1:4] = 1
    np.testing.assert_array_equal(mask_of(samples), expected)
    (note,) = samples.notes
    assert "1 object has only a box" in note


def test_panoptic_crowds_follow_the_same_rule(tmp_path: Path) -> None:
    written(tmp_path, file="panoptic.json", image="images/a.png")
    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[CRAWL] = [1, 0, 0]
    colours[0] = [2, 0, 0]
    (tmp_path / "panoptic").mkdir()
    Image.fromarray(colours).save(tmp_path / "panoptic" / "a.png")
    content = json.loads((tmp_path / "panoptic.json").read_text())
    for other, expected, count in ((1, 1, 0), (0, IGNORE, 1)):
        segments = [
            {"id": 1, "category_id": 2, "iscrowd": 1},
            {"id": 2, "category_id": 1, "iscrowd": other},
        ]
        content["annotations"] = [{"image_id": 1, "file_name": "a.png", "segments_info": segments}]
        (tmp_path / "panoptic.json").write_text(json.dumps(content))
        samples = opened(tmp_path, "coco-panoptic")
        mask = mask_of(samples)
        assert (mask[CRAWL] == expected).all()
        assert (mask[0] == 0).all()
        assert any("1 object is ignored" in note for note in samples.notes) == bool(count)


def test_whatever_is_left_out_is_counted(tmp_path: Path) -> None:
    written(tmp_path, {"category_id": 1, "segmentation": [SQUARE]}, {"category_id": 2})
    content = json.loads((tmp_path / "annotations.json").read_text())
    content["images"].append({"id": 2, "file_name": "b.png"})
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    for name in ("b", "c"):
        (tmp_path / f"{name}.png").write_bytes((tmp_path / "a.png").read_bytes())
    told = " ".join(opened(tmp_path).notes)
    assert "1 object has neither region nor box nor keypoints, and is left out" in told
    assert "1 image of 2 has no annotation: all of it is background" in told
    assert "1 image is not in the annotations, and left out (the first is c.png)" in told


def test_the_contact_sheet_of_convert_is_not_counted(tmp_path: Path) -> None:
    written(tmp_path, {"category_id": 1, "segmentation": [SQUARE]})
    (tmp_path / "contact.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert len(opened(tmp_path).notes) == 1
    (tmp_path / "manifest.json").write_text("{}")
    assert opened(tmp_path).notes == ()


def test_names_without_suffix_and_in_another_unicode_form(tmp_path: Path) -> None:
    names = ["cam.0001", "cam.0002", "bücher.png"]
    written(tmp_path, {"category_id": 1, "segmentation": [SQUARE]}, image="cam.0001.png")
    content = json.loads((tmp_path / "annotations.json").read_text())
    content["images"] = [{"id": index, "file_name": name} for index, name in enumerate(names, start=1)]
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    for name in ("cam.0002", unicodedata.normalize("NFD", "bücher")):
        (tmp_path / f"{name}.png").write_bytes((tmp_path / "cam.0001.png").read_bytes())
    samples = opened(tmp_path)
    assert samples.names == ("bücher", "cam.0001", "cam.0002")
    assert samples.read("cam.0002").file == "cam.0002.png"
    assert any("1 name is stored in another Unicode form (NFC, NFD)" in note for note in samples.notes)


def test_one_image_is_not_taken_for_two(tmp_path: Path) -> None:
    written(tmp_path, {"category_id": 1, "segmentation": [SQUARE]}, image="val/a.png", file="all.json")
    content = json.loads((tmp_path / "all.json").read_text())
    content["images"] = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "val/a.png"}]
    (tmp_path / "all.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"only .*val/a\.png is there.*put the missing image"):
        opened(tmp_path)
