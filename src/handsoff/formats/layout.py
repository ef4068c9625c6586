"""Where the parts of a labelled pack lie: `images/NAME.ext` and, per kind of label, a folder like it or one JSON file."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.images import IMAGE_SUFFIXES
from handsoff.formats.photos import Source
from handsoff.tasks import TASKS
from handsoff.tasks.base import Place

FOLDERS = {"images", *(place.folder for task in TASKS.values() for place in task.places if place.suffixes)}
LAYOUT = "labelled data is images/NAME.png (or .jpg, .webp) with masks/NAME.png and classes.json, keypoints.json, or depth/NAME.npz"


class GapError(InputError):
    """An image without a label of a kind that others have, or the reverse."""


def layout_root(source: Source) -> str:
    """Where in the source `images/` lies: "" or "FOLDER/".

    Raises:
        InputError: nowhere, or in several folders.
    """
    folders = {PurePosixPath(name).parts[:-1] for name in source.sizes}
    if any(parts[:1] and parts[0] in FOLDERS for parts in folders):
        return ""
    roots = sorted({parts[0] for parts in folders if parts[1:2] and parts[1] in FOLDERS})
    if not roots:
        raise InputError(f"{source.path} has no images/ folder: {LAYOUT}.")
    if len(roots) > 1:
        raise InputError(f"{source.path} holds several labelled folders ({', '.join(roots)}): give one of them, unpacked, with a classes.json of its own.")
    return f"{roots[0]}/"


def image_files(source: Source, root: str) -> dict[str, str]:
    """Sample name → image.

    Raises:
        InputError: there are none, or as `by_name`.
    """
    images = by_name(source, root, "images", IMAGE_SUFFIXES)
    if not images:
        raise InputError(f"{source.path} has no {root}images/ folder with png, jpg or webp files: {LAYOUT}.")
    return images


def by_name(source: Source, root: str, folder: str, suffixes: Iterable[str]) -> dict[str, str]:
    """Sample name → file, for the files below `folder` that have one of the suffixes.

    Raises:
        InputError: there are two of one name, or a name is not Unicode.
    """
    files: dict[str, str] = {}
    for file in source.sizes:
        place = PurePosixPath(file)
        if not file.startswith(f"{root}{folder}/") or place.suffix.lower() not in suffixes:
            continue
        name = place.relative_to(f"{root}{folder}").with_suffix("").as_posix()
        if any("\ud800" <= letter <= "\udfff" for letter in file):  # what Python makes of bytes that are no UTF-8
            raise InputError(f"{source.path} holds the file {file!a}, whose name is not valid UTF-8: rename it.")
        if name in files:
            raise InputError(f"{source.path / file} and {source.path / files[name]} have the same name up to the suffix: rename or remove one of them.")
        files[name] = file
    return files


def label_files(source: Source, root: str, place: Place) -> tuple[dict[str, str], dict[str, Any]]:
    """Sample name → file with its label, and → its entry where one JSON file holds all of them (else empty).

    Raises:
        InputError: that file is not a JSON object, or as `by_name`.
    """
    if place.suffixes:
        return by_name(source, root, place.folder, place.suffixes), {}
    file = f"{root}{place.folder}.json"
    entries = source.json(file)
    if entries is None:
        return {}, {}
    if not isinstance(entries, dict):
        raise InputError(f"{source.path / file} is not a JSON object: write one entry per image, {{NAME: …}}.")
    return dict.fromkeys(entries, file), entries


def refuse_gaps(source: Source, root: str, images: dict[str, str], labels: dict[str, str], place: Place) -> None:
    """Every image needs a label and every label an image.

    Raises:
        GapError: one is without the other.
    """
    unlabelled, orphans = sorted(images.keys() - labels.keys()), sorted(labels.keys() - images.keys())
    wanted = f"{root}{place.folder}/{{}}{place.suffixes[0]}" if place.suffixes else f"an entry {{!r}} to {root}{place.folder}.json"
    if unlabelled:
        name = unlabelled[0]
        raise GapError(f"{source.path / images[name]} has no label in {place.folder}{and_more(unlabelled)}: add {wanted.format(name)} or remove the image.")
    if orphans:
        name = orphans[0]
        held = source.path / labels[name] if place.suffixes else f"{source.path / labels[name]}: {name!r}"
        remedy = f"add {root}images/{name}.png (or .jpg, .webp) or remove the label"
        raise GapError(f"{held} has no image{and_more(orphans)}: {remedy}.")


def and_more(names: Sequence[str]) -> str:
    """How many beside the first, in words for a sentence."""
    return f" (like {len(names) - 1} more)" if len(names) > 1 else ""
