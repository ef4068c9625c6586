"""The long tail: what synthetic labels add to a rare part: `python benchmarks/longtail.py WORK`.

Of 50 labelled heads k = 0, 1, 2, 5, 10, 15 or 25 show the part (glasses, hat, beard), in nested sets, drawn three
times. At the same k: real only, with plain and with composed synthetic data, with photos that the network of real only
labelled, and what an engineer would try first: a stronger class weight in the loss (`balance`), and rare parts pasted
onto other heads (`paste`), also with photos that the network labelled which learnt so. All heads are rendered; the
generator is the demo's.

By the demo's times ten hours on two cores. Cut, so that it fits: one training run of 400 steps of 8 per set and arm
(the spread is that of the draws), labelers with one image network instead of three, 556 draws. In an hour and a half of
one core: `--parts glasses --ks 2 5 --draws 1`. Writes benchmarks/results/longtail.json.

With `--faces LABELLED UNLABELLED` the same of real faces with glasses or a hat, k = 0, 1, 2 or 5: photos with the 19
classes of CelebAMask-HQ and photos without labels. Arms of generated images need `--generator`, one that learnt from
those. Rare parts are too rare there for a fixed test: the test of a draw is every photo that no set of the draw holds.
Writes benchmarks/results/longtail-faces.json.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import handsoff
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
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
    frame_of,
    options_of,
    parts_of,
    rendered,
    showing,
    write_result,
)

BUDGET, BATCH, FACE_FRAME = 50, 20, "64x64"
KS, PARTS = (0, 1, 2, 5, 10, 15, 25), ("glasses", "hat", "beard")
FACE_KS, FACE_PARTS = (0, 1, 2, 5), ("glasses", "hat")  # 17 and 26 of the faces at hand show them
FACE_CLASSES = {  # as in recipes/faces.toml, but for the parts
    "background,earring,necklace,neck,cloth": "background", "skin": "skin", "nose": "nose",
    "left_eye,right_eye": "eye", "left_brow,right_brow": "brow", "left_ear,right_ear": "ear",
    "mouth,upper_lip,lower_lip": "mouth", "hair": "hair", **{part: part for part in FACE_PARTS},
}  # fmt: skip
FULL: dict[str, Any] = {
    "pool": 1500, "test": 400, "photos": 1500, "inverted_test": 100,
    "invert": {"encoder_steps": 0, "steps": 100},
    "fit": {"steps": 150, "networks": 1, "network_steps": 400},
    "generate": {"n": 556}, "aim": 0.3,
    "evaluate": {"steps": 400, "batch": 8, "lr": 3e-3, "seeds": 1},
}  # fmt: skip
QUICK: dict[str, Any] = {
    "pool": 120, "test": 60, "photos": 30, "inverted_test": 4,
    "invert": {"encoder_steps": 0, "steps": 2},
    "fit": {"steps": 4, "networks": 1, "network_steps": 4},
    "generate": {"n": 16}, "aim": 0.3,
    "evaluate": {"steps": 4, "batch": 4, "seeds": 1},
}  # fmt: skip
FACES_FULL = {**FULL, "test": None, "inverted_test": None, "invert": {"encoder_steps": 0, "steps": 200}}
MIXED = {"real": [0.25, 1.0]}
ARMS: dict[str, dict[str, Any]] = {  # of evaluate; the last shares: training ends on real labels
    "real_only": {"real": 1.0},
    "synthetic_only": {"plain": 1.0},
    "composed_only": {"composed": 1.0},
    "real_plus_synthetic": {**MIXED, "plain": [0.75, 0.0]},
    "real_plus_composed": {**MIXED, "composed": [0.75, 0.0]},
    "real_plus_photos": {**MIXED, "photos": [0.75, 0.0]},
    "real_plus_photos_and_composed": {**MIXED, "photos": [0.375, 0.0], "composed": [0.375, 0.0]},
}
FIRST: dict[str, dict[str, Any]] = {  # what an engineer would try: settings of evaluate
    "balanced": {"balance": 1.0},  # all classes count alike in the loss
    "pasted": {"paste": 0.5},
}


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
    """What all cells share.

    Attributes:
        generator: None: without arms of generated images.
        frame: the size of every model's images.
        pool: what labelled sets are drawn from.
        shown, bare: part → names of those that show it, and of those that a set is filled with.
        test: a labelled folder; None: all of the pool that no set of a draw can hold.
        photos: without labels.
        ks: every k that a set can have.
    """

    work: Path
    generator: Path | None
    frame: str
    pool: LabelledDataset
    shown: dict[str, list[str]]
    bare: dict[str, list[str]]
    test: Path | None
    photos: Path
    settings: dict[str, Any]
    ks: tuple[int, ...]


def names_of(world: World, cell: Cell) -> list[str]:
    """The labelled heads of a set: with a larger k the same ones, but for k heads that show the part."""
    rng = np.random.default_rng((cell.draw, PARTS.index(cell.part)))
    both = world.shown[cell.part], world.bare[cell.part]
    shown, bare = ([found[index] for index in rng.permutation(len(found))] for found in both)
    if len(shown) < cell.k or len(bare) < BUDGET - cell.k:
        raise SystemExit(f"{len(shown)} heads show {cell.part} and {len(bare)} do not: more are needed")
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
    pool = open_labelled(work / "pool", tasks=[TASK])
    found = {part: showing(pool, part) for part in PARTS}
    shown, bare = ({part: both[index] for part, both in found.items()} for index in (0, 1))
    ks = (0, 2) if quick else KS
    generator = DATA / "generator"
    return World(work, generator, frame_of(generator), pool, shown, bare, work / "test", photos, settings, ks)


def faces_of(work: Path, labelled: Path, unlabelled: Path, generator: Path | None, settings: dict[str, Any]) -> World:
    """Real faces with our classes. Sets are filled with faces that show no part, so that those stay in the test."""
    people = work / "people"
    if not (people / "classes.json").is_file():
        data = open_labelled(labelled, {TASK: {"merge": FACE_CLASSES}}, [TASK])
        chosen(data, data.names, people)
    pool = open_labelled(people, tasks=[TASK])
    found = {part: showing(pool, part) for part in FACE_PARTS}
    shown = {part: names for part, (names, _) in found.items()}
    without = set.intersection(*({*bare} for _, bare in found.values()))
    bare = dict.fromkeys(FACE_PARTS, sorted(without))
    frame = FACE_FRAME if generator is None else frame_of(generator)
    return World(work, generator, frame, pool, shown, bare, None, unlabelled, settings, FACE_KS)


def labelled_names(world: World, draw: int) -> set[str]:
    """Every head that any set of a draw can hold."""
    ends = [Cell(part, k, draw) for part in world.shown for k in (min(world.ks), max(world.ks))]
    return {name for cell in ends for name in names_of(world, cell)}


def latents_of(world: World, generator: Path, draw: int) -> Path:
    """Latents of every head that any set of a draw can hold, found once."""
    labelled, latents = (world.work / f"{name}-{draw}" for name in ("labelled", "latents"))
    if not (labelled / "classes.json").is_file():
        chosen(world.pool, sorted(labelled_names(world, draw)), labelled)
    return handsoff.invert(generator, labelled, latents, **world.settings["invert"])


def test_of(world: World, draw: int) -> Path:
    """What the sets of a draw are tested on."""
    if world.test is not None:
        return world.test
    test, taken = world.work / f"test-{draw}", labelled_names(world, draw)
    if not (test / "classes.json").is_file():
        left = [name for name in world.pool.names if name not in taken]
        chosen(world.pool, left[: world.settings["test"]], test)
    return test


def test_latents_of(world: World, generator: Path, draw: int) -> Path:
    """Latents of test heads, for the score of the labeler."""
    test = test_of(world, draw)
    settings = {**world.settings["invert"], "tasks": (TASK,), "first": world.settings["inverted_test"]}
    return handsoff.invert(generator, test, test.with_name(f"{test.name}-latents"), **settings)


def measured(world: World, cell: Cell) -> dict[str, Any]:
    """All arms of one set; what was made for it is removed."""
    result = world.work / "cells" / f"{cell.name}.json"
    if result.is_file():
        found: dict[str, Any] = read_json(result)
        return found
    folder, test = world.work / cell.name, test_of(world, cell.draw)
    if not (folder / "real" / "classes.json").is_file():
        chosen(world.pool, names_of(world, cell), folder / "real")
    datasets = {} if world.generator is None else generated(world, world.generator, cell, folder)
    scores = with_data(world, cell, folder, datasets) | with_tricks(world, cell, folder)
    found = {"part": cell.part, "k": cell.k, "draw": cell.draw, "scores": scores}
    if world.generator is not None:
        inverted = test_latents_of(world, world.generator, cell.draw)
        scores["labeler"] = labeler_scores(inverted, folder / "labeler", cell.part)
        found["aim"] = read_json(folder / "composed" / "aim.json")["groups"][0] if cell.k else None
    tested = open_labelled(test, tasks=[TASK])
    found["tested"] = {"all": len(tested.names), "shown": len(showing(tested, cell.part)[0])}
    write_json(result, found)
    shutil.rmtree(folder)
    return found


def generated(world: World, generator: Path, cell: Cell, folder: Path) -> dict[str, Path]:
    """Generated images, plain and, where the part is known, composed."""
    settings, latents, datasets = world.settings, folder / "latents", {"plain": folder / "plain"}
    if not (latents / "DONE").is_file():
        chosen_latents(latents_of(world, generator, cell.draw), names_of(world, cell), latents)
    handsoff.fit(generator, latents, folder / "labeler", **settings["fit"])
    handsoff.generate(folder / "labeler", datasets["plain"], **settings["generate"])
    if cell.k:
        datasets["composed"] = folder / "composed"
        wanted = {"aim": {cell.part: settings["aim"]}, **settings["generate"]}
        handsoff.generate(folder / "labeler", datasets["composed"], **wanted)
    return datasets


def with_data(world: World, cell: Cell, folder: Path, datasets: dict[str, Path]) -> dict[str, dict[str, float]]:
    """The arms of real labels, of generated images, and of photos that the network of real only labelled."""
    settings, real, test = world.settings, folder / "real", test_of(world, cell.draw)
    shared = {**settings["evaluate"], "frame": world.frame}
    alone = handsoff.evaluate(real, [], test, folder / "alone", arms=["real_only"], **shared)
    photos = handsoff.label(alone, world.photos, folder / "photos", apart=[test], n=settings["photos"])
    datasets = {**datasets, "photos": photos}
    arms = {name: shares for name, shares in ARMS.items() if {*shares} <= {"real", *datasets}}
    if not cell.k:  # evaluate calls the only generated dataset synthetic
        arms = {
            name: {"synthetic" if pool == "plain" else pool: share for pool, share in shares.items()}
            for name, shares in arms.items()
        }
    report = folder / "report"
    handsoff.evaluate(real, list(datasets.values()), test, report, before=alone, arms=arms, **settings["evaluate"])
    return parts_of(read_json(report / "metrics.json"), [cell.part])


def with_tricks(world: World, cell: Cell, folder: Path) -> dict[str, dict[str, float]]:
    """The arms of what an engineer would try first, and of photos labelled by the network that learnt with pasting."""
    settings, real, test = world.settings, folder / "real", test_of(world, cell.draw)
    found = {}
    for name, trick in FIRST.items():
        report = folder / name
        shared = {**settings["evaluate"], "frame": world.frame, **trick}
        handsoff.evaluate(real, [], test, report, arms=["real_only"], **shared)
        found[f"real_only_{name}"] = parts_of(read_json(report / "metrics.json"), [cell.part])["real_only"]
    photos, report = folder / "photos-pasted", folder / "report-pasted"
    handsoff.label(folder / "pasted", world.photos, photos, apart=[test], n=settings["photos"])
    arms = {"real_plus_photos": ARMS["real_plus_photos"]}
    handsoff.evaluate(real, [photos], test, report, arms=arms, **settings["evaluate"], **FIRST["pasted"])
    found["real_plus_photos_pasted"] = parts_of(read_json(report / "metrics.json"), [cell.part])["real_plus_photos"]
    return found


def labeler_scores(inverted: Path, labeler: Path, part: str) -> dict[str, float]:
    """Of the labeler on reconstructions of test heads, against the labels of the heads."""
    label = load_labeler(labeler)
    truth = open_labelled(inverted / "labels", tasks=[TASK])
    rows = [read_json(inverted / "latents.json")["names"].index(name) for name in truth.names]
    latents = load_latents(inverted / "latents.safetensors")[rows]
    batches = [slice(start, start + BATCH) for start in range(0, len(rows), BATCH)]
    wanted = np.stack([truth.label(TASK, name) for name in truth.names])
    scores = label.task.scores.score([(label.label(latents[batch])[1], wanted[batch]) for batch in batches])
    return {"miou": scores["metrics"]["miou"], part: scores["per_class"].get(part, 0.0)}


def main() -> None:
    parser = options_of(__doc__ or "")
    parser.add_argument("--faces", nargs=2, type=Path, metavar=("LABELLED", "UNLABELLED"))
    parser.add_argument("--generator", type=Path, help="of faces")
    parser.add_argument("--parts", nargs="+", choices=PARTS)
    parser.add_argument("--ks", nargs="+", type=int, choices=KS, help="labelled heads that show the part")
    parser.add_argument("--draws", type=int, default=3, help="of the labelled sets")
    options = parser.parse_args()
    if options.faces:
        world = faces_of(options.work, *options.faces, options.generator, QUICK if options.quick else FACES_FULL)
    else:
        world = heads_of(options.work, options.python, QUICK if options.quick else FULL, quick=options.quick)
    if options.quick:
        options.parts, options.ks, options.draws = ["glasses"], [0, 2], 1
    parts, ks = options.parts or [*world.shown], options.ks or world.ks
    if not {*parts} <= {*world.shown} or not {*ks} <= {*world.ks}:
        parser.error(f"the parts are {', '.join(world.shown)}, and k is one of {', '.join(map(str, world.ks))}")
    found = []
    # the draws first: what is there when it is stopped covers all parts and k
    for cell in [Cell(part, k, draw) for draw in range(options.draws) for part in parts for k in ks]:
        found.append(measured(world, cell))
        Console().print(cell.name, {arm: round(scores[cell.part], 3) for arm, scores in found[-1]["scores"].items()})
        if not options.quick:
            write_result("longtail-faces" if options.faces else "longtail", world.settings, cells=found)


if __name__ == "__main__":
    main()
