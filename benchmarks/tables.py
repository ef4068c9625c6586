"""Write the tables of README.md and docs/*.md from benchmarks/results/*.json: no number there is typed by hand.

`python benchmarks/tables.py` writes them; with `--check` it only says which pages are out of date, and fails if one is.
The results of recipes (faces, heads-tasks, …) are the `diagnosis.json` that `handsoff diagnose RUN` wrote; those of
methods side by side (compare-cars, …) the `compare.json` of `handsoff compare`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from handsoff.report.comparison import is_real
from handsoff.report.comparison import tables as tables_of_methods
from handsoff.report.verdict import REAL_ONLY, arm_title
from handsoff.tasks import TASKS, all_metrics

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
RUNS = {  # what README's table shows of finished recipes
    "faces, video frames": "faces-keypoints", "rendered heads": "heads-tasks",
    "cars": "cars", "fashion": "fashion", "driving": "driving",
}  # fmt: skip


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def head(*cells: str) -> list[str]:
    """The first two lines of a table."""
    return [row(*cells), "|" + "---|" * len(cells)]


def reached(arms: dict[str, Any], metric: str) -> list[str]:
    """What each arm reached."""
    return [f"{scores[metric]['mean']:.3f} ± {scores[metric]['std']:.3f}" for scores in arms.values()]


def faces(result: dict[str, Any]) -> str:
    """The faces recipe: what each arm reached, and what each step took."""
    machine, links = result["machine"], result["links"]
    generator = links["generator"]
    first = next(iter(links["budgets"].values()))["tasks"]["segmentation"]["arms"]
    resolution = result["recipe"]["train"]["resolution"]
    said = (
        f"Measured on {machine['cores']} CPU cores with `recipes/faces.toml`: {generator['images_used']:,} unlabelled "
        f"face photos at {resolution} px, a generator of {generator['parameters'] / 1e6:.1f} M parameters, "
        f"{first['n_synthetic']:,} generated images, {first['n_test']} real test photos, "
        f"{len(first['arms']['real_only']['miou']['runs'])} seeds, {first['steps']} training steps each. "
        "mIoU over 8 classes:"
    )
    titles = map(arm_title, first["arms"])
    lines = [said, "", *head("labels", *titles, "labeler on held-out photos")]
    gains = []
    for budget, found in links["budgets"].items():
        link = found["tasks"]["segmentation"]
        arms = link["arms"]["arms"]
        held_out = link["labels_on_held_out_photos"]["metrics"]["miou"]
        lines.append(row(budget, *reached(arms, "miou"), f"{held_out:.3f}"))
        gain = arms["real_plus_synthetic"]["miou"]["mean"] - arms["real_only"]["miou"]["mean"]
        gains.append(f"{100 * gain:.1f} points to {budget} labels")
    lines += ["", "| step | minutes |", "|---|---|"]
    lines += [f"| {name} | {seconds / 60:.1f} |" for name, seconds in result["seconds"].items() if seconds is not None]
    lines += ["", f"So the dataset adds {' and '.join(gains)}."]
    return "\n".join(lines)


def heads(result: dict[str, Any]) -> str:
    """The demo: one run per arm, and what it took."""
    metrics, seconds = result["metrics"], sum(result["seconds"].values())
    said = (
        f"Measured on {result['machine']['cores']} CPU cores: {seconds:.0f} seconds. {metrics['n_real']} real labels, "
        f"{metrics['n_synthetic']} generated heads and {metrics['n_photos']} unlabelled ones with made labels, "
        f"{metrics['steps']} training steps, one run each (so differences of a point mean nothing), "
        f"{metrics['n_test']} test heads:"
    )
    lines = [said, "", *head("trained on", "mIoU over 12 classes")]
    lines += [row(arm_title(arm), f"{scores['miou']['mean']:.3f}") for arm, scores in metrics["arms"].items()]
    return "\n".join(lines)


def generator(result: dict[str, Any]) -> str:
    """Our form of modulated convolution beside the published one."""
    lines = head(
        "px", "batch", "published form, float32", "ours, float32", "published, mixed", "ours, mixed",
        "ratio float32", "ratio mixed", "difference",
    )  # fmt: skip
    for case in result["rows"]:
        timed = (case[name] for name in ("naive_float32", "ours_float32", "naive_mixed", "ours_mixed"))
        ratios = (f"{case[name]:.2f}" for name in ("ratio_float32", "ratio_mixed_to_mixed"))
        times = (f"{seconds:.2f} s" for seconds in timed)
        difference = f"{case['relative_difference']:.0e}"
        lines.append(row(str(case["resolution"]), str(case["batch"]), *times, *ratios, difference))
    return "\n".join(lines)


def labeling(result: dict[str, Any]) -> str:
    """Labels beside images and beside the published form, and what arithmetic alone would take."""
    lines = head(
        "px", "form", "image", "label", "image + label / image", "memory", "times faster", "times smaller",
        "difference", "same class",
    )  # fmt: skip
    for case in result["rows"]:
        compared = "same_argmax" in case
        lines.append(
            row(
                str(case["size"]),
                case["form"],
                f"{case['image']:.2f} s",
                f"{case['label']:.2f} s",
                f"{(case['image'] + case['label']) / case['image']:.2f}",
                f"{case['memory'] / 1e6:,.0f} MB",
                *(f"{case[name]:.1f}" if name in case else "" for name in ("faster", "smaller")),
                f"{case['relative_difference']:.0e}" if compared else "",
                f"{case['same_argmax']:.3%}" if compared else "",
            )
        )
    lines += ["", *head("px", "image", "published form", "ours", "ours / image")]
    for size, counts in result["operations"].items():
        numbers = (f"{counts[name]:,.0f}" for name in ("image", "naive", "ours"))
        lines.append(row(size, *numbers, f"{counts['ours'] / counts['image']:.1f}"))
    return "\n".join(lines)


def fitting(result: dict[str, Any]) -> str:
    """Fitting the labeler at a size where hypercolumns fit no machine."""
    lines = head(
        "px", "labelled images", "seconds", "of them the generator's", "peak memory", "published form, on paper"
    )
    for case in result["rows"]:
        seconds = (f"{case[name]:.0f}" for name in ("seconds", "generator_seconds"))
        memory = f"{case['memory'] / 1e9:.1f} GB", f"{case['naive_memory'] / 1e9:,.0f} GB"
        lines.append(row(str(case["size"]), str(case["images"]), *seconds, *memory))
    return "\n".join(lines)


def writing(result: dict[str, Any]) -> str:
    """Images a second, from bare to written."""
    lines = head(
        "tasks", "px", "images alone", "labelled by the pixel classifiers",
        "and by the image networks", "written one after the other",
        "handsoff generate", "lost to files", "times the cost of the first",
    )  # fmt: skip
    columns = ("bare", "labelled_by_members_alone", "labelled", "one_after_the_other", "generate")
    first = result["rows"][0]["generate"]
    for case in result["rows"]:
        rates = (f"{case[name]:.1f}" for name in columns)
        lost, times = f"{1 - case['generate'] / case['labelled']:.0%}", f"{first / case['generate']:.1f}"
        lines.append(row(", ".join(case["tasks"]), str(case["size"][0]), *rates, lost, times))
    precision = result["precision"]
    same = f"{precision['same_label']:.2%} of the pixels of {precision['samples']} samples"
    return "\n".join([*lines, "", f"In 16 bits {same} have the class of 32 bits."])


def scale(result: dict[str, Any]) -> str:
    """What was measured of many samples, and ten million by it."""
    samples, records, wanted = result["samples"], result["records"], 10_000_000
    seconds, counted = records["seconds"], records["records"]
    grown = samples["megabytes_most"] - samples["megabytes_warm"]
    said = (
        f"From {samples['samples'] // 10:,} to {samples['samples']:,} samples the process grew by {grown:.0f} MB, from "
        f"{samples['megabytes_warm']:.0f} MB on. With a million records it had "
        f"{records['megabytes_of_columns'] * 1e6 / counted:.0f} MB of columns, and at the most "
        f"{records['megabytes_more_at_most'] * 1e6 / counted:.0f} MB more than before."
    )
    times, files = wanted / counted, samples["ledger_files"] / samples["samples"] * wanted
    rows = {
        **at_64_px(wanted),
        "shards": f"{wanted / result['shard']:,.0f}",
        "files of the ledger": f"{files:,.0f}",
        "ledger": f"{samples['ledger_bytes_per_sample'] * wanted / 1e9:.1f} GB",
        "`samples.jsonl`": f"{samples['records_bytes_per_sample'] * wanted / 1e9:.1f} GB",
        "`shards.jsonl`": f"{samples['index_bytes_per_sample'] * wanted / 1e9:.1f} GB",
        "memory of the process that decides": f"{records['megabytes_more_at_most'] * times / 1000:.1f} GB more",
        "samples a second that it can take, at the most": f"{counted / seconds['write']:,.0f}",
        "reading the ledger, when a run goes on": f"{seconds['read'] * times / 60:.0f} minutes",
        "selection": f"{seconds['decide'] * times / 60:.1f} minutes",
        "each file that is written of all records": f"{seconds['stream'] * times / 60:.0f} minutes",
    }
    lines = [said, "", *head("of ten million samples", ""), *(row(*pair) for pair in rows.items())]
    return "\n".join(lines)


def at_64_px(samples: int) -> dict[str, str]:
    """What computing samples of 64 px takes, by `engines.json`."""
    path = RESULTS / "engines.json"
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))["engines"]["processes"]
    hours = samples / found["samples_per_second"]["2"] * 2 / 3600
    return {
        "computing, at 64 px": f"{hours:,.0f} hours of one core",
        "images, masks and uncertainty, at 64 px": f"{found['bytes_per_sample'] * samples / 1e9:,.0f} GB",
    }


def engines(result: dict[str, Any]) -> str:
    """What a second worker gives, and what a shard costs beside its labels."""
    rows = result["engines"]
    counts = list(dict.fromkeys(count for found in rows.values() for count in found["milliseconds"]))
    lines = head(
        "engine", "one worker", "two workers", "ratio", "first result after",
        *(f"ms per shard, of {int(count):,}" for count in counts),
    )  # fmt: skip
    for name, found in rows.items():
        rates = (f"{rate:.1f}/s" for rate in found["samples_per_second"].values())
        spent = (f"{found['milliseconds'][count]:.2f}" for count in counts)
        lines.append(row(f"`{name}`", *rates, f"{found['ratio']:.2f}", f"{found['start']:.1f} s", *spent))
    told = f"On {result['machine']['cores']} CPU cores; of `local`, workers are threads."
    return "\n".join([*lines, "", told])


def tasks(result: dict[str, Any]) -> str:
    """Every score of every task: the arms, and the labeler on images that nobody fitted to."""
    links = [
        (task, budget, link)
        for budget, found in result["links"]["budgets"].items()
        for task, link in found["tasks"].items()
    ]
    lines = head("task", "labels", "metric", *map(arm_title, links[0][2]["arms"]["arms"]), "labeler on held-out images")
    for task, budget, link in links:
        lines += [
            row(task, budget, metric, *reached(link["arms"]["arms"], metric), f"{value:.3f}")
            for metric, value in link["labels_on_held_out_photos"]["metrics"].items()
        ]
    return "\n".join(lines)


def photos(result: dict[str, Any]) -> str:
    """What unlabelled photos are worth: every arm, its gain, and how long its runs were."""
    titles = ("photos", "labels", "trained on", "mIoU", "gain", "runs", "step whose weights count", "steps of the run")
    lines = head(*titles)
    for name in ("faces", "heads"):
        for budget, arms in result.get(name, {}).items():
            real = arms["real_only"]["miou"]["mean"]
            for arm, found in arms.items():
                miou, steps = found["miou"], found.get("step", [])
                gain = "" if arm == "real_only" else f"{100 * (miou['mean'] - real):+.1f}"
                title = {
                    "voters": "the three real-only networks voting",
                    "voters_of_round_2": "the three real + photos networks voting",
                }.get(arm, arm_title(arm))
                spans = [", ".join(map(str, sorted(values))) for values in (steps, found.get("steps", []))]
                score = f"{miou['mean']:.3f} ± {miou['std']:.3f}" if len(miou["runs"]) > 1 else f"{miou['mean']:.3f}"
                lines.append(row(name, budget, title, score, gain, str(len(miou["runs"])), *spans))
    return "\n".join(lines)


def training(result: dict[str, Any]) -> str:
    """FD after equal processor minutes, along the way and at the end."""
    trials = result["trials"]
    marks = [round(point["minutes"]) for point in trials[0]["curve"]]
    lines = head("variant", "seed", "kimg", *(f"FD-lite0 after {mark} min" for mark in marks), "FD, middle", "KD")
    for trial in trials:
        last, curve = trial["curve"][-1], (f"{point['fd_lite0']:.1f}" for point in trial["curve"])
        numbers = (f"{last[name]:.1f}" for name in ("fd_middle", "kd_lite0"))
        lines.append(row(trial["variant"], str(trial["seed"]), f"{last['kimg']:.1f}", *curve, *numbers))
    return "\n".join(lines)


def inversion(result: dict[str, Any]) -> str:
    """Every variant of inversion by every judge, and encoders alone."""
    heads = f"{result['labelled']} labelled and {result['held_out']} held-out heads"
    said = f"{heads}; FD-lite0 of {result['samples']:,} samples; seconds on one core:"
    lines = [said, ""]
    lines += head(
        "variant", "MSE, labelled", "perceptual, labelled", "MSE, held out", "perceptual, held out",
        "label transfer, labelled", "label transfer, held out", "labeler, held out", "FD-lite0", "seconds",
    )  # fmt: skip
    for name, found in result["variants"].items():
        parts = [found["latents"], found["held-out"]]
        errors = [f"{part['reconstruction'][error]:.4f}" for part in parts for error in ("pixel", "perceptual")]
        transfer = [f"{part['label_transfer']['reconstructions']:.3f}" for part in parts]
        distance = f"{found['distance']['fd_lite0']:.1f}" if "distance" in found else ""
        labeler = f"{found['held-out']['labeler']:.3f}"
        lines.append(row(name, *errors, *transfer, labeler, distance, f"{found['seconds']:.0f}"))
    photos = [part["label_transfer"]["photos"] for part in parts]
    lines.append(row("the photos themselves", *[""] * 4, *(f"{score:.3f}" for score in photos), *[""] * 3))
    if result["encoders"]:
        lines += ["", *head("encoder alone", "MSE, held out", "perceptual, held out", "seconds")]
    for name, found in result["encoders"].items():
        errors = [f"{found['reconstruction'][error]:.4f}" for error in ("pixel", "perceptual")]
        lines.append(row(name, *errors, f"{found['seconds']:.0f}"))
    return "\n".join(lines)


def gain(result: dict[str, Any]) -> str:
    """What the best arm adds to real labels on every domain: `result` is that of photos, the rest is read beside it."""
    lines = head("images", "labels", "score", "real only", "best arm", "gain")
    for title, name in (("faces", "faces"), ("rendered heads", "heads")):
        lines += [gain_row(title, budget, "miou", arms) for budget, arms in result.get(name, {}).items()]
    for title, name in RUNS.items():
        rows = [gain_row(title, *found) for found in [*compared_arms(name), *finished_arms(name)]]
        lines += rows or [row(title, *["–"] * 4, "not measured yet")]
    return "\n".join(lines)


def finished_arms(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Budget, first metric of the task, and arms of a finished recipe, of which `handsoff diagnose` told."""
    source = RESULTS / f"{name}.json"
    if source.is_file():
        for budget, found in json.loads(source.read_text(encoding="utf-8"))["links"]["budgets"].items():
            for task, link in found["tasks"].items():
                yield budget, next(iter(TASKS[task].metrics)), link["arms"]["arms"]


def compared_arms(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The same of a comparison: the arms of all methods, called by the method too."""
    source = RESULTS / f"compare-{name}.json"
    if source.is_file():
        for what, measured in json.loads(source.read_text(encoding="utf-8"))["results"].items():
            arms = {}
            for folder, found in measured.items():
                scored = found["metrics"]["arms"]
                own = "" if is_real(folder, scored) else f" ({', '.join(found['methods'])})"
                arms |= {f"{arm}{own}": scores for arm, scores in scored.items()}
            yield what.split()[0], next(iter(arms[REAL_ONLY])), arms


def methods(result: dict[str, Any]) -> str:
    """Every method's scores by labels, and what it took; classes are on the page that the comparison itself writes."""
    lines: list[str] = []
    for table in tables_of_methods(result):
        if not table.title.startswith("Classes"):
            body = [row(*cells) for cells in table.rows]
            lines += ["", f"**{table.title}.** {table.reading}", "", *head(*table.header), *body]
    return "\n".join(lines[1:])


def gain_row(title: str, budget: str, metric: str, arms: dict[str, Any]) -> str:
    """Real only beside the best other arm of one model and of as many runs."""
    lower, real = all_metrics()[metric].lower_is_better, arms["real_only"][metric]
    means = {
        name: found[metric]["mean"]
        for name, found in arms.items()
        if name != "real_only" and len(found[metric]["runs"]) == len(real["runs"])
    }
    best = (min if lower else max)(means, key=lambda name: means[name])
    change = means[best] - real["mean"]
    before, after = reached({"real_only": arms["real_only"], best: arms[best]}, metric)
    name = f"{all_metrics()[metric].title}{', less is better' if lower else ''}"
    shown = f"{change:+.3f}" if lower else f"{100 * change:+.1f} points"
    return row(title, budget, name, before, f"{after} {arm_title(best)}", shown)


def redesign(result: dict[str, Any]) -> str:
    """Scores and seconds of the demo before and after the code was arranged anew."""
    seconds, scores = result["seconds"], result["miou"]
    lines = head(
        "", *(f"{name}, seconds" for name in seconds), *(f"mIoU, {arm_title(arm)}" for arm in scores["before"])
    )
    for when in ("before", "after"):
        took = (f"{step[when]:.0f}" for step in seconds.values())
        lines.append(row(when, *took, *(f"{score:.3f}" for score in scores[when].values())))
    return "\n".join(lines)


def composition(result: dict[str, Any]) -> str:
    """What an aim asked for and what came out, and the share of every kind of proposal that was confirmed."""
    kinds = list(dict.fromkeys(kind for group in result["groups"] for kind in group["proposals"]))
    lines = head(
        "shown in", "asked", "reached", "plain draws", "labelled images", *(f"confirmed: {kind}" for kind in kinds)
    )
    for group in result["groups"]:
        shares = [f"{group[key]:.1%}" for key in ("asked", "reached", "plain", "photos")]
        found = [group["proposals"].get(kind) for kind in kinds]
        worked = ["–" if tried is None else f"{tried['confirmed']} of {tried['tried']}" for tried in found]
        lines.append(row(group["group"], *shares, *worked))
    told = f"{result['kept']:,} samples, chosen of {result['drawn']:,} draws:"
    return "\n".join([told, "", *lines])


def of_draws(values: list[float]) -> str:
    """Mean and, of several, the standard deviation."""
    mean = sum(values) / len(values)
    spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return f"{mean:.3f}" + (f" ± {spread:.3f}" if values[1:] else "")


def longtail(result: dict[str, Any]) -> str:
    """IoU of each part by the number of labelled heads that show it."""
    cells, lines = result["cells"], []
    ks = sorted({cell["k"] for cell in cells})
    for part in dict.fromkeys(cell["part"] for cell in cells):
        own = [cell for cell in cells if cell["part"] == part]
        lines += ["", *head(part, *(f"k = {k}" for k in ks))]
        for arm in dict.fromkeys(arm for cell in own for arm in cell["scores"]):
            found = [
                [cell["scores"][arm][part] for cell in own if cell["k"] == k and arm in cell["scores"]] for k in ks
            ]
            lines.append(row(arm.replace("_", " "), *(of_draws(values) if values else "–" for values in found)))
        reached = [[cell["aim"]["reached"] for cell in own if cell["k"] == k and cell["aim"]] for k in ks]
        lines.append(
            row("share of samples that the aim reached", *(of_draws(found) if found else "–" for found in reached))
        )
        shown = [cell["tested"]["shown"] for cell in own if "tested" in cell]
        if shown:
            lines += ["", f"Of the test {' to '.join(map(str, sorted({min(shown), max(shown)})))} images show {part}."]
    return "\n".join(lines[1:])


def selection(result: dict[str, Any]) -> str:
    """What each rule of selection keeps, and what a model makes of it."""
    parts = list(next(iter(result["rules"].values()))["shown"])
    lines = head(
        "rule",
        "kept",
        "synthetic only",
        "real + synthetic",
        *(f"{part}: samples, IoU of synthetic only" for part in parts),
    )
    for rule, found in result["rules"].items():
        arms = reached({arm: found["arms"][arm] for arm in ("synthetic_only", "real_plus_synthetic")}, "miou")
        own = found["per_class"]["synthetic_only"]
        shown = (f"{found['shown'][part]:,}, {own.get(part, {}).get('mean', 0.0):.3f}" for part in parts)
        lines.append(row(rule, f"{found['kept']:,}", *arms, *shown))
    return "\n".join(lines)


def bias(result: dict[str, Any]) -> str:
    """mIoU of every arm, and how much of the loss it gives back."""
    lines = head("labels", "trained on", "mIoU", "given back")
    for kind in dict.fromkeys(cell["bias"] for cell in result["cells"]):
        cells = [cell["miou"] for cell in result["cells"] if cell["bias"] == kind]
        lost = sum(cell["unbiased"] - cell["real_only"] for cell in cells)
        for arm in cells[0]:
            gained = sum(cell[arm] - cell["real_only"] for cell in cells)
            share = f"{gained / lost:.0%}" if lost > 0 and arm not in {"real_only", "unbiased"} else ""
            title = "real only, labels of all kinds" if arm == "unbiased" else arm.replace("_", " ")
            lines.append(row(kind, title, of_draws([cell[arm] for cell in cells]), share))
    return "\n".join(lines)


def conditions(result: dict[str, Any]) -> str:
    """What came out of what was asked for."""
    training, look = result["training"], result["looker"]
    right = ", ".join(f"{name} {share:.1%}" for name, share in look.items() if name != "yaw_error")
    said = (
        f"{training['kimg']} kimg at {training['resolution']} px; FD-lite0 {result['fd']:.1f} of images with the "
        f"attributes of photos. On rendered heads the networks that look are wrong by {look['yaw_error']:.1f} degrees "
        f"of yaw, and right about {right}."
    )
    lines = [said, "", *head("asked for", "came out", "unasked", "FD-lite0, asked", "FD-lite0, unconditional", "heads")]
    for case in result["rows"]:
        if "error" in case:
            came, none = f"{case['mean']:+.1f}°, off by {case['error']:.1f}°", f"off by {case['unasked']:.1f}°"
        else:
            came, none = f"{case['right']:.1%}", f"{case['unasked']:.1%}"
        known = (case[name] for name in ("fd_asked", "fd_unconditional"))
        distances = ("–" if value is None else f"{value:.1f}" for value in known)
        lines.append(row(case["asked"], came, none, *distances, f"{case['photos']:,}"))
    return "\n".join(lines)


def review(result: dict[str, Any]) -> str:
    """A simulated review: mIoU by the samples that were corrected, and how much was wrong in these."""
    settings, minutes = result["settings"], result["minutes_per_sample"]
    said = (
        f"{settings['seeds']} seeds, each with {settings['labels']} first labels and {settings['pool']} labelled heads "
        f"that can be corrected; mIoU on {settings['held_out']} other heads. A person is taken to need {minutes:g} "
        "minute for a sample:"
    )
    orders = list(dict.fromkeys(case["order"] for case in result["rows"]))
    lines = [said, "", *head("corrected", "minutes", *orders, *(f"wrong pixels, {order}" for order in orders))]
    for count in [0, *settings["budgets"]]:
        means, wrong, gains = [], [], []
        for order in orders:
            cases = [case for case in result["rows"] if (case["order"], case["corrected"]) == (order, count)]
            scores = [case["miou"] for case in cases]
            shares = [share for case in cases for share in case.get("changed", [])]
            means.append(f"{fmean(scores):.3f} ± {stdev(scores):.3f}")
            wrong.append(f"{fmean(shares):.0%}" if shares else "")
            first = fmean(case["miou"] for case in result["rows"] if (case["order"], case["corrected"]) == (order, 0))
            gains.append(f"{100 * (fmean(scores) - first):+.1f} {order}")
        lines.append(row(str(count), f"{count * minutes:g}", *means, *wrong))
    return "\n".join([*lines, "", f"Points of mIoU after {count * minutes:g} minutes: {', '.join(gains)}."])


def scrolling(result: dict[str, Any]) -> str:
    """What the server of a review takes with many samples."""
    lines = head(f"{result['samples']:,} samples", "seconds of one core")
    return "\n".join([*lines, *(row(what, f"{seconds:.2g}") for what, seconds in result["seconds"].items())])


TABLES = (  # of which results, in which page
    ("training", "docs/experiments/training.md", training),
    ("inversion", "docs/experiments/inversion.md", inversion), ("composition", "docs/composition.md", composition),
    ("selection", "docs/composition.md", selection), ("longtail", "docs/composition.md", longtail),
    ("longtail-faces", "docs/composition.md", longtail),
    ("bias", "docs/composition.md", bias),
    ("conditions", "docs/composition.md", conditions),
    ("photos", "docs/experiments/photos.md", photos), ("photos", "README.md", gain),
    ("heads-tasks", "docs/tasks.md", tasks), ("faces-keypoints", "docs/tasks.md", tasks),
    ("faces", "docs/experiments/faces.md", faces), ("heads", "docs/experiments/heads.md", heads),
    ("redesign", "docs/experiments/redesign.md", redesign),
    ("generator", "docs/performance.md", generator), ("labeling", "docs/performance.md", labeling),
    ("review", "docs/review.md", review), ("scrolling", "docs/review.md", scrolling),
    ("engines", "docs/engines.md", engines), ("scale", "docs/scale.md", scale),
    ("fitting", "docs/performance.md", fitting), ("writing", "docs/performance.md", writing),
    *((f"compare-{name}", f"docs/experiments/{name}.md", methods) for name in ("cars", "fashion", "driving")),
)  # fmt: skip


def main() -> int:
    stale = []
    for name, page, table in TABLES:
        source = RESULTS / f"{name}.json"
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
        if fresh != text and "--check" in sys.argv:
            stale.append(page)
            print(f"{page} is not what benchmarks/results/{source.name} says: run python benchmarks/tables.py.")
        elif fresh != text:
            (ROOT / page).write_text(fresh, encoding="utf-8")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
