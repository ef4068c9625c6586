"""`handsoff train`: a generator from a folder of images."""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.core.device import best_device, mixed_precision, on_device
from handsoff.core.disk import require_space
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.frames import Frame, frame_of
from handsoff.core.seeds import seeded, step_generator
from handsoff.datasets.sources import Source, forget_photos, load_photos, loaded_names, map_photos, open_source
from handsoff.formats.photos import photos_in
from handsoff.generators.conditions import encoded, label_width
from handsoff.generators.stored import generator_hash
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.training.conditions import NOT_MIRRORED, PhotoConditions, conditions_input, photo_conditions
from handsoff.training.events import writer_library
from handsoff.training.gan.beginning import beginning
from handsoff.training.gan.data import TrainingData
from handsoff.training.gan.discriminators import Discriminator, Projected, StyleGAN2Discriminator
from handsoff.training.gan.snapshots import Snapshots, show_progress, shown_kimg, stored_nearness, trim_log
from handsoff.training.gan.state import CHECKPOINT, State, load_state, new_state, save_state, spent
from handsoff.training.page import LOG, PAGE, read_log
from handsoff.training.parallel import average_gradients, barrier, join, same_everywhere
from handsoff.training.settings import TrainSettings
from handsoff.training.watch import discriminator_losses, warnings_of

CHECKPOINT_SECONDS = 120.0
DEFAULT_KIMG = 200.0
FINEST_CHANNELS = 48
FEW = 500  # photos: with fewer there is a warning
LAST = ("fd_lite0", "kd_lite0", "images_per_second")  # of the log, in the report
Budget = dict[str, float | None]


@dataclass(frozen=True)
class Limits:
    """How long to go on and this process's place among the others."""

    budget: Budget
    rank: int
    world: int


def parse_resolution(text: str) -> tuple[Frame, Frame]:
    """'64' or '256x192' (H×W) → frame and base, the smallest shape with both sides ≥ 3 that doubles to it.

    Raises:
        InputError: not of that form, or not a small base doubled at least once.
    """
    try:
        height, width = frame_of(text)
        doublings = 0
        while height % 2 == 0 and width % 2 == 0 and min(height, width) // 2 >= 3 and max(height, width) > 4:  # noqa: PLR2004  # bases from 4x3 on
            height, width, doublings = height // 2, width // 2, doublings + 1
    except ValueError:
        raise InputError(f"--resolution {text!r} is not a size: write 64 or, as height x width, 256x192.") from None
    if doublings < 1 or max(height, width) > 9:  # noqa: PLR2004  # a larger base would leave the shape to one constant
        raise InputError(
            f"--resolution {text} cannot be reached by doubling a small base such as 4x4 or 4x3: "
            "use 32, 64, 128, 256x192, …"
        )
    return (height << doublings, width << doublings), (height, width)


def plan(images: Path, settings: TrainSettings, init: Path | None = None) -> Plan:
    """What the generator is made by; how long it trains may be said anew.

    Raises:
        InputError: there are no such images, their conditions are not all told, or `init` is no generator.
    """
    fixed = settings.model_dump(exclude={"kimg", "minutes", "snapshot_kimg", "tensorboard", "conditions"})
    inputs = {"images": open_source(images).describe()}
    if settings.conditions is not None:
        photos = photos_in(open_source(images))
        inputs["conditions"] = conditions_input(Path(settings.conditions), photos, settings.mirrored)
    if init is not None:
        inputs["init"] = {"path": str(init.resolve()), "fingerprint": generator_hash(init)}
    return Plan("train", inputs, fixed)


def train(images: Path, out: Path, settings: TrainSettings, init: Path | None = None) -> Work:
    """Train on the images of a folder or zip; `out` then holds the generator, grids, `log.jsonl` and the checkpoint.

    Interrupted at any moment, the next call goes on from the last checkpoint (at most two minutes old). A finished run
    goes on when called with more `kimg` or `minutes`. With `init` the generator begins with another one's weights.

    Raises:
        InputError: no usable images, or `out` holds something else.
        MismatchError: `init` is of another kind, size or framing, or is given together with conditions.
        HandsOffError: `tensorboard` is wanted and its writer is not installed.
    """
    frame, _ = parse_resolution(settings.resolution)
    if settings.tensorboard:
        writer_library()
    source = photos_in(open_source(images))
    if not out.exists():  # later its photos are there already
        require_space(out, len(source.sizes) * frame[0] * frame[1] * 3)
    budget = asked_for(settings)
    rank, world = join()
    if rank > 0:
        barrier()  # the first process makes the folder
    begin = None if init is None else beginning(init, frame, settings)
    with open_job(out, plan(images, settings, init), alone=rank == 0) as job:
        if rank == 0:
            barrier()
        if not (job.done and finished(out, settings)):
            yield from go_on(job, source, settings, Limits(budget, rank, world), begin)
            barrier()
    return job.outcome


def go_on(job: Job, source: Source, settings: TrainSettings, limits: Limits, begin: StyleGAN2 | None = None) -> Part:
    """Train from the last checkpoint, or from the beginning, until the budget is spent."""
    frame, base = parse_resolution(settings.resolution)
    cache, notes = job.out / "photos.u8", [*source.notes, *few(len(source.sizes))]
    if settings.conditions is not None and settings.mirror and settings.mirrored is None:
        notes.append(NOT_MIRRORED)
    if limits.rank == 0:
        for note in notes:
            yield Progress("reading images", 0, len(source.sizes), note)
        with job.undone_if_refused():
            yield from load_photos(source, frame, cache, settings.framing)
        job.reopen()
    barrier()
    photos, told = map_photos(cache, frame), None
    if settings.conditions is not None:
        told = photo_conditions(Path(settings.conditions), loaded_names(source, cache), settings.mirrored)
    state = build(frame, base, settings, begin, told)
    if not load_state(state, job.out) and limits.rank == 0:
        yield Progress("training", 0, 1, f"{CHECKPOINT} is damaged: training begins again")
    mirror = settings.mirror and (told is None or told.mirrored)
    yield from run(state, TrainingData(photos, told, mirror), job.out, settings, limits)
    if limits.rank == 0:
        forget_photos(cache)
        write_report(job, state, len(photos), limits.budget, notes)


def asked_for(settings: TrainSettings) -> Budget:
    """How long to train, `DEFAULT_KIMG` where nothing is said."""
    return {
        "kimg": settings.kimg or (None if settings.minutes else DEFAULT_KIMG),
        "minutes": settings.minutes,
    }


def finished(out: Path, settings: TrainSettings) -> bool:
    """Whether the run in `out` has trained for as long as is asked for now."""
    return reached(*spent(out), asked_for(settings))


def few(count: int) -> list[str]:
    """A warning where there are too few photos for a generator to learn more than these."""
    if count >= FEW:
        return []
    return [
        f"{count:,} photos are few: with fewer than some {FEW} a generator tends to repeat them, add more if you can."
    ]


def write_report(job: Job, state: State, count: int, budget: Budget, notes: list[str]) -> None:
    log = read_log(job.out / LOG)
    last = log[-1]
    facts = {"seed": job.plan.settings["seed"], "licence": state.average.licence, "images_used": count}
    facts |= {"budget": budget, "kimg": round(state.images / 1000, 1), "training_seconds": round(state.seconds)}
    facts |= {"best_fd_lite0": state.best_fd, "last": {key: last[key] for key in LAST}}
    parameters = sum(parameter.numel() for parameter in state.generator.parameters())
    show_progress(state, job.out, state.images / max(state.seconds, 1e-9), finished=True)
    nearness = stored_nearness(job.out)
    facts["nearness"] = None if nearness is None else asdict(nearness)
    notes = [*notes, *warnings_of(discriminator_losses(log), state.discriminator.chance, nearness)]
    job.finish(**facts, generator=asdict(state.average.config), parameters=parameters, notes=notes)


def reached(images: int, seconds: float, budget: Budget) -> bool:
    kimg, minutes = budget["kimg"], budget["minutes"]
    return (kimg is not None and images >= kimg * 1000) or (minutes is not None and seconds >= minutes * 60)


def build(
    frame: Frame,
    base: Frame,
    settings: TrainSettings,
    begin: StyleGAN2 | None = None,
    told: PhotoConditions | None = None,
) -> State:
    """Both players at their first step; the generator as `begin` where there is one."""
    channel_base = settings.channel_base or FINEST_CHANNELS * (4 * frame[0] // base[0])
    config = StyleGAN2Config(frame, base, settings.w_dim, settings.w_dim, 4, channel_base, settings.channel_max)
    discriminator: Discriminator
    conditions = None if told is None else told.conditions
    labels = 0 if conditions is None else label_width(conditions)
    with seeded(settings.seed):
        generator = begin or StyleGAN2(config, settings.licence, settings.framing, conditions)
        if settings.discriminator == "projected":
            discriminator = Projected(frame, settings.feature_size, settings.seed, settings.r1, labels)
        else:
            discriminator = StyleGAN2Discriminator(generator.config.channels, generator.config.base, labels)
    return new_state(on_device(generator), on_device(discriminator), settings.g_lr, settings.d_lr)


def run(state: State, data: TrainingData, out: Path, settings: TrainSettings, limits: Limits) -> Part:
    """The training loop: steps, and between them checkpoints and snapshots."""
    snapshots = None
    if limits.rank == 0:
        trim_log(out / LOG, state.images)
        yield Progress("measuring the photos", 0, 1)
        show_progress(state, out)
        snapshots = Snapshots(data.photos, out, settings, state.images)
    began, before = time.monotonic() - state.seconds, state.seconds
    saved, shown = time.monotonic(), state.images
    per_step = settings.batch // limits.world * limits.world
    whole = True  # what is interrupted within a step goes on from the last checkpoint
    try:
        while not stop(state, limits):
            whole = False
            losses = gan_step(state, data, settings, limits)
            if not all(math.isfinite(loss) for loss in losses.values()):
                raise HandsOffError(
                    f"Training diverged after {state.images / 1000:.1f} kimg: the loss is not a number. "
                    f"The best generator so far stays in {out}; "
                    "start again in another folder with another seed or lower learning rates."
                )
            state.count(losses, per_step)
            whole = True
            due = state.images // (settings.snapshot_kimg * 1000) != (state.images - per_step) // (
                settings.snapshot_kimg * 1000
            )
            state.seconds = time.monotonic() - began
            if snapshots is None:
                continue
            rate = (state.images - shown) / max(state.seconds - before, 1e-9)
            if due or reached(state.images, state.seconds, limits.budget):
                snapshots.take(state, rate)
                state.seconds = time.monotonic() - began
            if due or time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_state(state, out)
                show_progress(state, out, rate, left(state, limits.budget, rate))
                saved = time.monotonic()
            yield progress(state, limits.budget, losses, rate, snapshots)
        if snapshots is not None and trim_log(out / LOG, state.images) != shown_kimg(state.images):
            snapshots.take(
                state, state.images / max(state.seconds, 1e-9)
            )  # the budget was lowered: stop here, measured
    finally:
        if snapshots is not None:
            snapshots.close()
        if limits.rank == 0 and whole:
            save_state(state, out)


def left(state: State, budget: Budget, rate: float) -> float:
    """Seconds until the budget is spent, about."""
    kimg, minutes = budget["kimg"], budget["minutes"]
    times = [] if kimg is None else [(kimg * 1000 - state.images) / max(rate, 1e-9)]
    times += [] if minutes is None else [minutes * 60 - state.seconds]
    return max(min(times), 0.0)


def stop(state: State, limits: Limits) -> bool:
    """Whether the budget is spent; the first process decides for all."""
    decision = torch.tensor(float(reached(state.images, state.seconds, limits.budget)), device=best_device())
    return bool(same_everywhere(decision))


def progress(state: State, budget: Budget, losses: dict[str, float], rate: float, seen: Snapshots) -> Progress:
    shares = [(state.images / 1000, budget["kimg"]), (state.seconds / 60, budget["minutes"])]
    done, total = max(((done, total) for done, total in shares if total), key=lambda pair: pair[0] / pair[1])
    note = f"{state.images / 1000:.1f} kimg, {rate:.1f} images/s, loss D {losses['d']:.2f} G {losses['g']:.2f}"
    if seen.last:
        note += f", FD-lite0 {seen.last['fd_lite0']:.2f} KD {seen.last['kd_lite0']:.2f}"
    if seen.warnings:
        note += f", see the warnings in {PAGE}"
    return Progress("training", done, total, note)


def gan_step(state: State, data: TrainingData, settings: TrainSettings, limits: Limits) -> dict[str, float]:
    """One update of each player from one batch of generated images, seen once by the discriminator's fixed part."""
    count = settings.batch // limits.world
    stream = step_generator(settings.seed, state.step, limits.rank)
    with seeded(int(torch.randint(2**62, (), generator=stream))):
        reals, shown = data.draw(count, stream)
        asked = data.draw_conditions(count, stream)
        generator, discriminator = state.generator, state.discriminator
        labels = tuple(None if told is None else encoded(generator.conditions, told) for told in (shown, asked))
        with mixed_precision():
            z = torch.randn(count, generator.z_dim, device=reals.device)
            fake = discriminator.extract(
                generator.synthesis(mixed_latents(generator, z, settings.mixing, asked), noise="random")[0]
            )
            with torch.no_grad():
                real = discriminator.extract(reals)
            made = [feature.detach() for feature in fake]
            d_loss = discriminator.loss(real, made, state.step, (labels[0], labels[1]))
        update(discriminator, state.d_optimizer, d_loss)
        discriminator.requires_grad_(requires_grad=False)
        with mixed_precision():
            g_loss = discriminator.generator_loss(fake, labels[1])
        update(generator, state.g_optimizer, g_loss)
        discriminator.requires_grad_(requires_grad=True)
        update_ema(state, count * limits.world)
        return {"d": float(d_loss.detach()), "g": float(g_loss.detach())}


def update(player: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(player.parameters())
    optimizer.step()


def mixed_latents(
    generator: StyleGAN2, z: Float[Tensor, "n z"], mixing: float, condition: Tensor | None = None
) -> Float[Tensor, "n l d"]:
    """ws with style mixing: from a random layer on, w of another z and the same condition (StyleGAN, section 3.1)."""
    ws = generator.mapping(z, condition)
    other = ws.roll(1, 0) if condition is None else generator.mapping(z.roll(1, 0), condition)
    cut = torch.randint(1, generator.num_ws, (z.shape[0], 1, 1), device=z.device)
    cut = torch.where(torch.rand(cut.shape, device=z.device) < mixing, cut, generator.num_ws)
    return torch.where(torch.arange(generator.num_ws, device=z.device)[None, :, None] < cut, ws, other)


@torch.no_grad()
def update_ema(state: State, count: int) -> None:
    """Exponential moving average of the generator: half-life 10,000 images, a twentieth of the run at its beginning."""
    half_life = min(10_000.0, max(state.images * 0.05, 1.0))
    beta = 0.5 ** (count / half_life)
    averaged: list[Tensor] = list(state.average.parameters())
    newest: list[Tensor] = list(state.generator.parameters())
    torch._foreach_lerp_(averaged, newest, 1 - beta)  # the fused loop of torch.optim
    for mine, theirs in zip(state.average.buffers(), state.generator.buffers(), strict=True):
        mine.copy_(theirs)
