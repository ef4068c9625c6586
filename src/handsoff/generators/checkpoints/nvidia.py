"""NVIDIA's StyleGAN2 generators, as the repositories of StyleGAN2-ADA and StyleGAN3 write them."""

import math
import re
from typing import Any

from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.layouts import NVIDIA_MARK, Found
from handsoff.generators.checkpoints.machine import shown
from handsoff.generators.checkpoints.parameters import Converted, State, Values, config_of, mapping_rate, refuse_rate
from handsoff.generators.stylegan2 import GAIN, MAPPING_LR

CONVOLUTION, RGB_LAYER = r"synthesis\.b\d+\.conv[01]", r"synthesis\.b\d+\.torgb"
# Attributes of modules that must have one value: pattern of the module's name, attribute, value.
FIXED: tuple[tuple[str, str, Any], ...] = (
    (r"synthesis\.b\d+", "architecture", "skip"),
    (CONVOLUTION, "activation", "lrelu"),
    (CONVOLUTION, "use_noise", True),
    (CONVOLUTION, "act_gain", GAIN),
    (r"synthesis\.b\d+\.conv0", "up", 2),
    (r"synthesis\.b\d+\.conv1", "up", 1),
    (r"mapping\.fc\d+", "activation", "lrelu"),
    (r"mapping\.embed|.*\.affine", "activation", "linear"),
)


def convert_nvidia(found: Found, where: str, file_size: int, rate: float | None) -> Converted:
    """From NVIDIA's names (`synthesis.bR.conv0.affine.weight`, `mapping.fc0.weight`, …): ours number the blocks."""
    check_attributes(found, where)
    get = Values(found, where, file_size)
    sizes = sorted({int(match[1]) for name in found.values if (match := re.match(r"synthesis\.b(\d{1,4})\.", name))})
    if sizes != [4 << level for level in range(len(sizes))]:
        raise InputError(f"{where}: the blocks {sizes} do not double in size: this is no StyleGAN2 generator.")
    channels = [get(f"synthesis.b{size}.conv1.weight").shape[0] for size in sizes]
    const, colours = get(NVIDIA_MARK), get("synthesis.b4.torgb.weight").shape[0]
    layers = get.count(r"mapping\.fc(\d+)\.weight")
    state: State = {}
    for name in found.values:
        if name.startswith("synthesis.b"):
            _, block, rest = name.split(".", 2)
            state[f"blocks.{sizes.index(int(block[1:]))}.{rest}"] = rescaled(get, name, found)
        elif re.fullmatch(r"mapping\.(embed\.(weight|bias)|w_avg)", name):
            state["mapping_network." + name.removeprefix("mapping.")] = rescaled(get, name, found)
    widths, w_dim, classes = mapping_shape(get, layers)
    z_dim = widths[0] - (w_dim if classes else 0)
    state |= mapping_layers(get, found, layers, rate)
    get.refuse_rest(r"synthesis\.|mapping\.")
    config = config_of(
        get,
        const,
        channels,
        colours,
        z_dim,
        w_dim,
        mapping_layers=layers,
        classes=classes,
        clamp=clamp_of(found, where),
    )
    check_widths(found, config.z_dim, classes, where)
    return Converted(config, state, "mapping.w_avg" in get)


def mapping_shape(get: Values, layers: int) -> tuple[list[int], int, int]:
    """What goes into each mapping layer, the width of w, and the number of classes.

    Raises:
        InputError: the layers are of different widths.
    """
    shapes = [tuple(get(f"mapping.fc{index}.weight").shape) for index in range(max(layers, 1))]
    if any(len(shape) != 2 for shape in shapes):  # noqa: PLR2004  # matrices
        raise InputError(f"{get.where}: the mapping network has layers that are no matrices, which is not read.")
    w_dim, classes = shapes[-1][0], 0
    wide = any(shape != (w_dim, w_dim) for shape in shapes[1:]) or shapes[0][0] != w_dim
    if "mapping.embed.weight" in get:
        embed = get("mapping.embed.weight")
        classes = embed.shape[-1]
        wide = wide or embed.shape[0] != w_dim
    if wide:
        raise InputError(f"{get.where}: the mapping network has layers of different widths, which is not read.")
    return [shape[1] for shape in shapes], w_dim, classes


def mapping_layers(get: Values, found: Found, layers: int, rate: float | None) -> State:
    """The fully connected layers, scaled as ours are."""
    names = [f"mapping.fc{index}" for index in range(layers)]
    state: State = {}
    if any("bias_gain" in found.attributes.get(name, {}) for name in names):
        refuse_rate(rate, get.where)
        for name in names:
            for kind in ("weight", "bias"):
                state[f"mapping_network.{name[8:]}.{kind}"] = rescaled(get, f"{name}.{kind}", found)
        return state
    weights = [get(f"{name}.weight") for name in names]
    factor = mapping_rate(weights, rate, get.where) / MAPPING_LR
    for name, weight in zip(names, weights, strict=True):
        state[f"mapping_network.{name[8:]}.weight"] = weight * factor
        state[f"mapping_network.{name[8:]}.bias"] = get(f"{name}.bias") * factor
    return state


def rescaled(get: Values, name: str, found: Found) -> Tensor:
    """A parameter, times how much more its layer scales it than ours does (by its learning rate)."""
    value, (module, _, kind) = get(name), name.rpartition(".")
    attributes, ours = found.attributes.get(module, {}), MAPPING_LR if re.fullmatch(r"mapping\.fc\d+", module) else 1.0
    gain = attributes.get(f"{kind}_gain")
    if kind not in {"weight", "bias"} or gain is None:
        return value
    if kind == "weight":
        ours /= math.sqrt(value[0].numel())
    if not is_number(gain) or (re.fullmatch(RGB_LAYER, module) and not math.isclose(gain, ours, rel_tol=1e-5)):
        raise InputError(f"{get.where}: {module} has {kind}_gain = {shown(gain)}, which is not read.")
    return value if re.fullmatch(RGB_LAYER, module) else value * (gain / ours)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def clamp_of(found: Found, where: str) -> float | None:
    """What activations are clamped to, alike in all layers.

    Raises:
        InputError: it differs between layers, or is no positive number.
    """
    clamps = [
        attributes["conv_clamp"]
        for module, attributes in found.attributes.items()
        if "conv_clamp" in attributes and re.fullmatch(f"{CONVOLUTION}|{RGB_LAYER}", module)
    ]
    if any(clamp is not None and not is_number(clamp) for clamp in clamps) or any(c != clamps[0] for c in clamps):
        listed = ", ".join(dict.fromkeys(map(shown, clamps[:8])))
        raise InputError(f"{where}: conv_clamp is {listed}, and only one positive number for all layers is read.")
    return float(clamps[0]) if clamps and clamps[0] is not None else None


def check_attributes(found: Found, where: str) -> None:
    """Check the attributes that the network's objects must have alike; an object may lack them.

    Raises:
        InputError: one has a value that is not read.
    """
    for module, attributes in found.attributes.items():
        for pattern, name, wanted in FIXED:
            value = attributes.get(name)
            if value is None or not re.fullmatch(pattern, module):
                continue
            close = (
                is_number(value) and not isinstance(wanted, str | bool) and math.isclose(value, wanted, rel_tol=1e-5)
            )
            if not close and not (type(value) is type(wanted) and value == wanted):
                raise InputError(
                    f"{where}: {module} has {name} = {shown(value)}, which is not read: only {shown(wanted)} is."
                )


def check_widths(found: Found, z_dim: int, classes: int, where: str) -> None:
    """What the objects say of z and classes must be what the weights say.

    Raises:
        InputError: it is not: a part of the mapping network is lost.
    """
    attributes = found.attributes.get("mapping", {})
    for name, value in (("z_dim", z_dim), ("c_dim", classes)):
        said = attributes.get(name)
        if said is not None and said != value:
            raise InputError(
                f"{where}: the mapping network says {name} = {shown(said)}, but its weights are made for {value}: a "
                "part is lost, or of a form that is not read."
            )
