"""Parameters of published StyleGAN2 checkpoints, renamed and reshaped for ours.

Two families are read: NVIDIA's, and the community's (rosinality's port).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.tensors import Record, tensor_of
from handsoff.generators.stylegan2 import StyleGAN2Config

State = dict[str, Tensor]
# Of several generators in a file, the averaged one is read.
PREFERRED = ("g_ema", "G_ema", "ema", "generator_ema")
NVIDIA_MARK, COMMUNITY_MARK = "synthesis.b4.const", "input.input"
SKIP = "skip"  # the only architecture that is read
TRANSPOSED = 2  # convolutions after which the low-pass filter follows have gain 2 × 2


@dataclass
class Found:
    """A generator inside a checkpoint: its values by name, not decoded yet, and what else the file holds.

    Attributes:
        attributes: module name → attributes of its object, where the file has objects.
        beside: entries that stand beside it, such as `latent_avg`.
    """

    path: str
    values: dict[str, Any]
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)
    nvidia: bool = False


def find_generator(content: Any, where: str) -> Found:
    """The generator in the content of a file.

    Raises:
        InputError: the file holds no generator of a known form; the message names what it holds.
    """
    found = list(candidates(content, "", {}, set()))
    if not found:
        held = ", ".join(map(str, list(content)[:8])) if isinstance(content, dict) else type(content).__name__
        raise InputError(
            f"{where} holds no StyleGAN2 generator of NVIDIA's or the community's form (found: {held}): give another "
            "checkpoint."
        )
    return min(
        found,
        key=lambda generator: next(
            (rank for rank, name in enumerate(PREFERRED) if name in generator.path.split(".")), len(PREFERRED)
        ),
    )


def candidates(content: Any, path: str, beside: dict[str, Any], seen: set[int]) -> Iterator[Found]:
    """Every generator in nested dicts and network objects, each looked at once however often it is referred to."""
    if id(content) in seen:
        return
    seen.add(id(content))
    if isinstance(content, Record):
        values, attributes = dict[str, Any](), dict[str, dict[str, Any]]()
        flatten(content, "", values, attributes, set())
        if NVIDIA_MARK in values:
            yield Found(path, values, attributes, beside, nvidia=content.nvidia)
        return
    if not isinstance(content, dict):
        return
    for mark in (NVIDIA_MARK, COMMUNITY_MARK):
        for name in [key for key in content if isinstance(key, str) and (key == mark or key.endswith(f".{mark}"))]:
            prefix = name.removesuffix(mark)
            values = {key.removeprefix(prefix): value for key, value in content.items() if str(key).startswith(prefix)}
            yield Found(f"{path}.{prefix}".strip("."), values, beside={**beside, **content})
    for key, value in content.items():
        if isinstance(value, dict | Record):
            yield from candidates(value, f"{path}.{key}".lstrip("."), content, seen)


def flatten(
    record: Record, prefix: str, values: dict[str, Any], attributes: dict[str, dict[str, Any]], seen: set[int]
) -> None:
    """Parameters, buffers and attributes of a module object and those inside it, by dotted name."""
    if id(record) in seen:
        raise InputError(
            "A module of the checkpoint lies within itself or in two places: this is no generator that can be read."
        )
    seen.add(id(record))
    own = record.attributes
    attributes[prefix.rstrip(".")] = {
        name: value for name, value in own.items() if isinstance(value, bool | int | float | str | list | type(None))
    }
    for kind in ("_parameters", "_buffers"):
        for name, value in (own.get(kind) or {}).items():
            if value is not None:
                values[f"{prefix}{name}"] = value
    for name, module in (own.get("_modules") or {}).items():
        if isinstance(module, Record):
            flatten(module, f"{prefix}{name}.", values, attributes, seen)


@dataclass(frozen=True)
class Converted:
    """A generator with our parameter names."""

    config: StyleGAN2Config
    state: State
    has_mean: bool


def convert(found: Found, where: str) -> Converted:
    """The generator with our parameter names, shapes and scales.

    Raises:
        InputError: a parameter is missing, or the architecture is not supported.
    """
    read = convert_nvidia if NVIDIA_MARK in found.values else convert_community
    try:
        return read(found, where)
    except KeyError as error:
        raise InputError(
            f"{where}: the generator lacks {error.args[0]}: the file is not whole, or of a form that is not read."
        ) from None


class Values:
    """The values of a generator, read one by one as float32."""

    def __init__(self, found: Found, where: str) -> None:
        self.found, self.where = found.values, where

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def __call__(self, name: str) -> Tensor:
        value = self.found[name]
        tensor = value if isinstance(value, Tensor) else tensor_of(value, f"{self.where}: {name}")
        return tensor.float()

    def count(self, pattern: str) -> int:
        """How many different texts the pattern's group matches among the names."""
        return len({match.group(1) for name in self.found if (match := re.fullmatch(pattern, str(name)))})


def config_of(const: Tensor, channels: list[int], z_dim: int, w_dim: int, where: str, **rest: Any) -> StyleGAN2Config:
    base = (const.shape[-2], const.shape[-1])
    resolution = (base[0] << (len(channels) - 1), base[1] << (len(channels) - 1))
    if max(resolution) > 4096 or min(base) < 1:  # noqa: PLR2004  # no published generator is larger
        raise InputError(
            f"{where}: the generator would draw {resolution[0]}x{resolution[1]} pixels: this is no StyleGAN2 generator."
        )
    return StyleGAN2Config(
        resolution=resolution, base=base, z_dim=z_dim, w_dim=w_dim, block_channels=tuple(channels), **rest
    )


def convert_nvidia(found: Found, where: str) -> Converted:
    """From NVIDIA's names (`synthesis.bR.conv0.affine.weight`, `mapping.fc0.weight`, …): ours number the blocks."""
    get = Values(found, where)
    check_architecture(found, where)
    sizes = sorted(
        {int(match.group(1)) for name in found.values if (match := re.match(r"synthesis\.b(\d+)\.", str(name)))}
    )
    channels = [get(f"synthesis.b{size}.conv1.weight").shape[0] for size in sizes]
    layers = get.count(r"mapping\.fc(\d+)\.weight")
    widths = [tuple(get(f"mapping.fc{index}.weight").shape) for index in range(layers)]
    w_dim = widths[-1][0]
    classes = get("mapping.embed.weight").shape[1] if "mapping.embed.weight" in get else 0
    z_dim = widths[0][1] - (w_dim if classes else 0)
    if any(shape != (w_dim, w_dim) for shape in widths[1:]) or (
        classes and get("mapping.embed.weight").shape[0] != w_dim
    ):
        raise InputError(f"{where}: the mapping network has layers of different widths, which is not read.")
    clamp = found.attributes.get("synthesis.b4.conv1", {}).get("conv_clamp")
    config = config_of(
        get(NVIDIA_MARK), channels, z_dim, w_dim, where, mapping_layers=layers, classes=classes, clamp=clamp
    )
    state: State = {}
    for name in found.values:
        if name.startswith("synthesis.b"):
            _, block, rest = name.split(".", 2)
            state[f"blocks.{sizes.index(int(block[1:]))}.{rest}"] = get(name)
        elif name.startswith("mapping."):
            state["mapping_network." + name.removeprefix("mapping.")] = get(name)
    return Converted(config, state, "mapping.w_avg" in get)


def check_architecture(found: Found, where: str) -> None:
    """Check the attributes of the network objects.

    Raises:
        InputError: an attribute has a value that is not supported.
    """
    for module, attributes in found.attributes.items():
        for name, fine in (
            ("architecture", {SKIP}),
            ("activation", {"lrelu"}),
            ("use_noise", {True}),
            ("channels_last", {True, False}),
        ):
            value = attributes.get(name)
            if value is not None and value not in fine:
                raise InputError(
                    f"{where}: {module or 'the generator'} has {name} = {value!r}, which is not read: only "
                    f"{', '.join(map(repr, fine))} is."
                )


def convert_community(found: Found, where: str) -> Converted:
    """From rosinality's names: `convs.K.conv.weight` (unscaled), `to_rgbs.K`, `noises.noise_K`, `style.K`."""
    get = Values(found, where)
    doublings = get.count(r"to_rgbs\.(\d+)\.bias")
    layers = get.count(r"style\.(\d+)\.weight")
    names = {0: "conv1"} | {
        2 * level + part - 1: f"convs.{2 * (level - 1) + part}" for level in range(1, doublings + 1) for part in (0, 1)
    }
    channels = [get(f"{names[2 * level]}.conv.weight").shape[1] for level in range(doublings + 1)]
    const = get(COMMUNITY_MARK)
    z_dim, w_dim = get("style.1.weight").shape[1], get(f"style.{layers}.weight").shape[0]
    config = config_of(const, channels, z_dim, w_dim, where, mapping_layers=layers)
    state: State = {"blocks.0.const": const[0]}
    for index in range(layers):
        for kind in ("weight", "bias"):
            state[f"mapping_network.fc{index}.{kind}"] = get(f"style.{index + 1}.{kind}")
    for index, name in names.items():
        level, part = (index + 1) // 2, (index + 1) % 2 if index else 1
        state |= convert_styled_convolution(get, name, f"blocks.{level}.conv{part}", index)
    for level in range(doublings + 1):
        state |= convert_to_rgb(get, f"to_rgbs.{level - 1}" if level else "to_rgb1", f"blocks.{level}.torgb")
        if level:
            state[f"blocks.{level}.resample_filter"] = get(f"to_rgbs.{level - 1}.upsample.kernel") / TRANSPOSED**2
    mean = found.beside.get("latent_avg")
    if mean is not None:
        tensor = tensor_of(mean, f"{where}: latent_avg") if not isinstance(mean, Tensor) else mean
        state["mapping_network.w_avg"] = tensor.float().reshape(-1, w_dim)[0]
    return Converted(config, state, mean is not None)


def convert_styled_convolution(get: Values, theirs: str, ours: str, index: int) -> State:
    """A convolution. Theirs scales its weight on use, ours stores it scaled; their upsampling filter has gain 4."""
    weight = get(f"{theirs}.conv.weight")[0]
    state = {
        "weight": weight / math.sqrt(weight[0].numel()),
        "affine.weight": get(f"{theirs}.conv.modulation.weight"),
        "affine.bias": get(f"{theirs}.conv.modulation.bias"),
        "noise_strength": get(f"{theirs}.noise.weight").reshape(()),
        "bias": get(f"{theirs}.activate.bias"),
    }
    if f"noises.noise_{index}" in get:
        state["noise_const"] = get(f"noises.noise_{index}")[0, 0]
    if f"{theirs}.conv.blur.kernel" in get:
        state["resample_filter"] = get(f"{theirs}.conv.blur.kernel") / TRANSPOSED**2
    return {f"{ours}.{name}": value for name, value in state.items()}


def convert_to_rgb(get: Values, theirs: str, ours: str) -> State:
    names = {
        "weight": "conv.weight",
        "bias": "bias",
        "affine.weight": "conv.modulation.weight",
        "affine.bias": "conv.modulation.bias",
    }
    state = {f"{ours}.{mine}": get(f"{theirs}.{name}") for mine, name in names.items()}
    return state | {f"{ours}.weight": state[f"{ours}.weight"][0], f"{ours}.bias": state[f"{ours}.bias"].flatten()}


def complete(state: State, wanted: Mapping[str, Tensor], where: str) -> State:
    """The state, checked against the network's shapes; constants that files may lack (filters, noise) are added.

    Raises:
        InputError: a parameter is missing, has another shape, or is not finite.
    """
    full: State = {}
    for name, tensor in wanted.items():
        value = state.get(name)
        if value is None and name.endswith(("resample_filter", "noise_const", "w_avg")):
            value = tensor
        if value is None:
            raise InputError(
                f"{where}: the generator lacks {name} (in our names): the file is not whole, or of a form that is "
                "not read."
            )
        if value.shape != tensor.shape:
            shapes = "x".join(map(str, value.shape)), "x".join(map(str, tensor.shape))
            raise InputError(
                f"{where}: {name} is {shapes[0]}, but {shapes[1]} fits the rest: this StyleGAN2 is of a form that is "
                "not read."
            )
        if not torch.isfinite(value).all():
            raise InputError(f"{where}: {name} holds values that are not finite: the file is damaged, get it again.")
        full[name] = value.contiguous()
    return full
