"""The order of the queue, its filters, what is suggested, and the regions of a mask."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from browsing import everything
from discs import CLASSES, blobs, write_dataset
from handsoff.core.errors import InputError, UnknownNameError
from handsoff.core.files import read_json, write_json
from handsoff.review.desk import Desk, open_desk
from handsoff.review.queue import Filter
from handsoff.review.session import open_session
from handsoff.review.snapping import connected, regions
from handsoff.review.suggestions import spread
from handsoff.review.thumbnails import Thumbnails


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = open_desk(open_session(write_dataset(tmp_path / "data", blobs(6, 0))))
    found.look_at_all()
    return found


def test_filters_and_orders(desk: Desk) -> None:
    session, queue = desk.session, desk.queue
    session.correct("segmentation", "003", np.zeros((32, 32), np.uint8), 0)
    queue.look_at("003")
    session.decide("004", "accept", 0)
    assert queue.names("uncertainty", Filter()) == ["005", "004", "003", "002", "001", "000"]
    assert queue.names("name", Filter(part="core")) == ["000", "001", "002", "004", "005"]
    assert queue.names("name", Filter(decision="accept")) == ["004"]
    assert queue.names("name", Filter(corrected=True)) == ["003"]
    sizes = [queue.shows[name]["core"] for name in queue.names("smallest", Filter(part="core"))]
    assert sizes == sorted(sizes)
    smallest = queue.names("smallest", Filter(part="core"))[0]
    session.correct("segmentation", smallest, np.full((32, 32), 2, np.uint8), session.record(smallest).version)
    queue.look_at(smallest)
    assert queue.names("smallest", Filter(part="core"))[-1] == smallest
    with pytest.raises(UnknownNameError, match="Unknown order"):
        queue.names("beauty", Filter())
    with pytest.raises(InputError, match="choose a part"):
        queue.names("smallest", Filter())


def test_parts_of_one_name_in_two_tasks_stay_apart(tmp_path: Path) -> None:
    folder = everything(tmp_path / "data")
    write_json(folder / "points.json", {"names": ["core", "right"]})
    manifest = read_json(folder / "manifest.json")
    manifest["tasks"]["keypoints"]["names"] = ["core", "right"]
    write_json(folder / "manifest.json", manifest)
    points = read_json(folder / "keypoints.json")
    write_json(folder / "keypoints.json", {**points, "001": [[10, 12, 0], [20, 12, 2]]})
    desk = open_desk(open_session(folder))
    desk.look_at_all()
    assert "001" not in desk.queue.names("name", Filter(part="keypoints/core"))
    assert "001" in desk.queue.names("name", Filter(part="segmentation/core"))
    assert 0 < desk.queue.shows["002"]["segmentation/core"] < 1
    assert desk.queue.shows["002"].keys() >= {"keypoints/core", "right", CLASSES[1]}
    titles = {part["title"] for task in desk.facts()["tasks"].values() for part in task["parts"]}
    assert titles >= {"keypoints/core", "segmentation/core", "right", CLASSES[1]}


def test_suggestions_are_undecided_and_become_an_order(desk: Desk) -> None:
    desk.session.decide("005", "accept", 0)
    found = desk.suggest(3)
    assert len(set(found)) == 3
    assert "005" not in found
    assert desk.queue.names("suggested", Filter()) == found
    assert sorted(desk.suggest(100)) == ["000", "001", "002", "003", "004"]


def test_what_is_far_from_all_others_is_chosen_first() -> None:
    candidates = np.array([[0.0, 0], [0.1, 0], [9, 0], [5, 0]])
    assert spread(candidates, np.ones(4), np.array([[0.0, 0]]), 2) == [2, 3]
    assert spread(candidates, np.array([1.0, 100, 1, 1]), candidates[:0], 2) == [1, 2]


def test_thumbnails_do_not_fill_the_memory(desk: Desk) -> None:
    small = Thumbnails(desk.session, kept=2000)
    for name in desk.session.dataset.names:
        data, _ = small.get(name, "segmentation")
        assert data == small.get(name, "segmentation")[0]
        assert small.bytes == sum(map(len, small.made.values()))
        assert small.bytes <= 2000 or len(small.made) == 1


# --- regions


def test_regions_are_cut_where_the_ensemble_is_unsure() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 1
    sure = regions(mask, None)
    assert len(np.unique(sure)) == 2
    uncertainty = np.zeros((20, 20))
    uncertainty[5:9, 12:16] = 0.8
    found = regions(mask, uncertainty)
    assert len(np.unique(found)) == 3
    assert len(np.unique(found[5:9, 12:16])) == 1
    assert np.array_equal(found == found[6, 13], uncertainty > 0)


MASKS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=st.integers(0, 2))


@given(MASKS)
def test_connected_is_what_walking_finds(mask: np.ndarray) -> None:
    found = connected(mask.astype(np.int64))
    seen = np.full(mask.shape, -1)
    for start in np.ndindex(mask.shape):
        if seen[start] >= 0:
            continue
        stack = [start]
        while stack:
            place = stack.pop()
            if seen[place] >= 0:
                continue
            seen[place] = np.ravel_multi_index(start, mask.shape)
            for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                other = (place[0] + y, place[1] + x)
                if 0 <= other[0] < mask.shape[0] and 0 <= other[1] < mask.shape[1] and mask[other] == mask[start]:
                    stack.append(other)
    assert np.array_equal(found, seen)


@given(MASKS)
def test_regions_are_numbered_without_gaps(mask: np.ndarray) -> None:
    found = regions(mask, mask / 2.0)
    assert sorted(np.unique(found).tolist()) == list(range(int(found.max()) + 1))
