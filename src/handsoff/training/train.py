"""`handsoff train`: a generator from a folder of images."""

import math
import time
from dataclasses import asdict
from pathlib import Path

from handsoff.core.disk import require_space
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.seeds import share_of_batch
from handsoff.datasets.sources import (
    Source,
    forget_photos,
    image_names,
    load_photos,
    loaded_names,
    map_photos,
    open_source,
    skipped_photos,
)
from handsoff.formats.photos import photos_in
from handsoff.generators.stored import generator_hash
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work
from handsoff.training.conditions import NOT_MIRRORED, conditions_input, photo_conditions
from handsoff.training.data import TrainingData
from handsoff.training.diffusion.train import DIFFUSION
from handsoff.training.events import writer_library
from handsoff.training.gan.train import GAN
from handsoff.training.kinds import Budget, Kind, Limits
from handsoff.training.page import COLUMNS, LOG, PAGE, read_log
from handsoff.training.parallel import barrier, join, leave, meet
from handsoff.training.settings import TrainSettings
from handsoff.training.snapshots import Snapshots, show_progress, shown_kimg, stored_nearness, trim_log
from handsoff.training.state import CHECKPOINT, LOSS, State, load_state, save_state, spent
from handsoff.training.watch import discriminator_losses, warnings_of

CHECKPOINT_SECONDS = 120.0
DEFAULT_KIMG = 200.0
LEAST = 2  # photos: one has no distribution that a generator could be near to
FEW = 500  # photos: with fewer there is a warning
CACHE = "photos.u8"  # the photos as they are trained on, until the run is finished
LAST = ("fd_lite0", "kd_lite0", "images_per_second")  # of the log, in the report
KINDS: dict[str, Kind] = {"stylegan2": GAN, "diffusion": DIFFUSION}


def plan(images: Path, settings: TrainSettings, init: Path | None = None) -> Plan:
    """What the generator is made by; how long it trains may be said anew.

    Raises:
        InputError: there are no such images, their conditions are not all told, or `init` is no generator.
    """
    fixed = settings.model_dump(exclude={"kimg", "minutes", "snapshot_kimg", "tensorboard", "conditions"})
    photos = photos_in(open_source(images))
    inputs = {"images": photos.describe()}
    if settings.conditions is not None:
        inputs["conditions"] = conditions_input(Path(settings.conditions), photos, settings.mirrored)
    if init is not None:
        inputs["init"] = {"path": str(init.resolve()), "fingerprint": generator_hash(init)}
    return Plan("train", inputs, fixed)


def train(images: Path, out: Path, settings: TrainSettings, init: Path | None = None) -> Work:
    """Train on the images of a folder or zip; `out` then holds the generator, grids, `log.jsonl` and the checkpoint.

    Interrupted at any moment, the next call goes on from the last checkpoint (at most two minutes old). A finished run
    goes on when called with more `kimg` or `minutes`. With `init` the generator begins with another one's weights.

    Raises:
        InputError: no usable images, `out` holds something else, or processes cannot share a batch alike.
        MismatchError: `init` is of another kind, size or framing, or is given together with conditions.
        HandsOffError: what TensorBoard's files or a diffusion model need is not installed.
    """
    rank, world = join()  # first: whatever is loaded goes to the GPU of this process
    refuse_unequal_shares(settings.batch, world)
    frame = KINDS[settings.kind].check(settings, init)
    if settings.tensorboard:
        writer_library()
    source = photos_in(open_source(images))
    if not out.exists():  # later its photos are there already
        require_space(out, len(source.sizes) * frame[0] * frame[1] * 3)
    budget = asked_for(settings)
    if rank > 0:
        barrier()  # the first process makes the folder
    with open_job(out, plan(images, settings, init), alone=rank == 0) as job:
        if rank == 0:
            barrier()
        if not (job.done and finished(out, settings)):
            try:
                yield from go_on(job, source, settings, Limits(budget, rank, world), init)
            except GeneratorExit:  # stopped where it reports its progress: there the others wait or will wait
                leave()
                raise
            barrier()
        if rank == 0:
            forget_photos(out / CACHE)
    return job.outcome


def refuse_unequal_shares(batch: int, world: int) -> None:
    """Refuse a batch of which processes cannot have equal shares.

    Raises:
        InputError: it is such a one.
    """
    if batch % world:
        raise InputError(
            f"batch = {batch} cannot be shared alike by {world} processes: take a multiple of {world}, or start "
            "another number of them."
        )


def go_on(job: Job, source: Source, settings: TrainSettings, limits: Limits, init: Path | None = None) -> Part:
    """Train from the last checkpoint, or from the beginning, until the budget is spent."""
    kind = KINDS[settings.kind]
    frame = kind.check(settings, init)
    if len(source.sizes) < LEAST:
        raise InputError(f"{source.path} has one photo, and a generator learns from many: give {FEW} or more.")
    cache, notes = job.out / CACHE, [*source.notes, *few(len(source.sizes))]
    if settings.conditions is not None and settings.mirror and settings.mirrored is None:
        notes.append(NOT_MIRRORED)
    if limits.rank == 0:
        for note in notes:
            yield Progress("reading images", 0, len(source.sizes), note)
        yield from load_photos(source, frame, cache, settings.framing)
        job.reopen()
        skipped = skipped_photos(cache)
        for note in unusable(skipped):
            notes.append(note)
            yield Progress("reading images", len(source.sizes), len(source.sizes), note)
    meet()
    photos, told = map_photos(cache, frame), None
    if settings.conditions is not None:
        told = photo_conditions(
            Path(settings.conditions), loaded_names(source, cache), settings.mirrored, image_names(source)
        )
    state = kind.build(settings, init, None if told is None else told.conditions)
    if not load_state(state, job.out) and limits.rank == 0:
        yield Progress("training", 0, 1, f"{CHECKPOINT} is missing or damaged: training begins again")
    mirror = settings.mirror and (told is None or told.mirrored)
    yield from run(state, TrainingData(photos, told, mirror), job.out, settings, limits)
    if limits.rank == 0:
        write_report(job, state, limits.budget, notes, images_used=len(photos), images_skipped=skipped)


def asked_for(settings: TrainSettings) -> Budget:
    """How long to train, `DEFAULT_KIMG` where nothing is said."""
    return {
        "kimg": settings.kimg or (None if settings.minutes else DEFAULT_KIMG),
        "minutes": settings.minutes,
    }


def finished(out: Path, settings: TrainSettings) -> bool:
    """Whether the finished run in `out` has trained for as long as is asked for now.

    Raises:
        InputError: neither its checkpoint nor its report can be read.
    """
    return reached(*spent(out), asked_for(settings))


def few(count: int) -> list[str]:
    """A warning where there are too few photos for a generator to learn more than these."""
    if count >= FEW:
        return []
    return [
        f"{count:,} photos are few: with fewer than some {FEW} a generator tends to repeat them, add more if you can."
    ]


def unusable(skipped: list[str]) -> list[str]:
    """A warning where photos were skipped."""
    if not skipped:
        return []
    count = "1 photo was" if len(skipped) == 1 else f"{len(skipped):,} photos were"
    return [f"{count} skipped, such as {skipped[0]}: broken or smaller than the frame (report.json names all)."]


def write_report(job: Job, state: State, budget: Budget, notes: list[str], **images: int | list[str]) -> None:
    """Finish the job; `images` says which photos were used."""
    log = read_log(job.out / LOG)
    last = log[-1]
    facts = {"seed": job.plan.settings["seed"], "licence": state.average.licence, **images}
    facts |= {"budget": budget, "kimg": round(state.images / 1000, 1), "training_seconds": round(state.seconds)}
    facts |= {"best_fd_lite0": state.best_fd, "last": {key: last[key] for key in LAST}}
    facts |= {"fd_lite0_of_photos": last.get("fd_photos")}
    parameters = sum(parameter.numel() for parameter in state.average.parameters())
    show_progress(state, job.out, state.images / max(state.seconds, 1e-9), finished=True)
    nearness = stored_nearness(job.out)
    facts["nearness"] = None if nearness is None else asdict(nearness)
    projected = job.plan.settings["discriminator"] == "projected"
    notes = [*notes, *warnings_of(discriminator_losses(log), state.chance, nearness, projected=projected)]
    job.finish(**facts, generator=asdict(state.average.config), parameters=parameters, notes=notes)


def reached(images: int, seconds: float, budget: Budget) -> bool:
    kimg, minutes = budget["kimg"], budget["minutes"]
    return (kimg is not None and images >= kimg * 1000) or (minutes is not None and seconds >= minutes * 60)


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
    whole = True  # what is interrupted within a step or its snapshot goes on from the last checkpoint
    try:
        while not stop(state, limits):
            whole = False
            with share_of_batch(limits.rank, limits.world):
                losses = KINDS[settings.kind].step(state, data, settings, limits)
            if not all(math.isfinite(loss) for loss in losses.values()):
                raise HandsOffError(
                    f"Training diverged after {state.images / 1000:.1f} kimg: the loss is not a number. "
                    f"The best generator so far stays in {out}; "
                    "start again in another folder with another seed or lower learning rates."
                )
            state.count(losses, settings.batch)
            due = state.images // (settings.snapshot_kimg * 1000) != (state.images - settings.batch) // (
                settings.snapshot_kimg * 1000
            )
            state.seconds = time.monotonic() - began
            if snapshots is None:
                continue
            rate = (state.images - shown) / max(state.seconds - before, 1e-9)
            if due or reached(state.images, state.seconds, limits.budget):
                snapshots.take(state, rate)
                state.seconds = time.monotonic() - began
            whole = True
            if due or time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_state(state, out)
                show_progress(state, out, rate, left(state, limits.budget, rate))
                saved = time.monotonic()
            yield progress(state, limits.budget, losses, rate, snapshots)
        if snapshots is not None and trim_log(out / LOG, state.images) != shown_kimg(state.images):
            whole = False  # the budget was lowered: stop here, measured
            snapshots.take(state, state.images / max(state.seconds, 1e-9))
            whole = True
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
    """Whether the budget is spent; the first process decides for all.

    Raises:
        KeyboardInterrupt: a process was asked to stop.
    """
    return meet(over=limits.rank == 0 and reached(state.images, state.seconds, limits.budget))


def progress(state: State, budget: Budget, losses: dict[str, float], rate: float, seen: Snapshots) -> Progress:
    shares = [(state.images / 1000, budget["kimg"]), (state.seconds / 60, budget["minutes"])]
    done, total = max(((done, total) for done, total in shares if total), key=lambda pair: pair[0] / pair[1])
    said = ", ".join(f"{COLUMNS[LOSS + name]} {loss:.2f}" for name, loss in losses.items())
    note = f"{state.images / 1000:.1f} kimg, {rate:.1f} images/s, {said}"
    if seen.last:
        note += f", FD-lite0 {seen.last['fd_lite0']:.2f} KD {seen.last['kd_lite0']:.2f}"
    if seen.warnings:
        note += f", see the warnings in {PAGE}"
    return Progress("training", done, total, note)
