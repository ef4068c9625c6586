"""What every generator is to the rest of the house: seeds to latents, latents to images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame, Framing
from handsoff.generators.latents import Latents


@dataclass(frozen=True)
class Conditions:
    """What a generator can be told to show.

    The value of an attribute is a number, or the place of its word in `words`; NaN: nothing is said of it.

    Attributes:
        kind: nothing, one of some classes, or a value for each of some attributes.
        names: of the classes or attributes.
        words: per attribute, what it can be; () where it is a number.
        scales: per attribute, mean and standard deviation of its numbers in the training photos.
        examples: the attributes of training photos, spread evenly over them: what is not asked for follows these.
        guidance: strength of classifier-free guidance unless latents state another one (`latents.GUIDANCE`), 1 = a
            condition is followed as it was learnt; None: the generator cannot be guided.
    """

    kind: Literal["none", "classes", "attributes"] = "none"
    names: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    scales: tuple[tuple[float, float], ...] = ()
    examples: tuple[tuple[float, ...], ...] = ()
    guidance: float | None = None

    def __post_init__(self) -> None:
        told = [len(found) for found in (self.words, self.scales, *self.examples) if found]
        if any(count != len(self.names) for count in told) or any(spread <= 0 for _, spread in self.scales):
            raise ValueError("conditions say something else than their names")


@runtime_checkable
class Generator(Protocol):
    """Seeds → latents → images.

    Attributes:
        image_size: (H, W) in pixels.
        framing: how a photo got into the frame; whatever photo meets the generator is framed so.
        conditions: what it can be told to show.
        licence: the terms that everything made with it inherits.
    """

    @property
    def image_size(self) -> Frame: ...

    @property
    def framing(self) -> Framing: ...

    @property
    def conditions(self) -> Conditions: ...

    @property
    def licence(self) -> str: ...

    @property
    def device(self) -> torch.device: ...

    def draw(self, seeds: Sequence[int], condition: Tensor | None = None, psi: float = 1.0) -> Latents:
        """One sample's latents per seed, each from its seed alone.

        Args:
            seeds: ≥ 0.
            condition: class ids [N] or values of attributes [N, A]; None where the generator has no conditions.
            psi: truncation, 1 = all of the generator's variety; generators without it ignore it.

        Raises:
            InputError: the condition does not fit `conditions`.
        """
        ...

    def synthesize(self, latents: Latents) -> Float[Tensor, "n 3 h w"]:
        """Images in about [-1, 1]; the same latents give the same image in any batch."""
        ...


@runtime_checkable
class FeatureGenerator(Generator, Protocol):
    """A generator whose own feature maps labels can be read from (its *hypercolumn*)."""

    @property
    def feature_channels(self) -> tuple[int, ...]: ...

    def features(self, latents: Latents) -> tuple[Float[Tensor, "n 3 h w"], list[Float[Tensor, "n _c _h _w"]]]:
        """The images, and the feature maps that made them, coarse to fine, each at its native size."""
        ...


@runtime_checkable
class DenoisingGenerator(Generator, Protocol):
    """A diffusion model, whose denoiser makes feature maps of any image: labels can be read from those, too."""

    @property
    def denoiser_channels(self) -> tuple[int, ...]: ...

    def denoiser_maps(self, images: Float[Tensor, "n 3 h w"], sigma: float) -> list[Float[Tensor, "n _c _h _w"]]:
        """Maps of images in [-1, 1] with noise of deviation `sigma`, the same for all, coarse to fine.

        Raises:
            InputError: the model must be told what images show.
        """
        ...


@runtime_checkable
class StyleGenerator(FeatureGenerator, Protocol):
    """A generator with a w space: its latents are {"ws": [N, num_ws, w_dim]}, and photos can be inverted to them.

    Latents may also have a "residual" [N, C, H, W], which is added to the feature map of that shape.

    Attributes:
        map_shapes: (C, H, W) of the feature maps that a residual can be added to, coarse to fine.
    """

    @property
    def z_dim(self) -> int: ...

    @property
    def w_dim(self) -> int: ...

    @property
    def num_ws(self) -> int: ...

    @property
    def map_shapes(self) -> tuple[tuple[int, int, int], ...]: ...

    def mapping(
        self, z: Float[Tensor, "n z"], condition: Tensor | None = None, psi: float = 1.0
    ) -> Float[Tensor, "n l d"]:
        """z [N, z_dim] → ws [N, num_ws, w_dim], truncated towards their mean by psi; `condition` as in `draw`."""
        ...

    def random_condition(self, count: int, stream: torch.Generator) -> Tensor | None:
        """Class ids, all alike often, or attributes as in the training photos; None where there are no conditions."""
        ...


def check_condition(conditions: Conditions, condition: Tensor | None, count: int) -> None:
    """Whether a condition of `count` samples is one the generator knows.

    Raises:
        InputError: the generator has no conditions, or the condition is missing or not one of them.
    """
    if conditions.kind == "none":
        if condition is not None:
            raise InputError("The generator has no conditions: leave the condition out.")
        return
    named = f"{len(conditions.names)} {conditions.kind}"
    if condition is None:
        raise InputError(f"The generator is conditional on {named}: say which to show.")
    if conditions.kind == "classes":
        fits = condition.shape == (count,) and not condition.is_floating_point()
        if not fits or bool(((condition < 0) | (condition >= len(conditions.names))).any()):
            raise InputError(f"The generator knows the classes 0 to {len(conditions.names) - 1}: give one of them.")
    elif condition.shape != (count, len(conditions.names)):
        raise InputError(f"The generator is conditional on {named}: give a number for each of them.")
    else:
        for column, words in zip(condition.T, conditions.words, strict=False):
            if words and bool(
                ((column < 0) | (column >= len(words)) | (column != column.floor()) & ~column.isnan()).any()
            ):
                raise InputError(f"A word is told by its place among {', '.join(words)}, from 0 on: give one of them.")
