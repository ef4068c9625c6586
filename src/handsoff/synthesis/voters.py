"""Who labels photos: labelers, and models that an evaluation handed over.

The image networks of a labeler vote on the photo and on its mirror image. Its pixel classifiers vote with them where
they can read features of the photo: from the photo itself, or from the latents that inversion finds for it. A model is
networks alone.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.backbones.lite0 import frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.core.device import best_device, mixed_precision
from handsoff.core.images import to_float
from handsoff.generators.latents import Latents
from handsoff.inversion.encoder import Encoder, load_encoder, starting_point
from handsoff.inversion.latent_space import measure_latent_space, require_w_space
from handsoff.inversion.refine import Target, refine
from handsoff.inversion.settings import InvertSettings
from handsoff.labeling.labeler import GENERATOR, Images, Labeler, load_labeler
from handsoff.learning.predictor import CARD as MODEL
from handsoff.learning.predictor import Predictor, load_predictor
from handsoff.learning.voting import Consensus, consensus, vote
from handsoff.synthesis.settings import LabelSettings
from handsoff.synthesis.voter_cards import VoterCard
from handsoff.tasks.base import Task

RECONSTRUCTION_ERROR = "reconstruction_error"
Outputs = Float[Tensor, "_m n k h w"]


@runtime_checkable
class Voter(Protocol):
    """Labels photos that are framed as it sees them."""

    @property
    def task(self) -> Task: ...

    def label(self, images: Images) -> Consensus:
        """Labels and their uncertainty; images of a batch do not influence each other."""
        ...


@dataclass(frozen=True)
class Inverter:
    """Finds the latents of photos.

    Attributes:
        refined: whether optimisation refines what the encoder gives.
    """

    target: Target
    encoder: Encoder
    refined: bool

    def latents(self, images: Float[Tensor, "n 3 h w"]) -> Latents:
        """The latents of photos in [-1, 1]."""
        start = starting_point(self.target, self.encoder, images)
        if not self.refined:
            return Latents({"ws": self.target.space.unwhiten(start)})
        with torch.enable_grad():
            return refine(self.target, images, start, InvertSettings()).latents

    def error(self, images: Float[Tensor, "n 3 h w"], rebuilt: Float[Tensor, "n 3 h w"]) -> Float[np.ndarray, " n"]:
        """The perceptual distance of photos in [-1, 1] and the images of their latents."""
        perceptual = self.target.perceptual
        found = perceptual.distance(rebuilt.float().clamp(-1, 1), perceptual.features(images))
        return found.float().cpu().numpy()


@dataclass(frozen=True)
class LabelerVoter:
    """A labeler: its networks and, where they can read the photo or its latents, its pixel classifiers."""

    labeler: Labeler
    mirror: bool
    inverter: Inverter | None

    @property
    def task(self) -> Task:
        return self.labeler.task

    @torch.no_grad()
    def label(self, images: Images) -> Consensus:
        given, labeler = to_float(images).to(self.labeler.device), self.labeler
        groups, numbers = self.classifiers(given)
        if labeler.networks:
            found = vote(self.task, labeler.networks, given, mirrored=self.mirror)
            groups.append((found, labeler.card["network_share"]))
        agreed = consensus(self.task, groups)
        return replace(agreed, numbers=agreed.numbers | numbers)

    def classifiers(
        self, images: Float[Tensor, "n 3 h w"]
    ) -> tuple[list[tuple[Outputs, float]], dict[str, Float[np.ndarray, " n"]]]:
        """What the pixel classifiers say, with their weight, and what inversion says of the photos.

        Nothing where they cannot read the photos.
        """
        labeler, extractor, numbers = self.labeler, self.labeler.extractor, {}
        if extractor.needs_latents and self.inverter is None:
            return [], {}
        latents = None if self.inverter is None else self.inverter.latents(images)
        with mixed_precision():
            if self.inverter is None or latents is None:
                features = extractor.from_images(images)
            else:
                rebuilt, features = extractor.from_latents(latents)
                numbers[RECONSTRUCTION_ERROR] = self.inverter.error(images, rebuilt)
            outputs = labeler.ensemble.dense(features, labeler.size).float()
        return [(outputs, 1 - labeler.card["network_share"])], numbers


@dataclass(frozen=True)
class ModelVoter:
    """The networks of a model."""

    predictor: Predictor
    mirror: bool

    @property
    def task(self) -> Task:
        return self.predictor.task

    @torch.no_grad()
    def label(self, images: Images) -> Consensus:
        given = to_float(images).to(best_device())
        return consensus(self.task, [(vote(self.task, self.predictor.networks, given, mirrored=self.mirror), 1.0)])


def load_voter(card: VoterCard, settings: LabelSettings) -> Voter:
    """Read a voter.

    Raises:
        InputError: a file is missing or damaged.
        MismatchError: files do not belong together.
    """
    if (card.folder / MODEL).is_file():
        return ModelVoter(load_predictor(card.folder), settings.mirror)
    labeler = load_labeler(card.folder)
    inverter = load_inverter(labeler, card.folder, settings) if card.inverted else None
    return LabelerVoter(labeler, settings.mirror, inverter)


def load_inverter(labeler: Labeler, folder: Path, settings: LabelSettings) -> Inverter:
    """What inverts photos for a labeler, with the encoder beside it."""
    net = require_w_space(labeler.generator, str(folder / GENERATOR))
    target = Target(net, measure_latent_space(net), Perceptual(frozen_lite0(), net.image_size))
    return Inverter(target, load_encoder(net, folder), refined=settings.inversion == "refined")
