"""Measure every link of a finished recipe on its own: where is quality lost?

    python benchmarks/links.py RUN [--photos 50] [--name faces]

RUN is the output folder of `handsoff run`. Photos of the validation part (never the test part) are inverted with the
run's own encoder; the label generators are asked for their labels. Prints a table per link and writes
benchmarks/results/NAME.json with the machine, the versions, the settings and the seconds of each step.
"""

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from handsoff.backbones.distances import distances, pooled_features
from handsoff.backbones.lite0 import frozen_lite0
from handsoff.core.device import keep_freed_memory
from handsoff.core.files import read_json, read_tensors, write_json
from handsoff.core.images import to_float
from handsoff.datasets.labelled import LabelledDataset, open_labelled, open_like
from handsoff.datasets.sources import load_photos, map_photos, open_source
from handsoff.generators.stored import load_generator
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.labeler import Labeler, load_labeler
from handsoff.recipes.schema import Recipe

IMAGES = 2_000  # on each side of the distances
BATCH = 16
PATHS = ("images", "generator", "labelled", "test", "output")  # of the recipe: not part of a result
RESULTS = Path(__file__).parent / "results"


def generator_of(run: Path, recipe: dict[str, Any]) -> Path:
    return Path(recipe["generator"]) if recipe["generator"] else run / "generator"


def held_out_codes(run: Path, recipe: dict[str, Any], photos: int) -> Path:
    """Codes of photos that no label generator was fitted to, by the run's encoder and settings."""
    out = run / "links" / "codes"
    settings = InvertSettings(**read_json(run / "codes" / "report.json")["settings"])
    encoder = str(run / "codes") if settings.encoder_steps else None
    skip = 0 if recipe["test"] else max(recipe["budgets"])
    settings = settings.model_copy(update={"skip": skip, "first": photos, "variants": 1, "encoder": encoder})
    run_to_end(invert(generator_of(run, recipe), Path(recipe["test"] or recipe["labelled"]), out, settings))
    return out


def reconstruction(codes: Path) -> dict[str, float]:
    """How well photos are rebuilt: means over the photos as they are (no variants)."""
    card = read_json(codes / "codes.json")
    own = [index for index, name in enumerate(card["names"]) if name == card["photo"][index]]
    return {name: float(np.mean([card[name][index] for index in own])) for name in ("pixel", "perceptual", "prior")}


def label_quality(labeler: Labeler, codes: Path, count: int | None = None) -> dict[str, Any]:
    """Scores of the label generator on inverted photos against their human labels."""
    task = labeler.task
    card, labels = read_json(codes / "codes.json"), open_like(codes / "labels", {task.name: task.schema})
    ws = read_tensors(codes / "codes.safetensors")["ws"]
    rows = [index for index, name in enumerate(card["names"]) if name == card["photo"][index]][:count]
    pairs = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        pairs.append(
            (labeler.label(ws[batch])[1], np.stack([labels.label(task.name, card["names"][row]) for row in batch]))
        )
    return task.scores.score(pairs)


def features_of(images: np.ndarray) -> torch.Tensor:
    net = frozen_lite0()
    scale = 128 / max(images.shape[1:3])
    size = (round(images.shape[1] * scale), round(images.shape[2] * scale))
    return pooled_features(net, (to_float(images[start : start + 50]) for start in range(0, len(images), 50)), size)


def spread(features: torch.Tensor) -> float:
    """Diversity: the mean squared distance of features to their mean."""
    return float((features - features.mean(0)).square().sum(1).mean())


def dataset_links(dataset: Path, budget: int, real: torch.Tensor | None, labelled: LabelledDataset) -> dict[str, Any]:
    """How often each class or point occurs beside the labelled photos; and distance and diversity of what was kept, if there are `real` photos."""
    data = open_labelled(dataset)
    images, labels = data.part(0, IMAGES).load(tuple(read_json(dataset / "manifest.json")["resolution"]))
    truths = labelled.part(0, budget).load((images.shape[1], images.shape[2]))[1]

    def shares(values: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
        return {
            name: {part: round(share, 5) for part, (_, share) in task.scores.label_statistics(values[name]).items()}
            for name, task in data.tasks.items()
        }

    found: dict[str, Any] = {"share": {"labelled": shares(truths), "generated": shares(labels)}}
    if real is not None:
        features = features_of(images)
        found |= {
            "distance_to_photos": distances(real, features),
            "diversity": {"kept": spread(features), "photos": spread(real)},
        }
    return found


def machine() -> dict[str, Any]:
    """What the seconds were measured on."""
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.is_available(),
        "python": platform.python_version(),
    }


def photo_features(run: Path, recipe: dict[str, Any], source: Path) -> torch.Tensor:
    """Features of photos that the generator was trained on."""
    cache, frame = run / "links" / "photos.u8", load_generator(generator_of(run, recipe)).resolution
    run_to_end(load_photos(open_source(source), frame, cache))
    pool = map_photos(cache, frame)
    return features_of(np.asarray(pool[np.sort(np.random.default_rng(1).permutation(len(pool))[:IMAGES])]))


def measure(run: Path, photos: int) -> dict[str, Any]:
    report = read_json(run / "report.json")
    recipe = report["recipe"]
    plan = Recipe(**{**recipe, "output": run})
    told = generator_of(run, recipe) / "report.json"
    trained = read_json(told) if told.is_file() else {}  # that of a pack came with HandsOff
    codes = held_out_codes(run, recipe, photos)
    labelled = open_labelled(run / "codes" / "labels")
    real = photo_features(run, recipe, Path(trained["inputs"]["images"]["path"])) if trained else None
    links: dict[str, Any] = {
        "generator": {key: value for key, value in trained.items() if key not in ("verb", "inputs")},
        "reconstruction": {"labelled": reconstruction(run / "codes"), "held_out": reconstruction(codes)},
        "budgets": {},
    }
    for budget in recipe["budgets"]:
        links["budgets"][str(budget)] = {
            **dataset_links(run / str(budget) / "dataset", budget, real, labelled),
            "tasks": {},
        }
        for task in recipe["tasks"]:
            labeler = load_labeler(plan.folder(budget, "labeler", task))
            links["budgets"][str(budget)]["tasks"][task] = {
                "labels_on_training_photos": label_quality(labeler, run / "codes", budget),
                "labels_on_held_out_photos": label_quality(labeler, codes),
                "arms": read_json(plan.folder(budget, "report", task) / "metrics.json"),
            }
    versions = {name: version(name) for name in ("handsoff-labels", "torch", "numpy")}
    seconds = {
        **report["steps"],
        "generator": trained.get("training_seconds"),
    }  # it may have been trained before the run
    stated = {key: value for key, value in recipe.items() if key not in PATHS}
    return {"machine": machine(), "versions": versions, "recipe": stated, "seconds": seconds, "links": links}


def show(result: dict[str, Any]) -> None:
    console = Console()
    rebuilt = result["links"]["reconstruction"]
    table = Table("photos", "pixel MSE", "perceptual", "prior", title="Reconstruction")
    for name, values in rebuilt.items():
        table.add_row(name, *(f"{values[key]:.4f}" for key in ("pixel", "perceptual", "prior")))
    console.print(table)
    for budget, links in result["links"]["budgets"].items():
        for task, link in links["tasks"].items():
            arms, quality = link["arms"]["arms"], [link["labels_on_training_photos"], link["labels_on_held_out_photos"]]
            table = Table(
                "", "labels on training photos", "on held-out photos", *arms, title=f"{task}, {budget} photos"
            )
            for metric in quality[0]["metrics"]:
                scores = (f"{found[metric]['mean']:.3f} ± {found[metric]['std']:.3f}" for found in arms.values())
                table.add_row(metric, *(f"{found['metrics'][metric]:.3f}" for found in quality), *scores)
            for part in quality[1]["per_class"]:
                known = [found["per_class"].get(part) for found in quality] + [
                    found.get(part, {}).get("mean") for found in link["arms"]["per_class"].values()
                ]
                table.add_row(part, *("-" if value is None else f"{value:.3f}" for value in known))
            console.print(table)
        console.print(f"kept images: {links.get('distance_to_photos')}, diversity {links.get('diversity')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="output folder of handsoff run")
    parser.add_argument("--photos", type=int, default=50, help="held-out photos to invert")
    parser.add_argument("--name", default="links", help="results go to benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    keep_freed_memory()
    result = measure(arguments.run, arguments.photos)
    show(result)
    write_json(RESULTS / f"{arguments.name}.json", json.loads(json.dumps(result)))


if __name__ == "__main__":
    main()
