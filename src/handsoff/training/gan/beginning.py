"""A generator that begins with another one's weights (`handsoff train --init`)."""

from pathlib import Path

from handsoff.core.errors import MismatchError
from handsoff.core.frames import Frame
from handsoff.core.settings import stated
from handsoff.datasets.licences import together
from handsoff.generators.stored import load_generator, read_card
from handsoff.generators.stylegan2 import StyleGAN2
from handsoff.training.settings import SHAPE, TrainSettings


def beginning(folder: Path, frame: Frame, settings: TrainSettings) -> StyleGAN2:
    """A generator with the weights and the shape (channels, widths, depth) of the one in `folder`, ready to be trained.

    It stands under the terms of both: those in `settings`, and those of the one it begins with.

    Raises:
        InputError: the folder is no generator.
        MismatchError: it is no unconditional StyleGAN2, or photos were framed otherwise for it; or conditions are asked
            for, which its mapping network has no place for, or another shape.
    """
    if settings.conditions is not None:
        raise MismatchError("--init cannot be given together with conditions: leave one of them out.")
    card = read_card(folder)
    if card.architecture != StyleGAN2.architecture or card.conditions.kind != "none":
        kind = (
            card.architecture if card.conditions.kind == "none" else f"{card.architecture} with {card.conditions.kind}"
        )
        raise MismatchError(
            f"{folder} holds a generator of the kind {kind}: --init takes a StyleGAN2 without conditions."
        )
    if card.image_size != frame:
        size = "x".join(map(str, card.image_size))
        raise MismatchError(
            f"{folder} draws images of {size} pixels, not {settings.resolution}: train with --resolution {size}."
        )
    if card.framing != settings.framing:
        raise MismatchError(
            f"{folder} was trained on photos framed by {card.framing}, not {settings.framing}: "
            f"train with --set framing={card.framing}."
        )
    for name in stated(settings, SHAPE):
        raise MismatchError(f"{name} is that of the generator that --init names, {folder}: leave it out.")
    loaded = load_generator(folder)
    assert isinstance(loaded, StyleGAN2)  # noqa: S101  # by its card
    terms = together([settings.licence, card.licence])
    generator = StyleGAN2(loaded.config, terms or "unknown", settings.framing)
    generator.load_state_dict(loaded.state_dict())
    return generator
