"""Masks as outlines: every polygon covers exactly the pixels that it was made from."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handsoff.formats.outlines import INSET, components, polygons
from handsoff.formats.shapes import polygon_mask

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans())


def mask_of(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def flooded(mask: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a mask, found by flood fill."""
    left, parts = mask.copy(), []
    for y, x in np.argwhere(mask):
        if left[y, x]:
            part, todo = np.zeros_like(mask), [(int(y), int(x))]
            while todo:
                row, column = todo.pop()
                if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and left[row, column]:
                    left[row, column], part[row, column] = False, True
                    todo += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
            parts.append(part)
    return parts


def check(mask: np.ndarray) -> None:
    parts = flooded(mask)
    for found in (polygons(mask), components(mask)):
        assert len(found) == len(parts)
    for part, polygon, loops in zip(parts, polygons(mask), components(mask), strict=True):
        np.testing.assert_array_equal(polygon_mask([polygon], mask.shape, "here"), part)
        inside = np.zeros_like(mask)
        for loop in loops:
            inside ^= polygon_mask([loop], mask.shape, "here")
        np.testing.assert_array_equal(inside, part)
        np.testing.assert_array_equal(
            polygon_mask(loops[:1], mask.shape, "here") | part, polygon_mask(loops[:1], mask.shape, "here")
        )


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_every_polygon_covers_exactly_its_part(mask: np.ndarray) -> None:
    check(mask)


def test_holes_in_islands_in_holes() -> None:
    mask = np.zeros((21, 25), bool)
    for ring in range(0, 10, 2):
        mask[ring : 21 - ring, ring : 25 - ring] = True
        mask[ring + 1 : 20 - ring, ring + 1 : 24 - ring] = False
    check(mask)
    check(~mask)
    check(mask_of("#######", "#.#.#.#", "##.#.##", "#.#.#.#", "#######", "#..#..#", "#######"))


def test_corners_are_where_it_turns() -> None:
    square = [[INSET, INSET], [2 - INSET, INSET], [2 - INSET, 2 - INSET], [INSET, 2 - INSET]]
    np.testing.assert_allclose(polygons(mask_of("##", "##"))[0], square)
    assert polygons(mask_of("."))[:1] == []
    assert [len(polygon) for polygon in polygons(mask_of("#.", ".#"))] == [4, 4]
    outer, hole = components(mask_of("###", "#.#", "###"))[0]
    assert outer.tolist() == [[0, 0], [3, 0], [3, 3], [0, 3]]
    assert sorted(hole.tolist()) == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_large_masks_take_no_time() -> None:
    noise = np.random.default_rng(0).random((300, 500)) < 0.6
    y, x = np.mgrid[:1500, :1500]
    ring = (np.hypot(y - 750, x - 700) < 650) & (np.hypot(y - 750, x - 700) > 300)
    start = time.process_time()
    assert len(polygons(noise)) == len(components(noise))
    (found,) = polygons(ring)
    assert time.process_time() - start < 10
    np.testing.assert_array_equal(polygon_mask([found], ring.shape, "here"), ring)
