"""`handsoff edit`: edit vectors that add a class (EditGAN, Ling et al. 2021, arXiv 2111.03186, sections 3.3 and 3.4).

The mask of a labelled photo is pasted over that of a sample that shows little of the class. The latents follow, and the
way they went is the vector. It is kept if the labeler then sees more of the class, and the rest stays.
"""

from collections.abc import Generator as Steps
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from handsoff.core.errors import InputError, MismatchError, nearest
from handsoff.core.files import png, weights_hash, write_bytes, write_json
from handsoff.core.images import tile
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.editing.outcome import Change, change
from handsoff.editing.paint import MASK, Canvas, Masks, Regions, follow, moved, open_canvas
from handsoff.editing.settings import EditSettings
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.stored import generator_shell
from handsoff.inversion.refine import fitting_together
from handsoff.jobs.checkpoints import is_whole
from handsoff.jobs.folder import Job, Plan, open_job, require_done
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.labeling.examples import Examples, open_examples
from handsoff.labeling.labeler import CARD as LABELER
from handsoff.labeling.labeler import GENERATOR, load_labeler, read_card
from handsoff.labeling.settings import FitSettings
from handsoff.sampling.draws import Draw, draw_latents, uniform_draws
from handsoff.sampling.edits import VECTORS
from handsoff.sampling.targets import LEAST
from handsoff.tasks.base import Task

CARD, CONTACT = "edits.json", "edits.png"
RARE = 0.25  # of the labelled photos: a class that fewer of them show is edited unless classes are named
TOGETHER = 8  # samples that are edited at once, at the most
LOOKED_AT = 4  # samples that are looked at per edit of a class, to find some without it
SHOWN = 12  # edits on the contact sheet


@dataclass(frozen=True)
class Trial:
    """One edit that is tried.

    Attributes:
        part: the class that it is to add.
        photo: whose mask is pasted.
        draw: the sample.
    """

    name: str
    part: str
    photo: str
    draw: Draw


@dataclass(frozen=True)
class Pasted:
    """Samples with masks that were pasted over: what to follow, and where."""

    trials: list[Trial]
    masks: Masks
    regions: Regions


@dataclass(frozen=True)
class Learnt:
    """One edit that was learnt.

    Attributes:
        vector: what is added to ws.
        outcome: what it did to its own sample.
        pictures: before, after, and after with its label; of edits on the contact sheet alone.
    """

    trial: Trial
    vector: Float[Tensor, "l d"]
    outcome: Change
    pictures: Sequence[UInt8[np.ndarray, "h w 3"]]

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self.trial), "draw": self.trial.draw.record(), **self.outcome.record()}


def plan(labeler: Path, examples: Path, settings: EditSettings) -> Plan:
    """What the edits are made by.

    Raises:
        InputError: the labels are no masks, the generator has no w space, the photos cannot be used, or a part is none.
        MismatchError: the photos are labelled otherwise, or belong to another generator.
    """
    require_done(labeler, "fit")
    card = read_card(labeler)
    found = open_photos(labeler, examples, settings)
    task = found.labelled.tasks[card["task"]]
    if task.drawing.editor != MASK:
        raise InputError(f"{labeler} gives labels for {card['task']}, and images are edited by masks.")
    if not isinstance(generator_shell(labeler / GENERATOR), StyleGenerator):
        raise InputError(f"The generator of {labeler} has no w space, so its images cannot be edited.")
    check_parts(settings, task)
    inputs = {
        "labeler": {"path": str(labeler.resolve()), "fingerprint": weights_hash(labeler / LABELER)},
        "examples": {"path": str(examples.resolve()), "fingerprint": found.fingerprint},
    }
    return Plan("edit", inputs, settings.model_dump())


def check_parts(settings: EditSettings, task: Task) -> None:
    """Refuse classes to be added that there are not.

    Raises:
        InputError: the settings name one.
    """
    for name in settings.parts or ():
        if name not in task.parts:
            raise InputError(f"parts names {name!r}: {nearest(name, task.parts)}choose among {', '.join(task.parts)}.")


def open_photos(labeler: Path, examples: Path, settings: EditSettings) -> Examples:
    """The labelled photos, whose labels must be those of the labeler."""
    card = read_card(labeler)
    chosen = settings.model_dump(include={"first", "labels", "corrections"})
    found = open_examples(labeler / GENERATOR, examples, FitSettings(task=card["task"], **chosen))
    if found.labelled.tasks[card["task"]].schema != card["schema"]:
        raise MismatchError(f"The labels of {examples} are others than those of {labeler}: give its own photos.")
    return found


def edit(labeler: Path, examples: Path, out: Path, settings: EditSettings) -> Work:
    """Learn edit vectors; `out` gets those that were confirmed, an account of all that were tried, and pictures.

    Args:
        labeler: says what an image shows.
        examples: the folder of `handsoff invert`, or labelled photos, whose masks are pasted.
        out: folder to write.
        settings: see there.

    Raises:
        InputError: as `plan`, no photo shows a class that is named, or `out` holds something else.
        MismatchError: as `plan`.
    """
    with open_job(out, plan(labeler, examples, settings)) as job:
        if not job.done:
            yield from learn_edits(job, labeler, examples, settings)
    return job.outcome


def learn_edits(job: Job, labeler: Path, examples: Path, settings: EditSettings) -> Part:
    """Choose what to try, learn it in chunks, and keep what the labeler confirms."""
    canvas, photos = open_canvas(load_labeler(labeler)), open_photos(labeler, examples, settings).labelled
    net, task = canvas.generator, canvas.labeler.task
    masks = photos.load(net.image_size, net.framing)[1][task.name]
    donors = all_donors(settings, task.parts, masks)
    pasted = yield from paste(canvas, photos.names, masks, donors, settings)
    learnt: list[Learnt] = []
    together = fitting_together(net, TOGETHER)
    for start in range(0, len(pasted.trials), together):
        learnt += yield from learn_chunk(job.out, canvas, pasted, slice(start, start + together), settings)
    vectors = {found.trial.name: found.vector for found in learnt if found.outcome.confirmed}
    write_tensors(job.out / VECTORS, vectors)
    pictures = [picture for found in learnt for picture in found.pictures]
    write_bytes(job.out / CONTACT, png(tile(np.stack(pictures), 6)))
    told = {found.trial.name: found.record() for found in learnt}
    write_json(job.out / CARD, {"generator": read_card(labeler)["generator"], "task": task.name, "edits": told})
    confirmed = {part: sum(f"{task.name}/{part}" == about(name) for name in vectors) for part in donors}
    failed = [part for part, count in confirmed.items() if not count]
    notes = [f"No edit that adds {part} was confirmed: its samples stay as rare." for part in failed]
    job.finish(
        seed=settings.seed, licence=net.licence, tried=len(told), confirmed=len(vectors), vectors=confirmed, notes=notes
    )


def learn_chunk(
    out: Path, canvas: Canvas, pasted: Pasted, chunk: slice, settings: EditSettings
) -> Steps[Progress, None, list[Learnt]]:
    """Some of the edits; what an interrupted run has learnt is read instead."""
    trials, file = pasted.trials[chunk], out / "ledger" / f"{chunk.start:06d}.safetensors"
    latents = draw_latents(canvas.generator, [trial.draw for trial in trials])
    if not is_whole(file):
        stage = f"edits {chunk.start + 1} to {chunk.start + len(trials)} of {len(pasted.trials)}"
        found = yield from follow(canvas, latents, pasted.masks[chunk], pasted.regions[chunk], settings, stage)
        write_tensors(file, {trial.name: row.cpu() for trial, row in zip(trials, found, strict=True)}, sealed=True)
    vectors, task = read_tensors(file), canvas.labeler.task
    delta = torch.stack([vectors[trial.name] for trial in trials]).to(canvas.generator.device)
    images, before, _ = canvas.labeler.label(latents)
    edited, after, _ = canvas.labeler.label(moved(latents, delta))
    shown = min(max(SHOWN - chunk.start, 0), len(trials))
    drawn = task.drawing.draw(edited[:shown], after[:shown]) if shown else edited[:0]
    return [
        Learnt(
            trial,
            vectors[trial.name],
            change(before[row], after[row], task.parts.index(trial.part)),
            [images[row].copy(), edited[row].copy(), drawn[row].copy()] if row < shown else [],
        )
        for row, trial in enumerate(trials)
    ]


def all_donors(settings: EditSettings, parts: Sequence[str], masks: Masks) -> dict[str, list[int]]:
    """Class that edits are to add → the photos that show it.

    Raises:
        InputError: none does, or no class is named and none is rare.
    """
    donors = {part: donors_of(parts.index(part), masks) for part in wanted(settings, parts, masks)}
    for part, rows in donors.items():
        if not rows:
            raise InputError(f"None of the labelled photos shows {part}: name other parts, or label some that do.")
    return donors


def wanted(settings: EditSettings, parts: Sequence[str], masks: Masks) -> Sequence[str]:
    """The classes that are named, or those that some photos show, but fewer than `RARE` of them.

    Raises:
        InputError: none is named, and none is rare.
    """
    if settings.parts is not None:
        return settings.parts
    shares = {part: len(donors_of(index, masks)) / len(masks) for index, part in enumerate(parts)}
    rare = [part for part, share in shares.items() if 0 < share < RARE]
    if not rare:
        raise InputError(f"No class is shown by fewer than {RARE:.0%} of the labelled photos: name some with parts.")
    return rare


def donors_of(part: int, masks: Masks) -> list[int]:
    """The photos that show a class."""
    shares = (masks == part).mean((1, 2))
    rows: list[int] = np.flatnonzero(shares >= LEAST).tolist()
    return rows


def paste(
    canvas: Canvas, names: Sequence[str], masks: Masks, donors: Mapping[str, Sequence[int]], settings: EditSettings
) -> Steps[Progress, None, Pasted]:
    """Of every class the samples that show least of it, and the mask of a photo with it pasted over theirs."""
    labeler = canvas.labeler
    task, net = labeler.task, canvas.generator
    draws = uniform_draws(net.conditions, range(settings.seed, settings.seed + LOOKED_AT * settings.vectors))
    seen, together = [], fitting_together(net, TOGETHER)
    for start in range(0, len(draws), together):
        yield Progress("looking for samples to edit", start, len(draws))
        seen.append(labeler.label(draw_latents(net, draws[start : start + together]))[1])
    own = np.concatenate(seen)
    trials, wishes, regions = [], [], []
    for part, rows in donors.items():
        index = task.parts.index(part)
        least = np.argsort((own == index).mean((1, 2)), kind="stable")[: settings.vectors]
        for number, sample in enumerate(least.tolist()):
            photo = rows[number % len(rows)]
            region = (masks[photo] == index) | (own[sample] == index)
            wishes.append(np.where(masks[photo] == index, np.uint8(index), own[sample]))
            regions.append(region)
            trials.append(Trial(f"{task.name}/{part}/{number}", part, names[photo], draws[sample]))
    return Pasted(trials, np.stack(wishes), np.stack(regions))


def about(vector: str) -> str:
    """TASK/PART of the name of an edit vector."""
    return vector.rpartition("/")[0]
