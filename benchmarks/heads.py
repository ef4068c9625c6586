"""What the protocols on rendered heads share: more heads than the demo has, parts of folders, and results that add up.

`tools/render_heads` draws the heads, in an environment of its own (`make test-render-heads` sets it up).
"""

import argparse
import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import handsoff
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.samples import LabelledDataset
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.demo import DATA
from handsoff.generators.stored import read_card
from handsoff.inspection.diagnose import machine
from handsoff.sampling.targets import LEAST

ROOT = Path(__file__).parents[1]
RENDER, RESULTS = ROOT / "tools" / "render_heads" / "render.py", ROOT / "benchmarks" / "results"
TASK = "segmentation"
POOL, TEST, UNLABELLED = 11, 12, 0  # seeds: heads of different seeds share no identity; the generator saw those of 0


def options_of(about: str) -> argparse.ArgumentParser:
    """The options that every protocol has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for all that is made; the same command goes on there")
    parser.add_argument("--python", default=".venv-render/bin/python", help="interpreter that can render heads")
    parser.add_argument("--quick", action="store_true", help="show that it runs: no measurement, no result written")
    return parser


def demo_labeler(work: Path, settings: dict[str, Any]) -> Path:
    """A labeler of the demo's generator and its labelled heads; `work` then holds their latents too."""
    handsoff.invert(DATA / "generator", DATA / "train.zip", work / "latents", encoder_steps=0, **settings["invert"])
    return handsoff.fit(DATA / "generator", work / "latents", work / "labeler", **settings["fit"])


def rendered(out: Path, count: int, seed: int, python: str, *, labels: bool = True) -> Path:
    """A labelled folder of heads with `attributes.json`, or a zip of images with a .json beside it."""
    told = out / "attributes.json" if labels else out.with_suffix(".json")
    if not told.is_file():  # it is written last
        if shutil.which(python) is None:
            raise SystemExit(f"There is no {python}, which renders heads: `make test-render-heads` sets it up.")
        numbers = ["--count", str(count), "--seed", str(seed), "--workers", str(os.cpu_count())]
        flags = ["--attributes", *(["--labels"] if labels else [])]
        subprocess.run(  # noqa: S603  # our own script
            [python, str(RENDER), str(out), *numbers, *flags], check=True
        )
    return out


def attributes_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Name of a head → its attributes."""
    found: dict[str, dict[str, Any]] = read_json(folder / "attributes.json")
    return found


def shares_of(data: LabelledDataset, part: str) -> dict[str, float]:
    """Name of a head → share of its pixels that are of a class."""
    return {name: data.tasks[TASK].scores.shows(data.label(TASK, name)).get(part, 0.0) for name in data.names}


def showing(data: LabelledDataset, part: str) -> tuple[list[str], list[str]]:
    """The heads that show a class, and those of which no pixel does."""
    shares = shares_of(data, part)
    return [name for name in data.names if shares[name] >= LEAST], [name for name in data.names if not shares[name]]


def chosen(data: LabelledDataset, names: Sequence[str], out: Path) -> Path:
    """A labelled folder of some heads, with their masks alone."""
    tasks = {TASK: data.tasks[TASK]}
    for name in sorted(names):
        image, labels = data.sample(name)
        write_sample(out, name, image, {TASK: labels[TASK]}, tasks)
    write_cards(out, tasks)
    return out


def chosen_latents(latents: Path, names: Sequence[str], out: Path) -> Path:
    """A folder of `handsoff invert` with some of its photos: latents are found photo by photo, so they are the same."""
    chosen(open_labelled(latents / "labels", tasks=[TASK]), names, out / "labels")
    for file in ("job.json", "report.json", "latents.json", "latents.safetensors", "contact.png", "DONE"):
        shutil.copyfile(latents / file, out / file)
    return out


def frame_of(generator: Path) -> str:
    """The size of a generator's images, as `evaluate --set frame` takes it."""
    return "x".join(map(str, read_card(generator).image_size))


def parts_of(metrics: dict[str, Any], parts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Arm → mIoU and the IoU of each part, 0 where the arm never predicts it."""
    return {
        arm: {
            "miou": scores["miou"]["mean"],
            **{part: metrics["per_class"][arm].get(part, {}).get("mean", 0.0) for part in parts},
        }
        for arm, scores in metrics["arms"].items()
    }


def write_result(name: str, settings: dict[str, Any], **found: Any) -> None:
    """Write benchmarks/results/NAME.json."""
    facts = {"machine": machine(), "version": version("handsoff-labels"), "settings": settings}
    write_json(RESULTS / f"{name}.json", {**facts, **found})
