"""Write the tables of README.md and docs/performance.md from benchmarks/results/*.json: no number there is typed by hand.

python benchmarks/tables.py [--check]
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ARMS = {"real_only": "real only", "synthetic_only": "synthetic only", "real_plus_synthetic": "real + synthetic"}


def reached(arms: dict[str, Any], metric: str) -> list[str]:
    """What each arm reached."""
    return [f"{arms[arm][metric]['mean']:.3f} ± {arms[arm][metric]['std']:.3f}" for arm in ARMS]


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
    gains = []
    for budget, found in links["budgets"].items():
        link = found["tasks"]["segmentation"]
        arms = link["arms"]["arms"]
        lines.append(
            f"| {budget} | "
            + " | ".join(reached(arms, "miou"))
            + f" | {link['labels_on_held_out_photos']['metrics']['miou']:.3f} |"
        )
        gains.append(
            f"{100 * (arms['real_plus_synthetic']['miou']['mean'] - arms['real_only']['miou']['mean']):.1f} points to {budget} labels"
        )
    lines += ["", "| step | minutes |", "|---|---|"]
    lines += [f"| {name} | {seconds / 60:.1f} |" for name, seconds in result["seconds"].items() if seconds is not None]
    lines += ["", f"So the dataset adds {' and '.join(gains)}."]
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


def generator(result: dict[str, Any]) -> str:
    """Our form of modulated convolution beside the published one."""
    lines = [
        "| px | batch | published form, float32 | ours, float32 | published, mixed | ours, mixed | ratio float32 | ratio mixed | difference |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in result["rows"]:
        times = " | ".join(
            f"{row[name]:.2f} s" for name in ("naive_float32", "ours_float32", "naive_mixed", "ours_mixed")
        )
        ratios = f"{row['ratio_float32']:.2f} | {row['ratio_mixed_to_mixed']:.2f} | {row['relative_difference']:.0e}"
        lines.append(f"| {row['resolution']} | {row['batch']} | {times} | {ratios} |")
    return "\n".join(lines)


def labeling(result: dict[str, Any]) -> str:
    """Labels beside images and beside the published form, and what arithmetic alone would take."""
    lines = [
        "| px | form | image | label | image + label / image | memory | times faster | times smaller | difference | same class |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for row in result["rows"]:
        cells = [
            str(row["size"]),
            row["form"],
            f"{row['image']:.2f} s",
            f"{row['label']:.2f} s",
            f"{(row['image'] + row['label']) / row['image']:.2f}",
        ]
        cells.append(f"{row['memory'] / 1e6:,.0f} MB")
        cells += [f"{row[name]:.1f}" if name in row else "" for name in ("faster", "smaller")]
        cells += (
            [f"{row['relative_difference']:.0e}", f"{row['same_argmax']:.3%}"] if "same_argmax" in row else ["", ""]
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| px | image | published form | ours | ours / image |", "|---|---|---|---|---|"]
    for size, counts in result["operations"].items():
        lines.append(
            f"| {size} | {counts['image']:,.0f} | {counts['naive']:,.0f} | {counts['ours']:,.0f} | {counts['ours'] / counts['image']:.1f} |"
        )
    return "\n".join(lines)


def fitting(result: dict[str, Any]) -> str:
    """Fitting the label generator at a size where hypercolumns fit no machine."""
    lines = [
        "| px | labelled images | seconds | of them the generator's | peak memory | published form, on paper |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        memory = f"{row['memory'] / 1e9:.1f} GB | {row['naive_memory'] / 1e9:,.0f} GB"
        lines.append(
            f"| {row['size']} | {row['images']} | {row['seconds']:.0f} | {row['generator_seconds']:.0f} | {memory} |"
        )
    return "\n".join(lines)


def writing(result: dict[str, Any]) -> str:
    """Images a second, from bare to written."""
    columns = (
        "images alone",
        "labelled by the members",
        "and by the networks",
        "written one after the other",
        "handsoff generate",
    )
    lines = [
        "| tasks | px | " + " | ".join(columns) + " | lost to files | times the cost of the first |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    first = result["rows"][0]["generate"]
    for row in result["rows"]:
        cells = [
            f"{row[name]:.1f}"
            for name in ("bare", "labelled_by_members_alone", "labelled", "one_after_the_other", "generate")
        ]
        cells += [f"{1 - row['generate'] / row['labelled']:.0%}", f"{first / row['generate']:.1f}"]
        lines.append(f"| {', '.join(row['tasks'])} | {row['size'][0]} | " + " | ".join(cells) + " |")
    precision = result["precision"]
    lines += [
        "",
        f"In 16 bits {precision['same_label']:.2%} of the pixels of {precision['samples']} samples have the class of 32 bits.",
    ]
    return "\n".join(lines)


def tasks(result: dict[str, Any]) -> str:
    """Every score of every task: the three arms, and the label generator on images that nobody fitted to."""
    lines = [
        "| task | labels | metric | " + " | ".join(ARMS.values()) + " | label generator on held-out images |",
        "|---|---|---|---|---|---|---|",
    ]
    for budget, found in result["links"]["budgets"].items():
        for task, link in found["tasks"].items():
            arms, held_out = link["arms"]["arms"], link["labels_on_held_out_photos"]["metrics"]
            lines += [
                f"| {task} | {budget} | {metric} | "
                + " | ".join([*reached(arms, metric), f"{held_out[metric]:.3f}"])
                + " |"
                for metric in held_out
            ]
    return "\n".join(lines)


TABLES = {
    "heads-tasks": ("docs/tasks.md", tasks), "faces-keypoints": ("docs/tasks.md", tasks),
    "faces": ("README.md", faces), "heads": ("README.md", heads),
    "generator": ("docs/performance.md", generator), "labeling": ("docs/performance.md", labeling),
    "fitting": ("docs/performance.md", fitting), "writing": ("docs/performance.md", writing),
}  # fmt: skip


def main() -> int:
    stale = False
    for name, (page, table) in TABLES.items():
        source = ROOT / "benchmarks" / "results" / f"{name}.json"
        if not source.is_file():
            continue
        text = (ROOT / page).read_text(encoding="utf-8")
        body = table(json.loads(source.read_text(encoding="utf-8")))
        fresh = re.sub(
            f"(<!-- {name}:begin -->).*(<!-- {name}:end -->)",
            lambda found, body=body: f"{found[1]}\n{body}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
        stale |= fresh != text
        if "--check" not in sys.argv:
            (ROOT / page).write_text(fresh, encoding="utf-8")
    return int(stale and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
