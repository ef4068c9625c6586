"""The labeler: a generator, and what labels its images."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn

from handsoff.core.device import mixed_precision
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, read_record, write_json
from handsoff.core.frames import Frame, Framing
from handsoff.core.images import to_float, to_uint8
from handsoff.core.tensors import read_tensors, write_tensors
from handsoff.generators.conditions import Asked, Condition
from handsoff.generators.contract import Generator
from handsoff.generators.latents import Latents
from handsoff.generators.stored import generator_hash, load_generator
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.features import Denoising, JoinedFeatures, make_extractor, shared_features
from handsoff.labeling.image_networks import load_image_networks
from handsoff.labeling.interpreter import Interpreter, class_ids, number_of_classes
from handsoff.learning.voting import Consensus, consensus, vote, weighted
from handsoff.sampling.draws import draw_latents, uniform_draws
from handsoff.tasks import make_task
from handsoff.tasks.base import Labels, Task

Images = UInt8[np.ndarray, "n h w 3"]
Uncertainty = Float[np.ndarray, "n ..."]  # in [0, 1], per pixel [N, H, W] or per point [N, K]

WEIGHTS, CARD, GENERATOR = "labeler.safetensors", "labeler.json", "generator"
DENOISER = "denoiser"  # the folder of another generator, a diffusion model whose maps are read
EXAMPLES = "examples.json"  # name → numbers of the labelled photos, see `datasets.attributes`
EXAMPLE_WS = "examples.safetensors"  # name → their ws [L, D], where they were inverted


@dataclass(frozen=True)
class LabelerCard:
    """What `labeler.json` says.

    Attributes:
        task, schema: what the labels mean.
        members, hidden, features: the pixel classifiers and what they read.
        examples: number of labelled images that it learnt from.
        networks, network_share: the image networks and their weight in the ensemble; network: their architecture.
        generator: hash of the weights of the generator beside it.
        head: "pixels" or "conv", and maps: (C, H, W) of the feature maps that a convolutional head reads.
        sigmas, denoiser: how a diffusion model is read, and the hash of its weights where it is not the generator.
    """

    task: str
    schema: dict[str, Any]
    members: int
    hidden: tuple[int, int]
    features: list[str]
    examples: int
    networks: int
    network_share: float
    generator: str
    licence: str
    framing: Framing
    image_size: list[int]
    head: str = "pixels"
    maps: list[tuple[int, int, int]] = field(default_factory=list)
    sigmas: list[float] = field(default_factory=list)
    denoiser: str | None = None
    network: str = "lite0"


@dataclass(frozen=True)
class Labeler:
    """Labels what its generator makes and, if its features can be read from images, any image of that size.

    Attributes:
        extractor: gives the feature maps.
        ensemble: the pixel classifiers or convolutional heads, which read the maps.
        networks: image networks, which read the image.
        card: what `labeler.json` says.
    """

    extractor: JoinedFeatures
    ensemble: Ensemble | Interpreter
    networks: tuple[nn.Module, ...]
    task: Task
    card: dict[str, Any]

    def __repr__(self) -> str:
        parts = f"{len(self.task.parts)} classes or points, " if self.task.parts else ""
        return f"Labeler({self.task.name}, {parts}{self.size[0]}x{self.size[1]} pixels, {self.device})"

    @property
    def generator(self) -> Generator:
        return self.extractor.generator

    @property
    def size(self) -> Frame:
        """(H, W) of images and labels."""
        return self.generator.image_size

    @property
    def device(self) -> torch.device:
        return self.generator.device

    def sample(
        self,
        seeds: Sequence[int] | Shaped[np.ndarray, " n"],
        condition: Condition | Asked | None = None,
        psi: float = 1.0,
        guidance: float | None = None,
    ) -> tuple[Images, Labels, Uncertainty]:
        """Images made from seeds, with their labels and uncertainty.

        Args:
            seeds: ≥ 0, one per image.
            condition: as `sampling.draws.uniform_draws` takes it; without it classes are drawn alike often, and
                attributes as in the training photos.
            psi: truncation, 1 = all of the generator's variety.
            guidance: how strongly images follow the condition, as `uniform_draws` takes it.

        Raises:
            InputError: the generator does not know the condition, or needs one, or cannot be guided.
        """
        draws = uniform_draws(self.generator.conditions, seeds, psi, condition, guidance)
        return self.label(draw_latents(self.generator, draws))

    def label(self, latents: Latents) -> tuple[Images, Labels, Uncertainty]:
        """The images of latents (on any device), with their labels and uncertainty."""
        images, (found,) = label_together([self], latents)
        return images, found.labels, found.uncertainty

    @torch.no_grad()
    def label_images(self, images: Images) -> tuple[Labels, Uncertainty]:
        """Labels and uncertainty of images that came from anywhere.

        Raises:
            InputError: the images have another size than `size`, or the features need latents.
        """
        if images.shape[1:3] != self.size:
            found, wanted = ("x".join(map(str, size)) for size in (images.shape[1:3], self.size))
            raise InputError(f"The images are {found} pixels, the labeler's {wanted}: resize them.")
        given = to_float(images).to(self.device)
        with mixed_precision():
            outputs = self.ensemble.dense(self.extractor.from_images(given), self.size)
        agreed = self.decode(outputs, given)
        return agreed.labels, agreed.uncertainty

    def read(
        self, latents: Latents
    ) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "m n k h w"], Float[Tensor, " m"]]:
        """The images of latents in about [-1, 1], what every member of the ensemble says of them, and their weights.

        Gradients flow back to the latents.
        """
        with mixed_precision():
            images, maps = self.extractor.from_latents(latents)
            outputs = self.ensemble.dense(maps, self.size, class_ids(latents.condition))
        return images.float(), *weighted(self.groups(outputs, images.float()))

    def decode(self, outputs: Float[Tensor, "e n k h w"], images: Float[Tensor, "n 3 h w"]) -> Consensus:
        """What the pixel classifiers, which say `outputs`, and the image networks find together."""
        return consensus(self.task, self.groups(outputs, images))

    def groups(
        self, outputs: Float[Tensor, "e n k h w"], images: Float[Tensor, "n 3 h w"]
    ) -> list[tuple[Float[Tensor, "_m n k h w"], float]]:
        """What the pixel classifiers say and what the image networks see, with the weight of each group."""
        share: float = self.card["network_share"]
        groups = [(outputs.float(), 1 - share)]
        if self.networks:
            groups.append((vote(self.task, self.networks, images, mirrored=False), share))
        return groups


@torch.no_grad()
def label_together(labelers: Sequence[Labeler], latents: Latents) -> tuple[Images, list[Consensus]]:
    """Images, and what every labeler of one generator says of them; features are made only once."""
    latents = latents.to(labelers[0].device)
    with mixed_precision():
        images, maps = shared_features([labeler.extractor for labeler in labelers], latents)
        outputs = [
            labeler.ensemble.dense(features, labeler.size, class_ids(latents.condition))
            for labeler, features in zip(labelers, maps, strict=True)
        ]
    found = [labeler.decode(values, images.float()) for labeler, values in zip(labelers, outputs, strict=True)]
    return to_uint8(images), found


def save_labeler(folder: Path, ensemble: nn.Module, card: dict[str, Any]) -> None:
    """Write the pixel classifiers and the card; the generator and the image networks are beside them already."""
    write_json(folder / CARD, card)
    write_tensors(folder / WEIGHTS, ensemble.state_dict())


def read_card(folder: Path) -> dict[str, Any]:
    """What a labeler says of itself, without loading it; see `LabelerCard`.

    Raises:
        InputError: the folder holds none, or its card is damaged.
    """
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} holds no labeler: give the folder that handsoff fit wrote.")
    return asdict(read_record(folder / CARD, LabelerCard))


def new_head(card: dict[str, Any], extractor: JoinedFeatures, task: Task) -> Ensemble | Interpreter:
    """The head that a card describes, without its weights."""
    if card["head"] == "conv":
        classes = number_of_classes(extractor.generator.conditions)
        return Interpreter(card["maps"], task.channels, card["members"], classes=classes)
    return Ensemble(extractor.channels, task.channels, card["members"], card["hidden"])


def read_examples(folder: Path) -> dict[str, dict[str, Any]]:
    """Numbers of the photos that a labeler was fitted to, by name; none where it does not say them.

    Raises:
        InputError: the file is damaged.
    """
    found = read_json(folder / EXAMPLES) if (folder / EXAMPLES).is_file() else {}
    if not isinstance(found, dict) or not all(isinstance(entry, dict) and "shows" in entry for entry in found.values()):
        raise InputError(f"{folder / EXAMPLES} does not describe the labelled photos: run handsoff fit again.")
    return found


def load_labeler(folder: Path | str) -> Labeler:
    """Read a labeler with the generator it was fitted to.

    Raises:
        InputError: the folder is none or is damaged.
        MismatchError: the generator beside it is another one.
    """
    folder = Path(folder)
    card = read_card(folder)
    check_generators(folder, card)
    try:
        task = make_task(card["task"], card["schema"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / CARD} does not describe a labeler ({error!r}): run handsoff fit again.") from None
    extractor = extractor_of(folder, card, load_generator)
    ensemble = new_head(card, extractor, task)
    try:
        ensemble.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        raise MismatchError(
            f"{folder / WEIGHTS} does not fit {CARD} ({str(error).splitlines()[0]}): run handsoff fit again."
        ) from None
    ensemble = ensemble.eval().requires_grad_(requires_grad=False).to(extractor.generator.device)
    networks = load_image_networks(folder, task, card["networks"], card["network"])
    return Labeler(extractor, ensemble, networks, task, card)


def check_generators(folder: Path, card: dict[str, Any]) -> None:
    """Whether the generators beside a labeler are those that it was fitted to.

    Raises:
        InputError: one is missing.
        MismatchError: one is another.
    """
    for name, identity in ((GENERATOR, card["generator"]), (DENOISER, card["denoiser"])):
        if identity is not None and (found := generator_hash(folder / name)) != identity:
            raise MismatchError(
                f"{folder} was fitted to generator {identity[:12]}, but {folder / name} is {found[:12]}: "
                "run handsoff fit again."
            )


def extractor_of(folder: Path, card: dict[str, Any], load: Callable[[Path], Generator]) -> JoinedFeatures:
    """What a labeler reads; `load` gives generators, or shells of them.

    Raises:
        InputError: a generator is missing or damaged.
    """
    model = None if card["denoiser"] is None else load(folder / DENOISER)
    return make_extractor(load(folder / GENERATOR), card["features"], Denoising(tuple(card["sigmas"]), model))
