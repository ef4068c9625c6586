"""Where a dataset comes from, step by step back, as the `job.json` of every folder says.

Whoever made its labels must not have learnt from the test. An oracle labels in a person's place
(`methods.datasetgan`): what it learnt from is no pool of the evaluation, so it is looked for in the folders that its
labels went through, by what the photos show (`datasets.likeness`).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handsoff.core.errors import InputError
from handsoff.datasets.likeness import SEEN, Thumbnails, known, read_learnt, thumbnails
from handsoff.jobs.folder import JOB, recorded_plan, verb_of
from handsoff.learning.data import LabelledArrays
from handsoff.learning.predictor import FOLDER, find_predictor

LABELS = {"label": ("voter",), "generate": ("labeler",)}  # verb → how its plan calls what made the labels


def original(folder: Path) -> Path:
    """The dataset that a folder was converted from, step by step back as far as they are still there; else itself."""
    while verb_of(folder) == "convert":
        before = Path(recorded_plan(folder).inputs["dataset"]["path"])
        if not before.is_dir():
            break
        folder = before
    return folder


def voters_behind(folder: Path) -> Iterator[Path]:
    """Every labeler and model that labelled something from which the content of a folder was made.

    Also a dataset that it was converted from, where that is no longer there: nobody knows who labelled it.
    """
    if not (folder / JOB).is_file():
        if folder.name == FOLDER and (folder.parent / JOB).is_file():  # the model of an evaluation
            yield from voters_behind(folder.parent)
        return
    plan = recorded_plan(folder)
    for name, source in plan.inputs.items():
        path = Path(source["path"])
        if name.startswith(LABELS.get(plan.verb, ())) or (plan.verb == "convert" and not path.exists()):
            yield path
        yield from voters_behind(path)


def learnt_by(voter: Path) -> Thumbnails | None:
    """Thumbnails of the photos that a labeler or model learnt from; None if it was moved or removed since."""
    home = find_predictor(voter) or voter
    return read_learnt(home) if (home / SEEN).is_file() else None


def refuse_taught_by_test(folder: Path, test: LabelledArrays, known_labels: Thumbnails) -> bool:
    """Refuse a dataset whose labels come from somebody who learnt from photos of the test.

    Args:
        folder: of the dataset.
        test: the samples that are tested on.
        known_labels: thumbnails of the real labels and of the validation samples, which the test holds no copy of.

    Returns:
        Whether all who made the labels are known.

    Raises:
        InputError: it is such a dataset.
    """
    shown, all_known = thumbnails(test.images), True
    for voter in dict.fromkeys(voters_behind(folder)):
        learnt = learnt_by(voter)
        if learnt is None:
            all_known = False
            continue
        both = known(shown, learnt[~known(learnt, known_labels)])
        if both.any():
            first = test.names[int(np.flatnonzero(both)[0])]
            raise InputError(
                f"The labels of {folder} come from {voter}, which learnt from {int(both.sum())} photos of the test, "
                f"such as {first}: take those out of the test, or out of its labels."
            )
    return all_known
