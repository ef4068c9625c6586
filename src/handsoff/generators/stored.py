"""Generators on disk: `generator.safetensors` and `generator.json` in one folder; nothing is ever unpickled."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from handsoff.core.device import best_device
from handsoff.core.errors import InputError, MismatchError, UnknownNameError
from handsoff.core.files import read_json, read_tensors, sha256, write_json, write_tensors
from handsoff.core.frames import Frame, Framing
from handsoff.generators.contract import Conditions, Generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config

WEIGHTS, CARD = "generator.safetensors", "generator.json"


class StoredGenerator(Generator, Protocol):
    """A generator that can be written: a torch module that can say how it is built."""

    architecture: str

    def config_json(self) -> dict[str, Any]: ...

    def state_dict(self) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class GeneratorCard:
    """What `generator.json` says, without the weights."""

    architecture: str
    config: dict[str, Any]
    image_size: Frame
    framing: Framing
    conditions: Conditions
    licence: str


def build_stylegan2(card: GeneratorCard) -> StyleGAN2:
    known = {field.name for field in fields(StyleGAN2Config)}
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in card.config.items() if name in known
    }
    config = StyleGAN2Config(**values)  # type: ignore[arg-type]  # checked by the config itself
    return StyleGAN2(config, card.licence, card.framing)


ARCHITECTURES: dict[str, Callable[[GeneratorCard], nn.Module]] = {StyleGAN2.architecture: build_stylegan2}


def save_generator(generator: StoredGenerator, folder: Path) -> None:
    """Write card and weights; the weights come last, each file atomically."""
    card = GeneratorCard(
        generator.architecture, generator.config_json(), generator.image_size, generator.framing,
        generator.conditions, generator.licence,
    )  # fmt: skip
    write_json(folder / CARD, asdict(card))
    write_tensors(folder / WEIGHTS, generator.state_dict())


def read_card(folder: Path) -> GeneratorCard:
    """What a generator is, without loading its weights.

    Raises:
        InputError: the folder is no generator.
        UnknownNameError: its architecture is not known.
    """
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} holds no generator: give the folder that handsoff train or handsoff import wrote.")
    card = read_json(folder / CARD)
    try:
        architecture, framing, licence = str(card["architecture"]), card["framing"], str(card["licence"])
        height, width = card["image_size"]
        conditions = Conditions(card["conditions"]["kind"], tuple(card["conditions"]["names"]))
        config = dict(card["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / CARD} does not describe a generator ({error!r}): make the folder again.") from None
    if framing not in get_args(Framing):
        raise UnknownNameError("framing", str(framing), get_args(Framing))
    if architecture not in ARCHITECTURES:
        raise UnknownNameError("generator architecture", architecture, ARCHITECTURES)
    return GeneratorCard(architecture, config, (int(height), int(width)), framing, conditions, licence)


def build_generator(folder: Path) -> nn.Module:
    """The generator that the card describes, without its weights; cheap within `torch.device("meta")`.

    Raises:
        InputError: the folder is no generator.
    """
    card = read_card(folder)
    try:
        return ARCHITECTURES[card.architecture](card)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / CARD} does not describe a generator ({error!r}): make the folder again.") from None


def generator_shell(folder: Path) -> Generator:
    """A generator without weights, to ask what it can do: it takes no memory, and computes nothing.

    Raises:
        InputError: the folder is no generator.
    """
    with torch.device("meta"):
        shell: Any = build_generator(folder)
    found: Generator = shell
    return found


def load_generator(folder: Path | str) -> Generator:
    """Read a generator, frozen, in evaluation mode, on the best device.

    Raises:
        InputError: the folder is no generator or is damaged.
    """
    folder = Path(folder)
    generator = build_generator(folder)
    try:
        generator.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        raise MismatchError(
            f"{folder / WEIGHTS} does not fit {CARD} ({str(error).splitlines()[0]}): make the folder again."
        ) from None
    ready: Any = generator.eval().requires_grad_(requires_grad=False).to(best_device())
    found: Generator = ready
    return found


def generator_licence(folder: Path) -> str:
    """The terms of a generator, which everything made with it inherits.

    Raises:
        InputError: the folder is no generator.
    """
    return read_card(folder).licence


def generator_hash(folder: Path) -> str:
    """What latents and labelers remember the generator by: the hash of its weights."""
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder} holds no generator: give the folder that handsoff train or handsoff import wrote.")
    return sha256(folder / WEIGHTS)


def copy_generator(source: Path, target: Path) -> None:
    """Put a copy of the generator beside what depends on it, so that both can be moved together."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (CARD, WEIGHTS):
        shutil.copyfile(source / name, target / name)
