"""The networks that can be trained, by name: images in [-1, 1] of any size → outputs at their size."""

import functools
import importlib
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from handsoff.backbones.lite0 import IMAGENET_MEAN, IMAGENET_STD, viewing_size
from handsoff.backbones.lite2 import Lite2
from handsoff.core.device import mixed_precision
from handsoff.core.errors import HandsOffError, InputError, MismatchError, UnknownNameError
from handsoff.core.frames import Frame
from handsoff.learning.pyramid import PyramidNet, resized

HUB = "hf:"  # before the name, or the folder, of a Hugging Face model
WEIGHTS = "*.safetensors"
FILES = ["config.json", WEIGHTS, f"{WEIGHTS}.index.json"]  # all that is fetched of it: nothing pickled, no code
PATIENCE = 10  # seconds for the hub's first answer
STRIDE = 32  # of the coarsest features of a network without patches


def build_model(name: str, channels: int) -> nn.Module:
    """The network called `name` with `channels` outputs per pixel; what is new in it is drawn from torch's own stream.

    Raises:
        UnknownNameError: `name` is neither one of `MODELS` nor begins with `hf:`.
        HandsOffError: it needs a package, or weights, that cannot be had here.
        InputError: what Hugging Face has under this name cannot be used.
        MismatchError: it is made for depth and the task is not.
    """
    check_model(name)
    if name.startswith(HUB):
        return hugging_face(name.removeprefix(HUB), channels)
    return MODELS[name](channels)


def check_model(name: str) -> None:
    """Whether a network may be called so.

    Raises:
        UnknownNameError: `name` is neither one of `MODELS` nor begins with `hf:`.
    """
    if name not in MODELS and not name.startswith(HUB):
        raise UnknownNameError("predictor", name, [*MODELS, f"{HUB}NAME"])


class Foreign(nn.Module):
    """A network of another library behind the interface of ours.

    Attributes:
        answer: what the network calls its output.
        patch: the sides of its input are multiples of this; square: and equal.
        tail: what turns its output into the task's.
    """

    def __init__(
        self, network: nn.Module, answer: str, *, patch: int = 1, square: bool = False, tail: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.network, self.tail = network, tail or nn.Identity()
        self.answer, self.patch, self.square = answer, patch, square
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k h w"]:
        """Images in [-1, 1] → outputs at their size."""
        frame = (images.shape[2], images.shape[3])
        x = resized(((images + 1) / 2 - self.mean) / self.std, working_size(frame, self.patch, square=self.square))
        with mixed_precision():
            y = self.network(x)[self.answer].float()
        return resized(self.tail(y.reshape(len(y), -1, *y.shape[-2:])), frame)  # depth models give no channel


def working_size(frame: Frame, patch: int, *, square: bool) -> Frame:
    """The size at which a foreign network sees images of `frame`.

    Enlarged as for our own network, then to whole patches, then to a square if it must be.
    """
    height, width = (math.ceil(side / patch) * patch for side in viewing_size(frame))
    return (max(height, width), max(height, width)) if square else (height, width)


def imported(package: str, model: str) -> Any:
    """An optional package.

    Raises:
        HandsOffError: it is not there, or does not work.
    """
    try:
        return importlib.import_module(package)
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch: RuntimeError
        raise HandsOffError(
            f"The predictor {model} needs {package}, which cannot be imported here ({brief(error)}): "
            "install one that fits your torch, or use lite0."
        ) from None


def brief(error: Exception) -> str:
    """The first line of what another library says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


def deeplabv3_resnet101(channels: int, *, pretrained: bool = True) -> nn.Module:
    """DeepLabV3 (Chen et al. 2017), which the HandsOff paper trains; its backbone is pretrained on ImageNet.

    Raises:
        HandsOffError: torchvision does not work here, or the weights cannot be fetched.
    """
    models = imported("torchvision", "deeplabv3_resnet101").models
    network = models.segmentation.deeplabv3_resnet101(weights=None, weights_backbone=None, num_classes=channels)
    if pretrained:
        weights = models.ResNet101_Weights.IMAGENET1K_V1
        try:
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except (OSError, RuntimeError) as error:
            file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
            raise HandsOffError(
                f"The weights of deeplabv3_resnet101 could not be fetched ({brief(error)}): "
                f"put them at {file}, or use lite0."
            ) from None
        network.backbone.load_state_dict({key: value for key, value in state.items() if not key.startswith("fc.")})
    return Foreign(network, "out")


def hugging_face(name: str, channels: int) -> nn.Module:
    """A segmentation model with a new head, or for one channel a depth model whose numbers are brought to the task's.

    Args:
        name: of the hub, or a local folder.
        channels: outputs per pixel.

    Raises:
        HandsOffError: transformers does not work here, or the model cannot be fetched.
        InputError: it is of another kind, or has no safetensors.
        MismatchError: it is made for depth and there is more than one channel.
    """
    transformers = imported("transformers", f"{HUB}{name}")
    with quiet(transformers):
        folder = Path(name).expanduser()
        folder = folder if folder.is_dir() else fetched(name)
        config = loaded(transformers.AutoConfig, folder, name, num_labels=channels)
        depth = any("DepthEstimation" in kind for kind in config.architectures or ())
        if depth and channels != 1:
            raise MismatchError(
                f"{HUB}{name} estimates depth, one number per pixel, and this task needs {channels}: "
                "choose a segmentation model."
            )
        if not any(folder.glob(WEIGHTS)):
            raise InputError(
                f"{HUB}{name} has no {WEIGHTS} in {folder}, and pickled weights are not opened: "
                "convert it with save_pretrained."
            )
        auto = transformers.AutoModelForDepthEstimation if depth else transformers.AutoModelForSemanticSegmentation
        network = loaded(
            auto, folder, name, config=config, ignore_mismatched_sizes=True, use_safetensors=True, dtype=torch.float32
        )
    patch = getattr(getattr(config, "backbone_config", None) or config, "patch_size", None)
    return Foreign(
        network,
        "predicted_depth" if depth else "logits",
        patch=patch if isinstance(patch, int) else STRIDE,
        square=config.model_type == "dpt",  # it takes the square root of the number of its patches
        tail=depth_curve() if depth else None,
    )


def depth_curve() -> nn.Sequential:
    """From a depth model's numbers, metres or inverse depth, to the task's.

    The curve starts flat, so that it can learn to rise as easily as to fall.
    """
    curve = nn.Sequential(
        nn.BatchNorm2d(1, affine=False), nn.Conv2d(1, 16, 1), nn.ReLU(inplace=True), nn.Conv2d(16, 1, 1)
    )
    nn.init.zeros_(cast("nn.Conv2d", curve[-1]).weight)
    return curve


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Without transformers' progress bars and its warnings that a head is new."""
    level, bars = logging.root.manager.disable, transformers.utils.logging.is_progress_bar_enabled()
    logging.disable(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(level)
        if bars:
            transformers.utils.logging.enable_progress_bar()


@functools.cache
def fetched(name: str) -> Path:
    """The folder of a model in the hub's cache, where it stays as it was when it was fetched.

    Raises:
        HandsOffError: it is not there and cannot be fetched.
    """
    hub = importlib.import_module("huggingface_hub")  # comes with transformers
    with suppress(OSError, ValueError):  # not there, not whole, no such name
        folder = Path(hub.snapshot_download(name, allow_patterns=FILES, local_files_only=True))
        if any(folder.glob(WEIGHTS)):
            return folder
    try:
        hub.model_info(name, timeout=PATIENCE)  # snapshot_download would wait for ever
        return Path(hub.snapshot_download(name, allow_patterns=FILES))
    except Exception as error:  # noqa: BLE001  # whatever a connection can do
        raise HandsOffError(
            f"{HUB}{name} is no local folder, is not in the cache of Hugging Face and could not be fetched "
            f"({brief(error)}): check the name and the connection, "
            f"or give a folder that holds the model ({HUB}/path/to/folder)."
        ) from None


def loaded(auto: Any, folder: Path, name: str, **options: object) -> Any:
    """What one of transformers' Auto classes makes of a folder; code that lies in it is not run.

    Raises:
        InputError: transformers cannot load it as such a model.
    """
    try:
        return auto.from_pretrained(folder, trust_remote_code=False, **options)
    except Exception as error:  # noqa: BLE001  # foreign files read by foreign code: anything can come
        raise InputError(
            f"{HUB}{name} cannot be used ({brief(error)}): "
            "choose a model for semantic segmentation or depth estimation."
        ) from None


MODELS: dict[str, Callable[[int], nn.Module]] = {
    "lite0": PyramidNet,
    "lite0-frozen": partial(PyramidNet, frozen=True),
    "lite2": partial(PyramidNet, trunk=Lite2),
    "deeplabv3_resnet101": deeplabv3_resnet101,
}
