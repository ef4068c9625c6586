"""`handsoff fit`: a labeler, from labelled latents or labelled images.

Each pixel classifier leaves out its own fold of the images and stops at the step where the loss on that fold was
lowest: all images are learnt from, and no classifier is stopped by one that it learnt from.
"""

from collections.abc import Callable, Sequence
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
from handsoff.generators.contract import Generator
from handsoff.generators.stored import (
    copy_generator,
    generator_hash,
    generator_licence,
    generator_shell,
    load_generator,
)
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work, run_to_end
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.examples import (
    ENCODER,
    Examples,
    TrainingData,
    load_training_data,
    open_corrected,
    open_examples,
    require_readable,
)
from handsoff.labeling.features import DIFFUSION, Denoising, JoinedFeatures, make_extractor
from handsoff.labeling.image_networks import train_image_networks
from handsoff.labeling.labeler import DENOISER, EXAMPLE_WS, EXAMPLES, GENERATOR, load_labeler, save_labeler
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


def plan(
    generator: Path,
    examples: Path,
    settings: FitSettings,
    corrected: Path | None = None,
    denoiser: Path | None = None,
) -> Plan:
    """What the labeler is made by.

    Raises:
        InputError: the examples cannot serve, or the features cannot be had of this generator or of these examples.
        MismatchError: the examples are of another generator.
    """
    parts = open_parts(generator, examples, settings, corrected)
    needs_latents = extractor_for(parts[0].generator, denoiser, settings, generator_shell).needs_latents
    paths = {"examples": examples, **({} if corrected is None else {"corrected": corrected})}
    nets = {"generator": generator, **({} if denoiser is None else {"denoiser": denoiser})}
    inputs = {name: {"path": str(path.resolve()), "fingerprint": generator_hash(path)} for name, path in nets.items()}
    for (name, path), found in zip(paths.items(), parts, strict=True):
        require_readable(found, path, needs_latents=needs_latents)
        inputs[name] = {"path": str(path.resolve()), "fingerprint": found.fingerprint}
    return Plan("fit", inputs, settings.model_dump())


def extractor_for(
    generator: Path, denoiser: Path | None, settings: FitSettings, load: Callable[[Path], Generator]
) -> JoinedFeatures:
    """What is to be read, of generators or of shells of them, as `load` gives them."""
    model = None if denoiser is None else load(denoiser)
    return make_extractor(load(generator), settings.features, Denoising(settings.sigmas, model))


def open_parts(generator: Path, examples: Path, settings: FitSettings, corrected: Path | None) -> list[Examples]:
    """The examples, and those of a reviewed dataset."""
    found = open_examples(generator, examples, settings)
    if corrected is None:
        return [found]
    return [found, open_corrected(found.generator, corrected, settings, found.labelled.tasks[settings.task])]


def fit(  # the inputs of the verb, one by one
    generator: Path,
    examples: Path,
    out: Path,
    settings: FitSettings,
    corrected: Path | None = None,
    denoiser: Path | None = None,
) -> Work:
    """Fit a labeler; `out` gets it, a copy of the generator, and thumbnails, numbers and latents of the photos.

    Of inverted photos it also gets the contact sheet, and the encoder that inverts further ones.

    Args:
        generator: folder of a generator; of latents that it was tuned on, their own counts instead.
        examples: what `handsoff invert` wrote, a generated dataset, or labelled images; see `labeling.examples`.
        out: folder to write.
        settings: see there.
        corrected: a reviewed dataset, whose accepted and corrected samples are learnt from, too.
        denoiser: a diffusion model whose maps are read, where the generator is not the one.

    Raises:
        InputError: as `plan`, or `out` holds something else.
        MismatchError: as `plan`.
    """
    with open_job(out, plan(generator, examples, settings, corrected, denoiser)) as job:
        if not job.done:
            yield from write_labeler(job, open_parts(generator, examples, settings, corrected), settings, denoiser)
    return job.outcome


def write_labeler(job: Job, parts: Sequence[Examples], settings: FitSettings, denoiser: Path | None) -> Part:
    """Image networks, pixel classifiers, and what they need besides."""
    extractor = extractor_for(parts[0].generator, denoiser, settings, load_generator)
    out, net = job.out, extractor.generator
    with job.undone_if_refused():
        data = load_training_data(parts, net, settings.task, needs_latents=extractor.needs_latents)
    yield from train_image_networks(data.task, data.labelled_images(), out, settings)
    samples = yield from read_pixel_samples(extractor, data, settings.balance, settings.seed)
    with seeded(settings.seed):
        ensemble = Ensemble(extractor.channels, data.task.channels, settings.members, settings.hidden, settings.dropout)
    standardise(ensemble.to(net.device), samples)
    held_out = folds(len(data), settings.members).to(net.device)
    curve: list[float] = []
    state = FitState(ensemble, samples, held_out, data.task, settings)
    yield from train_ensemble(state, curve)
    copy_generator(parts[0].generator, out / GENERATOR)
    if denoiser is not None:
        copy_generator(denoiser, out / DENOISER)
    for file, target in ((parts[0].contact_sheet, CONTACT), (parts[0].encoder, ENCODER)):
        if file is not None:
            write_bytes(out / target, file.read_bytes())
    save_seen(out, data.images)
    write_example_numbers(out, parts[0], data, net)
    facts = settings.model_dump(include={"task", "members", "hidden", "features", "networks", "network_share"})
    facts |= {"schema": data.task.schema, "examples": len(data), "generator": generator_hash(parts[0].generator)}
    licence = "; ".join(dict.fromkeys([net.licence, *([] if denoiser is None else [generator_licence(denoiser)])]))
    facts |= {"licence": licence, "framing": net.framing, "image_size": list(net.image_size)}
    facts |= {"sigmas": list(settings.sigmas) if DIFFUSION in settings.features else []}
    facts |= {"denoiser": None if denoiser is None else generator_hash(denoiser)}
    save_labeler(out, ensemble, facts)
    found = [len(part.labelled.names) for part in parts[1:]]
    corrected = {"corrected_used": found[0], "corrected_loss": loss_of_last(state, found[0])} if found else {}
    job.finish(seed=settings.seed, licence=licence, examples_used=len(data), held_out_loss=curve, **corrected)


def write_example_numbers(out: Path, found: Examples, data: TrainingData, net: Generator) -> None:
    """What the photos show, in numbers, and their ws: `generate` compares with them and starts from them.

    Args:
        out: the labeler's folder.
        found: the photos, which come first in `data`.
        data: images and labels.
        net: their generator.
    """
    names, latents = found.labelled.names, None if found.draw is None else found.draw(net)
    tasks, chosen = {data.task.name: data.task}, available({data.task.name: data.task})
    numbers = {
        name: describe(image, {data.task.name: label}, tasks, chosen, measures=True)
        for name, image, label in zip(names, data.images[: len(names)], data.labels[: len(names)], strict=True)
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


def held_out_loss(state: FitState) -> Float[Tensor, " e"]:
    """Each classifier's mean loss over the images it may not train on (all images where there are none)."""
    losses = []
    for member, held_out in enumerate(state.held_out):
        images = held_out.nonzero()[:, 0].tolist() or range(len(state.samples))
        found = [loss_on(state.task, state.ensemble, member, state.samples, image) for image in images]
        losses.append(torch.stack(found).mean())
    return torch.stack(losses)


def loss_of_last(state: FitState, count: int) -> float:
    """The mean loss on the last `count` images, each by the classifiers that did not learn from it."""
    images = range(len(state.samples) - count, len(state.samples))
    members = {image: state.held_out[:, image].nonzero()[:, 0].tolist() for image in images}
    found = [
        loss_on(state.task, state.ensemble, member, state.samples, image)
        for image in images
        for member in members[image]
    ]
    return round(float(torch.stack(found).mean()), 4)


@torch.no_grad()
def loss_on(task: Task, ensemble: Ensemble, member: int, samples: PixelSamples, image: int) -> Float[Tensor, ""]:
    """One classifier's mean loss on the pixels of one image."""
    with mixed_precision():
        outputs = ensemble.eval().alone(member, samples.hypercolumns[image])
    return task.learning.loss(outputs.float().T[None], samples.target[image][None]).mean()


def loss_before(labeler: Path, corrected: Path, settings: FitSettings) -> float | None:
    """The mean loss of a labeler's classifiers on corrected samples, none of which they learnt from.

    None where they cannot read the samples, which have no latents.

    Raises:
        InputError: the labeler or the dataset cannot be used.
        MismatchError: they do not belong together.
    """
    loaded = load_labeler(labeler)
    part = open_corrected(labeler / GENERATOR, corrected, settings, loaded.task)
    if loaded.extractor.needs_latents and part.draw is None:
        return None
    needs_latents = loaded.extractor.needs_latents
    data = load_training_data([part], loaded.generator, settings.task, needs_latents=needs_latents)
    samples = run_to_end(read_pixel_samples(loaded.extractor, data, settings.balance, settings.seed))
    found = [
        loss_on(loaded.task, loaded.ensemble, member, samples, image)
        for image in range(len(samples))
        for member in range(loaded.ensemble.members)
    ]
    return round(float(torch.stack(found).mean()), 4)
