"""Generators on disk: `generator.safetensors` and `generator.json` in one folder; nothing is ever unpickled."""

import shutil
from dataclasses import fields
from pathlib import Path

from handsoff.core.device import best_device
from handsoff.core.errors import InputError, MismatchError, UnknownNameError
from handsoff.core.files import read_json, read_tensors, sha256, write_json, write_tensors
from handsoff.core.frames import Frame
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config

WEIGHTS, CARD = "generator.safetensors", "generator.json"


def build_stylegan2(config: dict[str, object], licence: str) -> StyleGAN2:
    known = {field.name for field in fields(StyleGAN2Config)}
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in config.items() if name in known
    }
    return StyleGAN2(StyleGAN2Config(**values), licence)  # type: ignore[arg-type]  # checked by the config itself


ARCHITECTURES = {"stylegan2": build_stylegan2}


def save_generator(generator: StyleGAN2, folder: Path) -> None:
    """Write weights and card; the weights come last, each file atomically."""
    write_json(folder / CARD, generator.describe())
    write_tensors(folder / WEIGHTS, generator.state_dict())


def load_generator(folder: Path | str) -> StyleGAN2:
    """Read a generator, frozen, in evaluation mode, on the best device.

    Raises:
        InputError: the folder is no generator or is damaged.
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} holds no generator: give the folder that handsoff train or handsoff import wrote.")
    card = read_json(folder / CARD)
    try:
        architecture, config, licence = card["architecture"], card["config"], card["licence"]
        if architecture not in ARCHITECTURES:
            raise UnknownNameError("generator architecture", str(architecture), ARCHITECTURES)
        generator = ARCHITECTURES[architecture](config, licence)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / CARD} does not describe a generator ({error!r}): make the folder again.") from None
    try:
        generator.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        raise MismatchError(
            f"{folder / WEIGHTS} does not fit {CARD} ({str(error).splitlines()[0]}): make the folder again."
        ) from None
    return generator.eval().requires_grad_(requires_grad=False).to(best_device())


def resolution_of(folder: Path) -> Frame:
    """(H, W) of a generator's images.

    Raises:
        InputError: the folder is no generator.
    """
    return load_generator(folder).resolution


def generator_licence(folder: Path) -> str:
    """The terms of a generator, which everything made with it inherits.

    Raises:
        InputError: the folder is no generator.
    """
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} holds no generator: give the folder that handsoff train or handsoff import wrote.")
    return str(read_json(folder / CARD).get("licence", "unknown"))


def generator_hash(folder: Path) -> str:
    """What codes and labelers remember the generator by: the hash of its weights."""
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder} holds no generator: give the folder that handsoff train or handsoff import wrote.")
    return sha256(folder / WEIGHTS)


def copy_generator(source: Path, target: Path) -> None:
    """Put a copy of the generator beside what depends on it, so that both can be moved together."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (CARD, WEIGHTS):
        shutil.copyfile(source / name, target / name)
