"""Discs with a core, in the colours of their classes: labelled data that any model learns in a few steps."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from handsoff.core.files import write_json
from handsoff.learning.data import LabelledArrays
from handsoff.tasks import make_task

CLASSES = ["background", "blob", "core"]
COLOURS = np.array([[60, 90, 60], [200, 60, 60], [60, 60, 220]], np.uint8)
SEGMENTATION = make_task("segmentation", {"classes": CLASSES})


def blobs(count: int, seed: int, size: int = 32) -> LabelledArrays:
    """Discs with a core, noisy, in the colours of their classes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centre, radius = (
        rng.uniform(size * 0.3, size * 0.7, (count, 2, 1, 1)),
        rng.uniform(size * 0.2, size * 0.3, (count, 1, 1)),
    )
    distance = np.hypot(y - centre[:, 0], x - centre[:, 1]) / radius
    labels = (distance < 1).astype(np.uint8) + (distance < 0.5).astype(np.uint8)
    noise = rng.integers(-20, 21, (count, size, size, 3))
    return LabelledArrays((COLOURS[labels].astype(int) + noise).clip(0, 255).astype(np.uint8), labels)


def write_labelled(folder: Path, samples: LabelledArrays) -> Path:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for index, (image, mask) in enumerate(zip(samples.images, samples.labels, strict=True)):
        Image.fromarray(image).save(folder / "images" / f"{index:03d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index:03d}.png")
    write_json(folder / "classes.json", CLASSES)
    return folder


def write_dataset(folder: Path, samples: LabelledArrays) -> Path:
    write_labelled(folder, samples)
    write_json(
        folder / "manifest.json",
        {
            "tasks": {"segmentation": {"classes": CLASSES}},
            "image_size": [32, 32],
            "framing": "crop",
            "licence": "CC0",
        },
    )
    write_json(folder / "job.json", {"verb": "generate", "inputs": {}, "settings": {}})
    write_json(folder / "report.json", {"verb": "generate", "inputs": {}, "settings": {}, "licence": "CC0"})
    lines = [
        {"name": f"{index:03d}", "draw": {"seed": index, "psi": 1.0}, "uncertainty": index / 100, "kept": True}
        for index in range(len(samples))
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "DONE").touch()
    return folder
