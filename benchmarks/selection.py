"""Which rule of selection is worth most: `python benchmarks/selection.py WORK` on the demo's rendered heads.

The same draws are selected by each rule, and a model is trained on each of the datasets. The networks of real only, 50
labels, label them together with the pixel classifiers, as in `handsoff run`. The same rules select unlabelled heads
that those networks label. WORK is a folder for all that is made, and the same command goes on there.

Two and a half hours on one core. Cut: training runs of 600 steps of 8, 1,112 draws. Writes
benchmarks/results/selection.json.
`--quick` shows that it runs: few draws, few steps, no measurement, no result written.
"""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import handsoff
from handsoff.core.files import read_json
from handsoff.datasets.generated import open_generated
from handsoff.demo import DATA
from heads import demo_labeler, frame_of, write_result

RULES: dict[str, dict[str, Any]] = {
    "all samples": {"keep": 1.0},
    "the most certain 90 %": {"keep": 0.9, "strata": "none"},
    "the most certain 90 % of every rare part": {"keep": 0.9, "strata": "parts"},
    "all samples, 10 % of the pixels ignored": {"keep": 1.0, "ignore_pixels": 0.1},
    "90 % of every rare part, 5 % of the pixels ignored": {"keep": 0.9, "strata": "parts", "ignore_pixels": 0.05},
}
RARE = ("beard", "glasses", "hat")
FULL: dict[str, Any] = {
    "invert": {"steps": 100},
    "fit": {"steps": 150},
    "n": 1112,
    "photos": 1800,
    "evaluate": {"steps": 600, "batch": 8, "lr": 3e-3, "seeds": 3},
}
QUICK: dict[str, Any] = {
    "invert": {"steps": 5},
    "fit": {"steps": 10},
    "n": 40,
    "photos": 30,
    "evaluate": {"steps": 5, "seeds": 1, "batch": 4, "test_part": ":20"},
}


def measured(work: Path, rule: str, number: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The scores of models that learnt from what one rule selects of generated images, and of unlabelled photos."""
    made, photos = work / f"dataset-{number}", work / f"photos-{number}"
    handsoff.generate(work / "labeler", made, n=settings["n"], **RULES[rule])
    handsoff.label(work / "alone", DATA / "photos.zip", photos, n=settings["photos"], **RULES[rule])
    generated = learnt(work, made, ["synthetic_only", "real_plus_synthetic"], settings)
    return {"settings": RULES[rule], **generated, "photos": learnt(work, photos, ["real_plus_photos"], settings)}


def learnt(work: Path, dataset: Path, arms: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """What a dataset holds, and the scores of the arms that learn from it."""
    report = work / f"report-{dataset.name.removeprefix('dataset-')}"
    shared = {"before": work / "alone", "arms": arms, **settings["evaluate"]}
    handsoff.evaluate(DATA / "train.zip", dataset, DATA / "test.zip", report, **shared)
    metrics = read_json(report / "metrics.json")
    kept = [record["shows"]["segmentation"] for record in open_generated(dataset).records() if record["kept"]]
    return {
        "kept": len(kept),
        "shown": {part: sum(part in shows for shows in kept) for part in RARE},
        "arms": metrics["arms"],
        "per_class": metrics["per_class"],
    }


def main() -> None:
    """Measure every rule, print the table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    settings: dict[str, Any] = QUICK if options.quick else FULL
    work = options.work
    shared = {"arms": ["real_only"], "frame": frame_of(DATA / "generator"), **settings["evaluate"]}
    handsoff.evaluate(DATA / "train.zip", [], DATA / "test.zip", work / "alone", **shared)
    demo_labeler(work, {**settings, "fit": {"teacher": work / "alone", **settings["fit"]}})
    rules = {rule: measured(work, rule, number, settings) for number, rule in enumerate(RULES)}
    names = ("rule", "kept", "synthetic only", "real + synthetic", *(f"{part}: shown, IoU" for part in RARE))
    table = Table(*names, "real + photos")
    for rule, found in rules.items():
        arms = (f"{found['arms'][arm]['miou']['mean']:.3f}" for arm in ("synthetic_only", "real_plus_synthetic"))
        own = found["per_class"]["synthetic_only"]
        parts = (f"{found['shown'][part]}, {iou(own.get(part))}" for part in RARE)
        photos = found["photos"]["arms"]["real_plus_photos"]["miou"]["mean"]
        table.add_row(rule, str(found["kept"]), *arms, *parts, f"{photos:.3f}")
    Console().print(table)
    if not options.quick:
        alone = read_json(work / "alone" / "metrics.json")
        write_result("selection", settings, real_only=alone["arms"]["real_only"], rules=rules)


def iou(value: Any) -> str:
    """A score of a class, which may never occur."""
    found = value.get("mean") if isinstance(value, dict) else value
    return "–" if found is None else f"{found:.3f}"


if __name__ == "__main__":
    main()
