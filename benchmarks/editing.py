"""What edit vectors are worth: `python benchmarks/editing.py WORK` on the demo's rendered heads.

Measured: how many edits of random samples the labeler confirms, beside moves along the directions of a linear probe;
how far the edited images are from unedited ones (FD-lite0); and what a model learns of the rare classes from a dataset
composed with edit vectors and from one of as many images composed without. WORK is a folder for all of it, and the same
command goes on there. Writes benchmarks/results/editing.json. `--quick` shows that it runs: no measurement, no result
written.
"""

import argparse
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import handsoff
from handsoff.backbones.distances import distances, pooled_features
from handsoff.backbones.lite0 import frozen_lite0, viewing_size
from handsoff.core.files import read_json, write_json
from handsoff.core.images import to_float
from handsoff.demo import DATA
from handsoff.editing.outcome import change
from handsoff.inspection.diagnose import machine
from handsoff.labeling.labeler import Labeler, load_labeler
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.sampling.edits import WS, Materials, Move, Vector, read_materials
from handsoff.sampling.probes import probe
from handsoff.sampling.proposals import FARTHEST, STRENGTHS
from handsoff.sampling.targets import LEAST
from heads import demo_labeler

PARTS = ("beard", "glasses", "hat")
AIM = {"beard": 0.3, "glasses": 0.15, "hat": 0.15}
SEED = 1_000_000  # of the first sample that is edited
RESULT = Path(__file__).parent / "results" / "editing.json"
FULL: dict[str, Any] = {
    "invert": {}, "fit": {"networks": 0}, "edit": {"vectors": 8}, "samples": 1000, "n": 1000,
    "evaluate": {"steps": 1500, "seeds": 3},
}  # fmt: skip
QUICK: dict[str, Any] = {
    "invert": {"steps": 2}, "fit": {"networks": 0, "steps": 10}, "edit": {"vectors": 1, "steps": 2, "refine_steps": 1},
    "samples": 16, "n": 16, "evaluate": {"steps": 2, "seeds": 1, "batch": 4, "test_part": ":10"},
}  # fmt: skip


def labelled(labeler: Labeler, draws: Sequence[Draw], materials: Materials) -> tuple[np.ndarray, np.ndarray]:
    """Images and masks of draws."""
    parts = [
        labeler.label(draw_latents(labeler.generator, draws[start : start + 16], materials))[:2]
        for start in range(0, len(draws), 16)
    ]
    images, masks = (np.concatenate(found) for found in zip(*parts, strict=True))
    return images, masks


def features(images: np.ndarray) -> torch.Tensor:
    def batches() -> Iterator[torch.Tensor]:
        for start in range(0, len(images), 16):
            yield to_float(images[start : start + 16])

    return pooled_features(frozen_lite0(), batches(), viewing_size(images.shape[1:3]))


def confirmed(labeler: Labeler, edits: Path, count: int) -> dict[str, dict[str, Any]]:
    """Of every rare class, which share of the edits and of a probe's moves is confirmed, and how far images go."""
    plain = [Draw(SEED + index) for index in range(count)]
    images, masks = labelled(labeler, plain, Materials())
    others, _ = labelled(labeler, [Draw(SEED + count + index) for index in range(count)], Materials())
    known = features(others)
    found: dict[str, dict[str, Any]] = {"unedited": distances(known, features(images))}
    w = np.concatenate([draw_latents(labeler.generator, [draw]).tensors[WS][:, 0].cpu().numpy() for draw in plain])
    vectors, rng = read_materials(edits).vectors, np.random.default_rng(0)
    for part in PARTS:
        number = labeler.task.parts.index(part)
        names = [name for name in vectors if f"/{part}/" in name]
        trained = probe(w, (masks == number).mean((1, 2)) >= LEAST)
        ways: dict[str, list[Draw]] = {}
        if names:
            chosen = [Vector(str(rng.choice(names)), float(rng.uniform(*STRENGTHS))) for _ in plain]
            ways["edit vectors"] = [Draw(draw.seed, edits=(edit,)) for draw, edit in zip(plain, chosen, strict=True)]
        if trained is not None:
            layers = labeler.generator.num_ws  # type: ignore[attr-defined]  # the demo's is a StyleGAN2
            moves = [Move(part, 0, layers, float(rng.uniform(1, FARTHEST))) for _ in plain]
            ways["linear probe"] = [Draw(draw.seed, edits=(move,)) for draw, move in zip(plain, moves, strict=True)]
        directions = {} if trained is None else {part: torch.from_numpy(trained.direction).float()}
        found[part] = {"vectors": len(names), "probe": None if trained is None else trained.skill}
        for way, draws in ways.items():
            made, seen = labelled(labeler, draws, Materials(directions=directions, vectors=vectors))
            changes = [change(before, after, number) for before, after in zip(masks, seen, strict=True)]
            good = [one.confirmed for one in changes]
            found[part][way] = {
                "confirmed": float(np.mean(good)),
                "gained": float(np.mean([one.gained for one in changes])),
                "strayed": float(np.mean([one.strayed for one in changes])),
                **(distances(known, features(made[good])) if sum(good) > 1 else {}),
            }
    return found


def learnt(work: Path, name: str, edits: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """What a dataset that was composed with or without edits reaches, and what a model learns from it."""
    dataset, report = work / f"dataset-{name}", work / f"report-{name}"
    handsoff.generate(work / "labeler", dataset, edits=edits, n=settings["n"], aim=AIM)
    handsoff.evaluate(DATA / "train.zip", dataset, DATA / "test.zip", report, **settings["evaluate"])
    metrics = read_json(report / "metrics.json")
    return {
        "groups": read_json(dataset / "aim.json")["groups"],
        "images": metrics["n_synthetic"],
        "arms": metrics["arms"],
        "per_class": metrics["per_class"],
    }


def main() -> None:
    """Measure, print the table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    settings, work = QUICK if options.quick else FULL, options.work
    demo_labeler(work, settings)
    handsoff.edit(work / "labeler", work / "latents", work / "edits", parts=PARTS, **settings["edit"])
    moves = confirmed(load_labeler(work / "labeler"), work / "edits", settings["samples"])
    datasets = {
        "without edits": learnt(work, "plain", None, settings),
        "with edits": learnt(work, "edited", work / "edits", settings),
    }
    table = Table("class", "vectors", "confirmed: edit vectors", "linear probe", *(f"IoU {name}" for name in datasets))
    for part in PARTS:
        ways = (moves[part].get(way, {}).get("confirmed") for way in ("edit vectors", "linear probe"))
        scores = (found["per_class"]["synthetic_only"].get(part, {}).get("mean") for found in datasets.values())
        table.add_row(part, str(moves[part]["vectors"]), *map(number, ways), *map(number, scores))
    Console().print(table)
    if not options.quick:
        told = {"machine": machine(), "version": version("handsoff-labels"), "aim": AIM}
        write_json(RESULT, {**told, "moves": moves, "datasets": datasets})


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
