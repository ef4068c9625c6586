"""Small datasets in the formats that other tools read, and the truth beside them, for `test_oracles.py`.

    python tools/oracles/export.py OUT

OUT/KIND/ holds splits, OUT/KIND-plain/ has none. OUT/truth.json holds the classes, and OUT/truth.npz the arrays
mask/NAME (ids, 255 = ignored), whole/NAME (the same without ignored pixels) and points/NAME (x, y, visibility).
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

from handsoff.core.files import write_json
from handsoff.core.images import IGNORE
from handsoff.formats.exchange import WRITERS
from handsoff.formats.samples import LabelledImage, Writing
from handsoff.tasks import make_task

CLASSES = ["skin", "background", "hair", "Background"]  # the background is not the first, and another sounds like it
POINTS = ["left eye", "right eye", "nose"]
SIZES = [(37, 53), (96, 64), (5, 131), (100, 333)]  # height, width: odd ones, whose fractions are not exact
KINDS = {  # folder → format, what it holds, whether pixels are ignored
    "coco": ("coco", ("segmentation", "keypoints"), True),
    "coco-panoptic": ("coco-panoptic", ("segmentation",), True),
    "cvat": ("cvat", ("segmentation",), True),
    "labelstudio": ("labelstudio", ("segmentation", "keypoints"), True),
    "yolo": ("yolo", ("segmentation",), False),
    "yolo-pose": ("yolo", ("keypoints",), False),
}


def mask_of(size: tuple[int, int], seed: int) -> np.ndarray:
    """Discs with holes and islands in them, dots, and parts that touch at corners."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    mask = np.ones(size, np.uint8)
    for value in (0, 2, 3, 1, 2):
        middle, radius = rng.random(2) * size, (0.2 + 0.3 * rng.random()) * max(size)
        distance = np.hypot(y - middle[0], x - middle[1])
        mask[(distance < radius) & (distance > radius * rng.choice([0, 0.5]))] = value
    dots = rng.integers(0, len(CLASSES), size)
    return np.where(rng.random(size) < 0.03, dots, mask).astype(np.uint8)  # noqa: PLR2004  # the share of dots


def truth_of(names: list[str]) -> dict[str, np.ndarray]:
    truth: dict[str, np.ndarray] = {}
    for seed, name in enumerate(names):
        size, rng = SIZES[seed % len(SIZES)], np.random.default_rng(seed)
        whole = mask_of(size, seed)
        mask = whole.copy()
        mask[: size[0] // 3, : size[1] // 4] = IGNORE
        places = (rng.random((len(POINTS), 2)) * (np.array(size[::-1]) - 1)).round(2)
        points = np.column_stack([places, [2, 1, 2]]).astype(np.float32)
        truth |= {f"mask/{name}": mask, f"whole/{name}": whole, f"points/{name}": points}
    return truth


def export(out: Path, kind: str, names: list[str], truth: dict[str, np.ndarray]) -> None:
    name, held, ignored = KINDS[kind]
    schemas = {"segmentation": {"classes": CLASSES}, "keypoints": {"names": POINTS}}
    writing = Writing({task: make_task(task, schemas[task]) for task in held}, tuple(names), licence="CC0")
    samples = []
    for index, one in enumerate(names):
        labels = {"segmentation": truth[f"{'mask' if ignored else 'whole'}/{one}"], "keypoints": truth[f"points/{one}"]}
        size = labels["segmentation"].shape
        image = np.random.default_rng(index).integers(0, 255, (*size, 3), dtype=np.uint8)
        samples.append(LabelledImage(one, image, {task: labels[task] for task in held}))
    WRITERS[name].finish(out, WRITERS[name].write(out, 0, samples, writing), writing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    plain = [f"{index:02d}" for index in range(12)]
    splits = [f"{split}/{split} {index}" for split in ("train", "val") for index in range(4)]
    truth = truth_of(plain) | truth_of(splits)
    for kind in KINDS:
        export(out / kind, kind, splits, truth)
        export(out / f"{kind}-plain", kind, plain, truth)
    np.savez_compressed(out / "truth.npz", **truth)
    write_json(out / "truth.json", {"classes": CLASSES, "background": "background", "points": POINTS})


if __name__ == "__main__":
    main()
