"""Whether a conditional generator shows what it is asked for: `python benchmarks/conditions.py WORK`.

A generator of 64 px is trained on rendered heads with the renderer's own yaw, pitch, light, age, hat, glasses and
beard. Two networks look at its images. They were trained on rendered heads with labels, one for the 12 classes and
one for the 35 points. Glasses, hat and beard are there if their class is; yaw comes from the points by ridge
regression. Both are measured on rendered heads that they never saw, so that their own mistakes are known. FD-lite0 is
measured within each condition, against heads that have it, for images that are asked for it and for images drawn
unconditionally.

Some two hours of one core: 90 minutes of training (`--minutes`), the rest for rendering and the two networks. In half
an hour: `--reduced`, 10 minutes of training at 32 px. Writes benchmarks/results/conditions.json and
docs/conditions.png.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from rich.console import Console

import handsoff
from handsoff.backbones.distances import distances, pooled_features
from handsoff.backbones.lite0 import frozen_lite0, viewing_size
from handsoff.core.files import read_json
from handsoff.core.images import to_float, to_uint8
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
from handsoff.generators.contract import Generator
from handsoff.generators.stored import load_generator
from handsoff.learning.predictor import Predictor, load_predictor
from handsoff.learning.supervised import predictions
from handsoff.sampling.draws import draw_latents, planned_draws
from handsoff.sampling.targets import LEAST
from heads import POOL, TASK, TEST, UNLABELLED, attributes_of, options_of, rendered, write_result

FULL: dict[str, Any] = {
    "heads": 4000, "labelled": 800, "test": 600, "images": 1000,
    "train": {"resolution": "64"},
    "evaluate": {"steps": 600, "batch": 8, "lr": 3e-3, "seeds": 1},
}  # fmt: skip
REDUCED: dict[str, Any] = {**FULL, "images": 300, "train": {"resolution": "32"}}
QUICK: dict[str, Any] = {
    "heads": 40, "labelled": 40, "test": 20, "images": 16,
    "train": {"resolution": "16", "kimg": 0.064, "batch": 8, "channel_base": 64, "channel_max": 8, "w_dim": 16,
              "feature_size": 32, "minutes": None},
    "evaluate": {"steps": 4, "batch": 4, "seeds": 1},
}  # fmt: skip
YAWS, WORDS = (-30.0, -15.0, 0.0, 15.0, 30.0), ("glasses", "hat", "beard")
RIDGE, BATCH, FEWEST, SHOWN = 1e-2, 50, 2, 8  # heads of a condition that a distance needs; images in a row
PICTURE = Path(__file__).parents[1] / "docs" / "conditions.png"
Images = UInt8[np.ndarray, "n h w 3"]


@dataclass(frozen=True)
class Looker:
    """Two networks that look at heads, and the regression from points to yaw."""

    parts: Predictor
    points: Predictor
    weights: Float[np.ndarray, " k"]

    def yaw(self, images: Images) -> Float[np.ndarray, " n"]:
        """Degrees, positive to the right of the image."""
        return terms(seen_by(self.points, images)) @ self.weights

    def shows(self, images: Images, part: str) -> np.ndarray:
        """Whether each image shows a class."""
        number = self.parts.task.schema["classes"].index(part)
        found: np.ndarray = (seen_by(self.parts, images) == number).mean((1, 2)) >= LEAST
        return found


def seen_by(predictor: Predictor, images: Images) -> np.ndarray:
    """The labels of images of any size."""
    height, width = predictor.size
    scaled = [
        to_uint8(torch.nn.functional.interpolate(to_float(images[i : i + BATCH]), (height, width), mode="bilinear"))
        for i in range(0, len(images), BATCH)
    ]
    found = predictions(predictor.networks[0], predictor.task, np.concatenate(scaled))
    return np.concatenate(list(found))


def terms(points: np.ndarray) -> Float[np.ndarray, "n k"]:
    """What yaw is linear in: the points' places about their middle, in units of their spread, and a constant."""
    places = points[..., :2] - points[..., :2].mean(1, keepdims=True)
    flat = (places / places.std((1, 2), keepdims=True)).reshape(len(points), -1)
    return np.column_stack([flat, np.ones(len(points))])


def looker(work: Path, settings: dict[str, Any]) -> Looker:
    """Train the two networks on labelled heads; the regression is fitted to what the network finds on them."""
    for task in (TASK, "keypoints"):
        out = work / f"looker-{task}"
        handsoff.evaluate(
            work / "labelled", [], work / "test", out, task=task, arms=["real_only"], **settings["evaluate"]
        )
    parts, points = (load_predictor(work / f"looker-{task}" / "model") for task in (TASK, "keypoints"))
    heads = open_labelled(work / "labelled", tasks=["keypoints"])
    x = terms(seen_by(points, images_of(heads)))
    told = attributes_of(work / "labelled")
    yaw = np.array([told[name]["yaw"] for name in heads.names])
    strength = RIDGE * np.trace(x.T @ x) / x.shape[1]
    return Looker(parts, points, np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ yaw))


def images_of(data: LabelledDataset, names: Sequence[str] | None = None) -> Images:
    return np.stack([data.image(name) for name in (data.names if names is None else names)])


@torch.no_grad()
def drawn(generator: Generator, count: int, asked: Any) -> Images:
    """Images of the first `count` seeds."""
    draws = planned_draws(generator.conditions, count, 0, 1.0, asked)
    parts = [generator.synthesize(draw_latents(generator, draws[i : i + BATCH])) for i in range(0, count, BATCH)]
    return to_uint8(torch.cat(parts))


def measured(work: Path, look: Looker, generator: Generator, settings: dict[str, Any]) -> dict[str, Any]:
    """What came out of what was asked for, and the same of rendered heads, whose truth is known."""
    count = settings["images"]
    data, told = open_labelled(work / "test", tasks=[TASK]), attributes_of(work / "test")
    real = images_of(data)
    net, size = frozen_lite0(), viewing_size((real.shape[1], real.shape[2]))

    def features(images: Images) -> torch.Tensor:
        batches = (to_float(images[i : i + BATCH]) for i in range(0, len(images), BATCH))
        return pooled_features(net, batches, size)

    of_real, none = features(real), drawn(generator, count, "none")
    of_none = features(none)

    def far(rows: np.ndarray, images: torch.Tensor) -> float | None:
        if rows.sum() < FEWEST:
            return None
        return round(distances(of_real[torch.from_numpy(rows)], images)["fd_lite0"], 2)

    yaw = np.array([told[name]["yaw"] for name in data.names])
    rows: list[dict[str, Any]] = []
    for asked in YAWS:
        found = drawn(generator, count, {"yaw": asked})
        seen = look.yaw(found)
        near = np.abs(yaw - asked) < (YAWS[1] - YAWS[0]) / 2
        rows.append({
            "asked": f"yaw {asked:+.0f}", "mean": float(seen.mean()), "error": float(np.abs(seen - asked).mean()),
            "unasked": float(np.abs(look.yaw(none) - asked).mean()), "photos": int(near.sum()),
            "fd_asked": far(near, features(found)), "fd_unconditional": far(near, of_none),
        })  # fmt: skip
    for word in WORDS:
        for value in ("yes", "no"):
            found = drawn(generator, count, {word: value})
            right = look.shows(found, word) == (value == "yes")
            have = np.array([told[name][word] == value for name in data.names])
            rows.append({
                "asked": f"{word} {value}", "right": float(right.mean()),
                "unasked": float((look.shows(none, word) == (value == "yes")).mean()), "photos": int(have.sum()),
                "fd_asked": far(have, features(found)), "fd_unconditional": far(have, of_none),
            })  # fmt: skip
    own = {
        word: float((look.shows(real, word) == [told[name][word] == "yes" for name in data.names]).mean())
        for word in WORDS
    }
    looks = {"yaw_error": float(np.abs(look.yaw(real) - yaw).mean()), **own}
    return {"rows": rows, "looker": looks, "fd": far(np.ones(len(real), bool), features(drawn(generator, count, None)))}


def picture(generator: Generator) -> Image.Image:
    """The same eight seeds in every row: drawn unconditionally, and asked for one thing."""
    asked = ("none", {"yaw": YAWS[0]}, {"yaw": YAWS[-1]}, *({word: "yes"} for word in WORDS))
    rows = [np.concatenate(list(drawn(generator, SHOWN, what)), 1) for what in asked]
    return Image.fromarray(np.concatenate(rows, 0))


def main() -> None:
    parser = options_of(__doc__ or "")
    parser.add_argument("--minutes", type=float, help="of training [90, reduced: 10]")
    parser.add_argument("--reduced", action="store_true", help="half an hour: smaller images, less training")
    options = parser.parse_args()
    work, python = options.work, options.python
    settings = QUICK if options.quick else REDUCED if options.reduced else FULL
    rendered(work / "heads.zip", settings["heads"], UNLABELLED, python, labels=False)
    rendered(work / "labelled", settings["labelled"], POOL, python)
    rendered(work / "test", settings["test"], TEST, python)
    train = {"minutes": options.minutes or (10.0 if options.reduced else 90.0), **settings["train"]}
    told = {"conditions": str(work / "heads.json"), "mirrored": ["yaw", "light_x"]}
    handsoff.train(work / "heads.zip", work / "generator", **told, **train)
    generator = load_generator(work / "generator")
    found = measured(work, looker(work, settings), generator, settings)
    found["training"] = {"kimg": read_json(work / "generator" / "report.json")["kimg"], **train}
    Console().print(found)
    if not options.quick:
        write_result("conditions", settings, **found)
        picture(generator).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
