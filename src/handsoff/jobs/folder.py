"""The folder one step writes: `job.json` first, then the work, then `report.json`, and an empty `DONE` last."""

import json
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from handsoff.core.errors import HandsOffError, InputError, MismatchError, UselessError
from handsoff.core.files import HALF, read_record, refuse_unwritable, remove_halves, write_bytes, write_json
from handsoff.jobs.lock import LOCK, locked
from handsoff.jobs.progress import Outcome

JOB, REPORT, DONE = "job.json", "report.json", "DONE"


@dataclass(frozen=True)
class Plan:
    """What a folder is made by: a verb, its inputs and its settings, all as JSON.

    Attributes:
        inputs: name → {"path", "fingerprint"}.
    """

    verb: str
    inputs: dict[str, dict[str, str]]
    settings: dict[str, Any]


@dataclass
class Job:
    """An output folder being worked on.

    Attributes:
        out: the folder.
        plan: what it is made by, as given when it was begun.
        outcome: "done" if the folder was finished before, "continued" if it was begun before, else "made".
    """

    out: Path
    plan: Plan
    outcome: Outcome
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> bool:
        """Whether the folder was finished before, with the same plan."""
        return self.outcome == "done"

    def finish(self, **facts: object) -> None:
        """Write `report.json` (plan, version, seconds and `facts`), then the empty `DONE`.

        Files that killed processes left half written are removed before.
        """
        remove_halves(self.out)
        seconds = round(time.monotonic() - self.started, 1)
        write_json(
            self.out / REPORT,
            {**asdict(self.plan), "version": version("handsoff-labels"), "seconds": seconds, **facts},
        )
        write_bytes(self.out / DONE, b"")

    def reopen(self) -> None:
        """Take `DONE` away where it is: a finished folder is worked on further."""
        (self.out / DONE).unlink(missing_ok=True)
        if self.outcome == "done":
            self.outcome = "continued"


@contextmanager
def open_job(
    out: Path, plan: Plan, *, beside: str | None = None, alone: bool = True, whole: bool = False
) -> Iterator[Job]:
    """Begin, or continue, the work of a plan in `out`, and hold the folder's lock meanwhile.

    Where bad input or an impossible setting is found before any work was written, no folder is left behind.

    Args:
        out: the folder; it may be missing.
        plan: what it is made by.
        beside: the name of a folder that may lie in it already.
        alone: False where another process of the same work holds the lock.
        whole: leave nothing behind either when bad input is found later, for verbs that read theirs bit by bit and
            begin anew.

    Raises:
        InputError: the folder holds something else, or the same verb with other inputs or settings.
        HandsOffError: another process is working in it, or it cannot be written.
    """
    refuse_unwritable([str(out), *(source.get("path", "") for source in plan.inputs.values())], f"handsoff {plan.verb}")
    refuse_foreign(out, plan.verb, beside=beside)
    with locked(out) if alone else nullcontext():
        job = begin(out, as_recorded(plan))
        with undone_if_refused(out, whole=whole) if alone else nullcontext():
            yield job


@contextmanager
def undone_if_refused(out: Path, *, whole: bool) -> Iterator[None]:
    """Remove a folder when something is refused before any work was written, or when the work turned out useless.

    With `whole` every bad input makes it useless.
    """
    try:
        yield
    except HandsOffError as error:
        nothing = {file.name for file in out.iterdir()} <= {JOB, LOCK}
        if nothing or isinstance(error, InputError if whole else UselessError):
            remove(out)
        if isinstance(error, UselessError):  # this folder's work was useless, not that of a run around it
            raise InputError(str(error)) from None
        raise


def remove(folder: Path) -> None:
    """Remove a folder; where it is a link, what it holds."""
    if folder.is_symlink():
        empty(folder)
    else:
        shutil.rmtree(folder)


def empty(folder: Path, but: Collection[str] = ()) -> None:
    """Remove what a folder holds, but for files of these names; of links only themselves."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name not in but:
            entry.unlink()


def begin(out: Path, plan: Plan) -> Job:
    """Write `job.json`, or find out where the folder stands; what a killed process left half written goes."""
    if not (out / JOB).is_file():
        remove_halves(out)
        write_json(out / JOB, asdict(plan))
        return Job(out, plan, "made")
    changed = difference(out, plan)
    if changed:
        raise InputError(f"{out} was begun with {changed}: choose another output folder with -o, or delete that one.")
    if (out / DONE).is_file():
        return Job(out, plan, "done")
    remove_halves(out)
    return Job(out, plan, "continued")


def refuse_foreign(out: Path, verb: str, *, beside: str | None = None) -> None:
    """Refuse an output folder with something in it that HandsOff did not make.

    Raises:
        InputError: it is a file, or it is not empty and has no `job.json`.
    """
    if out.is_file():
        raise InputError(f"{out} is a file: choose another output folder with -o.")
    if not out.is_dir() or (out / JOB).is_file():
        return
    names = {entry.name for entry in out.iterdir()} - {beside, LOCK}
    if any(not HALF.fullmatch(name) for name in names):  # a process killed at its first write leaves half a job.json
        raise InputError(
            f"{out} is not empty and was not made by handsoff {verb}: choose another output folder with -o."
        )


def discard(out: Path) -> None:
    """Remove a job's folder; `job.json` goes last, so that half a folder is still known as what it was.

    Raises:
        HandsOffError: another process is working in it.
    """
    with locked(out):
        (out / DONE).unlink(missing_ok=True)
        empty(out, but={JOB, LOCK})
        remove(out)


def as_recorded(plan: Plan) -> Plan:
    """The plan as `job.json` gives it back: tuples are lists there."""
    return Plan(**json.loads(json.dumps(asdict(plan))))


def recorded_plan(folder: Path) -> Plan:
    """What a folder was begun with.

    Raises:
        InputError: its `job.json` is missing or damaged.
    """
    return read_record(folder / JOB, Plan)


def verb_of(folder: Path) -> str | None:
    """The verb that made a folder, None if none did.

    Raises:
        InputError: its `job.json` is damaged.
    """
    return recorded_plan(folder).verb if (folder / JOB).is_file() else None


def refuse_changed(path: Path, before: str, now: str) -> None:
    """Refuse an input that a worker would read otherwise than it was when the work began.

    Args:
        path: where the worker finds it.
        before: its fingerprint when the work began.
        now: its fingerprint now.

    Raises:
        MismatchError: it was another.
    """
    if before != now:
        raise MismatchError(
            f"{path} has been changed since this work began: put it back as it was and run the same command again, or "
            "begin anew in another folder."
        )


def difference(out: Path, plan: Plan) -> str | None:
    """The first thing in which a plan differs from what the folder `out` was begun with, None if nothing does.

    Raises:
        InputError: its `job.json` is damaged.
    """
    return first_difference(recorded_plan(out), as_recorded(plan))


def first_difference(before: Plan, now: Plan) -> str | None:
    """Name the first thing in which two plans differ; where an input lies does not matter, what it holds does."""
    if before.verb != now.verb:
        return f"handsoff {before.verb}"
    for name, source in now.inputs.items():
        if before.inputs.get(name, {}).get("fingerprint") != source["fingerprint"]:
            return f"another {name} ({before.inputs.get(name, {}).get('path')})"
    for name in before.inputs.keys() - now.inputs.keys():
        return f"a further {name} ({before.inputs[name].get('path')})"
    for name in sorted({*before.settings, *now.settings}):
        if before.settings.get(name) != now.settings.get(name):
            return f"{name} = {before.settings.get(name)} instead of {now.settings.get(name)}"
    return None


def require_done(folder: Path, *verbs: str) -> dict[str, Any]:
    """The report of a finished folder that one of the verbs made.

    Raises:
        InputError: it is not one, or not finished.
    """
    makers = " or ".join(f"handsoff {verb}" for verb in verbs)
    if not (folder / JOB).is_file():
        raise InputError(f"{folder} was not made by {makers}: give the folder that {makers} wrote.")
    found = recorded_plan(folder).verb
    if found not in verbs:
        raise InputError(f"{folder} was made by handsoff {found}; a folder of {makers} is needed here.")
    if not (folder / DONE).is_file():
        raise InputError(f"{folder} is not finished: run handsoff {found} again with the same options, it continues.")
    return read_record(folder / REPORT, dict)
