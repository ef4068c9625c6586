"""The community's StyleGAN2 generators: rosinality's port, and what is derived from it."""

import math
from typing import Any

from handsoff.core.errors import InputError
from handsoff.generators.checkpoints.layouts import COMMUNITY_MARK, Found
from handsoff.generators.checkpoints.machine import Call
from handsoff.generators.checkpoints.parameters import Converted, State, Values, config_of, mapping_rate, refuse_rate
from handsoff.generators.stylegan2 import MAPPING_LR

TRANSPOSED = 2  # convolutions after which the low-pass filter follows have gain 2 × 2
ROOTS = r"(style|convs|conv1|to_rgb1|to_rgbs|input|noises|embed\w*)\."


def convert_community(found: Found, where: str, file_size: int, rate: float | None) -> Converted:
    """From rosinality's names: `convs.K.conv.weight` (unscaled), `to_rgbs.K`, `noises.noise_K`, `style.K`."""
    get = Values(found, where, file_size)
    doublings = get.count(r"to_rgbs\.(\d+)\.bias")
    layers = get.count(r"style\.(\d+)\.weight")
    names = {0: "conv1"} | {
        2 * level + part - 1: f"convs.{2 * (level - 1) + part}" for level in range(1, doublings + 1) for part in (0, 1)
    }
    channels = [get(f"{names[2 * level]}.conv.weight").shape[1] for level in range(doublings + 1)]
    const, colours = get(COMMUNITY_MARK), get("to_rgb1.conv.weight").shape[1]
    first, w_dim = get("style.1.weight").shape[1], get(f"style.{layers}.weight").shape[0]
    if first > w_dim:
        raise InputError(
            f"{where}: the first mapping layer takes {first} numbers, and w has {w_dim}: this seems to be a "
            "class-conditional generator whose class embedding was lost when it was converted; import the original "
            "checkpoint."
        )
    config = config_of(get, const, channels, colours, first, w_dim, mapping_layers=layers)
    weights = [get(f"style.{index + 1}.weight") for index in range(layers)]
    own = rate_beside(found)
    if own is not None:
        refuse_rate(rate, where)
    factor = mapping_rate(weights, own or rate, where) / MAPPING_LR
    state: State = {"blocks.0.const": const[0]}
    for index in range(layers):
        state[f"mapping_network.fc{index}.weight"] = weights[index] * factor
        state[f"mapping_network.fc{index}.bias"] = get(f"style.{index + 1}.bias") * factor
    for index, name in names.items():
        level, part = (index + 1) // 2, (index + 1) % 2 if index else 1
        state |= convert_styled_convolution(get, name, f"blocks.{level}.conv{part}", index)
    for level in range(doublings + 1):
        state |= convert_to_rgb(get, f"to_rgbs.{level - 1}" if level else "to_rgb1", f"blocks.{level}.torgb")
        if level:
            state[f"blocks.{level}.resample_filter"] = get(f"to_rgbs.{level - 1}.upsample.kernel") / TRANSPOSED**2
    mean = found.beside.get("latent_avg")
    if mean is not None:
        state["mapping_network.w_avg"] = get.tensor(mean, "latent_avg").reshape(-1, w_dim)[0]
    get.refuse_rest(ROOTS)
    return Converted(config, state, mean is not None)


def rate_beside(found: Found) -> float | None:
    """`lr_mlp` among the arguments of the training that stand beside the generator."""
    for name in ("args", "opts"):
        arguments: Any = found.beside.get(name)
        if isinstance(arguments, Call):
            arguments = arguments.state
        rate = arguments.get("lr_mlp") if isinstance(arguments, dict) else None
        if isinstance(rate, float | int) and 0 < rate < math.inf:
            return float(rate)
    return None


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
