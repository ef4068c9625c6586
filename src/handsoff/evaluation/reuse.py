"""Runs that an earlier evaluation made: those that would come out the same are taken over, not made again.

So nobody trains real only twice: self-training needs its networks first, as teachers, and its scores at the end, and
the learning curve of one budget is that of all.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from handsoff.core.errors import InputError
from handsoff.core.files import read_record, recorded, write_bytes, write_json
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.evaluation.curve import FOLDER as CURVE
from handsoff.evaluation.runs import Result, enter, is_finished, made_of, run_file, sheet_path, weights_file
from handsoff.evaluation.work import Context, Loaded, Run
from handsoff.jobs.ledger import relative
from handsoff.learning.predictor import FOLDER, network_file, read_predictor_card
from handsoff.report.testset import archive_path


def take_over(before: Path, runs: Sequence[Run], loaded: Loaded, context: Context) -> None:
    """Enter the runs of an earlier evaluation that would come out the same, by all that they follow from.

    Of the arms only the one whose networks it kept: they may be handed over again. A point of the learning curve
    needs scores alone: it may have been a point there, or an arm.

    Args:
        before: the folder of that evaluation, which is finished.
        runs: all that are needed now.
        loaded: what they learn from.
        context: of the evaluation now.

    Raises:
        InputError: a file of `before` is missing or damaged.
    """
    kept = read_predictor_card(before / FOLDER).arm
    for run in runs:
        out, now = run.folder(context.out), made_of(loaded.task, loaded.of(run), run.arm, run.seed, context.settings)
        if not now or is_finished(out, run.arm, run.seed):
            continue
        for folder in (before,) if run.labels is None else (before, before / CURVE):
            found = next((result for result in results(folder, run.seed) if result.made_of == now), None)
            if found is not None and (run.labels is not None or run.arm.name == found.arm == kept):
                copy(folder, found, run, out, network_file(before / FOLDER, run.seed) if run.labels is None else None)
                break


def results(folder: Path, seed: int) -> list[Result]:
    """The runs of an evaluation, or of its learning curve, with one seed."""
    return [read_record(file, Result) for file in sorted(folder.glob(f"runs/*-{seed}.json"))]


def copy(folder: Path, result: Result, run: Run, out: Path, network: Path | None) -> None:
    """The files of a run, as `evaluation.runs.run_one` writes them; of a point's no network."""
    with recorded() as stamps:
        if run.seed == 0:
            for place in (archive_path, sheet_path):
                write_bytes(place(out, run.arm.name), read_picture(place(folder, result.arm)))
        if network is not None:
            write_tensors(weights_file(out, run.arm.name, run.seed), read_tensors(network), sealed=True)
        write_json(run_file(out, run.arm, run.seed), asdict(replace(result, arm=run.arm.name)))
    enter(out, run.arm, run.seed, relative(stamps, out))


def read_picture(file: Path) -> bytes:
    """A file of the earlier evaluation.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): restore it, or leave --before out.") from None
