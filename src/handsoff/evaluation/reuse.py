"""Runs that an earlier evaluation made: those that would come out the same are taken over, not made again.

So nobody trains real only twice: self-training needs its networks first, as teachers, and its scores at the end.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from handsoff.core.errors import InputError
from handsoff.core.files import read_record, recorded, write_bytes, write_json
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.evaluation.runs import Result, enter, is_finished, made_of, run_file, sheet_path, weights_file
from handsoff.evaluation.work import Context, Loaded, Run
from handsoff.jobs.ledger import relative
from handsoff.learning.predictor import FOLDER, network_file, read_predictor_card
from handsoff.report.testset import archive_path


def take_over(before: Path, runs: Sequence[Run], loaded: Loaded, context: Context) -> None:
    """Enter the runs of an earlier evaluation that would come out the same, by all that they follow from.

    Only those of the arm whose networks it kept: they may be handed over again.

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
        if run.arm.name == kept and run.labels is None and not is_finished(context.out, run.arm, run.seed):
            file = run_file(before, run.arm, run.seed)
            now = made_of(loaded.task, loaded.data, run.arm, run.seed, context.settings)
            if now and file.is_file() and (result := read_record(file, Result)).made_of == now:
                copy(before, run, result, context.out)


def copy(before: Path, run: Run, result: Result, out: Path) -> None:
    """The files of a run, as `evaluation.runs.run_one` writes them."""
    with recorded() as stamps:
        if run.seed == 0:
            for place in (archive_path, sheet_path):
                write_bytes(place(out, run.arm.name), read_picture(place(before, run.arm.name)))
        network = read_tensors(network_file(before / FOLDER, run.seed))
        write_tensors(weights_file(out, run.arm.name, run.seed), network, sealed=True)
        write_json(run_file(out, run.arm, run.seed), asdict(result))
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
