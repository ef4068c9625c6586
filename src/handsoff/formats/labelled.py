"""Labelled data as a folder or zip: `images/NAME.ext`, `masks/NAME.png` (8-bit ids, 255 = ignore), `classes.json` (position = id).

The layout may lie one folder deep (a zip made by zipping a folder). Whatever else lies there is left alone.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import png, write_bytes, write_json
from handsoff.core.images import IGNORE, IMAGE_SUFFIXES, Frame, decode_image, decode_mask, fit_image, fit_mask
from handsoff.formats.photos import Source, open_source

MAX_LISTED = 20

Merge = dict[str, str]  # {"left_eye,right_eye,glasses": "eye", …}: source names (comma separated) → target name


@dataclass(frozen=True)
class Labelled:
    """Images with their masks, in one list of classes.

    Attributes:
        source: the folder or zip.
        names: sample names (NAME), sorted.
        classes: class names after merging, position = id.
        merge: the merge table that was applied, None if none.
        originals: class names as in `classes.json`.
        files: name → (image file, mask file) in the source.
        table: 256 bytes, id in the file → id after merging.
    """

    source: Source
    names: tuple[str, ...]
    classes: tuple[str, ...]
    merge: Merge | None
    originals: tuple[str, ...]
    files: dict[str, tuple[str, str]]
    table: bytes

    def image(self, name: str) -> UInt8[np.ndarray, "h w 3"]:
        """The image of one sample, upright.

        Raises:
            InputError: it is not a whole image.
        """
        file = self.files[name][0]
        return decode_image(self.source.read(file), str(self.source.path / file))

    def mask(self, name: str) -> UInt8[np.ndarray, "h w"]:
        """The mask of one sample: ids after merging, 255 = ignore.

        Raises:
            InputError: as `pair`.
        """
        return self.pair(name)[1]

    def pair(self, name: str) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
        """Image and mask of one sample, each decoded once.

        Raises:
            InputError: one of them is not whole, they differ in size, or the mask holds an id without a class.
        """
        image_file, mask_file = (self.source.path / file for file in self.files[name])
        image, mask = self.image(name), decode_mask(self.source.read(self.files[name][1]), str(mask_file))
        if mask.shape != image.shape[:2]:
            sizes = f"{mask.shape[0]}x{mask.shape[1]} pixels, its image {image_file} {image.shape[0]}x{image.shape[1]} (upright)"
            raise InputError(f"{mask_file} is {sizes}: make the mask as large as the image.")
        strange = sorted(set(np.unique(mask).tolist()) - {*range(len(self.originals)), IGNORE})
        if strange:
            known = f"classes.json names only 0 to {len(self.originals) - 1} (and {IGNORE} is ignored)"
            raise InputError(f"{mask_file} holds the id {strange[0]}, but {known}: correct the mask or add the class to classes.json.")
        return image, np.frombuffer(self.table, np.uint8)[mask]

    def part(self, start: int, stop: int | None) -> "Labelled":
        """The samples `names[start:stop]`.

        Raises:
            InputError: there are none.
        """
        names = self.names[start:stop]
        if not names:
            wanted = f"from number {start} on" if stop is None else f"from number {start} to before {stop}"
            raise InputError(f"{self.source.path} has {len(self.names)} labelled samples and none {wanted}: choose others or add samples.")
        return replace(self, names=names)

    def load(self, frame: Frame, *, enlarge: bool = False) -> tuple[UInt8[np.ndarray, "n h w 3"], UInt8[np.ndarray, "n h w"]]:
        """All samples, cropped and resized to the frame.

        Raises:
            InputError: as `pair`, or an image is smaller than the frame and `enlarge` is not set.
        """
        images = np.empty((len(self.names), *frame, 3), np.uint8)
        masks = np.empty((len(self.names), *frame), np.uint8)

        def read(index: int) -> None:
            image, mask = self.pair(self.names[index])
            if enlarge:
                image, mask = enlarged(image, mask, frame)
            images[index] = fit_image(image, frame, str(self.source.path / self.files[self.names[index]][0]))
            masks[index] = fit_mask(mask, frame)

        with ThreadPoolExecutor() as pool:
            for _ in pool.map(read, range(len(self.names))):
                pass
        return images, masks

    def describe(self) -> dict[str, str]:
        """Path and fingerprint, for a report; the fingerprint is of the chosen samples and their classes, wherever they lie."""
        digest = hashlib.sha256(json.dumps(self.classes).encode() + self.table)
        for name in self.names:
            digest.update(json.dumps(name).encode())
            for file in self.files[name]:
                digest.update(hashlib.sha256(self.source.read(file)).digest())
        return {"path": str(self.source.path.resolve()), "fingerprint": digest.hexdigest()}


def open_labelled(path: Path, merge: Merge | None = None) -> Labelled:
    """List the samples and classes of a folder or zip, without reading a single image.

    Raises:
        InputError: it lacks images, masks or a valid `classes.json`; an image and a mask are without the other; the merge table does not fit.
    """
    source = open_source(path)
    root = layout_root(source)
    images = by_name(source, root, "images", IMAGE_SUFFIXES)
    masks = by_name(source, root, "masks", {".png"})
    originals = read_classes(source, f"{root}classes.json")
    unlabelled, orphans = sorted(images.keys() - masks.keys()), sorted(masks.keys() - images.keys())
    if unlabelled:
        file, wanted = path / images[unlabelled[0]], f"{root}masks/{unlabelled[0]}.png"
        raise InputError(f"{file} has no mask{and_more(unlabelled)}: add {wanted} (a PNG of class ids) or remove the image.")
    if orphans:
        file, wanted = path / masks[orphans[0]], f"{root}images/{orphans[0]}.png"
        raise InputError(f"{file} has no image{and_more(orphans)}: add {wanted} (or .jpg, .webp) or remove the mask.")
    names = tuple(sorted(images))
    files = {name: (images[name], masks[name]) for name in names}
    everything = Labelled(source, names, originals, None, originals, files, identity())
    return everything if merge is None else merged(everything, merge)


def layout_root(source: Source) -> str:
    """Where in the source `images/` and `masks/` lie: "" or "FOLDER/".

    Raises:
        InputError: nowhere, or in several folders.
    """
    folders = {PurePosixPath(name).parts[:-1] for name in source.sizes}
    if any(parts[:1] in (("images",), ("masks",)) for parts in folders):
        return ""
    roots = sorted({parts[0] for parts in folders if parts[1:2] in (("images",), ("masks",))})
    if not roots:
        raise InputError(f"{source.path} has no images/ folder: labelled data is images/NAME.png (or .jpg, .webp), masks/NAME.png and classes.json.")
    if len(roots) > 1:
        raise InputError(f"{source.path} holds several labelled folders ({', '.join(roots)}): give one of them, unpacked, with a classes.json of its own.")
    return f"{roots[0]}/"


def by_name(source: Source, root: str, folder: str, suffixes: Iterable[str]) -> dict[str, str]:
    """Sample name → file, for the files below `folder` that have one of the suffixes.

    Raises:
        InputError: there are none, or two of one name, or a name is not Unicode.
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
    if not files:
        kinds = "png, jpg or webp files" if folder == "images" else "PNG masks of class ids"
        raise InputError(f"{source.path} has no {root}{folder}/ folder with {kinds}: labelled data is images/NAME.ext, masks/NAME.png and classes.json.")
    return files


def read_classes(source: Source, file: str) -> tuple[str, ...]:
    """The class names in `classes.json`.

    Raises:
        InputError: it is missing, or not a list of 1 to 255 different names.
    """
    place, remedy = source.path / file, 'write a JSON list of class names, position = id, such as ["background", "skin"].'
    if file not in source.sizes:
        raise InputError(f"{place} is missing: {remedy}")
    try:
        classes = json.loads(source.read(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not valid JSON ({error}): {remedy}") from None
    if not isinstance(classes, list) or not all(isinstance(name, str) and name.strip() for name in classes):
        raise InputError(f"{place} is not a list of names: {remedy}")
    if not 1 <= len(classes) <= IGNORE:
        raise InputError(f"{place} has {len(classes)} names, and 8-bit masks allow 1 to {IGNORE}: {remedy}")
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise InputError(f"{place} names {twice[0]!r} twice: give every class a name of its own.")
    return tuple(classes)


def merged(labelled: Labelled, merge: Merge) -> Labelled:
    """The same samples in the classes of a merge table; classes it does not name become 255 (ignore).

    Target ids follow the first appearance of the target name in the table. A table applied before is forgotten.

    Raises:
        InputError: the table is empty, names a class that `classes.json` lacks, or names one twice.
    """
    targets = tuple(dict.fromkeys(merge.values()))
    if not targets or not all(target.strip() for target in targets):
        raise InputError(f'The merge table for {labelled.source.path} names no target class: write lines such as "left_eye,right_eye" = "eye".')
    ids = {name: index for index, name in enumerate(labelled.originals)}
    key_of: dict[str, str] = {}
    table = bytearray([IGNORE]) * 256
    for key, target in merge.items():
        for name in (part.strip() for part in key.split(",")):
            if name not in ids:
                listed = ", ".join(labelled.originals)
                raise InputError(f"The merge table names the class {name!r}, which {labelled.source.path} does not have: choose among {listed}.")
            if name in key_of:
                raise InputError(f"The merge table names the class {name!r} twice, in {key_of[name]!r} and in {key!r}: keep it in one place.")
            key_of[name] = key
            table[ids[name]] = targets.index(target)
    return replace(labelled, classes=targets, merge=merge, table=bytes(table))


def with_classes_of(labelled: Labelled, classes: Sequence[str], merge: Merge | None) -> Labelled:
    """The same samples in the classes of a dataset, by the merge table in that dataset's manifest where they are not its classes already.

    Raises:
        MismatchError: neither as they are nor by that table are they the dataset's classes.
    """
    if labelled.classes == tuple(classes):
        return labelled
    reason = "the dataset has no merge table"
    if merge:
        try:
            candidate = merged(labelled, merge)
        except InputError as error:
            reason = f"the dataset's merge table does not apply ({str(error).rstrip('.')})"
        else:
            if candidate.classes == tuple(classes):
                return candidate
            reason = "the dataset's merge table leads to other classes"
    theirs, ours = shortened(classes), shortened(labelled.classes)
    raise MismatchError(f"{labelled.source.path} has the classes {ours}, the dataset has {theirs}, and {reason}: give labelled data with the same classes.")


def write_sample(folder: Path, name: str, image: UInt8[np.ndarray, "h w 3"], mask: UInt8[np.ndarray, "h w"]) -> None:
    """Write `images/NAME.png` and `masks/NAME.png`, each atomically."""
    write_bytes(folder / "images" / f"{name}.png", png(image))
    write_bytes(folder / "masks" / f"{name}.png", png(mask))


def write_classes(folder: Path, classes: Sequence[str]) -> None:
    """Write `classes.json`: the names, position = id."""
    write_json(folder / "classes.json", list(classes))


def enlarged(
    image: UInt8[np.ndarray, "h w 3"], mask: UInt8[np.ndarray, "h w"], frame: Frame
) -> tuple[UInt8[np.ndarray, "eh ew 3"], UInt8[np.ndarray, "eh ew"]]:
    """Image (Lanczos) and mask (nearest neighbour), enlarged until they cover the frame; untouched where they do already."""
    height, width = mask.shape
    factor = max(frame[0] / height, frame[1] / width)
    if factor <= 1:
        return image, mask
    size = max(frame[1], round(width * factor)), max(frame[0], round(height * factor))
    grown = (Image.fromarray(image).resize(size, Image.Resampling.LANCZOS), Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    return np.asarray(grown[0]), np.asarray(grown[1])


def identity() -> bytes:
    """The table that changes no id."""
    return bytes(range(256))


def and_more(names: Sequence[str]) -> str:
    """How many beside the first, in words for a sentence."""
    return f" (like {len(names) - 1} more)" if len(names) > 1 else ""


def shortened(classes: Sequence[str]) -> str:
    """The class names in a sentence, the first of them where there are many."""
    listed = ", ".join(classes[:MAX_LISTED])
    return f"{listed}, … ({len(classes)} in all)" if len(classes) > MAX_LISTED else listed
