"""What `handsoff demo` gave, for the README.

`python benchmarks/demo.py DEMO` writes docs/heads.png and benchmarks/results/heads.json. DEMO is the folder that
`handsoff demo` wrote, on a machine with nothing else to do.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from handsoff.core.files import read_json, write_json
from handsoff.datasets.generated import open_generated
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
from handsoff.demo import DATA
from handsoff.inspection.diagnose import machine
from handsoff.report.gallery import heat_map

ROOT = Path(__file__).parents[1]
COUNT, SIDE, GAP, TEXT = 9, 128, 4, 34  # pictures per row; pixels
INK = (29, 34, 40)


def larger(images: np.ndarray, how: Image.Resampling) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).resize((SIDE, SIDE), how)) for image in images])


def row(pictures: np.ndarray) -> np.ndarray:
    """Side by side with white between them."""
    padded = np.pad(pictures, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    return np.concatenate(list(padded), 1)


def caption(text: str) -> np.ndarray:
    """A white strip with words."""
    strip = Image.new("RGB", (COUNT * (SIDE + GAP), TEXT), "white")
    ImageDraw.Draw(strip).text((2, TEXT // 2), text, INK, ImageFont.load_default(19), anchor="lm")
    return np.asarray(strip)


def rows(labelled: LabelledDataset) -> list[np.ndarray]:
    """The first images of labelled data, and below them their masks."""
    task = labelled.tasks["segmentation"]
    pairs = [labelled.sample(name) for name in labelled.names[:COUNT]]
    images = larger(np.stack([image for image, _ in pairs]), Image.Resampling.BICUBIC)
    masks = larger(np.stack([labels[task.name] for _, labels in pairs]), Image.Resampling.NEAREST)
    return [row(images), row(task.drawing.draw(images, masks))]


def picture(demo: Path, budget: str) -> Image.Image:
    """Labelled images and their masks; generated ones, their masks and uncertainties."""
    generated = open_generated(demo / budget / "dataset")
    dataset = generated.labelled("segmentation")
    maps = [generated.uncertainty_map(name, "segmentation") for name in dataset.names[:COUNT]]
    heat = heat_map(larger(np.stack([found for found in maps if found is not None]), Image.Resampling.NEAREST))
    heads = open_labelled(DATA / "train.zip", tasks=["segmentation"])
    parts = [
        caption(f"In: {budget} labelled images (and unlabelled ones, which taught the GAN)"), *rows(heads),
        caption("Out: as many labelled images as you want, and where their labels are uncertain"), *rows(dataset),
        row(heat),
    ]  # fmt: skip
    return Image.fromarray(np.concatenate(parts)).quantize(256)


def main() -> None:
    """Parse the command line, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    demo = parser.parse_args().demo
    report = read_json(demo / "report.json")
    budget, metrics = next(iter(report["results"].items()))
    picture(demo, budget).save(ROOT / "docs" / "heads.png", optimize=True)
    seconds = {name: step["seconds"] for name, step in report["steps"].items()}
    shown = {"machine": machine(), "version": report["version"], "seconds": seconds, "metrics": metrics}
    write_json(ROOT / "benchmarks" / "results" / "heads.json", shown)


if __name__ == "__main__":
    main()
