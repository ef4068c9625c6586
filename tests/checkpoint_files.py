"""Checkpoints as the official code writes them, with every attribute that its objects carry, made of any generator."""

import math
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handsoff.generators.stylegan2 import StyleGAN2

State = dict[str, torch.Tensor]
Attributes = dict[str, dict[str, Any]]


class Persistent:
    """Pickles as NVIDIA's persistent classes do: as a call, with the class's source and the object's attributes."""

    def __init__(
        self, name: str, state: dict[str, Any], source: str = "raise SystemExit('this source was run')"
    ) -> None:
        self.meta = {"type": "class", "version": 6, "module_src": source, "class_name": name, "state": state}

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


def genuine(module: str, state: State, *, clamp: float | None = None, rate: float = 0.01) -> dict[str, Any]:
    """The attributes of a module object of StyleGAN2-ADA, by what its name says it is."""
    kind = module.rsplit(".", 1)[-1]
    weight = state.get(f"{module}.weight")
    if kind in {"affine", "embed"} or kind.startswith("fc"):
        assert weight is not None
        factor = rate if kind.startswith("fc") else 1
        return {
            "activation": "lrelu" if kind.startswith("fc") else "linear",
            "weight_gain": np.float64(factor / math.sqrt(weight.shape[1])),
            "bias_gain": factor,
        }
    if kind in {"conv0", "conv1"}:
        up = 2 if kind == "conv0" else 1
        return {"resolution": 8, "up": up, "use_noise": True, "activation": "lrelu", "conv_clamp": clamp, "padding": 1,
                "act_gain": np.float64(math.sqrt(2))}  # fmt: skip
    if kind == "torgb":
        assert weight is not None
        return {"conv_clamp": clamp, "weight_gain": np.float64(1 / math.sqrt(weight.shape[1]))}
    if kind.startswith("b") and kind[1:].isdigit():
        return {"in_channels": 8, "resolution": 8, "img_channels": 3, "is_last": False, "architecture": "skip",
                "use_fp16": True, "channels_last": True, "num_conv": 2, "num_torgb": 1}  # fmt: skip
    return {"img_channels": 3, "block_resolutions": [4, 8], "w_avg_beta": 0.995}


def module_tree(state: State, attributes: Attributes, **settings: Any) -> Persistent:
    """A state as nested network objects."""

    def node(prefix: str, name: str) -> Persistent:
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        children = list(dict.fromkeys(key.split(".")[0] for key in own if "." in key))
        leaves = {key: value for key, value in own.items() if "." not in key}
        buffers = OrderedDict(
            (key, value) for key, value in leaves.items() if key in ("resample_filter", "noise_const", "w_avg")
        )
        parameters = OrderedDict(
            (key, torch.nn.Parameter(value)) for key, value in leaves.items() if key not in buffers
        )
        modules = OrderedDict((child, node(f"{prefix}{child}.", child)) for child in children)
        easy = sys.modules["dnnlib.util"].EasyDict  # type: ignore[attr-defined]  # made by the fixture
        plain = {
            "training": False,
            "_non_persistent_buffers_set": set(),
            "_is_full_backward_hook": None,
            "_init_args": (0, 32),
            "_init_kwargs": easy(w_dim=32, resample_filter=[1, 3, 3, 1], mapping_kwargs=easy(num_layers=2)),
            "_parameters": parameters,
            "_buffers": buffers,
            "_modules": modules,
            "_backward_hooks": OrderedDict(),
        }
        module = prefix.rstrip(".")
        return Persistent(name, plain | genuine(module, state, **settings) | attributes.get(module, {}))

    return node("", "Generator")


def nvidia_file(
    path: Path, state: State, attributes: Attributes | None = None, protocol: int = 4, **settings: Any
) -> Path:
    """A snapshot: G, D, G_ema, the augmentation, and the settings of the training set.

    Args:
        path: to write to.
        state: the generator's, in NVIDIA's names.
        attributes: module → attributes other than the genuine ones.
        protocol: of pickle.
        settings: `clamp` and `rate` (of the mapping network).
    """
    easy = sys.modules["dnnlib.util"].EasyDict  # type: ignore[attr-defined]  # made by the fixture
    content = {
        "G": None,
        "D": None,
        "G_ema": module_tree(state, attributes or {}, **settings),
        "augment_pipe": module_tree({"Hz_geom": torch.zeros(12)}, {}),
        "training_set_kwargs": easy(path="data.zip", max_size=7),
    }
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def nvidia_state(net: StyleGAN2) -> State:
    """One of our generators in NVIDIA's names."""
    found = {}
    for name, value in net.state_dict().items():
        kind, rest = name.split(".", 1)
        block = rest.split(".")[0]
        found[
            f"mapping.{rest}" if kind == "mapping_network" else f"synthesis.b{4 << int(block)}.{rest.split('.', 1)[1]}"
        ] = value.clone()
    return found
