"""Keypoints: vertices of the base mesh by their place, their pixels and whether they are seen."""

import numpy as np
from assets import Assets

PLACES = {  # x (subject's left), y, z on the rest mesh, dm; `left` and `right` are the subject's
    "left_brow_inner": (0.11, 7.47, 1.6),
    "left_brow_middle": (0.32, 7.54, 1.53),
    "left_brow_outer": (0.52, 7.475, 1.33),
    "left_eye_inner": (0.165, 7.255, 1.42),
    "left_eye_outer": (0.455, 7.29, 1.3),
    "left_eye_upper": (0.31, 7.37, 1.45),
    "left_eye_lower": (0.31, 7.2, 1.43),
    "left_pupil": (0.308, 7.284, 1.39),
    "left_nose_wing": (0.165, 6.9, 1.55),
    "left_mouth_corner": (0.255, 6.615, 1.48),
    "left_ear_top": (0.87, 7.33, 0.45),
    "left_ear_lobe": (0.72, 6.84, 0.6),
    "left_jaw": (0.62, 6.55, 0.75),
    "left_cheek": (0.55, 6.95, 1.25),
    "nose_bridge": (0.0, 7.28, 1.6),
    "nose_tip": (0.0, 6.97, 1.9),
    "nose_base": (0.0, 6.83, 1.66),
    "upper_lip": (0.0, 6.7, 1.72),
    "lower_lip": (0.0, 6.51, 1.68),
    "chin": (0.0, 6.25, 1.6),
    "forehead": (0.0, 7.9, 1.55),
}
TOLERANCE = (
    0.07  # dm: a vertex this much behind what is drawn still counts as seen (a rounded surface, a brow over the skin)
)


def keypoint_vertices(assets: Assets) -> tuple[list[str], np.ndarray]:
    """Names and vertex indices (K,) of all keypoints, both sides."""
    places = dict(PLACES)
    places |= {
        name.replace("left", "right"): (-x, y, z) for name, (x, y, z) in PLACES.items() if name.startswith("left")
    }
    body = np.zeros(len(assets.rest), bool)
    body[assets.tris[assets.parts == 0]] = True
    eye = np.zeros(len(assets.rest), bool)
    eye[assets.tris[assets.parts == 1]] = True
    names = sorted(places)
    found = []
    for name in names:
        allowed = np.flatnonzero(eye if "pupil" in name else body)
        found.append(allowed[np.argmin(((assets.rest[allowed] - places[name]) ** 2).sum(1))])
    return names, np.array(found)


def locate(screen: np.ndarray, vertices: np.ndarray, depth: np.ndarray, factor: int) -> np.ndarray:
    """Keypoints (K, 3): x, y in pixels of the picture (pixel centres at .5) and visibility.

    Visibility is COCO's, but for points outside: 2 seen, 1 hidden, 0 outside the picture.
    """
    size = depth.shape[0]
    result = np.zeros((len(vertices), 3), np.float32)
    for row, (x, y, w) in enumerate(screen[vertices]):
        result[row, :2] = x / factor, y / factor
        if 0 <= x < size and 0 <= y < size:
            result[row, 2] = 2 if w <= depth[int(y), int(x)] + TOLERANCE else 1
    return result
