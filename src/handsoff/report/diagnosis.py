"""What a diagnosis measured, as tables for the terminal and as `diagnosis.html`, one file that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handsoff.core.files import read_json, write_bytes
from handsoff.pages.render import render
from handsoff.report.composition import Table, composition_table
from handsoff.report.gallery import contact_sheet
from handsoff.report.next_step import plan_of
from handsoff.report.verdict import arm_title, number, title

ERRORS = {"pixel": "mean squared error", "perceptual": "perceptual distance", "prior": "distance to the generator's w"}
LABELS = {"labels_on_training_photos": "its training images", "labels_on_held_out_photos": "held-out images"}
TRANSFER = {
    "photos": "model handed over: held-out images",
    "reconstructions": "model handed over: their reconstructions",
}
IMAGES = {"labelled": "labelled images", "held_out": "held-out images"}


def write_page(out: Path, inversions: Mapping[str, Path]) -> None:
    """Write `out/diagnosis.html` about `out/diagnosis.json`.

    Args:
        out: the folder of a diagnosis; contact sheets of samples lie in `pictures/`.
        inversions: "labelled" and "held_out" → the contact sheet of their inversion, where there is one.

    Raises:
        InputError: `diagnosis.json` is missing or damaged.
    """
    diagnosis = read_json(out / "diagnosis.json")
    sheets = [(f"Inversions of {IMAGES[name]}", contact_sheet(path)) for name, path in inversions.items()]
    for path in sorted(out.glob("pictures/*/*.png")):
        budget, _, task = path.parent.name.partition("-")
        sheets.append((f"{path.stem.capitalize()} samples, {budget} labels, {task}", contact_sheet(path)))
    shown = [(caption, picture) for caption, picture in sheets if picture]
    run = Path(str((plan_of(out).get("inputs") or {}).get("run", {}).get("path", ""))).name
    html = render(
        "handsoff.report",
        "diagnosis.html",
        page_title=" – ".join(filter(None, [run, "HandsOff diagnosis"])),
        tables=tables(diagnosis),
        sheets=shown,
        notes=notes(diagnosis),
    )
    write_bytes(out / "diagnosis.html", html)


def notes(diagnosis: Mapping[str, Any]) -> list[str]:
    """What could not be measured, a sentence each."""
    stated = diagnosis["links"]["generator"].get("not_measured")
    found = [stated] if stated else []
    if "held_out" not in diagnosis["links"]["reconstruction"]:
        found.append(
            "No held-out images were inverted: the run has no inversion, or fewer than four images beside its labels."
        )
    return found


def tables(diagnosis: Mapping[str, Any]) -> list[Table]:
    """Every link as a table, in the order of the data."""
    links = diagnosis["links"]
    found = [table for table in (generator_table(links), reconstruction_table(links)) if table.rows]
    for budget, link in links["budgets"].items():
        for task, measured in link["tasks"].items():
            found += [label_table(budget, task, measured), part_table(budget, task, measured)]
        if "composition" in link:
            found.append(composition_table(link["composition"], f"{budget} labels"))
    return found


def generator_table(links: Mapping[str, Any]) -> Table:
    """Distances to the training images, of all images and of those that were kept."""
    rows = []
    generator = links["generator"]
    spread, compared = generator.get("diversity", {}), generator.get("compared", {})
    measured = {
        "before tuning": (compared.get("generated"), generator.get("distance_before_tuning"), None),
        "all images": (compared.get("generated"), generator.get("distance"), spread.get("generated")),
    }
    for budget, link in links["budgets"].items():
        count, kept = (link.get(kind, {}).get("kept") for kind in ("compared", "diversity"))
        measured[f"kept images, {budget} labels"] = count, link.get("distance_to_photos"), kept
    for name, (count, distance, diversity) in measured.items():
        if distance is not None:
            scores = f"{distance['fd_lite0']:.1f}", f"{distance['kd_lite0']:.2f}"
            rows.append((name, counted(count), *scores, number(diversity)))
    rows += (
        [("training images", counted(compared.get("photos")), "0", "0", number(spread.get("photos")))] if rows else []
    )
    reading = "Lower distances are better; images that are much less diverse than those miss some of their kinds."
    return Table("Generator", reading, ("", "images", "FD-lite0", "KD-lite0", "diversity"), rows)


def reconstruction_table(links: Mapping[str, Any]) -> Table:
    rows = [
        (IMAGES[name], *(f"{values[error]:.4f}" for error in ERRORS))
        for name, values in links["reconstruction"].items()
    ]
    reading = (
        "An image that is not recognisable in its reconstruction teaches wrong labels: look at the inversions below."
    )
    return Table("Inversion", reading, ("", *ERRORS.values()), rows)


def label_table(budget: str, task: str, measured: Mapping[str, Any]) -> Table:
    """Scores of the labeler on inverted images, beside those of the evaluation's arms."""
    transfer = measured.get("label_transfer", {})
    columns = {f"labels of {LABELS[label]}": measured[label]["metrics"] for label in LABELS if label in measured}
    columns |= {TRANSFER[kind]: scores["metrics"] for kind, scores in transfer.items()}
    arms = measured["arms"].get("arms", {})
    metrics = list(dict.fromkeys(name for scores in (*columns.values(), *arms.values()) for name in scores))
    rows = []
    for metric in metrics:
        own = [number(scores.get(metric)) for scores in columns.values()]
        rows.append((title(metric), *own, *(number(entry.get(metric, {}).get("mean")) for entry in arms.values())))
    header = ("", *columns, *(f"model: {arm_title(arm)}" for arm in arms))
    reading = (
        "If labels of inverted held-out images are much worse than the model trained on real labels alone, "
        "the labeler or the inversion is the weak link; if they are as good, the generated images are. "
        "What the model handed over loses from held-out images to their reconstructions, inversion has lost."
    )
    return Table(f"Labels: {task}, {budget} labels", reading, header, rows)


def part_table(budget: str, task: str, measured: Mapping[str, Any]) -> Table:
    """How much of all labels each class or point makes up, in real images and in samples."""
    shares = {IMAGES[name]: share for name, share in measured.get("share", {}).items()}
    for name in ("kept", "dropped"):
        found = measured["selection"][name]
        if "share" in found:
            seen = found.get("looked_at", found["samples"])  # diagnoses of before do not say it
            count = f"{found['samples']:,}" if seen == found["samples"] else f"{seen:,} of {found['samples']:,}"
            shares[f"{name} samples ({count})"] = found["share"]
    quality = measured.get("labels_on_held_out_photos", {}).get("per_class", {})
    parts = dict.fromkeys(part for share in shares.values() for part in share)
    rows = [
        (part, *(percent(share.get(part)) for share in shares.values()), number(quality.get(part))) for part in parts
    ]
    reading = (
        "What samples hardly show cannot be learnt from them; what only dropped samples show, selection takes away."
    )
    return Table(f"Selection: {task}, {budget} labels", reading, ("", *shares, "score on held-out images"), rows)


def counted(images: int | None) -> str:
    return "–" if images is None else f"{images:,}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"
