"""`report.html`: the whole report as one file that needs nothing else, for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handsoff.core.files import read_json, write_bytes
from handsoff.datasets.corrections import Review
from handsoff.datasets.generated import Record
from handsoff.generators.nearness import nearness_in
from handsoff.pages.render import render
from handsoff.report.chart import colours, headline
from handsoff.report.composition import composition_table
from handsoff.report.curve import curve_chart, worth_sentence
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
from handsoff.report.meaning import caution, meaning
from handsoff.report.next_step import next_step, plan_of
from handsoff.report.parts import confusion, part_rows
from handsoff.report.testset import open_examples
from handsoff.report.training import handed_over, rule, training_rows
from handsoff.report.verdict import added_arm, arm_title, comparison, scores
from handsoff.report.worst import worst
from handsoff.tasks import TASKS


def write_page(report: Path, datasets: Mapping[str, Path]) -> None:
    """Write `report/report.html` about the metrics in `report` and the datasets they were measured with, by name.

    Whatever is not there (masks, uncertainty maps, predictions, inversions, …) is left out.

    Raises:
        InputError: `metrics.json` is missing or damaged.
    """
    metrics = read_json(report / "metrics.json")
    evaluated = plan_of(report).get("settings") or {}
    galleries = {
        name: open_gallery(folder, str(metrics.get("task")), evaluated.get("corrections"))
        for name, folder in datasets.items()
    }
    records = {name: gallery.records() for name, gallery in galleries.items()}
    task = next((gallery.task for gallery in galleries.values() if gallery.task), None)
    kind = TASKS.get(str(metrics.get("task")))
    part_metric = kind.part_metric if kind else ""
    looked = [part_shares(gallery, records[name]) for name, gallery in galleries.items()]
    shares, looked_at = mean_shares([found for found, _ in looked]), sum(count for _, count in looked)
    found = scores(metrics)
    arms = {arm: arm_title(arm) for arm in found}
    rows = part_rows(metrics, shares, looked_at)
    about = subject(metrics, report)
    html = render(
        "handsoff.report", "page.html",
        page_title=" – ".join(filter(None, [about, "HandsOff report"])), subject=about,
        note=metrics.get("note"), arms=arms, colours=colours(arms),
        **headline(metrics), worth=worth_sentence(metrics), curve=curve_chart(metrics),
        comparison=comparison(metrics), caution=caution(metrics),
        meaning=meaning(metrics, [name for name, share in shares.items() if share == 0], looked_at),
        next_step=next_step(metrics, report, datasets, rows),
        handed_over=handed_over(metrics, report), training=training_rows(metrics),
        rule=rule(metrics, evaluated),
        shares=shares, parts=rows, part_metric=part_metric, added=arm_title(added_arm(found) or ""),
        confusion=confusion(metrics), worst=worst(metrics, open_examples(report, list(arms)), rows, part_metric),
        legend=task.drawing.legend() if task else [],
        sections=[section(name, gallery, records[name], len(galleries)) for name, gallery in galleries.items()],
        predictions={label: contact_sheet(report / "predictions" / f"{arm}.png") for arm, label in arms.items()},
        facts=facts(metrics, galleries.values(), [record for found in records.values() for record in found]),
        reviews=[f"{name}: {Review(**found).sentence()}" for name, found in metrics.get("reviews", {}).items()],
        licences=list(licences(galleries.values())), settings=settings([*datasets.values(), report]),
    )  # fmt: skip
    write_bytes(report / "report.html", html)


def subject(metrics: Mapping[str, Any], report: Path) -> str:
    """What sets this report apart from others: task, number of labels and where they are from."""
    labels = f"{metrics['n_real']:,} labels" if metrics.get("n_real") is not None else ""
    real = (plan_of(report).get("inputs") or {}).get("real") or {}
    source = Path(str(real["path"])) if isinstance(real, dict) and "path" in real else None
    where = "" if source is None else f" of {'/'.join(source.parts[-2:]).removesuffix('.zip')}"
    return ", ".join(filter(None, [str(metrics.get("task") or ""), labels + where]))


def licences(galleries: Iterable[Gallery]) -> dict[str, None]:
    """The terms that the datasets state, each once."""
    return dict.fromkeys(str(found) for gallery in galleries if (found := gallery.manifest.get("licence")))


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
        "images": "Labelled photos" if gallery.manifest.get("source") == "photos" else "Generated images",
        "nearness": nearness_in(gallery.manifest),
        **sample_pictures(gallery, records),
        "histogram": histogram(records),
        "reasons": reasons(records),
        "composition": composition_table(gallery.manifest["aim"]) if gallery.manifest.get("aim") else None,
        "inversions": contact_sheet(gallery.folder / "inversions.png"),
    }


def facts(metrics: dict[str, Any], galleries: Iterable[Gallery], records: Sequence[Record]) -> list[tuple[str, str]]:
    """Short facts worth a line each."""
    sizes = [gallery.manifest["image_size"] for gallery in galleries if "image_size" in gallery.manifest]
    datasets = [(name, count) for name, count in (metrics.get("pools") or {}).items() if name != "real"]
    entries = {
        "real labelled images": metrics.get("n_real"), "generated samples": metrics.get("n_synthetic") or None,
        "photos labelled automatically": metrics.get("n_photos") or None,
        **({f"samples of {name}": count for name, count in datasets} if len(datasets) > 1 else {}),
        "test images": metrics.get("n_test"), "validation images": metrics.get("n_validation"),
        "training steps at the most": metrics.get("steps"),
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
        runs = (*folder.glob("runs/*.json"), *folder.glob("curve/runs/*.json"))
        spent = plan.get("seconds") or sum(read_json(run).get("seconds", 0) for run in runs)
        if plan.get("settings"):
            entries = [(name, json.dumps(value, ensure_ascii=False)) for name, value in plan["settings"].items()]
            found.append((str(plan.get("verb", folder.name)), f"{spent:,.0f} s" if spent else "", entries))
    return found
