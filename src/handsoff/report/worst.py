"""The test images on which a model does worst, as pictures: of all, and of the parts that lose most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from handsoff.report.gallery import Panel, Strip
from handsoff.report.parts import PartRow
from handsoff.report.testset import BARE, IMAGE, LABEL, TRUTH, Examples, Sample
from handsoff.report.verdict import REAL_ONLY, added_arm, arm_title, lower_is_better, main_metric, scores, title

WORST, PARTS, OF_PART = 6, 3, 3  # images of all, parts that are shown, images of each


@dataclass(frozen=True)
class WorstOf:
    """Images that do worst in one part, or in the main metric.

    Attributes:
        part: class or point, "" for the main metric.
        metric: what the captions give.
    """

    part: str
    metric: str
    strips: list[Strip]


def worst(metrics: dict[str, Any], examples: Examples, rows: Sequence[PartRow], part_metric: str) -> dict[str, Any]:
    """What the page shows of the test: whose mistakes they are, out of how many images, and the images."""
    found = scores(metrics)
    arm = added_arm(found) or next(iter(found), "")
    parts = [worst_of_part(row.name, part_metric, examples, arm, list(found)) for row in losing(rows, arm)]
    groups = [worst_of_all(found, examples, arm), *parts]
    return {
        "arm": arm_title(arm),
        "drawn": len(examples.drawn),
        "test": len(examples.samples),
        "groups": [group for group in groups if group.strips],
    }


def losing(rows: Sequence[PartRow], arm: str) -> list[PartRow]:
    """The parts that lose most; where none loses, the one that is worst."""
    rows = [row for row in rows if row.tested]
    lost = [row for row in rows if row.change is not None and row.change.gain < 0][:PARTS]
    scored = [(cell.mean, row) for row in rows if (cell := row.cells.get(arm)) and math.isfinite(cell.mean)]
    return lost or [row for _, row in sorted(scored, key=lambda entry: entry[0])[:1]]


def worst_of_all(found: dict[str, Any], examples: Examples, arm: str) -> WorstOf:
    """The images with the arm's worst main metric."""
    metric = main_metric(found)
    sign = -1 if lower_is_better(metric) else 1
    known = [(sign * score, sample) for sample in examples.drawn if (score := sample.scores.get(arm)) is not None]
    chosen = [sample for _, sample in sorted(known, key=lambda entry: entry[0])[:WORST]]
    values = [{name: sample.scores.get(name) for name in found} for sample in chosen]
    return WorstOf("", title(metric), strips(chosen, values, examples, list(found)))


def worst_of_part(part: str, metric: str, examples: Examples, arm: str, arms: list[str]) -> WorstOf:
    """The images in which the part loses most against the real labels alone; without that arm, where it is worst."""

    def loss(sample: Sample) -> tuple[float, float]:
        score = float(sample.parts[arm][part] or 0)
        real = sample.parts.get(REAL_ONLY, {}).get(part)
        return score - (score if real is None else real), score

    known = [sample for sample in examples.drawn if sample.parts.get(arm, {}).get(part) is not None]
    chosen = sorted(known, key=loss)[:OF_PART]
    values = [{name: sample.parts.get(name, {}).get(part) for name in arms} for sample in chosen]
    return WorstOf(part, metric, strips(chosen, values, examples, arms))


def strips(
    samples: Sequence[Sample], values: Sequence[dict[str, float | None]], examples: Examples, arms: Sequence[str]
) -> list[Strip]:
    """Each image beside its true label and what every arm's first model made of it, with the arms' scores."""
    return [strip(sample, value, examples, arms) for sample, value in zip(samples, values, strict=True)]


def strip(sample: Sample, values: dict[str, float | None], examples: Examples, arms: Sequence[str]) -> Strip:
    def panel(name: str, archive: str, kind: str = LABEL) -> Panel | None:
        picture = examples.picture(archive, sample.index, kind)
        bare = examples.picture(archive, sample.index, BARE) if kind == LABEL else None
        return None if picture is None else Panel(name, picture, bare)

    def scored(arm: str) -> str:
        value = values.get(arm)
        return arm_title(arm) if value is None else f"{arm_title(arm)} {value:.3f}"

    panels = [panel("image", TRUTH, IMAGE), panel("true label", TRUTH), *(panel(scored(arm), arm) for arm in arms)]
    return Strip(sample.name, [found for found in panels if found is not None])
