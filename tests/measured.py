"""What `metrics.json` may say, made up."""

from typing import Any

import numpy as np


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
