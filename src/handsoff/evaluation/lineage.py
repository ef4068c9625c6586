"""Whose labels a dataset's labels come from, step by step back: none of them may have learnt from the test.

An oracle labels in a person's place (`methods.datasetgan`). What it learnt from is no pool of the evaluation, so it is
looked for in the folders that its labels went through, by what the photos show (`datasets.likeness`).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handsoff.core.errors import InputError
from handsoff.datasets.likeness import SEEN, Thumbnails, known, read_learnt, thumbnails
from handsoff.evaluation.inputs import Inputs
from handsoff.jobs.folder import JOB, recorded_plan
from handsoff.learning.data import LabelledArrays
from handsoff.learning.predictor import find_predictor

LABELS = {"label": ("voter",), "generate": ("labeler",)}  # verb → how its plan calls what made the labels


def voters_behind(folder: Path) -> Iterator[Path]:
    """Every labeler and model that labelled something from which the content of a folder was made."""
    if not (folder / JOB).is_file():
        return
    plan = recorded_plan(folder)
    for name, source in plan.inputs.items():
        path = Path(source["path"])
        if name.startswith(LABELS.get(plan.verb, ())):
            yield path
        yield from voters_behind(path)


def refuse_taught_by_test(inputs: Inputs, test: LabelledArrays, known_labels: Thumbnails) -> None:
    """Refuse datasets whose labels come from somebody who learnt from photos of the test.

    Args:
        inputs: with the datasets that HandsOff made.
        test: the samples that are tested on.
        known_labels: thumbnails of the real labels and of the validation samples, which the test holds no copy of.

    Raises:
        InputError: there is such a dataset.
    """
    shown = thumbnails(test.images)
    for dataset in inputs.generated.values():
        for voter in dict.fromkeys(voters_behind(dataset.folder)):
            home = find_predictor(voter) or voter
            if not (home / SEEN).is_file():
                continue  # it was moved or removed since
            learnt = read_learnt(home)
            both = known(shown, learnt[~known(learnt, known_labels)])
            if both.any():
                first = test.names[int(np.flatnonzero(both)[0])]
                raise InputError(
                    f"The labels of {dataset.folder} come from {voter}, which learnt from {int(both.sum())} photos of "
                    f"the test, such as {first}: take those out of the test, or out of its labels."
                )
