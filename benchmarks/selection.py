"""Which rule of selection is worth most: `python benchmarks/selection.py WORK` on the demo's rendered heads.

The same draws are selected by each rule, and a model is trained on each of the datasets. WORK is a folder for them, and
the same command goes on there. Writes benchmarks/results/selection.json. `--quick` shows that it runs: few draws, few
steps, no measurement, no result written.
"""

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import handsoff
from handsoff.core.files import read_json, write_json
from handsoff.datasets.generated import open_generated
from handsoff.demo import DATA
from handsoff.inspection.diagnose import machine
from heads import demo_labeler

RULES: dict[str, dict[str, Any]] = {
    "all samples": {"keep": 1.0},
    "the most certain 90 %": {"keep": 0.9},
    "the most certain 90 % of every rare part": {"keep": 0.9, "strata": "parts"},
    "all samples, 10 % of the pixels ignored": {"keep": 1.0, "ignore_pixels": 0.1},
    "90 % of every rare part, 5 % of the pixels ignored": {"keep": 0.9, "strata": "parts", "ignore_pixels": 0.05},
}
RARE = ("beard", "glasses", "hat")
RESULT = Path(__file__).parent / "results" / "selection.json"
FULL = {"invert": {}, "fit": {}, "n": 2222, "evaluate": {"steps": 1500, "seeds": 3}}
QUICK = {
    "invert": {"steps": 5},
    "fit": {"steps": 10, "networks": 0},
    "n": 40,
    "evaluate": {"steps": 5, "seeds": 1, "batch": 4, "test_part": ":20"},
}


def measured(work: Path, rule: str, number: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The scores of a model that learnt from the dataset of one rule, alone and beside the real labels."""
    dataset, report = work / f"dataset-{number}", work / f"report-{number}"
    handsoff.generate(work / "labeler", dataset, n=settings["n"], **RULES[rule])
    handsoff.evaluate(DATA / "train.zip", dataset, DATA / "test.zip", report, **settings["evaluate"])
    metrics = read_json(report / "metrics.json")
    kept = [record["shows"]["segmentation"] for record in open_generated(dataset).records() if record["kept"]]
    return {
        "settings": RULES[rule],
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
    demo_labeler(work, settings)
    rules = {rule: measured(work, rule, number, settings) for number, rule in enumerate(RULES)}
    table = Table("rule", "kept", "synthetic only", "real + synthetic", *(f"{part}: shown, IoU" for part in RARE))
    for rule, found in rules.items():
        arms = (f"{found['arms'][arm]['miou']['mean']:.3f}" for arm in ("synthetic_only", "real_plus_synthetic"))
        own = found["per_class"]["synthetic_only"]
        parts = (f"{found['shown'][part]}, {iou(own.get(part))}" for part in RARE)
        table.add_row(rule, str(found["kept"]), *arms, *parts)
    Console().print(table)
    if not options.quick:
        write_json(
            RESULT, {"machine": machine(), "version": version("handsoff-labels"), "n": settings["n"], "rules": rules}
        )


def iou(value: Any) -> str:
    """A score of a class, which may never occur."""
    found = value.get("mean") if isinstance(value, dict) else value
    return "–" if found is None else f"{found:.3f}"


if __name__ == "__main__":
    main()
