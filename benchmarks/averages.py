"""Which average of a GAN's weights is best: `python benchmarks/averages.py GENERATOR PHOTOS --kimg 10`.

Goes on from the checkpoint that `handsoff train` left in GENERATOR, with averages of several half-lives beside its own,
and measures all of them and the weights themselves, every 10,000 images: FD and KD-lite0 of 2,000 samples. `--fall` has
both rates fall to 0 on the way. Nothing is written into GENERATOR. Adds to benchmarks/results/averages.json.

All averages begin as the run's own, so one with a half-life that is longer than what is shown here still holds that: of
the long ones only that of the run's own half-life is exact (10,000 images in the committed results).
"""

import argparse
import copy
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handsoff.backbones.distances import distances
from handsoff.core.device import keep_freed_memory
from handsoff.core.files import read_json, write_json
from handsoff.datasets.sources import load_photos, map_photos, open_source
from handsoff.inspection.diagnose import machine
from handsoff.jobs.checkpoints import load_checkpoint
from handsoff.jobs.folder import recorded_plan
from handsoff.jobs.progress import run_to_end
from handsoff.training.data import TrainingData
from handsoff.training.gan import train
from handsoff.training.gan.state import GANState
from handsoff.training.kinds import Limits
from handsoff.training.settings import TrainSettings
from handsoff.training.state import CHECKPOINT, update_ema
from training import FRAME, MEASURED, Judge

RESULT = Path(__file__).parent / "results" / "averages.json"
HALF_LIVES = (500.0, 1_000.0, 2_000.0, 4_000.0, 10_000.0)
EVERY = 10_000  # images between two measurements


def open_run(folder: Path) -> tuple[GANState, TrainSettings]:
    """A run as it was left, with the settings that it has."""
    known = recorded_plan(folder).settings
    settings = TrainSettings(**{name: value for name, value in known.items() if name in TrainSettings.model_fields})
    state = train.build(settings)
    numbers = load_checkpoint(folder / CHECKPOINT, state.modules(), state.optimizers())
    state.step, state.images = int(numbers["step"]), int(numbers["images"])
    return state, settings


def measured(state: GANState, averages: dict[str, Any], judge: Judge) -> dict[str, dict[str, float]]:
    """Distances of every average; `state.average` stands in for each while it is measured."""
    own, found = state.average, {}
    for name, average in averages.items():
        state.average = copy.deepcopy(average).eval().requires_grad_(requires_grad=False)
        state.settled()
        found[name] = judge.judge(state)
    state.average = own
    return found


def go_on(
    state: GANState, settings: TrainSettings, data: TrainingData, judge: Judge, images: int, *, fall: bool
) -> Any:
    """Train for so many images more; a line per measurement."""
    averages = {half_life: copy.deepcopy(state.average) for half_life in HALF_LIVES}
    first, lines, limits = state.images, [], Limits({}, 0, 1)
    optimizers = state.optimizers().values()
    rates = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    while (shown := state.images - first) < images:
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * (1 - shown / images if fall else 1.0)
        train.gan_step(state, data, settings, limits)
        for half_life, average in averages.items():
            update_ema(average, state.generator, state.images, settings.batch, half_life)
        state.images, state.step = state.images + settings.batch, state.step + 1
        if (shown + settings.batch) // EVERY > shown // EVERY or state.images - first >= images:
            every = {"none": state.generator, **{f"{half_life:.0f}": found for half_life, found in averages.items()}}
            lines.append({"kimg": round(state.images / 1000, 1), "averages": measured(state, every, judge)})
            print(json.dumps(lines[-1]), flush=True)  # it takes a while
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kimg", type=float, default=10.0)
    parser.add_argument("--fall", action="store_true")
    given = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    cache = given.generator.parent / f"{given.generator.name}-averages.u8"
    run_to_end(load_photos(open_source(given.photos), FRAME, cache, "crop"))
    photos = map_photos(cache, FRAME)
    judge, (state, settings) = Judge.of(photos), open_run(given.generator)
    others = np.sort(np.random.default_rng(0).permutation(len(photos))[MEASURED : 2 * MEASURED])
    floor = distances(judge.whole, Judge.of(photos[others]).whole)
    data = TrainingData(photos, None, settings.mirror)
    lines = go_on(state, settings, data, judge, round(given.kimg * 1000), fall=given.fall)
    before = read_json(RESULT)["trials"] if RESULT.is_file() else {}
    about = {"photos": len(photos), "batch": settings.batch, "torch": version("torch"), "machine": machine()}
    trials = {**before, "falling" if given.fall else "as they are": lines}
    write_json(RESULT, {**about, "photos_among_themselves": floor, "trials": trials})


if __name__ == "__main__":
    main()
