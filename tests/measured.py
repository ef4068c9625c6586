"""What `metrics.json` and the files beside it may say, made up."""

from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.files import write_bytes
from handsoff.report.gallery import encoded
from handsoff.report.testset import BARE, IMAGE, LABEL, LINES, TRUTH, archive_path, lines_of, picture_name, zipped


def arm(*runs: float) -> dict[str, Any]:
    return {"mean": float(np.mean(runs)), "std": float(np.std(runs)), "runs": list(runs)}


def metrics(
    real: tuple[float, ...], synthetic: tuple[float, ...], both: tuple[float, ...], name: str = "miou"
) -> dict[str, Any]:
    arms = {
        "real_only": {name: arm(*real)},
        "synthetic_only": {name: arm(*synthetic)},
        "real_plus_synthetic": {name: arm(*both)},
    }
    classes = {"background": {"mean": 0.9, "std": 0.01}, "<b>eye</b>": {"mean": 0.4321, "std": 0.02}}
    counts = {"n_real": 5, "n_synthetic": 1234, "n_test": 7, "n_validation": 3, "steps": 11, "excluded_from_test": 2}
    return {"task": "segmentation", "arms": arms, "per_class": dict.fromkeys(arms, classes), **counts}


GOOD = metrics((0.50, 0.51, 0.52), (0.30, 0.31, 0.32), (0.60, 0.61, 0.62))
CONFUSION = {
    "parts": ["background", "eye", "ear"],
    "arms": {
        "real_only": [[90, 10, 0], [5, 5, 0], [0, 0, 0]],
        "synthetic_only": [[100, 0, 0], [9, 1, 0], [0, 0, 0]],
        "real_plus_synthetic": [[99, 1, 0], [8, 2, 0], [0, 0, 0]],
    },
}


CURVE: dict[str, Any] = {
    "metric": "miou",
    "points": {
        "5": {**arm(0.50, 0.51, 0.52), "fitted": 0.51},
        "20": {**arm(0.59, 0.60, 0.61), "fitted": 0.6},
        "80": {**arm(0.69, 0.70, 0.71), "fitted": 0.7},
    },
    "worth": {
        "synthetic_only": {"labels": 5, "low": 5, "high": 5, "beyond": "fewer"},
        "real_plus_synthetic": {"labels": 23, "low": 16, "high": 34, "beyond": None},
    },
}
ARMS = list(GOOD["arms"])


def examples(report: Path, count: int = 12, drawn: int = 12) -> Path:
    """Test images, the n-th of which is worse the higher n is; only in image 3 the eye is lost by synthetic data."""
    lines = []
    for index in range(count):
        scores: dict[str, float | None] = dict.fromkeys(ARMS, 1 - index / 100)
        parts = {arm: {"eye": 0.9 if index % 2 else None, "<b>eye</b>": None} for arm in ARMS}
        if index == 3:
            parts["real_plus_synthetic"]["eye"] = 0.2
        lines.append({"name": f"face{index}", "scores": scores, "parts": parts})
    lines[-1]["scores"] = dict.fromkeys(ARMS)  # its label says nothing
    write_bytes(report / LINES, lines_of(lines))
    picture = encoded(np.zeros((8, 8, 3), np.uint8))
    for archive in (TRUTH, *ARMS):
        kinds = (IMAGE, LABEL, BARE) if archive == TRUTH else (LABEL, BARE)
        files = {picture_name(index, kind): picture for index in range(drawn) for kind in kinds}
        write_bytes(archive_path(report, archive), zipped(files))
    return report
