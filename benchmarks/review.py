"""What correcting labels buys: a simulated review, with ground truth as the corrector: `python benchmarks/review.py`.

The demo's rendered heads: a labeler of a few labelled heads labels others, whose truth is hidden. These are corrected
in the order of `handsoff review` or in a random one, and after every budget the labeler is fitted again; its mIoU is
measured on heads that nobody corrects. Writes benchmarks/results/NAME.json.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from handsoff.core.device import keep_freed_memory
from handsoff.core.files import png, write_bytes, write_json
from handsoff.datasets.labelled import LabelledDataset, open_labelled
from handsoff.inspection.diagnose import machine
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.settings import FitSettings
from handsoff.review.desk import Desk, open_desk
from handsoff.review.session import open_session
from handsoff.synthesis.label import label
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.voter_cards import read_voters
from handsoff.synthesis.voters import load_voter

DEMO = Path(__file__).parents[1] / "src" / "handsoff" / "demo"
RESULTS = Path(__file__).parent / "results"
TASK = "segmentation"
BATCH = 20
Choose = Callable[[Desk, int], list[str]]


def by_review(desk: Desk, count: int) -> list[str]:
    """What `handsoff review` suggests next."""
    return desk.suggestions.next(count)


def at_random(seed: int) -> Choose:
    """Undecided samples in a random order that does not change as samples are corrected."""

    def choose(desk: Desk, count: int) -> list[str]:
        order = sorted(desk.session.dataset.names)
        random.Random(seed).shuffle(order)  # noqa: S311  # no secret
        return [name for name in order if desk.session.record(name).decision == "undecided"][:count]

    return choose


def begin(root: Path, options: argparse.Namespace) -> tuple[LabelledDataset, LabelledDataset]:
    """Fit the first labeler and label the pool; what the pool shows in truth, and the heads to measure on."""
    heads = open_labelled(DEMO / "test.zip", tasks=[TASK])
    pool, held_out = heads.part(0, options.pool), heads.part(options.pool, options.pool + options.held_out)
    for name in pool.names:
        write_bytes(root / "photos" / f"{name}.png", png(pool.image(name)))
    inversion = InvertSettings(first=options.labels, encoder_steps=0, steps=options.invert_steps, tasks=(TASK,))
    run_to_end(invert(DEMO / "generator", DEMO / "train.zip", root / "latents", inversion))
    settings = FitSettings(network_steps=options.network_steps, networks=options.networks, seed=options.seed)
    run_to_end(fit(DEMO / "generator", root / "latents", root / "labeler", settings))
    return pool, held_out


def miou(labeler: Path, heads: LabelledDataset) -> dict[str, float]:
    """Of a labeler on heads that it never saw."""
    settings = LabelSettings()
    card = read_voters([labeler], settings)[0]
    voter = load_voter(card, settings)
    images, labels = heads.load(card.image_size, card.framing)
    found = [voter.label(images[start : start + BATCH])[0] for start in range(0, len(images), BATCH)]
    metrics: dict[str, float] = voter.task.scores.score([(np.concatenate(found), labels[TASK])])["metrics"]
    return metrics


def session(
    root: Path, name: str, choose: Choose, data: tuple[LabelledDataset, LabelledDataset], budgets: list[int]
) -> list[dict[str, Any]]:
    """One person's work: after every budget, the labeler that came of it."""
    truth, held_out = data
    run_to_end(label([root / "labeler"], root / "photos", root / name, LabelSettings(keep=1)))
    desk = open_desk(open_session(root / name), root / "labeler")
    if desk.refit is None:
        raise AssertionError("a labeler was given")
    rows = [{"order": name, "corrected": 0, **miou(root / "labeler", held_out)}]
    for before, budget in zip([0, *budgets], budgets, strict=False):
        for sample in choose(desk, budget - before):
            found = desk.session.record(sample).version
            desk.session.correct(TASK, sample, truth.label(TASK, sample), found)
            desk.session.decide(sample, "accept", found + 1)
        began, out = time.perf_counter(), desk.refit.folder()
        desk.refit.run(out, [])
        if desk.refit.state.state != "done":
            raise AssertionError(desk.refit.state.note)
        seconds = round(time.perf_counter() - began, 1)
        losses = {"loss_before": desk.refit.state.before, "loss_after": desk.refit.state.after}
        rows.append({"order": name, "corrected": budget, **miou(out, held_out), "seconds": seconds, **losses})
        Console().print(rows[-1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=16, help="heads that the first labeler learns from")
    parser.add_argument("--pool", type=int, default=100, help="heads that can be corrected")
    parser.add_argument("--held-out", type=int, default=100, help="heads to measure on")
    parser.add_argument("--budgets", type=int, nargs="+", default=[5, 10, 20, 40], help="corrected heads")
    parser.add_argument("--seeds", type=int, default=3, help="random orders, and fits of the first labeler")
    parser.add_argument("--networks", type=int, default=FitSettings().networks)
    parser.add_argument("--network-steps", type=int, default=FitSettings().network_steps)
    parser.add_argument("--invert-steps", type=int, default=InvertSettings().steps)
    parser.add_argument("--name", default="review", help="of the file with the results")
    options = parser.parse_args()
    keep_freed_memory()
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        options.seed = seed
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            data = begin(root, options)
            for name, choose in (("review", by_review), ("random", at_random(seed))):
                found = session(root, name, choose, data, options.budgets)
                rows += [{"seed": seed, **row} for row in found]
    write_json(
        RESULTS / f"{options.name}.json",
        {
            "machine": machine(),
            "versions": {name: version(name) for name in ("handsoff-labels", "torch")},
            "settings": {name: value for name, value in vars(options).items() if name not in {"name", "seed"}},
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
