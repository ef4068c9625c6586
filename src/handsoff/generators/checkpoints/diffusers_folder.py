"""A diffusers model folder: the U-Net's config and safetensors, and the scheduler's config beside it or above it.

Nothing of diffusers reads it: configs are JSON whose values are checked one by one, weights are tensors by name.
"""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.files import read_record, sha256
from handsoff.core.tensors import read_tensors
from handsoff.generators.checkpoints.settings import ImportSettings
from handsoff.generators.diffusion_config import DiffusionConfig, Schedule, UNetConfig, noise_levels

CONFIG, WEIGHTS, SCHEDULER = "config.json", "diffusion_pytorch_model.safetensors", "scheduler_config.json"
MODEL = "UNet2DModel"
DDPM = ("DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler")
EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")
DEFAULTS = {
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}  # diffusers', where a config is silent
RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # layers of attention, before 2023
T = TypeVar("T")
HIGHEST = 160.0  # σ at which sampling begins at the most: beyond, images are nothing but noise


@dataclass(frozen=True)
class ModelFolder:
    """Where the parts of a diffusers model lie."""

    config: Path
    scheduler: Path
    weights: Path

    def fingerprint(self) -> str:
        """Of all that is read."""
        marks = "\n".join(sha256(file) for file in (self.config, self.scheduler, self.weights))
        return hashlib.sha256(marks.encode()).hexdigest()


def find_model(folder: Path) -> ModelFolder:
    """The parts in the folder of a U-Net, or of a whole pipeline.

    Raises:
        InputError: one is missing, or the weights are pickled.
    """
    home = folder / "unet" if (folder / "unet").is_dir() else folder
    if not (home / CONFIG).is_file():
        raise InputError(f"{folder} holds no {CONFIG}: give a checkpoint file, or a model folder of diffusers.")
    if not (home / WEIGHTS).is_file():
        pickled = next((file.name for file in sorted(home.glob("*.bin"))), None)
        has = f"pickled weights ({pickled}), which are not read" if pickled else "no weights"
        raise InputError(f"{home} holds {has}: it needs {WEIGHTS}, as diffusers' save_pretrained writes it by default.")
    places = [folder / "scheduler" / SCHEDULER, folder / SCHEDULER, folder.parent / "scheduler" / SCHEDULER]
    scheduler = next((place for place in places if place.is_file()), None)
    if scheduler is None:
        raise InputError(
            f"{folder} does not say on which noise its U-Net was trained: put the model's {SCHEDULER} into it."
        )
    return ModelFolder(home / CONFIG, scheduler, home / WEIGHTS)


def read_config(model: ModelFolder, settings: ImportSettings) -> DiffusionConfig:
    """What diffusers' configs say, in our terms.

    Raises:
        InputError: the model is of a form that is not read.
    """
    unet, scheduler = read_unet(model.config), read_record(model.scheduler, dict)
    sampled = {"guidance": settings.guidance, "without_class": settings.without_class, "steps": settings.steps}
    kind = scheduler.get("_class_name")
    predicted = scheduler.get("prediction_type", "epsilon")
    if kind in EDM:
        if predicted != "epsilon":
            raise InputError(f"{model.scheduler}: prediction_type {predicted!r} of an EDM scheduler is not read.")
        names = ("sigma_data", "sigma_min", "sigma_max", "rho")
        stated = {name: scheduler[name] for name in names if name in scheduler}
        return checked(DiffusionConfig, {"unet": unet, **stated, **sampled}, model.config)
    if kind not in DDPM:
        raise InputError(
            f"{model.scheduler} is of the kind {shown(kind)}, which is not read: {', '.join((*DDPM, *EDM))} are."
        )
    for name in ("trained_betas", "rescale_betas_zero_snr", "use_flow_sigmas"):
        if scheduler.get(name):
            raise InputError(f"{model.scheduler} sets {name}, which is not read.")
    spelled = {"spacing": "beta_schedule", "timesteps": "num_train_timesteps"}
    keys = {field.name: spelled.get(field.name, field.name) for field in fields(Schedule)}
    schedule = checked(
        Schedule, {name: scheduler[key] for name, key in keys.items() if key in scheduler}, model.scheduler
    )
    levels = noise_levels(schedule)
    ends = {"sigma_min": float(levels[0]), "sigma_max": min(float(levels[-1]), HIGHEST)}
    values = {"unet": unet, "prediction": predicted, "schedule": schedule, **sampled, **ends}
    return checked(DiffusionConfig, values, model.config)


def read_unet(path: Path) -> dict[str, Any]:
    """The U-Net's config, all of it understood.

    Raises:
        InputError: it is another model, or says something that is not known.
    """
    stated = read_record(path, dict)
    if stated.get("_class_name") != MODEL:
        raise InputError(f"{path} is of the kind {shown(stated.get('_class_name'))}, which is not read: {MODEL} is.")
    values = {name: value for name, value in stated.items() if not str(name).startswith("_")}
    unknown = sorted(values.keys() - {field.name for field in fields(UNetConfig)})
    if unknown:
        raise InputError(f"{path} says {shown(unknown[0])}, which is not known: the model is of a newer form.")
    size = values.get("sample_size")
    return {**DEFAULTS, **values, "sample_size": (size, size) if isinstance(size, int) else size}


def checked(kind: type[T], values: dict[str, Any], where: Path) -> T:
    """The values as a dataclass.

    Raises:
        InputError: it has no such ones.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place, said = ".".join(map(str, first["loc"])), first["msg"].replace("Value error, ", "")
        raise InputError(f"{where} is of a form that is not read ({place}: {said}).".replace("(: ", "(")) from None


def shown(value: Any) -> str:
    """Something of a stranger's file, for a sentence."""
    return repr(value)[:100]


def read_state(model: ModelFolder) -> dict[str, Tensor]:
    """The weights by our names, as float32.

    Raises:
        InputError: the file is damaged.
    """
    state = read_tensors(model.weights)
    return {f"unet.{renamed(name)}": value.float() for name, value in state.items()}


def renamed(name: str) -> str:
    """A layer of attention as diffusers calls it today.

    >>> renamed("mid_block.attentions.0.query.weight"), renamed("conv_in.bias")
    ('mid_block.attentions.0.to_q.weight', 'conv_in.bias')
    """
    *above, layer, kind = name.split(".") if name.count(".") > 1 else ("", "", "")
    return ".".join([*above, RENAMED[layer], kind]) if layer in RENAMED and "attentions" in above else name
