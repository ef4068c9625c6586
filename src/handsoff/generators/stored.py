"""Generators on disk: `generator.safetensors` and `generator.json` in one folder; nothing is ever unpickled."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, get_args

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from handsoff.core.device import best_device
from handsoff.core.errors import InputError, MismatchError, UnknownNameError
from handsoff.core.files import read_json, sha256, write_json
from handsoff.core.frames import Frame, Framing
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.generators.contract import Conditions, Generator
from handsoff.generators.diffusion import Diffusion
from handsoff.generators.diffusion_config import DiffusionConfig
from handsoff.generators.nearness import Nearness
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config

WEIGHTS, CARD = "generator.safetensors", "generator.json"
DESCRIBES = {"nearness", "tuned_on"}  # of a card: what decides neither an image nor its terms
OWN = "generator"  # the folder of a generator beside what depends on it


class StoredGenerator(Generator, Protocol):
    """A generator that can be written: a torch module that can say how it is built."""

    architecture: str

    def config_json(self) -> dict[str, Any]: ...

    def state_dict(self) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class GeneratorCard:
    """What `generator.json` says, without the weights.

    Attributes:
        nearness: how near samples come to the training photos, None where that is not known.
        tuned_on: photos that the weights were tuned on after the training (`handsoff invert`).
    """

    architecture: str
    config: dict[str, Any]
    image_size: Frame
    framing: Framing
    conditions: Conditions
    licence: str
    nearness: Nearness | None = None
    tuned_on: int = 0


def build_stylegan2(card: GeneratorCard) -> StyleGAN2:
    config = TypeAdapter(StyleGAN2Config).validate_python(card.config)
    return StyleGAN2(config, card.licence, card.framing, attributes_of(card))


def build_diffusion(card: GeneratorCard) -> Diffusion:
    config = TypeAdapter(DiffusionConfig).validate_python(card.config)
    return Diffusion(config, card.licence, card.framing, attributes_of(card))


def attributes_of(card: GeneratorCard) -> Conditions | None:
    """The conditions that only the card knows; classes follow from the config."""
    return card.conditions if card.conditions.kind == "attributes" else None


ARCHITECTURES: dict[str, Callable[[GeneratorCard], nn.Module]] = {
    StyleGAN2.architecture: build_stylegan2,
    Diffusion.architecture: build_diffusion,
}


def save_generator(
    generator: StoredGenerator, folder: Path, nearness: Nearness | None = None, *, tuned_on: int = 0
) -> None:
    """Write card and weights; the weights come last, each file atomically."""
    card = GeneratorCard(
        generator.architecture, generator.config_json(), generator.image_size, generator.framing,
        generator.conditions, generator.licence, nearness, tuned_on,
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
    found = card if isinstance(card, dict) else {}
    for kind, name, choices in (
        ("framing", "framing", get_args(Framing)),
        ("generator architecture", "architecture", ARCHITECTURES),
    ):
        if isinstance(found.get(name), str) and found[name] not in choices:
            raise UnknownNameError(kind, found[name][:100], choices)
    try:
        return TypeAdapter(GeneratorCard).validate_python(card)
    except ValueError as error:
        raise no_generator(folder, error) from None


def no_generator(folder: Path, error: Exception) -> InputError:
    """The sentence about a card from which no generator can be built."""
    reason = str(error)[:200]
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place}: {first['msg']}".removeprefix(": ").replace("Value error, ", "")
    return InputError(f"{folder / CARD} does not describe a generator ({reason}): make the folder again.")


def build_generator(folder: Path) -> nn.Module:
    """The generator that the card describes, without its weights; cheap within `torch.device("meta")`.

    Raises:
        InputError: the folder is no generator.
    """
    card = read_card(folder)
    try:
        generator: Any = ARCHITECTURES[card.architecture](card)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise no_generator(folder, error) from None
    if tuple(generator.image_size) != card.image_size:
        raise no_generator(folder, ValueError(f"image_size is {card.image_size}, but it draws {generator.image_size}"))
    found: nn.Module = generator
    return found


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
        MismatchError: weights and card do not belong together.
    """
    folder = Path(folder)
    read_card(folder)
    weights = read_tensors(folder / WEIGHTS)
    check_weights(folder, weights)
    generator = build_generator(folder)
    generator.load_state_dict(weights)
    ready: Any = generator.eval().requires_grad_(requires_grad=False).to(best_device())
    found: Generator = ready
    return found


def check_weights(folder: Path, weights: dict[str, Tensor]) -> None:
    """Check names and shapes before a generator of the card's size takes memory.

    Raises:
        InputError: the folder is no generator.
        MismatchError: the weights are of another one.
    """
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in build_generator(folder).state_dict().items()}
    held = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | held.keys()):
        if wanted.get(name) != held.get(name):
            raise MismatchError(
                f"{folder / WEIGHTS} does not fit {CARD} ({name} is {held.get(name, 'missing')}, not "
                f"{wanted.get(name, 'there')}): make the folder again."
            )


def generator_licence(folder: Path) -> str:
    """The terms of a generator, which everything made with it inherits.

    Raises:
        InputError: the folder is no generator.
    """
    return read_card(folder).licence


def generator_hash(folder: Path) -> str:
    """What latents and labelers remember the generator by: a hash of all that decides what it draws, and of its terms.

    That is its weights and its card (shape, sampler, framing, conditions, licence), but for what only describes it.

    Raises:
        InputError: the folder is no generator.
    """
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder} holds no generator: give the folder that handsoff train or handsoff import wrote.")
    decides = {name: value for name, value in asdict(read_card(folder)).items() if name not in DESCRIBES}
    said = json.dumps(decides, sort_keys=True)
    return hashlib.sha256(f"{said}\n{sha256(folder / WEIGHTS)}".encode()).hexdigest()


def copy_generator(source: Path, target: Path) -> None:
    """Put a copy of the generator beside what depends on it, so that both can be moved together."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (CARD, WEIGHTS):
        shutil.copyfile(source / name, target / name)
