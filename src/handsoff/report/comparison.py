"""Several methods side by side, as tables for the terminal and as `compare.html`, one file that needs nothing else."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from handsoff.core.files import read_json, write_bytes
from handsoff.pages.render import render
from handsoff.report.composition import Table
from handsoff.report.curve import worth_of
from handsoff.report.gallery import contact_sheet
from handsoff.report.verdict import REAL_ONLY, Score, arm_title, difference, number, score, scores, title

COMPARISON = "compare.json"
PEAKS = {"ram_mib": "memory, MiB", "gpu_mib": "GPU memory, MiB"}
Measured = Mapping[str, Mapping[str, Any]]  # folder → its methods and metrics


def write_comparison(out: Path) -> None:
    """Write `out/compare.html` about `out/compare.json` and the datasets of the methods.

    Raises:
        InputError: `compare.json` is missing or damaged.
    """
    found = read_json(out / COMPARISON)
    html = render(
        "handsoff.report",
        "compare.html",
        page_title=f"{out.name} – HandsOff comparison",
        methods=list(found["methods"]),
        tables=list(tables(found)),
        sheets=list(pictures(found, out)),
    )
    write_bytes(out / "compare.html", html)


def tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """Scores and classes of every budget and task, then what the methods took."""
    for name, measured in found["results"].items():
        budget, _, task = name.partition(" ")
        what = f"{budget} labels{f', {task}' if task else ''}"
        yield score_table(what, measured)
        yield from worth_table(what, measured)
        if (table := class_table(what, measured)).rows:
            yield table
    yield cost_table(found["methods"])


def score_table(what: str, measured: Measured) -> Table:
    """Every arm of every method, with its difference to the real labels alone."""
    entries = {folder: scores(dict(found["metrics"])) for folder, found in measured.items()}
    names = list(dict.fromkeys(name for entry in entries.values() for arm in entry.values() for name in arm))
    real = next((entry[REAL_ONLY] for folder, entry in entries.items() if is_real(folder, entry)), {})
    tests = {folder: int(found["metrics"]["n_test"]) for folder, found in measured.items()}
    own = next((tests[folder] for folder, entry in entries.items() if is_real(folder, entry)), max(tests.values()))
    rows = []
    for folder, entry in entries.items():
        beside = {} if is_real(folder, entry) or tests[folder] != own else real
        for arm, metrics in entry.items():
            cells = [cell(metrics.get(name), beside.get(name), name) for name in names]
            there = "" if tests[folder] == own else f" (on {tests[folder]:,} test images)"
            rows.append((method_title(folder, measured, entry), f"{row_title(folder, arm)}{there}", *cells))
    reading = (
        f"Mean ± spread of the runs on {own:,} test images; after it the difference to real only, with ~ where chance "
        "between runs may make it, or single runs cannot tell."
    )
    return Table(f"Scores: {what}", reading, ("method", "trained on", *map(title, names)), rows)


def worth_table(what: str, measured: Measured) -> Iterator[Table]:
    """How many labels every arm is worth, where real only has a learning curve."""
    rows: list[tuple[str, ...]] = []
    points: Mapping[str, Any] = {}
    for folder, found in measured.items():
        metrics = dict(found["metrics"])
        points = points or (metrics.get("curve") or {}).get("points", {})
        entry = scores(metrics)
        worth = {arm: worth_of(metrics, arm) for arm in entry}
        rows += [
            (method_title(folder, measured, entry), row_title(folder, arm), worth[arm]) for arm in entry if worth[arm]
        ]
    if rows:
        learnt = ", ".join(f"{int(number):,} labels {score(entry).shown}" for number, entry in points.items())
        reading = (
            "As many labels as real only needs for the mean score of an arm; in brackets all numbers from which chance "
            f"between runs does not tell it. Real only reaches: {learnt}."
        )
        yield Table(f"Worth as many labels as: {what}", reading, ("method", "trained on", "does the work of"), rows)


def is_real(folder: str, entry: Mapping[str, Any]) -> bool:
    """Whether these are the runs that all methods are compared with."""
    return folder.startswith("real-only/") and REAL_ONLY in entry


def method_title(folder: str, measured: Measured, entry: Mapping[str, Any]) -> str:
    return "all" if is_real(folder, entry) else ", ".join(measured[folder]["methods"])


def row_title(folder: str, arm: str) -> str:
    """An arm, and which of a method's evaluations it is of where that is not its report."""
    kind = Path(folder).name
    return arm_title(arm) if kind.startswith("report") else f"{arm_title(arm)} ({kind})"


def cell(score: Score | None, real: Score | None, metric: str) -> str:
    """A score and, where there is one to compare with, its difference, with ~ where it is not known to be clear."""
    if score is None:
        return "–"
    if real is None:
        return score.shown
    gap = difference(score, real, metric)
    return f"{score.shown} ({'' if gap.clear else '~'}{gap.shown})"


def class_table(what: str, measured: Measured) -> Table:
    """Class or point → the score of every method's best arm, by validation where there was one."""
    columns: dict[str, Mapping[str, Any]] = {}
    for folder, found in measured.items():
        metrics = found["metrics"]
        entry = scores(dict(metrics))
        arm = (metrics.get("handed_over") or {}).get("arm") or next(iter(entry))
        label = f"{method_title(folder, measured, entry)}: {row_title(folder, arm)}"
        columns[label] = (metrics.get("per_class") or {}).get(arm, {})
    parts = dict.fromkeys(part for column in columns.values() for part in column)
    rows = [
        (part, *(number(column[part]["mean"]) if part in column else "–" for column in columns.values()))
        for part in parts
    ]
    judged = any((found["metrics"].get("handed_over") or {}).get("by") == "validation" for found in measured.values())
    reading = "Each method's arm that is best on validation." if judged else "Each method's last arm: nothing chose it."
    return Table(f"Classes and points: {what}", reading, ("", *columns), rows)


def cost_table(methods: Mapping[str, Any]) -> Table:
    """What every method takes, steps that it shares with others included."""
    rows = []
    for method, found in methods.items():
        peaks = [f"{found[kind]:,.0f}" if kind in found else "–" for kind in PEAKS]
        rows.append((method, f"{found['seconds'] / 60:,.1f}", *peaks, oracle_text(found["oracles"])))
    reading = (
        "Minutes of all steps of a method, those too that it shares with others; memory of its largest step; labels "
        "beyond the budget that an oracle learnt from, and what it scores on the test itself."
    )
    return Table("What it takes", reading, ("method", "minutes", *PEAKS.values(), "labels of an oracle"), rows)


def oracle_text(oracles: Mapping[str, Any]) -> str:
    """Labels and score of a method's oracles, "–" where it has none."""
    texts = []
    for entry in oracles.values():
        metric, score = next(iter(entry["scores"].items()))
        texts.append(f"{entry['labels']:,} ({title(metric)} {number(score['mean'])})")
    return "; ".join(texts) or "–"


def pictures(found: Mapping[str, Any], out: Path) -> Iterator[tuple[str, str]]:
    """What each method made: the first samples of its datasets, and its predictions for test images."""
    seen: set[Path] = set()
    for method, made in found["methods"].items():
        for name in made["steps"]:
            for file in (out / name / "preview.png", *sorted((out / name / "predictions").glob("*.png"))):
                if file not in seen and (picture := contact_sheet(file)):
                    seen.add(file)
                    what = "samples" if file.name == "preview.png" else f"{arm_title(file.stem)} on test images"
                    yield f"{method}: {what} ({name})", picture
