"""Training of the convolutional head on whole images, whose feature maps are made anew at every step."""

from collections import Counter
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from handsoff.core.device import mixed_precision
from handsoff.core.seeds import seeded, step_generator
from handsoff.labeling.examples import TrainingData
from handsoff.labeling.features import JoinedFeatures
from handsoff.labeling.interpreter import Interpreter, MapShape, class_ids, number_of_classes
from handsoff.labeling.pixel_samples import features_of
from handsoff.labeling.runs import over_members
from handsoff.labeling.settings import FitSettings

PIXELS = 2**19  # of images whose gradients are kept at once
SCALED_BY = 16  # images that say how features are standardised
NAMED = 8  # classes, in a sentence
FEWEST = 2  # labelled images of a class, for its mixing blocks


@dataclass(frozen=True)
class MapRun:
    """See `labeling.runs.Run`.

    Attributes:
        class_weights: how much each class of the labels counts, as `settings.balance` says.
    """

    head: Interpreter
    extractor: JoinedFeatures
    data: TrainingData
    held_out: Bool[Tensor, "e n"]
    settings: FitSettings
    class_weights: Float[Tensor, " k"] | None

    def outputs(self, images: list[int], only: int | None = None) -> Float[Tensor, "e b k h w"]:
        """What the members say of some of the images."""
        maps = features_of(self.extractor, self.data, images)
        with mixed_precision():
            found = self.head.dense(maps, self.extractor.generator.image_size, classes_of(self.data, images), only)
        return found.float()

    def target(self, images: list[int]) -> Tensor:
        size = self.extractor.generator.image_size
        return self.data.task.learning.encode(self.data.labels[images], size).to(self.held_out.device)

    def step_loss(self, step: int) -> Float[Tensor, ""]:
        """The loss of one step: all pixels of a few images, each member without its held-out images."""
        settings, (height, width) = self.settings, self.extractor.generator.image_size
        stream = step_generator(settings.seed, step, 2)
        dropout_seed = int(torch.randint(2**62, (), generator=stream))
        count = max(1, min(settings.images, PIXELS // (height * width)))
        images = torch.randint(len(self.data), (count,), generator=stream).tolist()
        self.head.train()
        with seeded(dropout_seed):
            outputs = self.outputs(images)
        target, learning = self.target(images), self.data.task.learning
        losses = torch.stack([learning.loss(member, target, self.class_weights) for member in outputs])
        return over_members(losses, self.held_out[:, images])

    @torch.no_grad()
    def loss_on(self, member: int, image: int) -> Float[Tensor, ""]:
        """One member's mean loss on all pixels of one image."""
        self.head.eval()
        (outputs,) = self.outputs([image], member)
        return self.data.task.learning.loss(outputs, self.target([image]), self.class_weights).mean()


def classes_of(data: TrainingData, images: list[int]) -> Int64[Tensor, " b"] | None:
    """The classes that the generator was asked for, where it has classes and they are known."""
    return None if data.latents is None else class_ids(data.latents[images].condition)


@torch.no_grad()
def measure_maps(extractor: JoinedFeatures, data: TrainingData) -> tuple[list[MapShape], Tensor, Tensor]:
    """The shapes of the feature maps, and mean and deviation of every channel over some images."""
    maps = features_of(extractor, data, list(range(min(len(data), SCALED_BY))))
    shapes = [(int(values.shape[1]), int(values.shape[2]), int(values.shape[3])) for values in maps]
    means = torch.cat([values.float().mean((0, 2, 3)) for values in maps])
    deviations = torch.cat([values.float().std((0, 2, 3)) for values in maps])
    return shapes, means, deviations + 1e-3


def new_interpreter(extractor: JoinedFeatures, data: TrainingData, settings: FitSettings) -> Interpreter:
    """An untrained head for these features."""
    shapes, mean, scale = measure_maps(extractor, data)
    with seeded(settings.seed):
        head = Interpreter(
            shapes,
            data.task.channels,
            settings.members,
            dropout=settings.dropout,
            classes=number_of_classes(extractor.generator.conditions),
        )
    head = head.to(extractor.generator.device)
    head.mean.copy_(mean)
    head.scale.copy_(scale)
    return head


def hardly_seen(extractor: JoinedFeatures, data: TrainingData) -> list[str]:
    """A sentence about classes of the generator that fewer than two labelled images show, if there are such."""
    classes = classes_of(data, list(range(len(data))))
    if classes is None:
        return []
    counts = Counter(classes.tolist())
    few = [name for index, name in enumerate(extractor.generator.conditions.names) if counts[index] < FEWEST]
    if not few:
        return []
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    listed = ", ".join(few[:NAMED]) + more
    return [f"Fewer than {FEWEST} labelled images show the generator's class {listed}: label more of them."]
