"""Rows of a Markdown table, and where the results lie."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def head(*cells: str) -> list[str]:
    """The first two lines of a table."""
    return [row(*cells), "|" + "---|" * len(cells)]


def reached(arms: dict[str, Any], metric: str) -> list[str]:
    """What each arm reached."""
    return [f"{scores[metric]['mean']:.3f} ± {scores[metric]['std']:.3f}" for scores in arms.values()]
