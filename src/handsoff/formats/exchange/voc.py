"""Coloured masks in the folders of Pascal VOC 2012, as CVAT's "Segmentation mask 1.1" reads and writes them.

`SegmentationClass/NAME.png` shows classes in the colours of `labelmap.txt` (lines label:R,G,B:parts:actions; without
the file, LabelMe's `class_names.txt` in VOC's colours, else VOC's 21 classes), `JPEGImages/NAME.jpg` is the image,
`ImageSets/Segmentation/SPLIT.txt` lists names. VOC's border colour 224,224,192 is ignored. Source: the documentation of
VOC's development kit.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from handsoff.core.errors import InputError
from handsoff.core.files import png, write_bytes
from handsoff.core.images import IGNORE, IMAGE_SUFFIXES, decode_colours
from handsoff.core.masks import voc_colour
from handsoff.datasets.layout import by_name, called_alike
from handsoff.datasets.sources import Source
from handsoff.formats.exchange.voc_texts import (
    CLASSES,
    LABELMAP,
    LISTS,
    WHOLE,
    Colour,
    label_colours,
    sample_names,
)
from handsoff.formats.manifest import manifest_classes, manifest_licence
from handsoff.formats.notes import counted
from handsoff.formats.samples import Dataset, Entry, LabelledImage, Writing, load_image
from handsoff.formats.shapes import background_of, palette
from handsoff.formats.trees import check_label_size
from handsoff.tasks.base import Task

IMAGES, OBJECTS = "JPEGImages", "SegmentationObject"
HEADER = "# label:color_rgb:parts:actions"
WRITABLE = re.compile(r"[^\s:#]([^:\r\n]*[^\s:])?")  # labels that CVAT reads back unchanged
IGNORED = ("ignore", "ignored")
BLACK = (0, 0, 0)

BORDER = voc_colour(IGNORE)


# --- reading


@dataclass(frozen=True)
class Tree:
    """The files of a dataset in VOC's folders.

    Attributes:
        ids: sample name → name in VOC's folders.
        masks: name in VOC's folders → file; `images` likewise.
        table: 0xRRGGBB → class id, sorted by colour.
        legend: what gives colours their labels, for error messages.
    """

    source: Source
    ids: dict[str, str]
    masks: dict[str, str]
    images: dict[str, str]
    table: dict[int, int]
    legend: str


def recognises(source: Source) -> bool:
    """Whether there is anything in `SegmentationClass/`; without PNG it is refused for that."""
    return any(CLASSES in PurePosixPath(file).parts[:-1] for file in source.sizes)


def roots(source: Source) -> list[str]:
    """The folders that contain `SegmentationClass/`, as "" or "FOLDER/", sorted."""
    pattern = re.compile(rf"(?P<root>(.*?/)?){CLASSES}/.+\.(png|PNG)", re.DOTALL)
    return sorted({found["root"] for file in source.sizes if (found := pattern.fullmatch(file))})


def read(source: Source) -> Dataset:
    """Reads the samples and splits of the lists; without lists, all masks.

    Raises:
        InputError: there is not exactly one `SegmentationClass/`, a mask has no image, or `labelmap.txt` or a list is
            malformed.
    """
    found = roots(source)
    if len(found) != 1:
        held = (
            f"several {CLASSES} folders (in {found[0] or '.'} and {found[1]})"
            if found
            else f"no {CLASSES} folder with PNG masks"
        )
        raise InputError(f"{source.path} has {held}: give a folder or zip with one.")
    masks = by_name(source, found[0], CLASSES, (".png",))
    images = called_alike(masks, by_name(source, found[0], IMAGES, IMAGE_SUFFIXES))
    ids = sample_names(source, found[0], masks, images)
    bare = next((masks[name] for name in ids.values() if name not in images), None)
    if bare is not None:
        wanted = PurePosixPath(bare.replace(CLASSES, IMAGES, 1)).with_suffix(".jpg")
        raise InputError(
            f"{source.path / bare} has no image {wanted}: CVAT leaves images out unless it is told to save them; put "
            "them there."
        )
    colours = label_colours(source, f"{found[0]}{LABELMAP}")
    stated = manifest_classes(source) or ()
    ignored = {
        label
        for label, colour in colours.items()
        if label not in stated and (colour == BORDER or label.lower() in IGNORED)
    }
    legend = str(source.path / found[0] / LABELMAP)
    classes = palette([label for label in colours if label not in ignored], legend, stated or None)
    table = {rgb_number(BLACK): classes.rest, rgb_number(BORDER): IGNORE}
    table |= {
        rgb_number(colour): IGNORE if label in ignored else classes.id(label, legend)
        for label, colour in colours.items()
    }
    if f"{found[0]}{LABELMAP}" not in source.sizes:
        legend = f"Pascal VOC, whose colours count without {legend},"
    tree = Tree(source, ids, masks, images, dict(sorted(table.items())), legend)
    return Dataset(
        tuple(sorted(ids)),
        {"segmentation": classes.task()},
        lambda name: read_image(tree, name),
        manifest_licence(source),
        (
            *counted(source.path, len(masks) - len(ids), f"{{is}} in no list of {LISTS}, and {{is}} left out", "mask"),
            *counted(source.path, len(images.keys() - masks.keys()), "{has} no mask, and {is} left out", "image"),
        ),
    )


def read_image(tree: Tree, name: str) -> LabelledImage:
    file = tree.masks[tree.ids[name]]
    where = str(tree.source.path / file)
    sample = load_image(tree.source, tree.images[tree.ids[name]], name)
    painted = decode_colours(tree.source.read(file), where)
    check_label_size(painted, sample.size, where)
    sample.labels["segmentation"] = classes_of(painted, tree, where)
    return sample


def classes_of(painted: UInt8[np.ndarray, "h w 3"], tree: Tree, where: str) -> UInt8[np.ndarray, "h w"]:
    """The class ids of a coloured mask.

    Raises:
        InputError: a colour belongs to no label.
    """
    red, green, blue = np.moveaxis(painted.astype(np.int32), -1, 0)
    codes, known = red << 16 | green << 8 | blue, np.array(list(tree.table), np.int32)
    positions = np.searchsorted(known, codes).clip(max=len(known) - 1)
    strange = np.argwhere(known[positions] != codes)
    if len(strange):
        y, x = strange[0].tolist()
        colour = ",".join(map(str, painted[y, x].tolist()))
        grey = bool((painted == painted[..., :1]).all())
        remedy = "a grey mask of class ids belongs into the folder format (masks/ and classes.json); " if grey else ""
        raise InputError(
            f"{where} has the colour {colour} at x = {x}, y = {y}, which {tree.legend} gives no label: "
            f"{remedy}add LABEL:{colour}:: to {LABELMAP} or correct the mask."
        )
    return np.array(list(tree.table.values()), np.uint8)[positions]


def rgb_number(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


# --- writing


def check(names: Sequence[str], tasks: Mapping[str, Task]) -> None:
    """Refuse what lists and the label map, which have a name per line, cannot hold.

    Raises:
        InputError: a class or the name of a sample.
    """
    classes = tasks["segmentation"].schema["classes"]
    strange = next((name for name in classes if not WRITABLE.fullmatch(name)), None)
    if strange is not None:
        remedy = "rename it with --set classes=…"
        raise InputError(
            f"The class {strange!r} cannot be written to {LABELMAP} (no colons, line breaks, # in front, spaces "
            f"around): {remedy}."
        )
    broken = next((name for name in names if "\n" in name or "\r" in name), None)
    if broken is not None:
        raise InputError(f"The name {broken!r} has a line break, which a list of names cannot hold: rename the image.")


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:  # noqa: ARG001  # every sample has files of its own
    return list(write_samples(out, samples, colours_of(writing.tasks["segmentation"].schema["classes"])))


def write_samples(out: Path, samples: Iterable[LabelledImage], colours: UInt8[np.ndarray, "256 3"]) -> Iterator[Entry]:
    """Writes image and masks; all pixels of a class are one object, in the colour of the class."""
    for sample in samples:
        mask = png(colours[sample.labels["segmentation"]])
        write_bytes(out / CLASSES / f"{sample.name}.png", mask)
        write_bytes(out / OBJECTS / f"{sample.name}.png", mask)
        suffix = PurePosixPath(sample.file).suffix.lower() if sample.data else ".png"
        write_bytes(out / IMAGES / f"{sample.name}{suffix}", sample.data or png(sample.image))
        yield {"name": sample.name}


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:
    """Write `labelmap.txt` and the lists; files and lists hold SPLIT/NAME, so that names stay unique."""
    classes = writing.tasks["segmentation"].schema["classes"]
    colours = dict(zip(classes, colours_of(classes).tolist(), strict=False)) | {ignore_label(classes): BORDER}
    lines = [HEADER, *(f"{label}:{','.join(map(str, colour))}::" for label, colour in colours.items())]
    write_bytes(out / LABELMAP, "".join(f"{line}\n" for line in lines).encode())
    lists: dict[str, list[str]] = {}
    for name in sorted(entry["name"] for entry in entries):
        split, slash, _ = name.partition("/")
        lists.setdefault(split if slash else WHOLE, []).append(name)
    for split, names in lists.items():
        write_bytes(out / LISTS / f"{split}.txt", "".join(f"{name}\n" for name in names).encode())


def colours_of(classes: Sequence[str]) -> UInt8[np.ndarray, "256 3"]:
    """Id → colour: black for the background, VOC's colours in order for the others, VOC's border colour for 255."""
    colours = np.zeros((256, 3), np.uint8)
    background = background_of(classes)
    free = (voc_colour(index) for index in itertools.count(1) if index != IGNORE)
    for index, name in enumerate(classes):
        colours[index] = BLACK if name == background else next(free)
    colours[IGNORE] = BORDER
    return colours


def ignore_label(classes: Sequence[str]) -> str:
    """The label of ignored pixels: a name that no class has."""
    return next(name for name in ("ignore" + "_" * count for count in itertools.count()) if name not in classes)
