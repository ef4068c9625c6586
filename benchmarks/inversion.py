"""What inversion is worth, by variant: `python benchmarks/inversion.py --work FOLDER`.

On the demo's heads with its generator: 50 labelled heads are inverted, a labeler of pixel classifiers is fitted to
them, and it labels inverted held-out heads. Label transfer is the mIoU of one network, trained on other heads, on the
reconstructions against the true masks. FD-lite0 of 2,000 samples to the demo's 250 heads, before and after tuning: so
few heads make it too high, and both alike. Seconds are those of the processor, on one core (OMP_NUM_THREADS=1).

What lies finished in FOLDER is not made again. Writes benchmarks/results/inversion.json; with `--quick` only tries
whether all of it runs.
"""

import argparse
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from handsoff.backbones.distances import distances
from handsoff.backbones.lite0 import frozen_lite0
from handsoff.core.files import read_json, write_json
from handsoff.core.images import to_float
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.datasets.labelled import open_labelled
from handsoff.demo import DATA
from handsoff.generators.stored import OWN, load_generator
from handsoff.inspection.diagnose import machine
from handsoff.inspection.links import (
    batches,
    drawn_features,
    features_of,
    label_quality,
    label_transfer,
    reconstruction,
)
from handsoff.inversion.invert import invert, plan
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.folder import open_job
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.learning.data import LabelledArrays
from handsoff.learning.models import build_model
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import train_predictor
from handsoff.sampling.draws import Draw
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

RESULT = Path(__file__).parent / "results" / "inversion.json"
GENERATOR, LABELLED, HELD_OUT = DATA / "generator", DATA / "train.zip", DATA / "test.zip"
REFINED = InvertSettings(encoder_steps=0, steps=100, batch=10, tasks=("segmentation",))
FIT = FitSettings(networks=0)
TUNING: dict[str, Any] = {"tuning_steps": 100}
VARIANTS: dict[str, dict[str, Any]] = {  # what differs from REFINED
    "latents alone": {},
    "tuned": TUNING,
    "residual 16": {"residual": 16},
    "tuned, without locality": {**TUNING, "tuning_locality": 0.0},
    "tuned, lr 1e-3": {**TUNING, "tuning_lr": 1e-3},
    "tuned, lr 1e-3, locality 0.1": {**TUNING, "tuning_lr": 1e-3, "tuning_locality": 0.1},
    "residual 32": {"residual": 32},
    "residual 16, tuned": {"residual": 16, **TUNING},
}
ENCODERS = {  # encoders of equal cost, samples as their only images; what they give is measured as it is
    "1 pass, 240 steps": {"encoder_passes": 1, "encoder_steps": 240},
    "2 passes, 120 steps": {"encoder_passes": 2, "encoder_steps": 120},
    "3 passes, 80 steps": {"encoder_passes": 3, "encoder_steps": 80},
}


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        labelled, held_out: heads that are inverted.
        samples: drawn for the FD.
        steps: of the network that measures label transfer.
        fit: steps of a labeler.
        most: steps of refinement and of tuning, at the most.
    """

    labelled: int
    held_out: int
    samples: int
    steps: int
    fit: int
    most: int


FULL, QUICK = Size(50, 30, 2000, 300, 300, 1000), Size(4, 4, 20, 2, 2, 2)


def judge(work: Path, size: Size) -> tuple[nn.Module, Task]:
    """The network that measures label transfer, trained on heads that no variant inverts."""
    data = open_labelled(HELD_OUT, tasks=["segmentation"]).part(size.held_out, None)
    net = load_generator(GENERATOR)
    images, labels = data.load(net.image_size, net.framing)
    task = make_task("segmentation", data.tasks["segmentation"].learning.infer_schema(labels["segmentation"], "heads"))
    file, model = work / "judge.safetensors", build_model("lite0", task.channels)
    if not file.is_file():
        settings = LearnSettings(steps=size.steps, batch=8)
        pool = LabelledArrays(images, labels["segmentation"])
        part = work / "judge.part.safetensors"
        trained = run_to_end(
            train_predictor(task, lambda _: [(pool, settings.batch)], 0, settings, "judge", checkpoint=part)
        )
        write_tensors(file, trained.model.state_dict())
    model.load_state_dict(read_tensors(file))
    return model.eval(), task


def heads_features() -> Tensor:
    """Features of all the demo's heads."""
    net, parts = frozen_lite0(), []
    for file in (LABELLED, HELD_OUT):
        images, _ = open_labelled(file, tasks=["segmentation"]).load((64, 64))
        parts += [features_of(net, to_float(images[part])) for part in batches(len(images))]
    return torch.cat(parts)


def inverted(
    generator: Path, labelled: Path, out: Path, settings: InvertSettings, refined: Path | None = None
) -> float:
    """Invert; the seconds that it took. From `refined`, an inversion that differs in tuning only, latents are taken."""
    spent, noted = 0.0, out.parent / f"{out.name}.json"
    if refined is not None:
        spent = read_json(refined.parent / f"{refined.name}.json")["seconds"]
        if not out.is_dir():
            with open_job(out, plan(generator, labelled, settings)):
                shutil.copytree(refined / "chunks", out / "chunks")
    began = time.process_time()
    run_to_end(invert(generator, labelled, out, settings))
    if not noted.is_file():
        write_json(noted, {"seconds": round(spent + time.process_time() - began, 1)})
    seconds: float = read_json(noted)["seconds"]
    return seconds


def folder_of(work: Path, name: str) -> Path:
    return work / name.replace(" ", "-").replace(",", "")


def untuned(name: str) -> str:
    """The variant that differs from this one in tuning only."""
    rest = {key: value for key, value in VARIANTS[name].items() if not key.startswith("tuning")}
    return next(other for other, changes in VARIANTS.items() if changes == rest)


def measured(work: Path, name: str, size: Size, fixed: tuple[nn.Module, Task], heads: Tensor) -> dict[str, Any]:
    """One variant, by every judge."""
    stated = {**REFINED.model_dump(), **VARIANTS[name]}
    limited = {key: min(stated[key], size.most) for key in ("steps", "tuning_steps")}
    settings = InvertSettings(**{**stated, **limited, "first": size.labelled})
    folder, before = folder_of(work, name), untuned(name)
    base = None if before == name else folder_of(work, before) / "latents"
    seconds = inverted(GENERATOR, LABELLED, folder / "latents", settings, base)
    own = folder / "latents" / OWN
    others = settings.model_copy(update={"first": size.held_out, "tuning_steps": 0})
    inverted(own if settings.tuning_steps else GENERATOR, HELD_OUT, folder / "held-out", others)
    run_to_end(fit(GENERATOR, folder / "latents", folder / "labeler", FIT.model_copy(update={"steps": size.fit})))
    labeler = load_labeler(folder / "labeler")
    found: dict[str, Any] = {"settings": VARIANTS[name], "seconds": seconds}
    for part in ("latents", "held-out"):
        transfer = label_transfer(*fixed, labeler.generator, folder / part)
        found[part] = {
            "reconstruction": reconstruction(folder / part),
            "label_transfer": {kind: scores["metrics"]["miou"] for kind, scores in transfer.items()},
            "labeler": label_quality(labeler, folder / part)["metrics"]["miou"],
        }
    if settings.tuning_steps or not VARIANTS[name]:
        draws = [Draw(seed) for seed in range(size.samples)]
        found["distance"] = distances(heads, run_to_end(drawn_features(labeler.generator, draws)))
    return found


def encoder(work: Path, name: str, size: Size) -> dict[str, Any]:
    """What an encoder alone gives for held-out heads, without refinement."""
    update = {"first": size.held_out, "steps": 0, "encoder_batch": 16, **ENCODERS[name]}
    folder = folder_of(work, name)
    seconds = inverted(GENERATOR, HELD_OUT, folder / "held-out", REFINED.model_copy(update=update))
    return {"settings": ENCODERS[name], "seconds": seconds, "reconstruction": reconstruction(folder / "held-out")}


def main() -> None:
    """Parse the command line, measure and write after every variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where inversions and labelers lie")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", help="these variants and encoders; the others stay as they were measured")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    options.work.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"variants": {}, "encoders": {}}
    if RESULT.is_file() and not options.quick:
        result = read_json(RESULT)
    versions = {name: version(name) for name in ("handsoff-labels", "torch")}
    result |= {"machine": machine(), "versions": versions, "labelled": size.labelled, "held_out": size.held_out}
    result |= {"samples": size.samples}
    fixed, heads = judge(options.work, size), heads_features()
    wanted = options.only or [*VARIANTS, *ENCODERS]
    for name in wanted:
        if name in VARIANTS:
            result["variants"][name] = measured(options.work, name, size, fixed, heads)
            Console().print(name, result["variants"][name])
        else:
            result["encoders"][name] = encoder(options.work, name, size)
            Console().print(name, result["encoders"][name])
        write_json(options.work / "inversion.json" if options.quick else RESULT, result)


if __name__ == "__main__":
    main()
