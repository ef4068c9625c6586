"""`handsoff score`: labelers and models as they are, on test photos. Nothing is trained."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import png, write_bytes, write_json
from handsoff.datasets.labelled import open_labelled, open_like
from handsoff.datasets.likeness import read_learnt
from handsoff.datasets.samples import LabelledDataset
from handsoff.evaluation.arms import shortest_name
from handsoff.evaluation.data import load_arrays, refuse_empty, without, without_groups
from handsoff.evaluation.lineage import learnt_by, voters_behind
from handsoff.evaluation.settings import ScoreSettings, part_bounds
from handsoff.evaluation.testing import Tested, contact_sheet, examine
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.learning.data import LabelledArrays
from handsoff.learning.supervised import TEST_BATCH
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.voter_cards import VoterCard, read_voter, refuse_idle
from handsoff.synthesis.voters import load_voter
from handsoff.tasks import make_task
from handsoff.tasks.base import Labels, Task


@dataclass(frozen=True)
class Inputs:
    """Who is scored, by the folders' names, on what, and the labelled photos that they learnt from, if given."""

    voters: dict[str, VoterCard]
    test: LabelledDataset
    labelled: LabelledDataset | None

    @property
    def first(self) -> VoterCard:
        """It says of all of them which task they have, and how they see photos."""
        return next(iter(self.voters.values()))

    @property
    def task(self) -> Task:
        return make_task(self.first.task, self.first.schema)


def plan(voters: Sequence[Path], test: Path, settings: ScoreSettings, labelled: Path | None = None) -> Plan:
    """What `score` is going to do.

    Raises:
        InputError: one is neither a finished labeler nor a model, or cannot label photos; or the test cannot be used;
            or there are groups without labelled photos, or these without groups.
        MismatchError: they differ in their labels or in how they see photos, or the test has other labels.
    """
    return plan_of(open_inputs(voters, test, settings, labelled), test, settings)


def plan_of(inputs: Inputs, test: Path, settings: ScoreSettings) -> Plan:
    sources = {
        f"voter {index + 1}": {"path": str(card.folder.resolve()), "fingerprint": card.fingerprint}
        for index, card in enumerate(inputs.voters.values())
    }
    whole = open_like(test, {inputs.first.task: inputs.first.schema})
    learnt = {} if inputs.labelled is None else {"labelled": inputs.labelled.describe()}
    return Plan("score", {**sources, "test": whole.describe(), **learnt}, settings.model_dump())


def score(voters: Sequence[Path], test: Path, out: Path, settings: ScoreSettings, labelled: Path | None = None) -> Work:
    """Have labelers and models label test photos, and compare with the true labels.

    `out` then holds metrics.json, with an arm for each, and pictures of their labels. A test photo that one of them
    learnt from (or somebody whose labels it learnt), or was chosen by, is left out for all of them and counted, and so
    is one of the same group.

    Args:
        voters: folders of labelers, of models, or the reports that hold these; all for the same labels.
        test: labelled photos.
        out: the output folder.
        settings: see there.
        labelled: the photos that they learnt from, for `settings.group`.

    Raises:
        InputError: as `plan`, or no test photo is left.
        MismatchError: as `plan`.
    """
    inputs = open_inputs(voters, test, settings, labelled)
    with open_job(out, plan_of(inputs, test, settings)) as job:
        if not job.done:
            yield from measure(job, inputs, settings)
    return job.outcome


def open_inputs(voters: Sequence[Path], test: Path, settings: ScoreSettings, labelled: Path | None) -> Inputs:
    """Read what the voters say of themselves, and open the test as one of their labels.

    Raises:
        InputError: there are none, one is given twice, or something of them or of the test cannot be used; or of
            groups and labelled photos only one is given.
        MismatchError: they differ in what they label, or in how they see photos.
    """
    if not voters:
        raise InputError("There is nothing to score: give the folder of handsoff fit, or the report of an evaluation.")
    cards = [read_voter(folder, labelling(settings)) for folder in voters]
    refuse_idle(cards, labelling(settings))
    for card in cards[1:]:
        for what, one, other in (
            ("task", card.task, cards[0].task),
            ("labels", card.schema, cards[0].schema),
            ("frame", (card.image_size, card.framing), (cards[0].image_size, cards[0].framing)),
        ):
            if one != other:
                raise MismatchError(f"{card.folder} and {cards[0].folder} differ in their {what}: score them apart.")
    paths = [[*folder.resolve().parts[1:]] for folder in voters]
    names = [shortest_name(path, paths, ()) for path in paths]
    if len(set(names)) < len(names):
        raise InputError("A labeler or model is given twice: give every one once.")
    tested = open_like(test, {cards[0].task: cards[0].schema}).part(*part_bounds(settings.test_part))
    return Inputs(dict(zip(names, cards, strict=True)), tested, learnt_from(labelled, cards[0].task, settings))


def learnt_from(labelled: Path | None, task: str, settings: ScoreSettings) -> LabelledDataset | None:
    """The labelled photos whose groups are not tested.

    Raises:
        InputError: they are given without groups, or groups without them.
    """
    if (labelled is None) != (settings.group is None):
        raise InputError("--labelled and --set group=… belong together: nobody of a group that was learnt is tested.")
    if labelled is None:
        return None
    return open_labelled(labelled, tasks=[task]).part(*part_bounds(settings.labels_part))


def labelling(settings: ScoreSettings) -> LabelSettings:
    """The settings under which the voters would label photos."""
    return LabelSettings(mirror=settings.mirror, inversion=settings.inversion)


def measure(job: Job, inputs: Inputs, settings: ScoreSettings) -> Part:
    """Every voter's labels, and what they score."""
    task, first = inputs.task, inputs.first
    others = without_groups(inputs.test, "test", inputs.labelled.names if inputs.labelled else (), settings.group)
    found = yield from load_arrays(others, task.name, first.image_size, first.framing, "test")
    behind = {name: [*map(learnt_by, voters_behind(card.folder))] for name, card in inputs.voters.items()}
    learnt = [read_learnt(card.folder) for card in inputs.voters.values()]
    learnt += [photos for teachers in behind.values() for photos in teachers if photos is not None]
    test, copies = without(found, copied=np.concatenate(learnt))
    excluded = copies + len(inputs.test.names) - len(others.names)
    refuse_empty("test", test, excluded)
    arms: dict[str, Tested] = {}
    for name, card in inputs.voters.items():
        labels = yield from labels_of(card, test, settings, f"scoring {name}")
        arms[name] = examine(task, test, [labels[at : at + TEST_BATCH] for at in range(0, len(labels), TEST_BATCH)])
        write_bytes(job.out / "predictions" / f"{name}.png", png(contact_sheet(task, test, arms[name].labels)))
    unknown = [name for name, teachers in behind.items() if any(photos is None for photos in teachers)]
    metrics = {**metrics_of(inputs, arms, test, excluded), "unknown_teachers": unknown}
    write_json(job.out / "metrics.json", metrics)
    job.finish(n_test=len(test), excluded_from_test=excluded, licence=first.licence)


def labels_of(
    card: VoterCard, test: LabelledArrays, settings: ScoreSettings, stage: str
) -> Generator[Progress, None, Labels]:
    """What a voter says of all test samples."""
    voter, parts = load_voter(card, labelling(settings)), []
    for start in range(0, len(test), TEST_BATCH):
        parts.append(voter.label(test.images[start : start + TEST_BATCH]).labels)
        yield Progress(stage, min(start + TEST_BATCH, len(test)), len(test))
    return np.concatenate(parts)


def metrics_of(inputs: Inputs, arms: dict[str, Tested], test: LabelledArrays, excluded: int) -> dict[str, Any]:
    """As an evaluation's metrics.json, as far as nothing was trained; each arm has one run."""
    task = inputs.task
    return {
        "task": task.name,
        "arms": {
            name: {metric: {"mean": value, "std": 0.0, "runs": [value]} for metric, value in found.metrics.items()}
            for name, found in arms.items()
        },
        "per_class": {
            name: {part: {"mean": value, "std": 0.0} for part, value in found.per_class.items()}
            for name, found in arms.items()
        },
        "confusion": {"parts": list(task.parts), "arms": {name: found.confusion for name, found in arms.items()}}
        if all(found.confusion for found in arms.values())
        else {},
        "support": task.scores.label_statistics(test.labels),
        "voters": {
            name: {"networks": card.networks, "classifiers": card.classifiers, "n_real": card.examples}
            for name, card in inputs.voters.items()
        },
        "n_test": len(test),
        "excluded_from_test": excluded,
    }
