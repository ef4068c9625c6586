"""`report.html`: the whole report as one file that needs nothing else, for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.files import read_json, write_bytes
from handsoff.datasets.generated import Record
from handsoff.report.gallery import (
    Gallery,
    contact_sheet,
    histogram,
    kept,
    open_gallery,
    part_shares,
    reasons,
    sample_pictures,
)
from handsoff.report.render import render
from handsoff.report.verdict import (
    REAL_ONLY,
    Difference,
    Score,
    arm_title,
    caution,
    comparison,
    difference,
    main_metric,
    meaning,
    per_class,
    scores,
    title,
    verdict,
)

GOLDEN_ANGLE = 137.5  # degrees between the hues of two arms that follow one another: no two look alike


def write_page(report: Path, datasets: Mapping[str, Path]) -> None:
    """Write `report/report.html` about the metrics in `report` and the datasets they were measured with, by name.

    Whatever is not there (masks, uncertainty maps, predictions, inversions, …) is left out.

    Raises:
        InputError: `metrics.json` is missing or damaged.
    """
    metrics = read_json(report / "metrics.json")
    galleries = {name: open_gallery(folder, str(metrics.get("task"))) for name, folder in datasets.items()}
    records = {name: gallery.records() for name, gallery in galleries.items()}
    task = next((gallery.task for gallery in galleries.values() if gallery.task), None)
    shares = mean_shares([part_shares(gallery, records[name]) for name, gallery in galleries.items()])
    licences = dict.fromkeys(str(found) for gallery in galleries.values() if (found := gallery.manifest.get("licence")))
    arms = {arm: arm_title(arm) for arm in scores(metrics)}
    html = render(
        "page.html",
        task=metrics.get("task", ""), note=metrics.get("note"), arms=arms, colours=colours(arms), **headline(metrics),
        comparison=comparison(metrics), caution=caution(metrics),
        meaning=meaning(metrics, [name for name, share in shares.items() if share == 0]),
        shares=shares, parts=part_bars(metrics, shares), part_metric=task.part_metric if task else "",
        legend=task.drawing.legend() if task else [],
        sections=[section(name, gallery, records[name], len(galleries)) for name, gallery in galleries.items()],
        predictions={label: contact_sheet(report / "predictions" / f"{arm}.png") for arm, label in arms.items()},
        facts=facts(metrics, galleries.values(), [record for found in records.values() for record in found]),
        licences=list(licences), settings=settings([*datasets.values(), report]),
    )  # fmt: skip
    write_bytes(report / "report.html", html)


def optional_json(path: Path, default: Any) -> Any:
    return read_json(path) if path.is_file() else default


def mean_shares(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Class or point → the mean of its shares in the datasets."""
    known = [shares for shares in found if shares]
    names = dict.fromkeys(name for shares in known for name in shares)
    return {name: sum(shares.get(name, 0.0) for shares in known) / len(known) for name in names}


def section(name: str, gallery: Gallery, records: list[Record], datasets: int) -> dict[str, Any]:
    """The pictures of one dataset; its name is shown where there are several."""
    return {
        "name": name if datasets > 1 else "",
        **sample_pictures(gallery, records),
        "histogram": histogram(records),
        "reasons": reasons(records),
        "inversions": contact_sheet(gallery.folder / "inversions.png"),
    }


def colours(arms: Iterable[str]) -> dict[str, str]:
    """Arm → its colour in CSS: grey for real only, then two of the page's own, then one hue after the other."""
    others = [arm for arm in arms if arm != REAL_ONLY]
    own = ["var(--synthetic)", "var(--both)"][: len(others)]
    further = [f"hsl({round(index * GOLDEN_ANGLE) % 360} 50% 52%)" for index in range(1, len(others) - len(own) + 1)]
    return {REAL_ONLY: "var(--real)", **dict(zip(others, [*own, *further], strict=True))}


def headline(metrics: dict[str, Any]) -> dict[str, Any]:
    """Verdict, table of the arms, and where every run lies on the main metric's scale."""
    found = scores(metrics)
    sentence, tone = verdict(found)
    names = list({name: None for arm in found.values() for name in arm})
    real = found.get(REAL_ONLY, {})

    def cell(arm: str, name: str) -> tuple[Score, Difference | None] | None:
        if name not in found[arm]:
            return None
        value = found[arm][name]
        return value, difference(value, real[name], name) if arm != REAL_ONLY and name in real else None

    return {
        "verdict": sentence,
        "tone": tone,
        "metrics": [title(name) for name in names],
        "rows": [(arm, arm_title(arm), [cell(arm, name) for name in names]) for arm in found],
        "dots": dots(found),
    }


def dots(found: dict[str, dict[str, Score]]) -> dict[str, Any] | None:
    """Positions, in percent of the width, of every run and mean of the main metric."""
    metric = main_metric(found)
    arms = {arm: entry[metric] for arm, entry in found.items() if metric in entry and np.isfinite(entry[metric].mean)}
    if not arms:
        return None
    values = [value for entry in arms.values() for value in (*entry.runs, entry.mean)]
    low, high = min(values), max(values)
    margin = max((high - low) * 0.12, 0.005)
    low, span = low - margin, high - low + 2 * margin

    def percent(value: float) -> float:
        return round(100 * (value - low) / span, 2)

    lines = [
        (arm, arm_title(arm), entry.shown, percent(entry.mean), [percent(run) for run in entry.runs])
        for arm, entry in arms.items()
    ]
    real = percent(arms[REAL_ONLY].mean) if REAL_ONLY in arms else None
    return {"metric": title(metric), "lines": lines, "low": f"{low:.3f}", "high": f"{low + span:.3f}", "real": real}


def part_bars(metrics: dict[str, Any], shares: dict[str, float]) -> list[dict[str, Any]]:
    """Per class or point: its share of the generated labels and, per arm, bar and spread in percent of the width."""

    def percent(value: float) -> float:
        return round(min(max(100 * value, 0), 100), 2)

    def bar(arm: str, entry: Score) -> dict[str, Any]:
        left, right = percent(entry.mean - entry.std), percent(entry.mean + entry.std)
        return {
            "arm": arm,
            "label": arm_title(arm),
            "shown": entry.shown,
            "width": percent(entry.mean),
            "left": left,
            "spread": round(right - left, 2),
        }

    return [
        {
            "name": name,
            "share": shares.get(name),
            "bars": [bar(arm, entry) for arm, entry in arms.items() if np.isfinite(entry.mean)],
        }
        for name, arms in per_class(metrics).items()
    ]


def facts(metrics: dict[str, Any], galleries: Iterable[Gallery], records: Sequence[Record]) -> list[tuple[str, str]]:
    """Short facts worth a line each."""
    sizes = [gallery.manifest["image_size"] for gallery in galleries if "image_size" in gallery.manifest]
    datasets = [(name, count) for name, count in (metrics.get("pools") or {}).items() if name != "real"]
    entries = {
        "real labelled photos": metrics.get("n_real"), "generated samples": metrics.get("n_synthetic"),
        **({f"samples of {name}": count for name, count in datasets} if len(datasets) > 1 else {}),
        "test photos": metrics.get("n_test"), "validation photos": metrics.get("n_validation"),
        "training steps per run": metrics.get("steps"),
        "image size": " x ".join(str(side) for side in sizes[0]) if sizes else None,
        "samples drawn": len(records) or None, "samples kept": len(kept(list(records))) or None,
    }  # fmt: skip
    return [
        (name, f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in entries.items()
        if value is not None
    ]


def settings(folders: Sequence[Path]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(verb, seconds, settings) of the steps whose folders are known."""
    found = []
    for folder in folders:
        plan = {**optional_json(folder / "job.json", {}), **optional_json(folder / "report.json", {})}
        spent = plan.get("seconds") or sum(read_json(run).get("seconds", 0) for run in folder.glob("runs/*.json"))
        if plan.get("settings"):
            entries = [(name, json.dumps(value)) for name, value in plan["settings"].items()]
            found.append((str(plan.get("verb", folder.name)), f"{spent:,.0f} s" if spent else "", entries))
    return found
