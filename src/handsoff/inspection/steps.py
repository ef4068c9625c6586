"""The steps of a finished run, read from what `handsoff run` wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.files import read_json, read_record
from handsoff.jobs.folder import REPORT, require_done


@dataclass(frozen=True)
class RecordedStep:
    """What the report of a run says of a step: its inputs lie in the run's folder, or are whole paths."""

    verb: str
    inputs: dict[str, str | list[str] | None]
    seconds: float


@dataclass(frozen=True)
class RunReport:
    """What of the `report.json` of a run is read: its recipe, and its steps by the names of their folders."""

    recipe: dict[str, Any]
    steps: dict[str, RecordedStep]


@dataclass(frozen=True)
class FinishedStep:
    """One step of a run.

    Attributes:
        folder: its output.
        inputs: name → what it was made of, one path or several.
        report: its `report.json` ({} of a generator that was copied without one).
    """

    name: str
    verb: str
    folder: Path
    inputs: dict[str, list[Path]]
    report: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.report.get("settings", {})
        return settings


def finished_steps(run: Path) -> list[FinishedStep]:
    """The steps of a run in their order.

    Raises:
        InputError: the folder is not that of a finished `handsoff run`, or its report is damaged.
    """
    require_done(run, "run")
    found = []
    for name, step in read_record(run / REPORT, RunReport).steps.items():
        inputs = {key: [run / path for path in as_list(value)] for key, value in step.inputs.items()}
        found.append(FinishedStep(name, step.verb, run / name, inputs, optional_report(run / name)))
    return found


def of_verb(steps: Sequence[FinishedStep], verb: str) -> list[FinishedStep]:
    return [step for step in steps if step.verb == verb]


def only_step(steps: Sequence[FinishedStep], verb: str) -> FinishedStep | None:
    """The step of a verb that a run has once at most.

    Raises:
        InputError: the run has several.
    """
    found = of_verb(steps, verb)
    if len(found) > 1:
        names = ", ".join(step.name for step in found)
        raise InputError(
            f"The run has several steps of handsoff {verb} ({names}), which this command cannot tell apart."
        )
    return found[0] if found else None


def as_list(value: str | list[str] | None) -> list[str]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def optional_report(folder: Path) -> dict[str, Any]:
    """The `report.json` of a folder, {} where there is none."""
    report: dict[str, Any] = read_json(folder / REPORT) if (folder / REPORT).is_file() else {}
    return report
