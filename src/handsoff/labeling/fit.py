"""`handsoff fit`: a labeler, from labelled latents or labelled images.

Each pixel classifier leaves out its own fold of the images and stops at the step where the loss on that fold was
lowest: all images are learnt from, and no classifier is stopped by one that it learnt from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from handsoff.core.device import mixed_precision
from handsoff.core.files import write_bytes, write_json, write_tensors
from handsoff.core.seeds import seeded, step_generator
from handsoff.datasets.attributes import available, describe
from handsoff.datasets.likeness import save_seen
from handsoff.generators.latents import Latents
from handsoff.generators.stored import copy_generator, generator_hash, generator_shell, load_generator
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.examples import ENCODER, TrainingData, load_training_data, open_examples, require_readable
from handsoff.labeling.features import make_extractor
from handsoff.labeling.image_networks import train_image_networks
from handsoff.labeling.labeler import EXAMPLE_WS, EXAMPLES, GENERATOR, save_labeler
from handsoff.labeling.pixel_samples import PixelSamples, read_pixel_samples
from handsoff.labeling.settings import FitSettings
from handsoff.sampling.edits import WS
from handsoff.tasks.base import Task

CHECKS = 12  # how often a run is measured on the held-out images
SCALED_BY = 200  # pixels of each image that say how features are standardised
CONTACT = "inversions.png"  # the contact sheet of the examples, where they have one


@dataclass(frozen=True)
class FitState:
    """One training run of the pixel classifiers.

    Attributes:
        held_out: classifier e never trains on image n where held_out[e, n].
    """

    ensemble: Ensemble
    samples: PixelSamples
    held_out: Bool[Tensor, "e n"]
    task: Task
    settings: FitSettings


def plan(generator: Path, examples: Path, settings: FitSettings) -> Plan:
    """What the labeler is made by.

    Raises:
        InputError: the examples cannot serve, or the features cannot be had of this generator or of these examples.
        MismatchError: the examples are of another generator.
    """
    found = open_examples(generator, examples, settings)
    needs_latents = make_extractor(generator_shell(generator), settings.features).needs_latents
    require_readable(found, examples, needs_latents=needs_latents)
    inputs = {
        "generator": {"path": str(generator.resolve()), "fingerprint": generator_hash(generator)},
        "examples": {"path": str(examples.resolve()), "fingerprint": found.fingerprint},
    }
    return Plan("fit", inputs, settings.model_dump())


def fit(generator: Path, examples: Path, out: Path, settings: FitSettings) -> Work:
    """Fit a labeler; `out` gets it, a copy of the generator, and thumbnails, numbers and latents of the photos.

    Of inverted photos it also gets the contact sheet, and the encoder that inverts further ones.

    Args:
        generator: folder of a generator.
        examples: what `handsoff invert` wrote, a generated dataset, or labelled images; see `labeling.examples`.
        out: folder to write.
        settings: see there.

    Raises:
        InputError: as `plan`, or `out` holds something else.
        MismatchError: as `plan`.
    """
    with open_job(out, plan(generator, examples, settings)) as job:
        if not job.done:
            yield from write_labeler(job, generator, examples, settings)
    return job.outcome


def write_labeler(job: Job, generator: Path, examples: Path, settings: FitSettings) -> Part:
    """Image networks, pixel classifiers, and what they need besides."""
    out = job.out
    found, net = open_examples(generator, examples, settings), load_generator(generator)
    extractor = make_extractor(net, settings.features)
    with job.undone_if_refused():
        data = load_training_data(found, net, settings.task, needs_latents=extractor.needs_latents)
    yield from train_image_networks(data.task, data.labelled_images(), out, settings)
    samples = yield from read_pixel_samples(extractor, data, settings.balance, settings.seed)
    with seeded(settings.seed):
        ensemble = Ensemble(extractor.channels, data.task.channels, settings.members, settings.hidden, settings.dropout)
    standardise(ensemble.to(net.device), samples)
    held_out = folds(len(data), settings.members).to(net.device)
    curve: list[float] = []
    yield from train_ensemble(FitState(ensemble, samples, held_out, data.task, settings), curve)
    copy_generator(generator, out / GENERATOR)
    for file, target in ((found.contact_sheet, CONTACT), (found.encoder, ENCODER)):
        if file is not None:
            write_bytes(out / target, file.read_bytes())
    save_seen(out, data.images)
    latents = None if found.draw is None else found.draw(net)
    write_example_numbers(out, found.labelled.names, data, latents)
    facts = settings.model_dump(include={"task", "members", "hidden", "features", "networks", "network_share"})
    facts |= {"schema": data.task.schema, "examples": len(data), "generator": generator_hash(generator)}
    facts |= {"licence": net.licence, "framing": net.framing, "image_size": list(net.image_size)}
    save_labeler(out, ensemble, facts)
    job.finish(seed=settings.seed, licence=net.licence, examples_used=len(data), held_out_loss=curve)


def write_example_numbers(out: Path, names: Sequence[str], data: TrainingData, latents: Latents | None) -> None:
    """What the photos show, in numbers, and their ws: `generate` compares with them and starts from them."""
    tasks, chosen = {data.task.name: data.task}, available({data.task.name: data.task})
    numbers = {
        name: describe(image, {data.task.name: label}, tasks, chosen, measures=True)
        for name, image, label in zip(names, data.images, data.labels, strict=True)
    }
    write_json(out / EXAMPLES, numbers)
    if latents is not None and WS in latents.tensors:
        write_tensors(out / EXAMPLE_WS, dict(zip(names, latents.tensors[WS].contiguous().cpu(), strict=True)))


def folds(count: int, members: int) -> Bool[Tensor, "e n"]:
    """Image n is held out from classifier n mod `members`."""
    return torch.arange(count)[None] % members == torch.arange(members)[:, None]


@torch.no_grad()
def standardise(ensemble: Ensemble, samples: PixelSamples) -> None:
    """Mean and deviation of every channel of the hypercolumn, over pixels of all images."""
    stream = torch.Generator().manual_seed(0)
    some = torch.randperm(samples.hypercolumns.shape[1], generator=stream)[:SCALED_BY].to(samples.device)
    values = samples.hypercolumns[:, some].float().flatten(0, 1)
    ensemble.mean.copy_(values.mean(0))
    ensemble.scale.copy_(values.std(0) + 1e-3)


def train_ensemble(state: FitState, curve: list[float]) -> Part:
    """AdamW with one cycle; every classifier ends with its weights of the step that was best on its held-out images.

    The mean loss on the held-out images is appended to `curve`, `CHECKS` times.
    """
    settings, ensemble = state.settings, state.ensemble
    optimizer = torch.optim.AdamW(ensemble.parameters(), settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.steps)
    best = torch.full((settings.members,), float("inf"), device=state.held_out.device)
    kept = {name: value.detach().clone() for name, value in ensemble.named_parameters()}
    every = max(1, settings.steps // CHECKS)
    for step in range(settings.steps):
        loss = fit_step(state, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % every == 0 or step + 1 == settings.steps:
            held = held_out_loss(state)
            better = held < best
            best = torch.where(better, held, best)
            for name, value in ensemble.named_parameters():
                kept[name][better] = value.detach()[better]
            curve.append(round(float(held.mean()), 4))
        if step % 5 == 0 or step + 1 == settings.steps:
            note = f"loss {float(loss.detach()):.3f}" + (f", held out {curve[-1]:.3f}" if curve else "")
            yield Progress("fitting the labeler", step + 1, settings.steps, note)
    for name, value in ensemble.named_parameters():
        value.data.copy_(kept[name])
    ensemble.eval()


def fit_step(state: FitState, step: int) -> Float[Tensor, ""]:
    """The loss of one step: a few thousand pixels of a few images, each classifier without its held-out images."""
    samples, settings = state.samples, state.settings
    stream = step_generator(settings.seed, step, 2)
    dropout_seed = int(torch.randint(2**62, (), generator=stream))
    chosen = torch.randint(len(samples), (settings.images,), generator=stream)
    picks = torch.multinomial(samples.weights[chosen], settings.pixels, replacement=True, generator=stream)
    chosen, picks = chosen.to(samples.device), picks.to(samples.device)
    place = chosen[:, None], picks
    state.ensemble.train()
    with seeded(dropout_seed), mixed_precision():
        outputs = state.ensemble(samples.hypercolumns[place].flatten(0, 1))
    counts = (~state.held_out[:, chosen]).repeat_interleave(settings.pixels, 1).float()
    target = samples.target[place]
    by_image = outputs.float().unflatten(1, target.shape[:2]).movedim(3, 2)
    losses = torch.stack([state.task.learning.loss(member, target).flatten() for member in by_image])
    return (losses * counts).sum() / counts.sum().clamp_min(1) * settings.members


@torch.no_grad()
def held_out_loss(state: FitState) -> Float[Tensor, " e"]:
    """Each classifier's mean loss over the images it may not train on (all images where there are none)."""
    samples, ensemble, learning = state.samples, state.ensemble.eval(), state.task.learning
    losses = []
    for member, held_out in enumerate(state.held_out):
        images = held_out.nonzero()[:, 0].tolist() or range(len(samples))
        found = []
        for image in images:
            with mixed_precision():
                outputs = ensemble.alone(member, samples.hypercolumns[image])
            found.append(learning.loss(outputs.float().T[None], samples.target[image][None]).mean())
        losses.append(torch.stack(found).mean())
    return torch.stack(losses)
