"""What correcting labels buys: a simulated review, with the truth of rendered heads as the person who corrects.

    python tools/render_heads/render.py heads --count 600 --size 64 --seed 23 --labels
    python benchmarks/review.py heads work

A labeler that learnt from a few labelled heads labels others, whose truth is hidden. Some of these are corrected, the
labeler is fitted again, and its mIoU is measured on heads that nobody corrects; and so on, for every order of
correcting. Every seed has first heads and other heads of its own. What is done lies in `work`: a stopped run goes on.
Writes benchmarks/results/review.json.
"""

import argparse
import random
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from handsoff.core.device import keep_freed_memory
from handsoff.core.files import png, read_json, write_bytes, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.inspection.diagnose import machine
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.settings import FitSettings
from handsoff.review.desk import Desk, open_desk
from handsoff.review.queue import UNCERTAINTY, Filter
from handsoff.review.refit import LABELER
from handsoff.review.session import open_session
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.voter_cards import read_voters
from handsoff.synthesis.voters import load_voter

DEMO = Path(__file__).parents[1] / "src" / "handsoff" / "demo"
RESULTS = Path(__file__).parent / "results"
TASK = "segmentation"
BATCH = 20
MINUTES = 1.0  # that a person is taken to need for a sample
Choose = Callable[[Desk, int, int], list[str]]


def suggested(desk: Desk, count: int, seed: int) -> list[str]:  # noqa: ARG001  # as `Choose`
    """What `handsoff review` suggests next."""
    return desk.suggestions.next(count)


def uncertain(desk: Desk, count: int, seed: int) -> list[str]:  # noqa: ARG001  # as `Choose`
    """The most uncertain samples."""
    return desk.queue.names(UNCERTAINTY, Filter(decision="undecided"))[:count]


def at_random(desk: Desk, count: int, seed: int) -> list[str]:
    """Samples in a random order that does not change as samples are corrected."""
    order = sorted(desk.session.dataset.names)
    random.Random(seed).shuffle(order)  # noqa: S311  # no secret
    return [name for name in order if desk.session.decision(name) == "undecided"][:count]


ORDERS: dict[str, Choose] = {"suggested": suggested, "uncertain": uncertain, "random": at_random}


def begin(root: Path, pool: LabelledDataset, options: argparse.Namespace) -> None:
    """Fit the first labeler of a seed, and let it label the pool."""
    found = open_labelled(DEMO / "train.zip", tasks=[TASK])
    first = found.part(options.seed * options.labels, (options.seed + 1) * options.labels)
    for name in first.names:
        write_sample(root / "first", name, *first.sample(name), first.tasks)
    write_cards(root / "first", first.tasks)
    for name in pool.names:
        write_bytes(root / "photos" / f"{name}.png", png(pool.image(name)))
    settings = FitSettings(
        features=("lite0",), networks=0, members=options.members, steps=options.steps, pixels=options.pixels,
        seed=options.seed,
    )  # fmt: skip
    run_to_end(fit(DEMO / "generator", root / "first", root / "labeler", settings))
    run_to_end(label([root / "labeler"], root / "photos", root / "labelled", LabelSettings(keep=1)))


def miou(labeler: Path, heads: LabelledDataset) -> float:
    """Of a labeler on heads that it never saw."""
    settings = LabelSettings()
    card = read_voters([labeler], settings)[0]
    voter = load_voter(card, settings)
    images, labels = heads.load(card.image_size, card.framing)
    found = [voter.label(images[start : start + BATCH]).labels for start in range(0, len(images), BATCH)]
    metrics: dict[str, float] = voter.task.scores.score([(np.concatenate(found), labels[TASK])])["metrics"]
    return round(metrics["miou"], 4)


def review(
    root: Path, order: str, truth: LabelledDataset, held_out: LabelledDataset, options: argparse.Namespace
) -> None:
    """One person's work: after every budget, the labeler that came of it. The rows go to `root`/ORDER.json."""
    file, folder = root / f"{order}.json", root / order
    rows = read_json(file) if file.is_file() else []
    if not folder.is_dir():
        shutil.copytree(root / "labelled", root / f"{order}.unfinished", dirs_exist_ok=True)
        (root / f"{order}.unfinished").rename(folder)
    desk = open_desk(open_session(folder), root / "labeler")
    if desk.refit is None:
        raise AssertionError("a labeler was given")
    for number, budget in list(enumerate([0, *options.budgets]))[len(rows) :]:
        row: dict[str, Any] = {"seed": options.seed, "order": order, "corrected": budget}
        labeler, began = root / "labeler", time.process_time()
        if budget:
            chosen = ORDERS[order](desk, budget - len(desk.session.taught()), options.seed)
            row["changed"] = [correct(desk, name, truth) for name in chosen]
            labeler = desk.session.corrections.folder / f"{LABELER}{number}"
            desk.refit.fit(labeler)
            row |= {"loss_before": desk.refit.state.before, "loss_after": desk.refit.state.after}
            if order != "random":
                desk.refit.label_again(labeler, [])
        rows.append({**row, "miou": miou(labeler, held_out), "cpu_seconds": round(time.process_time() - began, 1)})
        write_json(file, rows)
        Console().print({name: value for name, value in rows[-1].items() if name != "changed"})


def correct(desk: Desk, name: str, truth: LabelledDataset) -> float:
    """Give a sample its true label; the share of pixels that were wrong."""
    found, right = desk.session.label(TASK, name), truth.label(TASK, name)
    made = desk.session.correct(TASK, name, right, desk.session.record(name).version)
    desk.session.decide(name, "accept", made.version)
    return round(float((found != right).mean()), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("heads", type=Path, help="labelled heads of 64 px, to correct")
    parser.add_argument("work", type=Path, help="folder for what is being done")
    parser.add_argument("--labels", type=int, default=16, help="heads that the first labeler of a seed learns from")
    parser.add_argument("--pool", type=int, default=200, help="heads of a seed that can be corrected")
    parser.add_argument("--held-out", type=int, default=150, help="of the demo's test heads, to measure on")
    parser.add_argument("--budgets", type=int, nargs="+", default=[10, 20, 40], help="corrected heads")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4, help="pixel classifiers, the only ones that label here")
    parser.add_argument("--steps", type=int, default=100, help="of the pixel classifiers")
    parser.add_argument("--pixels", type=int, default=100, help="of an image in a step")
    options = parser.parse_args()
    keep_freed_memory()
    heads = open_labelled(options.heads, tasks=[TASK])
    held_out = open_labelled(DEMO / "test.zip", tasks=[TASK]).part(0, options.held_out)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        options.seed = seed
        root, truth = options.work / str(seed), heads.part(seed * options.pool, (seed + 1) * options.pool)
        begin(root, truth, options)
        for order in ORDERS:
            review(root, order, truth, held_out, options)
            rows += read_json(root / f"{order}.json")
    write_json(
        RESULTS / "review.json",
        {
            "machine": machine(),
            "versions": {name: version(name) for name in ("handsoff-labels", "torch")},
            "settings": {name: value for name, value in vars(options).items() if name not in {"heads", "work", "seed"}},
            "minutes_per_sample": MINUTES,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
