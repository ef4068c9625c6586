"""Feature maps that labels are read from: the generator's own, those of an image, or several of them.

A new kind is one class and one line in `EXTRACTORS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from handsoff.backbones.lite0 import FEATURE_CHANNELS, frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.core.errors import InputError, MismatchError, UnknownNameError
from handsoff.generators.contract import DenoisingGenerator, FeatureGenerator, Generator
from handsoff.generators.latents import Latents
from handsoff.labeling.hypercolumn import Features

Images = Float[Tensor, "n 3 h w"]  # in about [-1, 1]
READ_IMAGES = "--set 'features=[\"lite0\"]'"
DIFFUSION = "diffusion"


@runtime_checkable
class FeatureExtractor(Protocol):
    """Latents or images → feature maps, each [N, C, H, W] at its native size.

    Attributes:
        needs_latents: whether images alone do not do.
        channels: of all maps together, the length of the hypercolumn.
    """

    @property
    def needs_latents(self) -> bool: ...

    @property
    def channels(self) -> int: ...

    def from_latents(self, latents: Latents) -> tuple[Images, Features]:
        """The images of the latents, and their maps."""
        ...

    def from_images(self, images: Images) -> Features:
        """The maps of any images of the generator's size.

        Raises:
            InputError: the extractor needs latents.
        """
        ...


@dataclass(frozen=True)
class GeneratorFeatures:
    """The maps that a generator makes its images from (HandsOff, section 3.2)."""

    generator: FeatureGenerator
    needs_latents: ClassVar[bool] = True

    @property
    def channels(self) -> int:
        return sum(self.generator.feature_channels)

    def from_latents(self, latents: Latents) -> tuple[Images, Features]:
        return self.generator.features(latents)

    def from_images(self, images: Images) -> Features:  # noqa: ARG002  # the protocol's
        raise InputError(f"The generator's own features need latents, not images: fit a labeler {READ_IMAGES}.")


@dataclass(frozen=True)
class Lite0Features:
    """EfficientNet-Lite0's maps of an image, at /2 … /32 of its (if need be enlarged) size."""

    generator: Generator
    needs_latents: ClassVar[bool] = False
    channels: ClassVar[int] = sum(FEATURE_CHANNELS)

    @cached_property
    def perceptual(self) -> Perceptual:
        """The network, loaded when it is first needed."""
        return Perceptual(frozen_lite0(), self.generator.image_size)

    def from_latents(self, latents: Latents) -> tuple[Images, Features]:
        images = self.generator.synthesize(latents)
        return images, self.from_images(images)

    def from_images(self, images: Images) -> Features:
        return self.perceptual.feature_maps(images.clamp(-1, 1))


@dataclass(frozen=True)
class Denoising:
    """How a diffusion model is read.

    Attributes:
        sigmas: noise levels, of images in [-1, 1].
        model: which one, where the generator itself is none or another one is to be read.
    """

    sigmas: tuple[float, ...] = ()
    model: Generator | None = None

    @property
    def name(self) -> str:
        """What differs between two ways of reading one generator's images."""
        return f"{DIFFUSION} {self.sigmas} {'' if self.model is None else id(self.model)}"


@dataclass(frozen=True)
class DiffusionFeatures:
    """The maps that a denoiser makes of an image with noise, at every level (Baranchuk et al. 2022, arXiv 2112.03126).

    Attributes:
        generator: makes the images; the same as `model`, or another one.
    """

    generator: Generator
    model: DenoisingGenerator
    sigmas: tuple[float, ...]
    needs_latents: ClassVar[bool] = False

    @property
    def channels(self) -> int:
        return len(self.sigmas) * sum(self.model.denoiser_channels)

    def from_latents(self, latents: Latents) -> tuple[Images, Features]:
        images = self.generator.synthesize(latents)
        return images, self.from_images(images)

    def from_images(self, images: Images) -> Features:
        shown = images.float().clamp(-1, 1)
        return [values for sigma in self.sigmas for values in self.model.denoiser_maps(shown, sigma)]


@dataclass(frozen=True)
class JoinedFeatures:
    """The maps of several extractors of one generator, coarse to fine.

    Attributes:
        parts: by a name that is the same where they read the same.
    """

    generator: Generator
    parts: Mapping[str, FeatureExtractor] = field(default_factory=dict)

    @property
    def needs_latents(self) -> bool:
        return any(part.needs_latents for part in self.parts.values())

    @property
    def channels(self) -> int:
        return sum(part.channels for part in self.parts.values())

    def from_latents(self, latents: Latents) -> tuple[Images, Features]:
        images, found = self.each_from_latents(latents)
        return images, self.joined(found)

    def from_images(self, images: Images) -> Features:
        return self.joined({name: part.from_images(images) for name, part in self.parts.items()})

    def each_from_latents(self, latents: Latents) -> tuple[Images, dict[str, Features]]:
        """The images, made once for all parts, and every part's maps."""
        images: Tensor | None = None
        found: dict[str, Features] = {}
        for name, part in self.parts.items():
            if part.needs_latents:
                images, found[name] = part.from_latents(latents)
        if images is None:
            images = self.generator.synthesize(latents)
        for name, part in self.parts.items():
            if not part.needs_latents:
                found[name] = part.from_images(images)
        return images, found

    def joined(self, found: Mapping[str, Features]) -> Features:
        """The maps of this extractor's parts, coarse to fine; of equal size in the order of the parts."""
        maps = [values for name in self.parts for values in found[name]]
        return sorted(maps, key=lambda values: values.shape[-2] * values.shape[-1])


def shared_features(extractors: Sequence[JoinedFeatures], latents: Latents) -> tuple[Images, list[Features]]:
    """Images, and the maps of every extractor: what several extractors of one generator share is computed once."""
    parts = {name: part for extractor in extractors for name, part in extractor.parts.items()}
    images, found = JoinedFeatures(extractors[0].generator, parts).each_from_latents(latents)
    return images, [extractor.joined(found) for extractor in extractors]


def generator_features(generator: Generator, denoising: Denoising) -> GeneratorFeatures:  # noqa: ARG001  # as all extractors
    if not isinstance(generator, FeatureGenerator):
        raise InputError(f"The generator has no feature maps of its own: read its images with {READ_IMAGES}.")
    return GeneratorFeatures(generator)


def diffusion_features(generator: Generator, denoising: Denoising) -> DiffusionFeatures:
    model = generator if denoising.model is None else denoising.model
    if not isinstance(model, DenoisingGenerator):
        raise InputError(
            "The generator is no diffusion model, and features of one are asked for: name one with --denoiser."
        )
    if (model.image_size, model.framing) != (generator.image_size, generator.framing):
        sizes = [f"{found.image_size[0]}x{found.image_size[1]}, {found.framing}" for found in (model, generator)]
        raise MismatchError(
            f"The denoiser sees images in another frame ({sizes[0]}) than the generator's ({sizes[1]}): give one of "
            "the same."
        )
    return DiffusionFeatures(generator, model, denoising.sigmas)


EXTRACTORS: dict[str, Callable[[Generator, Denoising], FeatureExtractor]] = {
    "generator": generator_features,
    "lite0": lambda generator, _: Lite0Features(generator),
    DIFFUSION: diffusion_features,
}


def check_features(names: Sequence[str]) -> None:
    """Whether there are such extractors.

    Raises:
        UnknownNameError: there is one that is not.
    """
    for name in names:
        if name not in EXTRACTORS:
            raise UnknownNameError("features", name, EXTRACTORS)


def make_extractor(generator: Generator, names: Sequence[str], denoising: Denoising | None = None) -> JoinedFeatures:
    """The extractors of these names, joined; their networks are loaded when they are first needed.

    Args:
        generator: makes the images.
        names: of `EXTRACTORS`.
        denoising: how a diffusion model is read, if one is.

    Raises:
        UnknownNameError: there is no such extractor.
        InputError: it cannot be had of this generator, or a diffusion model is given and not read.
        MismatchError: the diffusion model sees images in another frame.
    """
    denoising = denoising or Denoising()
    check_features(names)
    if denoising.model is not None and DIFFUSION not in names:
        raise InputError(f"Nothing reads the denoiser: add {DIFFUSION} to features, or leave --denoiser out.")
    found = {name: EXTRACTORS[name](generator, denoising) for name in names}
    return JoinedFeatures(
        generator, {denoising.name if name == DIFFUSION else name: part for name, part in found.items()}
    )
