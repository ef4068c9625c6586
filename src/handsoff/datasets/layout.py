"""Where the parts of a labelled dataset lie: `images/NAME.ext` and, per kind of label, a folder or one JSON file."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.images import IMAGE_SUFFIXES, READABLE
from handsoff.datasets.sources import Source, label_folders
from handsoff.tasks.base import StorageLocation

LAYOUT = (
    "labelled data is images/NAME.png (or .jpg, .webp, …) with masks/NAME.png and classes.json, keypoints.json, or "
    "depth/NAME.npz"
)

PICTURES = {*IMAGE_SUFFIXES, ".gif"}
ALIASES = {  # folder of the layout → what others call it
    "images": ("image", "imgs", "img", "photos", "rgb"),
    "masks": ("mask", "labels", "label", "annotations", "annotation", "segmentations", "segmentation", "gt"),
}


class GapError(InputError):
    """An image without a label of a kind that others have, or the reverse."""


@dataclass(frozen=True)
class Layout:
    """Where in a source `images/` lies, and what lies beside it.

    Attributes:
        source: the folder or zip.
        top: "" or "FOLDER/": below it is everything.
        splits: "" alone, or "SPLIT/" each: the names of their samples begin with it.
    """

    source: Source
    top: str
    splits: tuple[str, ...]

    @property
    def roots(self) -> tuple[str, ...]:
        """Every place that has `images/`: "" or "FOLDER/", one per split."""
        return tuple(f"{self.top}{split}" for split in self.splits)

    def at(self, name: str, folder: str) -> str:
        """Where in the source something in `folder` belongs that a sample is to have."""
        split = next((split for split in self.splits if name.startswith(split)), "")
        return f"{self.top}{split}{folder}/{name.removeprefix(split)}"

    def images(self) -> dict[str, str]:
        """Sample name → image.

        Raises:
            InputError: there are none, or as `by_name`.
        """
        images: dict[str, str] = {}
        for split in self.splits:
            found = by_name(self.source, f"{self.top}{split}", "images", IMAGE_SUFFIXES)
            if not found:
                raise InputError(
                    f"{self.source.path} has no {self.top}{split}images/ folder with {READABLE} files: "
                    f"{misnamed(self.source) or LAYOUT}."
                )
            images |= prefixed(split, found)
        return images

    def labels(self, place: StorageLocation) -> tuple[dict[str, str], dict[str, Any]]:
        """Sample name → file with its label, and → its entry where one JSON file holds all of them (else empty).

        Raises:
            InputError: that file is not a JSON object, or as `by_name`.
        """
        files: dict[str, str] = {}
        entries: dict[str, Any] = {}
        for split in self.splits:
            if place.suffixes:
                root = f"{self.top}{split}"
                exact = by_name(self.source, root, place.folder, place.suffixes)
                refuse_unread(self.source, root, place, exact)
                files |= prefixed(split, exact)
                continue
            file = f"{self.top}{split}{place.folder}.json"
            found = self.source.json(file)
            if found is not None and not isinstance(found, dict):
                raise InputError(
                    f"{self.source.path / file} is not a JSON object: write one entry per image, {{NAME: …}}."
                )
            entries |= prefixed(split, found or {})
            files |= prefixed(split, dict.fromkeys(found or {}, file))
        return files, entries

    def card(self, file: str) -> tuple[Any, str]:
        """The content of a JSON file about the labels (None: there is none), and its path.

        It lies in every split, or above them all: in the nearest folder that has one. Of a split without one it says
        nothing, for there labels may mean something else.

        Raises:
            InputError: it is not JSON, two splits have different ones, or one split lacks it.
        """
        parts = PurePosixPath(self.top).parts
        above = ["/".join((*parts[:depth], file)) for depth in range(len(parts), -1, -1)]
        shared = next((place for place in above if place in self.source.sizes), above[0])
        own = [f"{root}{file}" for root in self.roots]
        lacking = [place for place in own if place not in self.source.sizes]
        if lacking and len(lacking) < len(own) and shared not in self.source.sizes:
            there = next(place for place in own if place not in lacking)
            raise InputError(
                f"{self.source.path / there} is about its own split: write {self.source.path / lacking[0]} too, or "
                f"move it to {self.source.path / shared}, where it holds for all splits."
            )
        possible = dict.fromkeys((*own, shared))
        places = [place for place in possible if place in self.source.sizes] or list(possible)[:1]
        found = [self.source.json(place) for place in places]
        for place, content in zip(places, found, strict=True):
            if content != found[0]:
                raise InputError(
                    f"{self.source.path / places[0]} and {self.source.path / place} say different things: "
                    f"make them the same, or use one split."
                )
        return found[0], str(self.source.path / places[0])


def layout_of(source: Source) -> Layout:
    """Where `images/` lies: at the top, in the only folder, or in several folders side by side that are splits.

    Raises:
        InputError: nowhere, or in folders that do not lie side by side.
    """
    folders = {"images", *label_folders()}
    above = [
        parts[:index]
        for parts in [PurePosixPath(parent).parts for parent in {name.rpartition("/")[0] for name in source.sizes}]
        for index in range(min(len(parts), 3))
        if parts[index] in folders
    ]
    if not above:
        raise InputError(f"{source.path} has no images/ folder: {misnamed(source) or LAYOUT}.")
    depth = min(map(len, above))
    roots = sorted({root for root in above if len(root) == depth})
    if len(roots) == 1:
        return Layout(source, "".join(f"{part}/" for part in roots[0]), ("",))
    if len({root[:-1] for root in roots}) > 1:
        raise InputError(
            f"{source.path} holds labelled folders that are no splits of one dataset "
            f"({', '.join(map('/'.join, roots))}): give one of them."
        )
    return Layout(source, "".join(f"{part}/" for part in roots[0][:-1]), tuple(f"{root[-1]}/" for root in roots))


def misnamed(source: Source) -> str:
    """How to rename folders of images whose names are nearly those of the layout, "" where there are none."""
    held: dict[str, set[str]] = {}
    for file in source.sizes:
        path = PurePosixPath(file)
        if path.suffix.lower() in IMAGE_SUFFIXES:
            for folder in path.parts[:-1]:
                held.setdefault(folder.lower(), set()).add(folder)
    pairs = []
    for right, others in ALIASES.items():
        found = [folder for other in (right, *others) for folder in sorted(held.get(other, ()))]
        if found and right not in found:
            pairs.append(f"{found[0]}/ to {right}/")
    if not any(held.get(name) for name in ("images", *ALIASES["images"])):
        return ""
    return f"rename {' and '.join(pairs)}" if pairs else ""


def refuse_unread(source: Source, root: str, place: StorageLocation, exact: Mapping[str, str]) -> None:
    """Every label in the folder is in a file that is read, one that can hold it exactly.

    Raises:
        GapError: one is an image of another kind, such as a JPEG, or is called as an image and of another kind.
    """
    below = f"{root}{place.folder}/"
    others = [file for file in source.sizes if file.startswith(below) and not file.lower().endswith(place.suffixes)]
    images = by_name(source, root, "images", IMAGE_SUFFIXES) if others else {}
    for file in others:
        path = PurePosixPath(file)
        name, kind = path.relative_to(below).with_suffix("").as_posix(), path.suffix
        lossy = kind.lower() in PICTURES
        if name not in exact and (lossy or name in images):
            why = ", which may change their values when they are saved" if lossy else ""
            raise GapError(
                f"{source.path / file}: labels are not read from {kind} files{why}: export them as {place.suffixes[0]}."
            )


def called_alike(names: Collection[str], labels: dict[str, Any]) -> dict[str, Any]:
    """The labels by the names of their images where those differ in their bytes only: macOS writes é in two parts."""
    if labels.keys() <= set(names):
        return labels
    alike = {unicodedata.normalize("NFC", name): name for name in names if name not in labels}
    return {
        name if name in names else alike.pop(unicodedata.normalize("NFC", name), name): label
        for name, label in labels.items()
    }


def prefixed(split: str, found: dict[str, Any]) -> dict[str, Any]:
    """By name in the dataset what is given by name in a split."""
    return {f"{split}{name}": value for name, value in found.items()}


def by_name(source: Source, root: str, folder: str, suffixes: Iterable[str]) -> dict[str, str]:
    """Sample name → file, for the files below `folder` that have one of the suffixes.

    Raises:
        InputError: there are two of one name, or a name is not Unicode.
    """
    files: dict[str, str] = {}
    below, endings = f"{root}{folder}/", tuple(suffixes)
    for file in source.sizes:
        if not file.startswith(below) or not file.lower().endswith(endings):
            continue
        name = PurePosixPath(file).relative_to(below).with_suffix("").as_posix()
        if any("\ud800" <= letter <= "\udfff" for letter in file):  # what Python makes of bytes that are no UTF-8
            raise InputError(f"{source.path} holds the file {file!a}, whose name is not valid UTF-8: rename it.")
        if name in files:
            raise InputError(
                f"{source.path / file} and {source.path / files[name]} have the same name up to the suffix: "
                f"rename or remove one of them."
            )
        files[name] = file
    return files


def refuse_gaps(layout: Layout, images: dict[str, str], labels: dict[str, str], place: StorageLocation) -> None:
    """Every image needs a label and every label an image.

    Raises:
        GapError: one is without the other.
    """
    path = layout.source.path
    unlabelled, orphans = sorted(images.keys() - labels.keys()), sorted(labels.keys() - images.keys())
    if unlabelled:
        name = unlabelled[0]
        wanted = (
            f"add {layout.at(name, place.folder)}{place.suffixes[0]}"
            if place.suffixes
            else f"add an entry {name!r} to {place.folder}.json"
        )
        raise GapError(
            f"{path / images[name]} has no label in {place.folder}{and_more(unlabelled)}: {wanted} or remove the image."
        )
    if orphans:
        name = orphans[0]
        held = path / labels[name] if place.suffixes else f"{path / labels[name]}: {name!r}"
        remedy = f"add {layout.at(name, 'images')}.png (or .jpg, .webp) or remove the label"
        raise GapError(f"{held} has no image{and_more(orphans)}: {remedy}.")


def and_more(names: Sequence[str]) -> str:
    """How many beside the first, in words for a sentence."""
    return f" (like {len(names) - 1} more)" if len(names) > 1 else ""
