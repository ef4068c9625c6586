"""What is known of those who label photos without loading them: labelers, and models of evaluations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import weights_hash
from handsoff.core.frames import Frame, Framing
from handsoff.datasets.licences import together
from handsoff.datasets.likeness import read_seen
from handsoff.datasets.sources import open_source
from handsoff.formats.manifest import MANIFEST, manifest_licence, nearest_json
from handsoff.generators.contract import StyleGenerator
from handsoff.generators.stored import generator_shell
from handsoff.inversion.encoder import ENCODER
from handsoff.jobs.folder import require_done, verb_of
from handsoff.labeling.features import READ_IMAGES
from handsoff.labeling.labeler import CARD, GENERATOR, extractor_of, read_card
from handsoff.learning.predictor import CARD as MODEL
from handsoff.learning.predictor import find_predictor, read_predictor_card
from handsoff.synthesis.settings import LabelSettings

PHOTOS = "the photos keep their own terms"
DRAWN = ("generate", "edit", "sample")  # verbs whose images a generator draws


@dataclass(frozen=True)
class VoterCard:
    """What is known of a voter without loading it.

    Attributes:
        folder: of a labeler, or of a model: there lie its weights and the thumbnails of the photos that it knows.
        task, schema: what its labels mean.
        image_size, framing: how a photo gets into the frame that it sees.
        licence: the terms of its labels, "" where they are unknown.
        examples: labelled images that it learnt from.
        networks, classifiers: how many of them vote.
        inverted: whether the classifiers read latents, which inversion finds.
        fingerprint: of all that decides how it labels.
    """

    folder: Path
    task: str
    schema: dict[str, Any] = field(hash=False)
    image_size: Frame
    framing: Framing
    licence: str
    examples: int
    networks: int
    classifiers: int
    inverted: bool
    fingerprint: str


def read_voters(folders: Sequence[Path], settings: LabelSettings) -> list[VoterCard]:
    """What is known of the voters of a dataset.

    Raises:
        InputError: there are none; one is neither a finished labeler nor a model, is damaged, or cannot label photos;
            two have the same task; or inversion is asked for and none needs it.
        MismatchError: they do not see photos in the same frame.
    """
    if not folders:
        raise InputError(
            "There is nothing to label with: give the folder of handsoff fit, or the report of handsoff evaluate."
        )
    cards = [read_voter(folder, settings) for folder in folders]
    for card in cards:
        read_seen(card.folder)  # else photos would be labelled whose labels are known
    for card in cards[1:]:
        if (card.image_size, card.framing) != (cards[0].image_size, cards[0].framing):
            raise MismatchError(
                f"{card.folder} sees photos in another frame ({frame_text(card)}) than {cards[0].folder} "
                f"({frame_text(cards[0])}): label with one at a time."
            )
    names = [card.task for card in cards]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"Two of the labelers and models have the task {twice[0]}: give one of each task.")
    refuse_idle(cards, settings)
    return cards


def refuse_idle(cards: Sequence[VoterCard], settings: LabelSettings) -> None:
    """Refuse inversion where no voter needs it.

    Raises:
        InputError: it is asked for.
    """
    if settings.inversion != "none" and not any(card.inverted for card in cards):
        raise InputError(f"Nothing here reads latents, so inversion = {settings.inversion} is no use: leave it out.")


def frame_text(card: VoterCard) -> str:
    return f"{card.image_size[0]}x{card.image_size[1]}, {card.framing}"


def read_voter(folder: Path, settings: LabelSettings) -> VoterCard:
    """What is known of a labeler, of a model, or of the model in the report of an evaluation.

    Raises:
        InputError: it is none, is not finished, or cannot label photos.
    """
    verb = verb_of(folder)
    if verb == "evaluate":
        require_done(folder, "evaluate")
    model = find_predictor(folder) if verb in {None, "evaluate"} else None
    if model is not None:
        return read_model(model)
    if verb == "evaluate":
        raise InputError(f"{folder} holds no model: evaluate again, into another folder.")
    if verb is None:
        raise InputError(
            f"{folder} holds neither a labeler nor a model: give the folder of handsoff fit, or the report of handsoff "
            "evaluate."
        )
    require_done(folder, "fit")
    return read_labeler(folder, settings)


def read_model(folder: Path) -> VoterCard:
    """What is known of a model."""
    card = read_predictor_card(folder)
    height, width = card.image_size
    return VoterCard(
        folder, card.task, card.schema, (height, width), card.framing, card.licence or "", card.examples,
        networks=card.networks, classifiers=0, inverted=False, fingerprint=weights_hash(folder / MODEL),
    )  # fmt: skip


def read_labeler(folder: Path, settings: LabelSettings) -> VoterCard:
    """What is known of a labeler.

    Raises:
        InputError: it is damaged, nothing of it can label photos, or photos cannot be inverted for it.
    """
    card = read_card(folder)
    shell = generator_shell(folder / GENERATOR)
    needs_latents = extractor_of(folder, card, generator_shell).needs_latents
    inverted = needs_latents and settings.inversion != "none"
    if inverted and not isinstance(shell, StyleGenerator):
        raise InputError(
            f"The generator of {folder} cannot be inverted: leave inversion out, or fit a labeler with {READ_IMAGES}."
        )
    if inverted and not (folder / ENCODER).is_file():
        raise InputError(
            f"{folder} has no encoder to invert photos with: fit it to latents that handsoff invert found with one "
            "(encoder_steps > 0), or leave inversion out."
        )
    if needs_latents and not inverted and not card["networks"]:
        raise InputError(
            f"{folder} cannot label photos: it has no image networks, and its pixel classifiers read latents. Fit it "
            f"with --set networks=3, or with {READ_IMAGES}, or let its encoder invert the photos with --set "
            "inversion=encoder."
        )
    height, width = card["image_size"]
    return VoterCard(
        folder, card["task"], card["schema"], (height, width), card["framing"], card["licence"], card["examples"],
        networks=card["networks"], classifiers=0 if needs_latents and not inverted else card["members"],
        inverted=inverted, fingerprint=weights_hash(folder / CARD),
    )  # fmt: skip


@dataclass(frozen=True)
class ImageOrigin:
    """What the folder of the images that are labelled says of them.

    Attributes:
        licence: their terms, "" where it says none.
        drawn: whether a generator drew them.
        facts: of that generator, for the manifest.
    """

    licence: str = ""
    drawn: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


def origin_of(photos: Path) -> ImageOrigin:
    """What is known of images that are to be labelled: a generator's come with its licence and its warnings.

    Raises:
        InputError: a manifest or a `job.json` there is damaged.
    """
    source = open_source(photos)
    drawn = photos.is_dir() and verb_of(photos) in DRAWN
    manifest = nearest_json(source, MANIFEST)[0] if drawn else None
    found = manifest if isinstance(manifest, dict) else {}
    facts = {name: found[name] for name in ("generator", "nearness") if name in found}
    return ImageOrigin(manifest_licence(source), drawn, facts)


def licence_of(voters: Sequence[VoterCard], images: ImageOrigin) -> str:
    """The terms of a dataset: those of the labels, and those of the images, where these say any."""
    stated = together(card.licence for card in voters) or "unknown"
    if images.licence:
        return stated if stated == images.licence else f"labels: {stated}; images: {images.licence}"
    return stated if PHOTOS in stated else f"labels: {stated}; {PHOTOS}"
