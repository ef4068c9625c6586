"""Written by tools/write_stub.py from the inputs and settings of the verbs."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from handsoff.api.dataset import Dataset as Dataset
from handsoff.api.functions import load_generator as load_generator
from handsoff.api.functions import load_labeler as load_labeler
from handsoff.api.functions import open_dataset as open_dataset
from handsoff.api.functions import run as run
from handsoff.core.device import use_device as use_device
from handsoff.core.errors import HandsOffError as HandsOffError
from handsoff.datasets.hub import push as push
from handsoff.learning.onnx import export as export

__all__ = [
    "Dataset",
    "HandsOffError",
    "__version__",
    "convert",
    "diagnose",
    "evaluate",
    "export",
    "fit",
    "generate",
    "import_checkpoint",
    "invert",
    "label",
    "load_generator",
    "load_labeler",
    "open_dataset",
    "push",
    "run",
    "sample",
    "score",
    "train",
    "use_device",
]
__version__: str

def convert(
    dataset: str | PathLike[str],
    out: str | PathLike[str],
    *,
    format: str = "folder",
    source: str | None = None,
    tasks: Sequence[str] | None = None,
    split: str | None = None,
    first: int | None = None,
    corrections: Literal["ignore", "only"] | None = None,
    queue: int | None = None,
    classes: dict[str, str] | None = None,
    ignore: str | None = None,
    frame: str | None = None,
    framing: Literal["crop", "letterbox", "pad", "stretch"] = "crop",
    around: str | None = None,
    margin: float = 0.1,
    aspect: float | None = None,
    align: dict[str, tuple[float, float]] | None = None,
    instances: bool = False,
    prefix: str = "",
    progress: bool | None = None,
) -> Path:
    """Turn labelled data of any format into any other."""

def diagnose(
    run: str | PathLike[str],
    out: str | PathLike[str],
    *,
    photos: int = 50,
    images: int = 2000,
    samples: int = 300,
    progress: bool | None = None,
) -> Path:
    """Measure every link of a finished run on its own, to see where quality is lost."""

def evaluate(
    real: str | PathLike[str],
    synthetic: str | PathLike[str] | Sequence[str | PathLike[str]],
    test: str | PathLike[str],
    out: str | PathLike[str],
    *,
    model: str = "lite0",
    steps: int = 3000,
    patience: int = 400,
    cooldown: int = 300,
    batch: int = 16,
    lr: float = 0.001,
    weight_decay: float = 0.01,
    balance: float = 0.25,
    confidence: float | None = None,
    unlabelled: Literal["labels", "teacher"] = "labels",
    teacher_from: int = 500,
    teacher_threshold: float = 0.9,
    cutmix: float = 0.0,
    task: str | None = None,
    first: int | None = None,
    skip: int = 0,
    labels: dict[str, dict[str, Any]] = {},
    frame: str | None = None,
    framing: Literal["crop", "letterbox", "pad", "stretch"] | None = None,
    group: str | None = None,
    validation_part: str | None = None,
    test_part: str | None = None,
    curve: Sequence[int | Literal["all"]] | None = None,
    curve_part: str | None = None,
    seeds: int = 3,
    arms: dict[str, dict[str, float | tuple[float, float]]] | Sequence[str] | None = None,
    mirror: bool = False,
    corrections: Literal["ignore", "only"] | None = None,
    note: str | None = None,
    validation: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Measure what datasets are worth beside real labels, on real test photos, and hand over the best model."""

def fit(
    generator: str | PathLike[str],
    examples: str | PathLike[str],
    out: str | PathLike[str],
    *,
    task: str = "segmentation",
    first: int | None = None,
    labels: dict[str, dict[str, Any]] = {},
    samples: str | None = None,
    members: int = 10,
    hidden: tuple[int, int] = (128, 32),
    dropout: float = 0.1,
    features: Sequence[str] = ("generator", "lite0"),
    steps: int = 300,
    images: int = 10,
    pixels: int = 400,
    lr: float = 0.002,
    weight_decay: float = 0.0001,
    balance: float = 0.25,
    networks: int = 3,
    network_steps: int = 1200,
    network_share: float = 0.75,
    corrections: Literal["ignore", "only"] | None = None,
    seed: int = 0,
    corrected: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Train the labeler on latents or photos and their labels."""

def generate(
    labelers: str | PathLike[str] | Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    n: int,
    keep: float = 0.9,
    drop: Literal["any", "all"] = "any",
    strata: Literal["none", "parts"] | None = None,
    ignore_pixels: float = 0.0,
    seed: int = 0,
    psi: float = 1.0,
    condition: int | Literal["none"] | dict[str, float | str] | None = None,
    aim: dict[str, Any] | None = None,
    attributes: str | None = None,
    draws_limit: int | None = None,
    progress: bool | None = None,
) -> Path:
    """Draw a labelled dataset."""

def import_checkpoint(
    checkpoint: str | PathLike[str],
    out: str | PathLike[str],
    *,
    framing: Literal["crop", "letterbox", "pad", "stretch"] = "crop",
    licence: str | None = None,
    mapping_lr: float | None = None,
    progress: bool | None = None,
) -> Path:
    """Turn a published checkpoint into a generator; nothing in the file is run."""

def invert(
    generator: str | PathLike[str],
    labelled: str | PathLike[str],
    out: str | PathLike[str],
    *,
    first: int | None = None,
    skip: int = 0,
    tasks: Sequence[str] | None = None,
    labels: dict[str, dict[str, Any]] = {},
    photos: str | None = None,
    encoder: str | None = None,
    encoder_steps: int = 600,
    encoder_batch: int = 32,
    encoder_lr: float = 0.0005,
    encoder_passes: int = 1,
    steps: int = 200,
    lr: float = 0.05,
    pixel: float = 2.0,
    prior: float = 0.02,
    residual: int = 0,
    residual_prior: float = 0.1,
    tuning_steps: int = 0,
    tuning_lr: float = 0.0003,
    tuning_batch: int = 10,
    tuning_locality: float = 1.0,
    batch: int = 50,
    seed: int = 0,
    progress: bool | None = None,
) -> Path:
    """Find the generator's latents of labelled photos."""

def label(
    voters: str | PathLike[str] | Sequence[str | PathLike[str]],
    photos: str | PathLike[str],
    out: str | PathLike[str],
    *,
    keep: float = 0.9,
    drop: Literal["any", "all"] = "any",
    strata: Literal["none", "parts"] | None = None,
    ignore_pixels: float = 0.0,
    n: int | None = None,
    apart_first: int | None = None,
    mirror: bool = True,
    inversion: Literal["none", "encoder", "refined"] = "none",
    apart: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    progress: bool | None = None,
) -> Path:
    """Label your own photos: real images, labels, uncertainty, selection."""

def sample(
    generator: str | PathLike[str],
    out: str | PathLike[str],
    *,
    n: int,
    seed: int = 0,
    psi: float = 1.0,
    condition: int | Literal["none"] | dict[str, float | str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Draw images for people to label; their latents are known."""

def score(
    voters: str | PathLike[str] | Sequence[str | PathLike[str]],
    test: str | PathLike[str],
    out: str | PathLike[str],
    *,
    test_part: str | None = None,
    mirror: bool = True,
    inversion: Literal["none", "encoder", "refined"] = "none",
    progress: bool | None = None,
) -> Path:
    """Score labelers and models as they are on test photos; nothing is trained."""

def train(
    images: str | PathLike[str],
    out: str | PathLike[str],
    *,
    resolution: str = "64",
    discriminator: Literal["projected", "stylegan2"] = "projected",
    kimg: float | None = None,
    minutes: float | None = None,
    framing: Literal["crop", "letterbox", "pad", "stretch"] = "crop",
    seed: int = 0,
    batch: int = 32,
    channel_base: int | None = None,
    channel_max: int = 192,
    w_dim: int = 192,
    g_lr: float = 0.002,
    d_lr: float = 0.0002,
    r1: float = 5.0,
    mixing: float = 0.0,
    mirror: bool = True,
    conditions: str | None = None,
    mirrored: Sequence[str] | None = None,
    feature_size: int = 128,
    snapshot_kimg: float = 20.0,
    tensorboard: bool = False,
    licence: str = "unknown: inherits the terms of the training images",
    init: str | PathLike[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Train a generator on a folder or zip of unlabelled images."""
