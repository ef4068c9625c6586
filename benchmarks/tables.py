"""Write the tables of README.md from benchmarks/results/*.json: no number there is typed by hand.

python benchmarks/tables.py [--check]
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ARMS = {"real_only": "real only", "synthetic_only": "synthetic only", "real_plus_synthetic": "real + synthetic"}


def faces(result: dict[str, Any]) -> str:
    """The faces recipe: what each arm reached, and what each step took."""
    machine, links = result["machine"], result["links"]
    generator = links["generator"]
    first = next(iter(links["budgets"].values()))["tasks"]["segmentation"]["arms"]
    resolution = result["recipe"]["train"]["resolution"]
    said = (
        f"Measured on {machine['cores']} CPU cores with `recipes/faces.toml`: {generator['images_used']:,} unlabelled face photos at {resolution} px, "
        f"a generator of {generator['parameters'] / 1e6:.1f} M parameters, {first['n_synthetic']:,} generated images, "
        f"{first['n_test']} real test photos, {len(first['arms']['real_only']['miou']['runs'])} seeds. mIoU over 8 classes:"
    )
    lines = [
        said,
        "",
        "| labels | " + " | ".join(ARMS.values()) + " | label generator on held-out photos |",
        "|---|---|---|---|---|",
    ]
    for budget, found in links["budgets"].items():
        link = found["tasks"]["segmentation"]
        arms = link["arms"]["arms"]
        cells = [f"{arms[arm]['miou']['mean']:.3f} ± {arms[arm]['miou']['std']:.3f}" for arm in ARMS]
        lines.append(f"| {budget} | " + " | ".join(cells) + f" | {link['labels_on_held_out_photos']['metrics']['miou']:.3f} |")
    lines += ["", "| step | minutes |", "|---|---|"]
    lines += [f"| {name} | {seconds / 60:.1f} |" for name, seconds in result["seconds"].items() if seconds is not None]
    return "\n".join(lines)


def heads(result: dict[str, Any]) -> str:
    """The demo: one run per arm, and what it took."""
    metrics, seconds = result["metrics"], sum(result["seconds"].values())
    said = (
        f"Measured on {result['machine']['cores']} CPU cores: {seconds:.0f} seconds. {metrics['n_real']} real and {metrics['n_synthetic']} generated labels, "
        f"{metrics['steps']} training steps, one run each (so differences of a point mean nothing), {metrics['n_test']} test heads:"
    )
    lines = [said, "", "| trained on | mIoU over 12 classes |", "|---|---|"]
    lines += [f"| {label} | {metrics['arms'][arm]['miou']['mean']:.3f} |" for arm, label in ARMS.items()]
    return "\n".join(lines)


TABLES = {"faces": faces, "heads": heads}


def main() -> int:
    readme = ROOT / "README.md"
    text = before = readme.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        source = ROOT / "benchmarks" / "results" / f"{name}.json"
        if source.is_file():
            body = table(json.loads(source.read_text(encoding="utf-8")))
            text = re.sub(f"(<!-- {name}:begin -->).*(<!-- {name}:end -->)", lambda found, body=body: f"{found[1]}\n{body}\n{found[2]}", text, flags=re.DOTALL)
    if "--check" in sys.argv:
        return int(text != before)
    readme.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
