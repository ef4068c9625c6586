"""`handsoff import`: a published checkpoint becomes a generator folder like those of `handsoff train`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from handsoff.core.errors import InputError
from handsoff.core.files import sha256
from handsoff.core.frames import Framing
from handsoff.core.seeds import standard_normal, step_generator
from handsoff.core.settings import stated
from handsoff.core.tensors import read_tensors
from handsoff.generators.checkpoints.bounds import one_sentence
from handsoff.generators.checkpoints.community import convert_community
from handsoff.generators.checkpoints.diffusers_folder import find_model, read_config, read_state
from handsoff.generators.checkpoints.files import read_checkpoint
from handsoff.generators.checkpoints.layouts import NVIDIA_MARK, Found, find_generator
from handsoff.generators.checkpoints.nvidia import convert_nvidia
from handsoff.generators.checkpoints.parameters import Converted, State, complete
from handsoff.generators.checkpoints.settings import ImportSettings
from handsoff.generators.diffusion import Diffusion
from handsoff.generators.stored import save_generator
from handsoff.generators.stylegan2 import StyleGAN2
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Part, Progress, Work

MEAN_OF = 10_000  # latents whose mean w becomes w_avg where a file has none
NVIDIA_LICENCE = (
    "non-commercial: made by NVIDIA's StyleGAN code, whose licence allows research and evaluation only, "
    "for the weights and for what they generate"
)


def plan(checkpoint: Path, settings: ImportSettings) -> Plan:
    """The plan of an import: the checkpoint's fingerprint and the settings."""
    with one_sentence(str(checkpoint)):
        mark = find_model(checkpoint).fingerprint() if checkpoint.is_dir() else sha256(checkpoint)
        inputs = {"checkpoint": {"path": str(checkpoint.resolve()), "fingerprint": mark}}
    return Plan("import", inputs, settings.model_dump())


def import_checkpoint(checkpoint: Path, out: Path, settings: ImportSettings) -> Work:
    """Turn a file of a StyleGAN2 generator (.pkl, .pt, .pth, .safetensors) or a diffusers folder into the folder `out`.

    Raises:
        InputError: the file cannot be read, asks for something that is not data, or holds no known generator; or its
            licence is neither known nor given in `settings`.
    """
    if not checkpoint.exists():
        raise InputError(
            f"{checkpoint} does not exist: give a checkpoint file (.pkl, .pt, .pth or .safetensors), or a model folder "
            "of diffusers."
        )
    with open_job(out, plan(checkpoint, settings)) as job:
        if not job.done:
            yield from write_generator(job, checkpoint, settings)
    return job.outcome


def write_generator(job: Job, checkpoint: Path, settings: ImportSettings) -> Part:
    yield Progress("reading", 0, 3)
    read = read_diffusion if checkpoint.is_dir() else read_stylegan2
    generator, found = read(checkpoint, settings)
    yield Progress("converting", 1, 3, found)
    yield Progress("writing", 2, 3)
    save_generator(generator, job.out)
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    height, width = generator.image_size
    job.finish(
        licence=generator.licence,
        resolution=f"{height}x{width}",
        parameters=parameters,
        found=found or "the whole file",
    )
    yield Progress("writing", 3, 3)


def read_stylegan2(checkpoint: Path, settings: ImportSettings) -> tuple[StyleGAN2, str]:
    """The generator in a file, and where in it it lies.

    Raises:
        InputError: the file or the settings cannot be used.
    """
    refuse_others(settings, ("steps", "without_class", "guidance"), "a StyleGAN2")
    read = read_generator(checkpoint, settings.mapping_lr)
    licence = checkpoint_licence(settings, str(checkpoint), nvidia=read.found.nvidia)
    return build(read, licence, settings.framing), read.found.path


def refuse_others(settings: ImportSettings, names: Sequence[str], what: str) -> None:
    """Refuse settings that say nothing about what is imported.

    Raises:
        InputError: one of them is not as it is by default.
    """
    for name in stated(settings, names):
        raise InputError(f"{name} says nothing about {what}: leave it out.")


def read_diffusion(folder: Path, settings: ImportSettings) -> tuple[Diffusion, str]:
    """The diffusion model in a folder of diffusers, and where its weights lie.

    Raises:
        InputError: the folder is none, or of a form that is not read.
        HandsOffError: diffusers is not installed.
    """
    where = str(folder)
    refuse_others(settings, ("mapping_lr",), "a diffusion model")
    with one_sentence(where):
        model = find_model(folder)
        config, state = read_config(model, settings), read_state(model)
        licence = checkpoint_licence(settings, where, nvidia=False)
        with torch.device("meta"):
            wanted = {name: value.shape for name, value in Diffusion(config).state_dict().items()}
        held = {name: value.shape for name, value in state.items()}
        differs = next((name for name in sorted(wanted.keys() | held) if wanted.get(name) != held.get(name)), None)
        if differs is not None:
            raise InputError(f"{model.weights} does not fit {model.config} ({differs}): get the model again.")
        generator = Diffusion(config, licence, settings.framing).eval()
        generator.load_state_dict(state)
        return generator, str(model.weights.relative_to(folder))


@dataclass(frozen=True)
class ReadGenerator:
    """A generator as read from a stranger's file: `state` fits `converted.config` in every shape."""

    found: Found
    converted: Converted
    state: State


def read_generator(checkpoint: Path, mapping_lr: float | None = None) -> ReadGenerator:
    """Read the generator in a file, which may be anybody's.

    Raises:
        InputError: whatever is wrong with the file, in one sentence; nothing else is raised, and memory and time stay
            in proportion to the file's size.
    """
    where = str(checkpoint)
    with one_sentence(where):
        size = checkpoint.stat().st_size
        content = read_tensors(checkpoint) if checkpoint.suffix == ".safetensors" else read_checkpoint(checkpoint)
        found = find_generator(content, where)
        convert = convert_nvidia if NVIDIA_MARK in found.values else convert_community
        try:
            converted = convert(found, where, size, mapping_lr)
        except KeyError as error:
            raise InputError(
                f"{where}: the generator lacks {error.args[0]}: the file is not whole, or of a form that is not read."
            ) from error
        return ReadGenerator(found, converted, complete(converted, where))


def checkpoint_licence(settings: ImportSettings, where: str, *, nvidia: bool) -> str:
    """The licence in the settings; without one, NVIDIA's if the file was made by NVIDIA's code.

    Raises:
        InputError: neither is known.
    """
    licence = settings.licence or (NVIDIA_LICENCE if nvidia else None)
    if licence is None:
        raise InputError(
            f"{where} does not say under what terms it stands: add --licence TEXT with what its makers state (or "
            "--licence unknown)."
        )
    return licence


@torch.no_grad()
def build(read: ReadGenerator, licence: str, framing: Framing) -> StyleGAN2:
    """The generator that was read; one whose file has no mean w gets the mean of `MEAN_OF` samples."""
    with torch.device("meta"):  # the parameters are those of the file
        generator = StyleGAN2(read.converted.config, licence, framing).eval()
    generator.load_state_dict(read.state, assign=True)
    if not read.converted.has_mean:
        condition = generator.random_condition(MEAN_OF, step_generator(0, 0))
        mean = generator.mapping_network(standard_normal(range(MEAN_OF), generator.z_dim), condition).mean(0)
        generator.mapping_network.w_avg.copy_(mean)
    return generator
