"""`handsoff fit`: a labeler, from labelled latents or labelled images.

Two kinds of heads read feature maps: pixel classifiers (`pixel_run`) and convolutional ones (`map_run`). Both are
trained by the same rule (`runs`).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import sha256, weights_hash, write_bytes, write_json
from handsoff.core.seeds import seeded
from handsoff.core.tensors import write_tensors
from handsoff.datasets.attributes import available, describe
from handsoff.datasets.generated import SAMPLES
from handsoff.datasets.licences import together
from handsoff.datasets.likeness import add_seen, known, read_learnt, save_seen, thumbnails
from handsoff.generators.contract import Generator as ImageGenerator
from handsoff.generators.stored import (
    copy_generator,
    generator_hash,
    generator_licence,
    generator_shell,
    load_generator,
    read_card,
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
from handsoff.labeling.image_networks import take_over, teaching_model, train_image_networks
from handsoff.labeling.interpreter import Interpreter
from handsoff.labeling.labeler import DENOISER, EXAMPLE_WS, EXAMPLES, GENERATOR, load_labeler, save_labeler
from handsoff.labeling.map_run import MapRun, hardly_seen, new_interpreter
from handsoff.labeling.pixel_run import PixelRun, standardise
from handsoff.labeling.pixel_samples import read_pixel_samples
from handsoff.labeling.runs import folds, loss_of_last, mean_loss, train
from handsoff.labeling.settings import FitSettings
from handsoff.learning.predictor import CARD as MODEL
from handsoff.learning.predictor import read_predictor_card
from handsoff.sampling.edits import WS

CONTACT = "inversions.png"  # the contact sheet of the examples, where they have one


def plan(
    generator: Path,
    examples: Path,
    settings: FitSettings,
    corrected: Path | None = None,
    denoiser: Path | None = None,
    samples: Path | None = None,
    teacher: Path | None = None,
) -> Plan:
    """What the labeler is made by.

    Raises:
        InputError: the examples cannot serve, or the features cannot be had of this generator or of these examples; or
            a teacher and corrected samples are given, which it did not learn from.
        MismatchError: the examples are of another generator, or the teacher is of other labels.
    """
    if teacher is not None and corrected is not None:
        raise InputError("A teacher did not learn from the corrected samples: leave --teacher or --corrected out.")
    parts = open_parts(generator, examples, settings, corrected, samples)
    needs_latents = extractor_for(parts[0].generator, denoiser, settings, generator_shell).needs_latents
    paths = {"examples": examples, **({} if corrected is None else {"corrected": corrected})}
    nets = {"generator": generator, **({} if denoiser is None else {"denoiser": denoiser})}
    inputs = {name: {"path": str(path.resolve()), "fingerprint": generator_hash(path)} for name, path in nets.items()}
    for (name, path), found in zip(paths.items(), parts, strict=True):
        require_readable(found, path, needs_latents=needs_latents)
        inputs[name] = {"path": str(path.resolve()), "fingerprint": found.fingerprint}
    if samples is not None:
        inputs["samples"] = {"path": str(samples.resolve()), "fingerprint": sha256(samples / SAMPLES)}
    if teacher is not None:
        card, count = read_card(parts[0].generator), len(parts[0].labelled.names)
        model = teaching_model(teacher, settings.task, card.image_size, card.framing, count)
        inputs["teacher"] = {"path": str(teacher.resolve()), "fingerprint": weights_hash(model / MODEL)}
    return Plan("fit", inputs, settings.model_dump())


def extractor_for(
    generator: Path, denoiser: Path | None, settings: FitSettings, load: Callable[[Path], ImageGenerator]
) -> JoinedFeatures:
    """What is to be read, of generators or of shells of them, as `load` gives them."""
    model = None if denoiser is None else load(denoiser)
    return make_extractor(load(generator), settings.features, Denoising(settings.sigmas, model))


def open_parts(
    generator: Path, examples: Path, settings: FitSettings, corrected: Path | None, samples: Path | None
) -> list[Examples]:
    """The examples, and those of a reviewed dataset."""
    found = open_examples(generator, examples, settings, samples)
    if corrected is None:
        return [found]
    return [found, open_corrected(found.generator, corrected, settings, found.labelled.tasks[settings.task])]


def fit(  # noqa: PLR0913, PLR0917  # the inputs of the verb, one by one
    generator: Path,
    examples: Path,
    out: Path,
    settings: FitSettings,
    corrected: Path | None = None,
    denoiser: Path | None = None,
    samples: Path | None = None,
    teacher: Path | None = None,
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
        samples: the folder of `handsoff sample` whose images the examples are, labelled elsewhere.
        teacher: the report of an evaluation of the same labels alone, whose networks are taken over.

    Raises:
        InputError: as `plan`, or `out` holds something else.
        MismatchError: as `plan`.
    """
    with open_job(out, plan(generator, examples, settings, corrected, denoiser, samples, teacher)) as job:
        if not job.done:
            parts = open_parts(generator, examples, settings, corrected, samples)
            yield from write_labeler(job, parts, settings, denoiser, teacher)
    return job.outcome


def write_labeler(
    job: Job, parts: Sequence[Examples], settings: FitSettings, denoiser: Path | None, teacher: Path | None
) -> Part:
    """Image networks, pixel classifiers, and what they need besides."""
    extractor = extractor_for(parts[0].generator, denoiser, settings, load_generator)
    out, net = job.out, extractor.generator
    data = load_training_data(parts, net, settings.task, needs_latents=extractor.needs_latents)
    model = None
    if teacher is not None:
        model = teaching_model(teacher, settings.task, net.image_size, net.framing, len(data))
        if not known(thumbnails(data.images), read_learnt(model)).all():
            raise MismatchError(f"{teacher} learnt from other photos than these: evaluate with the same labels.")
    taken: dict[str, Any] = {}
    if model is None:
        yield from train_image_networks(data.task, data.labelled_images(), out, settings)
    else:
        taken = take_over(model, data.task, out, settings.networks)
    run = yield from new_run(extractor, data, settings)
    curve: list[float] = []
    yield from train(run, curve)
    copy_generator(parts[0].generator, out / GENERATOR)
    if denoiser is not None:
        copy_generator(denoiser, out / DENOISER)
    for file, target in ((parts[0].contact_sheet, CONTACT), (parts[0].encoder, ENCODER)):
        if file is not None:
            write_bytes(out / target, file.read_bytes())
    save_seen(out, data.images)
    if model is not None:
        add_seen(out, model)
    write_example_numbers(out, parts[0], data, net)
    facts = {**described(parts[0], data, net, settings, denoiser), **taken}
    facts["licence"] = together(terms(net, denoiser, model))
    facts |= {"maps": run.head.maps} if isinstance(run, MapRun) else {}
    save_labeler(out, run.head, facts)
    found = [len(part.labelled.names) for part in parts[1:]]
    more: dict[str, Any] = {"notes": hardly_seen(extractor, data)} if isinstance(run, MapRun) else {}
    more |= {"corrected_used": found[0], "corrected_loss": loss_of_last(run, found[0])} if found else {}
    job.finish(seed=settings.seed, licence=facts["licence"], examples_used=len(data), held_out_loss=curve, **more)


def described(
    found: Examples, data: TrainingData, net: ImageGenerator, settings: FitSettings, denoiser: Path | None
) -> dict[str, Any]:
    """What the labeler's card says, but for what only its training knows."""
    return {
        **settings.model_dump(include={"task", "head", "members", "hidden", "features", "networks", "network_share"}),
        "schema": data.task.schema,
        "examples": len(data),
        "generator": generator_hash(found.generator),
        "framing": net.framing,
        "image_size": list(net.image_size),
        "sigmas": list(settings.sigmas) if DIFFUSION in settings.features else [],
        "denoiser": None if denoiser is None else generator_hash(denoiser),
    }


def terms(net: ImageGenerator, denoiser: Path | None, model: Path | None) -> Iterator[str | None]:
    """The licences of all that the labeler is made of."""
    yield net.licence
    if denoiser is not None:
        yield generator_licence(denoiser)
    if model is not None:
        yield read_predictor_card(model).licence


def new_run(
    extractor: JoinedFeatures, data: TrainingData, settings: FitSettings
) -> Generator[Progress, None, PixelRun | MapRun]:
    """An untrained head and what it learns from."""
    if settings.head == "conv":
        return (yield from run_of(new_interpreter(extractor, data, settings), extractor, data, settings))
    with seeded(settings.seed):
        ensemble = Ensemble(extractor.channels, data.task.channels, settings.members, settings.hidden, settings.dropout)
    run = yield from run_of(ensemble.to(extractor.generator.device), extractor, data, settings)
    if isinstance(run, PixelRun):
        standardise(ensemble, run.samples)
    return run


def run_of(
    head: Ensemble | Interpreter, extractor: JoinedFeatures, data: TrainingData, settings: FitSettings
) -> Generator[Progress, None, PixelRun | MapRun]:
    """A head and what it learns from, every member without its own fold."""
    held_out = folds(len(data), head.members).to(extractor.generator.device)
    if isinstance(head, Interpreter):
        weights = data.task.learning.class_weights([data.labels], settings.balance)
        return MapRun(head, extractor, data, held_out, settings, weights)
    samples = yield from read_pixel_samples(extractor, data, settings.balance, settings.seed)
    return PixelRun(head, samples, held_out, data.task, settings)


def write_example_numbers(out: Path, found: Examples, data: TrainingData, net: ImageGenerator) -> None:
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
    return mean_loss(run_to_end(run_of(loaded.ensemble, loaded.extractor, data, settings)))
