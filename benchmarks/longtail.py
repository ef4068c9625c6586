"""The long tail: what synthetic labels add to a rare part: `python benchmarks/longtail.py WORK`.

Of 50 labelled heads k = 0, 1, 2, 5, 10, 15 or 25 show the part (glasses, hat, beard), in nested sets, drawn three
times. At the same k: real only, with plain and with composed synthetic data, with photos labelled by the same
labelers, and what an engineer would try first: a stronger class weight in the loss (`balance`), and copies of the
part pasted onto other heads. All heads are rendered; the generator is the demo's.

By the demo's times nine hours on two cores. Cut, so that it fits: one training run of 400 steps of 8 per set and arm
(the spread is that of the draws), labelers with one image network instead of three, 556 draws. In half an hour:
`--parts glasses --ks 2 5 --draws 1`. Writes benchmarks/results/longtail.json.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import handsoff
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import LabelledDataset, open_labelled
from handsoff.demo import DATA
from handsoff.generators.latents import load_latents
from handsoff.labeling.labeler import load_labeler
from heads import (
    POOL,
    TASK,
    TEST,
    UNLABELLED,
    chosen,
    chosen_latents,
    options_of,
    parts_of,
    pasted,
    rendered,
    showing,
    write_result,
)

BUDGET, KS, PARTS, BATCH = 50, (0, 1, 2, 5, 10, 15, 25), ("glasses", "hat", "beard"), 20
FULL: dict[str, Any] = {
    "pool": 1500, "test": 400, "photos": 1500, "inverted_test": 100, "pasted": 500,
    "invert": {"encoder_steps": 0, "steps": 100},
    "fit": {"steps": 150, "networks": 1, "network_steps": 400},
    "generate": {"n": 556}, "aim": 0.3,
    "evaluate": {"steps": 400, "batch": 8, "lr": 3e-3, "seeds": 1},
}  # fmt: skip
QUICK: dict[str, Any] = {
    "pool": 120, "test": 60, "photos": 30, "inverted_test": 4, "pasted": 8,
    "invert": {"encoder_steps": 0, "steps": 2},
    "fit": {"steps": 4, "networks": 1, "network_steps": 4},
    "generate": {"n": 16, "draws_limit": 24}, "aim": 0.3,
    "evaluate": {"steps": 4, "batch": 4, "seeds": 1},
}  # fmt: skip
MIXED = {"real": [0.25, 1.0]}
ARMS: dict[str, dict[str, Any]] = {  # of evaluate; the last shares: training ends on real labels
    "real_only": {"real": 1.0},
    "synthetic_only": {"plain": 1.0},
    "composed_only": {"composed": 1.0},
    "real_plus_synthetic": {**MIXED, "plain": [0.75, 0.0]},
    "real_plus_composed": {**MIXED, "composed": [0.75, 0.0]},
    "real_plus_pasted": {**MIXED, "pasted": [0.75, 0.0]},
    "real_plus_photos": {**MIXED, "photos": [0.75, 0.0]},
    "real_plus_photos_and_composed": {**MIXED, "photos": [0.375, 0.0], "composed": [0.375, 0.0]},
}
STRONG = 1.0  # of balance: all classes count alike in the loss


@dataclass(frozen=True)
class Cell:
    """One labelled set: so many of its heads show the part."""

    part: str
    k: int
    draw: int

    @property
    def name(self) -> str:
        return f"{self.part}-{self.k:02d}-{self.draw}"


@dataclass(frozen=True)
class World:
    """What all cells share: folders of heads, and the latents of pool and test heads."""

    work: Path
    pool: LabelledDataset
    test: Path
    photos: Path
    settings: dict[str, Any]
    ks: tuple[int, ...]


def names_of(data: LabelledDataset, cell: Cell) -> list[str]:
    """The labelled heads of a set: with a larger k the same ones, but for k heads that show the part."""
    shown, bare = showing(data, cell.part)
    rng = np.random.default_rng((cell.draw, PARTS.index(cell.part)))
    shown, bare = ([found[index] for index in rng.permutation(len(found))] for found in (shown, bare))
    if len(shown) < cell.k or len(bare) < BUDGET - cell.k:
        raise SystemExit(f"{len(shown)} heads show {cell.part} and {len(bare)} do not: render more")
    return [*shown[: cell.k], *bare[: BUDGET - cell.k]]


def heads_of(work: Path, python: str, settings: dict[str, Any], *, quick: bool) -> World:
    """Render what is needed; in a quick run the demo's heads stand in."""
    if quick:
        data = open_labelled(DATA / "test.zip", tasks=[TASK])
        middle, end = settings["pool"], settings["pool"] + settings["test"]
        for name, part in (("pool", data.part(0, middle)), ("test", data.part(middle, end))):
            if not (work / name / "classes.json").is_file():
                chosen(part, part.names, work / name)
        photos = work / "pool" / "images"
    else:
        rendered(work / "pool", settings["pool"], POOL, python)
        rendered(work / "test", settings["test"], TEST, python)
        photos = rendered(work / "photos.zip", settings["photos"], UNLABELLED, python, labels=False)
    return World(
        work, open_labelled(work / "pool", tasks=[TASK]), work / "test", photos, settings, (0, 2) if quick else KS
    )


def latents_of(world: World, draw: int) -> Path:
    """Latents of every head that any set of a draw can hold, found once."""
    labelled, latents = (world.work / f"{name}-{draw}" for name in ("labelled", "latents"))
    if not (labelled / "classes.json").is_file():
        ends = [Cell(part, k, draw) for part in PARTS for k in (min(world.ks), max(world.ks))]
        chosen(world.pool, sorted({name for cell in ends for name in names_of(world.pool, cell)}), labelled)
    return handsoff.invert(DATA / "generator", labelled, latents, **world.settings["invert"])


def measured(world: World, cell: Cell) -> dict[str, Any]:
    """All arms of one set; what was made for it is removed."""
    result = world.work / "cells" / f"{cell.name}.json"
    if result.is_file():
        found: dict[str, Any] = read_json(result)
        return found
    folder, settings = world.work / cell.name, world.settings
    names = names_of(world.pool, cell)
    real, latents = folder / "real", folder / "latents"
    if not (latents / "DONE").is_file():
        chosen(world.pool, names, real)
        chosen_latents(latents_of(world, cell.draw), names, latents)
    handsoff.fit(DATA / "generator", latents, folder / "labeler", **settings["fit"])
    datasets = {"plain": folder / "plain", "photos": folder / "photos"}
    handsoff.generate(folder / "labeler", datasets["plain"], **settings["generate"])
    handsoff.label(folder / "labeler", world.photos, datasets["photos"], apart=[world.test], n=settings["photos"])
    if cell.k:
        datasets |= {"composed": folder / "composed", "pasted": folder / "pasted"}
        wanted = {"aim": {cell.part: settings["aim"]}, **settings["generate"]}
        handsoff.generate(folder / "labeler", datasets["composed"], **wanted)
        if not (datasets["pasted"] / "classes.json").is_file():
            labelled = open_labelled(real, tasks=[TASK])
            pasted(labelled, names[: cell.k], cell.part, settings["pasted"], cell.draw, datasets["pasted"])
    arms = {name: shares for name, shares in ARMS.items() if {*shares} <= {"real", *datasets}}
    if not cell.k:  # evaluate calls the only generated dataset synthetic
        arms = {
            name: {"synthetic" if pool == "plain" else pool: share for pool, share in shares.items()}
            for name, shares in arms.items()
        }
    report, strong = folder / "report", folder / "report-balance"
    handsoff.evaluate(real, list(datasets.values()), world.test, report, arms=arms, **settings["evaluate"])
    weighted = {**settings["evaluate"], "balance": STRONG}
    handsoff.evaluate(real, [], world.test, strong, arms=["real_only"], **weighted)
    scores = parts_of(read_json(report / "metrics.json"), [cell.part])
    scores["real_only_balanced"] = parts_of(read_json(strong / "metrics.json"), [cell.part])["real_only"]
    scores["labeler"] = labeler_scores(world, folder / "labeler", cell.part)
    reached = read_json(folder / "composed" / "aim.json")["groups"][0] if cell.k else None
    found = {"part": cell.part, "k": cell.k, "draw": cell.draw, "scores": scores, "aim": reached}
    write_json(result, found)
    shutil.rmtree(folder)
    return found


def labeler_scores(world: World, labeler: Path, part: str) -> dict[str, float]:
    """Of the labeler on reconstructions of test heads, against the labels of the heads."""
    label, inverted = load_labeler(labeler), world.work / "test-latents"
    truth = open_labelled(inverted / "labels", tasks=[TASK])
    rows = [read_json(inverted / "latents.json")["names"].index(name) for name in truth.names]
    latents = load_latents(inverted / "latents.safetensors")[rows]
    batches = [slice(start, start + BATCH) for start in range(0, len(rows), BATCH)]
    wanted = np.stack([truth.label(TASK, name) for name in truth.names])
    scores = label.task.scores.score([(label.label(latents[batch])[1], wanted[batch]) for batch in batches])
    return {"miou": scores["metrics"]["miou"], part: scores["per_class"].get(part, 0.0)}


def main() -> None:
    parser = options_of(__doc__ or "")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--ks", nargs="+", type=int, default=KS, help="labelled heads that show the part")
    parser.add_argument("--draws", type=int, default=3, help="of the labelled sets")
    options = parser.parse_args()
    if options.quick:
        options.parts, options.ks, options.draws = ["glasses"], [0, 2], 1
    settings = QUICK if options.quick else FULL
    # the draws first: what is there when it is stopped covers all parts and k
    cells = [Cell(part, k, draw) for draw in range(options.draws) for part in options.parts for k in options.ks]
    world = heads_of(options.work, options.python, settings, quick=options.quick)
    invert = {**settings["invert"], "tasks": (TASK,), "first": settings["inverted_test"]}
    handsoff.invert(DATA / "generator", world.test, world.work / "test-latents", **invert)
    found = []
    for cell in cells:
        found.append(measured(world, cell))
        Console().print(cell.name, {arm: round(scores[cell.part], 3) for arm, scores in found[-1]["scores"].items()})
        if not options.quick:
            write_result("longtail", settings, cells=found)


if __name__ == "__main__":
    main()
