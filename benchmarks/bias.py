"""Sample bias: how much of what one-sided labels lose comes back: `python benchmarks/bias.py WORK`.

All 50 labelled heads look to the left (yaw below -10 degrees), or are young (below 35 years); the test heads are of
all kinds. The loss is against 50 labelled heads of all kinds, and what unlabelled photos of all kinds, plain
synthetic data and data composed to match these photos give back of it. Training flips images, so heads that look to
the right are not unseen, but those that look straight ahead are; nothing undoes the age. The network of real only
labels the photos, and generated images beside the labeler's pixel classifiers, as in `handsoff run`.

By the demo's times an hour and a half on two cores, with `--draws 1` half an hour. Cut: one training run of 600 steps
of 8 per set and arm, 556 draws. Writes benchmarks/results/bias.json.

With `--faces LABELLED UNLABELLED` the same of real faces, photos with the 19 classes of CelebAMask-HQ and photos
without labels: the labelled ones have a light background. Without a generator, so that photos alone can give something
back. Ten minutes of one core per draw. Writes benchmarks/results/bias-faces.json.
"""

import shutil
import tomllib
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import handsoff
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
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
    "budget": 50, "pool": 600, "test": 400, "photos": 1500, "tested": 250,
    "invert": {"encoder_steps": 0, "steps": 100},
    "fit": {"steps": 150},
    "generate": {"n": 556},
    "evaluate": {"steps": 600, "batch": 8, "lr": 3e-3, "seeds": 1},
}  # fmt: skip
QUICK: dict[str, Any] = {
    "budget": 6, "pool": 48, "test": 12, "photos": 12, "tested": 12,
    "invert": {"encoder_steps": 0, "steps": 2},
    "fit": {"steps": 4},
    "generate": {"n": 16},
    "evaluate": {"steps": 4, "batch": 4, "seeds": 1},
}  # fmt: skip
FACES, FACES_FRAME = Path(__file__).parents[1] / "recipes" / "faces.toml", "64x64"
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
    return kept(result, {"bias": bias, "draw": draw, "miou": scores_of(folder / "report", whole)}, folder)


def faces_measured(work: Path, people: LabelledDataset, photos: Path, draw: int, settings: dict[str, Any]) -> Any:
    """The arms without generated images of one draw of faces; what was made for it is removed."""
    result = work / "cells" / f"light-{draw}.json"
    if result.is_file():
        return read_json(result)
    light = lightness(people)
    order = [people.names[index] for index in np.random.default_rng(draw).permutation(len(people.names))]
    every, tested = order[: -settings["tested"]], order[-settings["tested"] :]
    middle, budget = np.median([*light.values()]), settings["budget"]
    sides = {"real": [name for name in every if light[name] > middle], "unbiased": every}
    folder = work / f"light-{draw}"
    if not (folder / "test" / "classes.json").is_file():
        for name, names in sides.items():
            chosen(people, names[:budget], folder / name)
        chosen(people, tested, folder / "test")
    shared = {**settings["evaluate"], "frame": FACES_FRAME}
    real, alone, test = folder / "real", folder / "alone", folder / "test"
    handsoff.evaluate(real, [], test, alone, arms=["real_only"], **shared)
    labelled = handsoff.label(alone, photos, folder / "photos", apart=[test], n=settings["photos"])
    arms = {name: ARMS[name] for name in ("real_only", "real_plus_photos")}
    report = handsoff.evaluate(
        real, [labelled], test, folder / "report", before=alone, arms=arms, **settings["evaluate"]
    )
    whole = handsoff.evaluate(folder / "unbiased", [], test, folder / "whole", arms=["real_only"], **shared)
    return kept(result, {"bias": "light", "draw": draw, "miou": scores_of(report, whole)}, folder)


def lightness(people: LabelledDataset) -> dict[str, float]:
    """How light the background of each face is, 0 to 255; of a face that has none, 0."""
    background = people.tasks[TASK].schema["classes"].index("background")
    found = {}
    for name in people.names:
        image, labels = people.sample(name)
        behind = image[labels[TASK] == background]
        found[name] = float(behind.mean()) if len(behind) else 0.0
    return found


def faces_of(work: Path, labelled: Path) -> LabelledDataset:
    """All labelled faces, with the classes of recipes/faces.toml."""
    if not (work / "people" / "classes.json").is_file():
        merge = tomllib.loads(FACES.read_text())["classes"]
        data = open_labelled(labelled, {TASK: {"merge": merge}}, [TASK])
        chosen(data, data.names, work / "people")
    return open_labelled(work / "people", tasks=[TASK])


def scores_of(report: Path, whole: Path) -> dict[str, float]:
    """Arm → mIoU, that of labels of all kinds too."""
    scores = {arm: value["miou"] for arm, value in parts_of(read_json(report / "metrics.json"), []).items()}
    return {**scores, "unbiased": parts_of(read_json(whole / "metrics.json"), [])["real_only"]["miou"]}


def kept(result: Path, found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What came out, written; what was made for it is removed."""
    write_json(result, found)
    shutil.rmtree(folder)
    return found


def main() -> None:
    parser = options_of(__doc__ or "")
    parser.add_argument("--faces", nargs=2, type=Path, metavar=("LABELLED", "UNLABELLED"))
    parser.add_argument("--biases", nargs="+", choices=BIASES, default=list(BIASES))
    parser.add_argument("--draws", type=int, default=3, help="of the labelled sets")
    options = parser.parse_args()
    settings, work = QUICK if options.quick else FULL, options.work
    if options.quick:
        options.biases, options.draws = ["left"], 1
    if options.faces:
        people, photos = faces_of(work, options.faces[0]), options.faces[1]
        draws = range(options.draws)
        shown("bias-faces", settings, options, (faces_measured(work, people, photos, draw, settings) for draw in draws))
        return
    rendered(work / "pool", settings["pool"], POOL, options.python)
    rendered(work / "test", settings["test"], TEST, options.python)
    rendered(work / "photos.zip", settings["photos"], UNLABELLED, options.python, labels=False)
    cells = [(bias, draw) for draw in range(options.draws) for bias in options.biases]
    shown("bias", settings, options, (measured(work, bias, draw, settings) for bias, draw in cells))


def shown(name: str, settings: dict[str, Any], options: Namespace, cells: Iterator[dict[str, Any]]) -> None:
    """Print and write what comes out, cell by cell."""
    found = []
    for cell in cells:
        found.append(cell)
        Console().print(cell)
        if not options.quick:
            write_result(name, settings, cells=found)


if __name__ == "__main__":
    main()
