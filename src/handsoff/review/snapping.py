"""Regions of a mask that a click can give a class: connected pixels of one class, alike in uncertainty."""

import numpy as np
from jaxtyping import Float, Int64, UInt8, UInt16

LEVELS = (0.25, 0.5)  # of the largest uncertainty in the image: where a region of one class is cut
LEAST_UNCERTAINTY = 0.05  # below this, nothing in an image is uncertain
SMALLEST = 1 / 2000  # of the image: smaller regions join their neighbour
MOST = 2**16  # regions: a region's number has 16 bits

Regions = Int64[np.ndarray, "h w"]


def regions(mask: UInt8[np.ndarray, "h w"], uncertainty: Float[np.ndarray, "h w"] | None) -> UInt16[np.ndarray, "h w"]:
    """The number of the region of every pixel, counted from 0 in the order of their first pixels.

    Args:
        mask: class ids.
        uncertainty: in [0, 1]; without it, regions are the connected parts of the classes.
    """
    keys = mask.astype(np.int64) * (len(LEVELS) + 1)
    if uncertainty is not None:
        top = max(float(uncertainty.max()), LEAST_UNCERTAINTY)
        keys += np.digitize(uncertainty, [level * top for level in LEVELS])
    found = connected(keys)
    least = max(2, round(mask.size * SMALLEST))
    while True:
        joined = without_small(found, mask, least)
        if len(np.unique(joined)) < MOST:
            return np.unique(joined, return_inverse=True)[1].reshape(mask.shape).astype(np.uint16)
        least *= 2


def connected(keys: Regions) -> Regions:
    """For every pixel the place of the first pixel of its region: pixels of one key, connected by their sides."""
    across, down = keys[:, 1:] == keys[:, :-1], keys[1:] == keys[:-1]
    ids = np.arange(keys.size).reshape(keys.shape)
    ids[:, 1:][across] = 0
    ids = np.maximum.accumulate(ids, 1)  # where each run of a row begins
    while True:
        before = ids.copy()
        for one, other, same in (
            (ids[:, 1:], ids[:, :-1], across),
            (ids[1:], ids[:-1], down),
        ):
            np.minimum(one, other, out=one, where=same)
            np.minimum(other, one, out=other, where=same)
        ids = ids.ravel()[ids]  # a region's first pixel may know of an earlier one by now
        if np.array_equal(before, ids):
            return ids


def without_small(found: Regions, mask: UInt8[np.ndarray, "h w"], least: int) -> Regions:
    """Regions of fewer than `least` pixels joined to the neighbour with the longest border, of their class if any."""
    places, inverse, sizes = np.unique(found, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(found.shape)
    classes = mask.ravel()[places]
    borders = border_lengths(inverse)
    owner, size = list(range(len(places))), sizes.tolist()

    def root(index: int) -> int:
        while owner[index] != index:
            owner[index] = owner[owner[index]]
            index = owner[index]
        return index

    for index in np.argsort(sizes, kind="stable").tolist():
        here = root(index)
        if size[here] >= least:
            continue
        others = [(length, root(other)) for other, length in borders[index].items() if root(other) != here]
        if not others:
            continue
        alike = [(length, other) for length, other in others if classes[other] == classes[index]]
        _, best = max(alike or others)
        owner[here] = best
        size[best] += size[here]
    return places[np.array([root(index) for index in range(len(places))])][inverse]


def border_lengths(inverse: Regions) -> list[dict[int, int]]:
    """Region → neighbour → number of pixel sides between them."""
    pairs = np.concatenate(
        [
            np.stack([inverse[:, 1:].ravel(), inverse[:, :-1].ravel()], 1),
            np.stack([inverse[1:].ravel(), inverse[:-1].ravel()], 1),
        ]
    )
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    borders: list[dict[int, int]] = [{} for _ in range(int(inverse.max()) + 1)]
    if len(pairs):
        for (one, other), length in zip(*np.unique(np.sort(pairs, 1), axis=0, return_counts=True), strict=True):
            borders[int(one)][int(other)] = borders[int(other)][int(one)] = int(length)
    return borders
