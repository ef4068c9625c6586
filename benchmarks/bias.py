"""Sample bias: how much of what one-sided labels lose comes back: `python benchmarks/bias.py WORK`.

All 50 labelled heads look to the left (yaw below -10 degrees), or are young (below 35 years); the test heads are of
all kinds. The loss is against 50 labelled heads of all kinds, and what unlabelled photos of all kinds, plain
synthetic data and data composed to match these photos give back of it. Training flips images, so heads that look to
the right are not unseen, but those that look straight ahead are; nothing undoes the age. The network of real only
labels the photos, and generated images beside the labeler's pixel classifiers, as in `handsoff run`.

By the demo's times an hour and a half on two cores, with `--draws 1` half an hour. Cut: one training run of 600 steps
of 8 per set and arm, 556 draws. Writes benchmarks/results/bias.json.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import handsoff
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.demo import DATA
from heads import (
    POOL,
    TASK,
    TEST,
    UNLABELLED,
    attributes_of,
    chosen,
    chosen_latents,
    frame_of,
    options_of,
    parts_of,
    rendered,
    write_result,
)

BIASES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "left": lambda head: head["yaw"] < -10,  # noqa: PLR2004  # degrees: about a quarter of the heads
    "young": lambda head: head["age"] < 35,  # noqa: PLR2004  # years: no grey hair, few wrinkles
}
FULL: dict[str, Any] = {
    "budget": 50, "pool": 600, "test": 400, "photos": 1500,
    "invert": {"encoder_steps": 0, "steps": 100},
    "fit": {"steps": 150},
    "generate": {"n": 556},
    "evaluate": {"steps": 600, "batch": 8, "lr": 3e-3, "seeds": 1},
}  # fmt: skip
QUICK: dict[str, Any] = {
    "budget": 6, "pool": 48, "test": 12, "photos": 12,
    "invert": {"encoder_steps": 0, "steps": 2},
    "fit": {"steps": 4},
    "generate": {"n": 16},
    "evaluate": {"steps": 4, "batch": 4, "seeds": 1},
}  # fmt: skip
MIXED = {"real": [0.25, 1.0]}
ARMS: dict[str, dict[str, Any]] = {
    "real_only": {"real": 1.0},
    "real_plus_synthetic": {**MIXED, "plain": [0.75, 0.0]},
    "real_plus_composed": {**MIXED, "composed": [0.75, 0.0]},
    "real_plus_photos": {**MIXED, "photos": [0.75, 0.0]},
    "real_plus_photos_and_composed": {**MIXED, "photos": [0.375, 0.0], "composed": [0.375, 0.0]},
}


def labelled_heads(work: Path, bias: str, draw: int, budget: int) -> tuple[list[str], list[str]]:
    """Heads of the one kind, and as many of all kinds."""
    told = attributes_of(work / "pool")
    order = [sorted(told)[index] for index in np.random.default_rng(draw).permutation(len(told))]
    sided = [name for name in order if BIASES[bias](told[name])]
    if len(sided) < budget:
        raise SystemExit(f"{len(sided)} heads are {bias}, and {budget} are needed: render more")
    return sided[:budget], order[:budget]


def latents_of(work: Path, draw: int, settings: dict[str, Any]) -> Path:
    """Latents of every one-sided head of a draw, found once."""
    labelled, latents = (work / f"{name}-{draw}" for name in ("labelled", "latents"))
    if not (labelled / "classes.json").is_file():
        used = {name for bias in BIASES for name in labelled_heads(work, bias, draw, settings["budget"])[0]}
        chosen(open_labelled(work / "pool", tasks=[TASK]), sorted(used), labelled)
    return handsoff.invert(DATA / "generator", labelled, latents, **settings["invert"])


def measured(work: Path, bias: str, draw: int, settings: dict[str, Any]) -> dict[str, Any]:
    """All arms of one draw; what was made for it is removed."""
    result = work / "cells" / f"{bias}-{draw}.json"
    if result.is_file():
        found: dict[str, Any] = read_json(result)
        return found
    folder, pool = work / f"{bias}-{draw}", open_labelled(work / "pool", tasks=[TASK])
    sided, every = labelled_heads(work, bias, draw, settings["budget"])
    real, unbiased, latents = folder / "real", folder / "unbiased", folder / "latents"
    if not (latents / "DONE").is_file():
        chosen(pool, sided, real)
        chosen(pool, every, unbiased)
        chosen_latents(latents_of(work, draw, settings), sided, latents)
    shared = {**settings["evaluate"], "frame": frame_of(DATA / "generator")}
    alone, test, photos = folder / "alone", work / "test", work / "photos.zip"
    handsoff.evaluate(real, [], test, alone, arms=["real_only"], **shared)
    handsoff.fit(DATA / "generator", latents, folder / "labeler", teacher=alone, **settings["fit"])
    datasets = [folder / name for name in ("plain", "composed", "photos")]
    handsoff.generate(folder / "labeler", datasets[0], **settings["generate"])
    handsoff.generate(folder / "labeler", datasets[1], aim={"match": str(photos)}, **settings["generate"])
    handsoff.label(alone, photos, datasets[2], apart=[test])
    handsoff.evaluate(real, datasets, test, folder / "report", before=alone, arms=ARMS, **settings["evaluate"])
    whole = folder / "report-unbiased"
    handsoff.evaluate(unbiased, [], test, whole, arms=["real_only"], **shared)
    scores = {arm: value["miou"] for arm, value in parts_of(read_json(folder / "report" / "metrics.json"), []).items()}
    scores["unbiased"] = parts_of(read_json(whole / "metrics.json"), [])["real_only"]["miou"]
    found = {"bias": bias, "draw": draw, "miou": scores}
    write_json(result, found)
    shutil.rmtree(folder)
    return found


def main() -> None:
    parser = options_of(__doc__ or "")
    parser.add_argument("--biases", nargs="+", choices=BIASES, default=list(BIASES))
    parser.add_argument("--draws", type=int, default=3, help="of the labelled sets")
    options = parser.parse_args()
    settings, work = QUICK if options.quick else FULL, options.work
    if options.quick:
        options.biases, options.draws = ["left"], 1
    rendered(work / "pool", settings["pool"], POOL, options.python)
    rendered(work / "test", settings["test"], TEST, options.python)
    rendered(work / "photos.zip", settings["photos"], UNLABELLED, options.python, labels=False)
    cells = [(bias, draw) for draw in range(options.draws) for bias in options.biases]
    found = []
    for bias, draw in cells:
        found.append(measured(work, bias, draw, settings))
        Console().print(found[-1])
        if not options.quick:
            write_result("bias", settings, cells=found)


if __name__ == "__main__":
    main()
