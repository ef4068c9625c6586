"""The card of a model that is handed over: `README.md` beside its weights, for people and for the Hugging Face hub."""

import math
from collections.abc import Mapping

from handsoff.core.frames import Framing
from handsoff.datasets.card import CATEGORIES, as_yaml, cell, label_lines, licence_fields
from handsoff.learning.onnx import example
from handsoff.learning.predictor import PredictorCard
from handsoff.report.verdict import arm_title, title
from handsoff.tasks.base import Task

FRAMED: dict[Framing, str] = {
    "crop": "its middle is cut to that shape and scaled",
    "letterbox": "all of it is scaled to fit, between black bars",
    "pad": "all of it is scaled to fit, and its edge goes on beside it",
    "stretch": "it is squashed to that shape",
}
LIMITS = """## Limits

- It has seen photos of one kind, framed alike. What is rare in them it knows badly, and what is not in them not at all.
- Its scores hold for photos like the test photos, and for these classes. Single photos can be far worse.
- Where it learnt from generated or automatically labelled images, it also learnt their mistakes."""


def model_card(task: Task, card: PredictorCard, pools: Mapping[str, int], by: str, *, mirror: bool = False) -> str:
    """The whole file.

    Args:
        task: whose labels the model gives.
        card: what `model.json` says.
        pools: what it learnt from, pool → number of samples.
        by: "validation", or "nothing" where nothing chose the arm.
        mirror: whether mirror images helped on the test.
    """
    head = {
        **licence_fields(card.licence or ""),
        **({"pipeline_tag": CATEGORIES[card.task]} if card.task in CATEGORIES else {}),
        "tags": ["handsoff", card.task],
    }
    height, width = card.image_size
    networks = "a network" if card.networks == 1 else f"{card.networks} networks that differ in their seeds"
    first = (
        f"Labels ({card.task}) for photos, at {height} x {width} pixels, by {networks} ({card.network}), trained by "
        "HandsOff."
    )
    licence = card.licence or "Unknown: ask whoever made the labelled photos."
    sections = [
        f"---\n{as_yaml(head)}---",
        f"# A model for {card.task} labels",
        first,
        *(["\n".join(lines)] if (lines := label_lines(task)) else []),
        learnt_from(card, pools, by),
        scores(card, mirror=mirror),
        use(task, card),
        LIMITS,
        f"## Licence\n\n{licence}",
    ]
    return "\n\n".join(sections) + "\n"


def learnt_from(card: PredictorCard, pools: Mapping[str, int], by: str) -> str:
    counts = ", ".join(f"{count:,} of {cell(pool)}" for pool, count in pools.items())
    chosen = (
        "Of the mixtures that were compared it is the one that scored best on validation photos."
        if by == "validation"
        else "Nothing chose this mixture among those that were compared: there were no validation photos."
    )
    return f"## What it learnt from\n\nThe mixture “{arm_title(card.arm)}”: {counts}. {chosen}"


def scores(card: PredictorCard, *, mirror: bool) -> str:
    """A line per network."""
    validation = card.validation or [math.nan] * card.networks
    rows = [
        f"| {index}{' (best)' if card.validation and index == card.best else ''} | {shown(chosen)} | {shown(tested)} |"
        for index, (chosen, tested) in enumerate(zip(validation, card.test, strict=True))
    ]
    alone = "Each network alone, on test photos with their mirror images" if mirror else "Each network alone"
    told = f"{alone}; the test photos were neither trained nor chosen on."
    lines = [
        f"## Scores: {title(card.metric)}",
        "",
        "| network | validation | test |",
        "|---|---|---|",
        *rows,
        "",
        told,
    ]
    return "\n".join(lines)


def shown(score: float) -> str:
    return f"{score:.3f}" if math.isfinite(score) else "–"


def use(task: Task, card: PredictorCard) -> str:
    """How to label photos with it, with HandsOff and without."""
    height, width = card.image_size
    framed = f"A photo is brought to {height} x {width} pixels first: {FRAMED[card.framing]}."
    commands = "handsoff label model photos -o labelled\nhandsoff export model -o model.onnx"
    told = "Without HandsOff, from the exported file, with numpy, Pillow and onnxruntime:"
    return f"## Use\n\n{framed}\n\n```\n{commands}\n```\n\n{told}\n\n```python\n{example(task, card.framing)}```"
