"""What a diffusion model's features tell, and what they cost: `python benchmarks/diffusion.py MODEL LABELLED`.

Quality: for every noise level, and for several together, pixel classifiers on the features of the first labelled photos
and their score on the others, as they are. Cost: reading labels off a hypercolumn as wide as the published one (three
noise levels of 2,816 channels at 256 px; how they spread over sizes is ours), built as published and never built; and
what 50 images of it take on paper. `--quick` does less of everything. Writes benchmarks/results/diffusion.json.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from handsoff.core.device import keep_freed_memory
from handsoff.core.files import read_json, write_json
from handsoff.evaluation.score import score
from handsoff.evaluation.settings import ScoreSettings
from handsoff.inspection.diagnose import machine
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.fit import fit
from handsoff.labeling.hypercolumn import materialised
from handsoff.labeling.settings import FitSettings

SIGMAS = (0.05, 0.13, 0.25, 0.5, 1.0)
MAPS = ((1024, 32), (512, 64), (512, 64), (512, 64), (256, 128)) * 3  # channels and side: 8,448 channels together
SIZE, CLASSES, IMAGES = 256, 19, 50
PIXELS = 4096  # of every image that a fit keeps, in 16 bits
RESULT = Path(__file__).parent / "results" / "diffusion.json"


def quality(model: Path, labelled: Path, first: int, folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    """A line per choice of noise levels: all alone, neighbours together, and all together."""
    chosen = [(sigma,) for sigma in SIGMAS] + [SIGMAS[1:3], SIGMAS[::2], SIGMAS]
    few = {"members": 2, "steps": 50} if quick else {}
    rows = []
    for sigmas in chosen[1:3] if quick else chosen:
        name = "-".join(map(str, sigmas))
        settings = FitSettings(features=("diffusion",), sigmas=sigmas, networks=0, first=first, **few)
        began = time.perf_counter()
        run_to_end(fit(model, labelled, folder / f"labeler-{name}", settings))
        seconds = time.perf_counter() - began
        test = ScoreSettings(test_part=f"{first}:{first + 8}" if quick else f"{first}:")
        run_to_end(score([folder / f"labeler-{name}"], labelled, folder / f"score-{name}", test))
        (arm,) = read_json(folder / f"score-{name}" / "metrics.json")["arms"].values()
        rows.append({"sigmas": sigmas, "seconds": round(seconds, 1), **{metric: arm[metric]["mean"] for metric in arm}})
        print(rows[-1], flush=True)  # it takes a while
    return rows


@torch.inference_mode()
def case(form: str, size: int) -> None:
    """Print seconds and bytes of one form, alone in its process."""
    keep_freed_memory()
    torch.manual_seed(0)
    maps = [torch.randn(1, channels, side * size // SIZE, side * size // SIZE) for channels, side in MAPS]
    ensemble = Ensemble(sum(channels for channels, _ in MAPS), CLASSES, 10, (128, 32)).eval()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    if form == "published":
        columns = materialised(maps, (size, size))[0].flatten(1).T
        for member in range(ensemble.members):
            ensemble.alone(member, columns)
    else:
        ensemble.dense(maps, (size, size))
    seconds = time.perf_counter() - began
    print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def cost(size: int) -> dict[str, Any]:
    """Both forms, and what the hypercolumns of 50 images take on paper."""
    rows: dict[str, Any] = {}
    for form in ("published", "ours"):
        command = [sys.executable, __file__, "-", "-", "--case", form, str(size)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603  # this file
        rows[form] = {"seconds": float(said[0]), "bytes": float(said[1])}
    channels = sum(channels for channels, _ in MAPS)
    rows |= {"faster": rows["published"]["seconds"] / rows["ours"]["seconds"]}
    rows |= {"smaller": rows["published"]["bytes"] / max(rows["ours"]["bytes"], 1e6)}  # less than 1 MB is not seen
    return rows | {"published_50": 4 * channels * size**2 * IMAGES, "ours_50": 2 * channels * PIXELS * IMAGES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the folder of handsoff train --kind diffusion, or of an import")
    parser.add_argument("labelled", type=Path, help="labelled photos")
    parser.add_argument("--first", type=int, default=50, help="learn from so many, test on the others")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        case(given.case[0], int(given.case[1]))
        return
    size = SIZE // 4 if given.quick else SIZE
    taken = cost(size)  # first: a child's largest memory begins with that of its parent
    with tempfile.TemporaryDirectory() as folder:
        rows = quality(given.model, given.labelled, given.first, Path(folder), quick=given.quick)
    metrics = [name for name in rows[0] if name not in {"sigmas", "seconds"}]
    table = Table("σ", "fitted in", *metrics)
    for row in rows:
        table.add_row(
            ", ".join(map(str, row["sigmas"])), f"{row['seconds']:.0f} s", *(f"{row[name]:.3f}" for name in metrics)
        )
    Console().print(table)
    for form in ("published", "ours"):
        print(
            f"8,448 channels at {size} px, {form}: {taken[form]['seconds']:.2f} s, {taken[form]['bytes'] / 1e6:.0f} MB"
        )
    gigabytes = taken["published_50"] / 1e9, taken["ours_50"] / 1e9
    print(f"50 images on paper: {gigabytes[0]:.1f} GB as published, {gigabytes[1]:.1f} GB kept here")
    if not given.quick:
        write_json(RESULT, {"machine": machine(), "first": given.first, "quality": rows, "cost": taken})


if __name__ == "__main__":
    main()
