"""What data and methods are worth: scores of every arm beside real labels alone."""

import json
from collections.abc import Iterator
from typing import Any

from rows import RESULTS, head, reached, row

from handsoff.report.comparison import is_real
from handsoff.report.comparison import tables as tables_of_methods
from handsoff.report.curve import worth_of
from handsoff.report.verdict import REAL_ONLY, arm_title, difference, score
from handsoff.tasks import TASKS, all_metrics

RUNS = {  # what README's table shows: of comparisons and, where they say nothing, of a finished recipe
    "faces, video frames": (["keypoints"], "faces-keypoints"),
    "rendered heads": (["heads", "heads-keypoints", "heads-depth"], "heads-tasks"),
    "cars": (["cars"], "cars"), "fashion": (["fashion"], "fashion"), "driving": (["driving"], "driving"),
}  # fmt: skip


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


def gain(result: dict[str, Any]) -> str:
    """What the best arm adds to real labels on every domain: `result` is that of photos, the rest is read beside it."""
    lines = head("images", "labels", "score", "real only", "best arm", "gain")
    for title, name in (("faces", "faces"), ("rendered heads", "heads")):
        lines += [gain_row(title, budget, "miou", arms) for budget, arms in result.get(name, {}).items()]
    for title, (comparisons, recipe) in RUNS.items():
        compared = (arms for comparison in comparisons for arms in compared_arms(comparison))
        both = [*finished_arms(recipe), *compared]  # the later one counts
        found = {(budget, metric): arms for budget, metric, arms in both}
        rows = [gain_row(title, budget, metric, arms) for (budget, metric), arms in found.items()]
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


def headline(result: dict[str, Any]) -> str:
    """How many labels the best arm of a comparison with a learning curve is worth, in a sentence per budget."""
    lines = []
    for budget, measured in result["results"].items():
        worth = {
            (found["metrics"]["arms"][arm][metric]["mean"], arm, folder): worth_of(found["metrics"], arm)
            for folder, found in measured.items()
            for metric in [found["metrics"]["curve"]["metric"]]
            for arm in found["metrics"]["curve"]["worth"]
        }
        _, arm, folder = max(worth)
        method, metrics = ", ".join(measured[folder]["methods"]), measured[folder]["metrics"]
        seeds = len(next(iter(metrics["arms"][arm].values()))["runs"])
        lines.append(
            f"**{budget} labelled faces with HandsOff do the work of {worth[max(worth)]}** ({arm_title(arm)}, "
            f"{method}, {seeds} seeds, {metrics['n_test']} test photos)."
        )
    return "\n".join(lines)


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
    gap = difference(score(arms[best][metric]), score(real), metric)
    before, after = reached({"real_only": arms["real_only"], best: arms[best]}, metric)
    name = f"{all_metrics()[metric].title}{', less is better' if lower else ''}"
    shown = f"{gap.change:+.3f}" if lower else f"{100 * gap.change:+.1f} points"
    shown += "" if gap.clear else ", not clear"
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
