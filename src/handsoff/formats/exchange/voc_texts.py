"""The text files in the folders of Pascal VOC: which colours labels have, and which names belong to a split."""

import re
import unicodedata
from collections.abc import Mapping

from handsoff.core.errors import InputError
from handsoff.core.masks import voc_colour
from handsoff.datasets.sources import Source
from handsoff.formats.trees import files_like, text_lines

CLASSES, LISTS = "SegmentationClass", "ImageSets/Segmentation"
LABELMAP, NAMES = "labelmap.txt", "class_names.txt"  # of CVAT, of LabelMe
WHOLE = "default"  # the list of a dataset without splits
LINE = re.compile(r"(?P<label>.+):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(:[^:]*){0,2}")
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

Colour = tuple[int, int, int]


def label_colours(source: Source, file: str) -> dict[str, Colour]:
    """Label → colour from `labelmap.txt`; without that file, VOC's.

    Raises:
        InputError: a line is not LABEL:R,G,B:…, or a label or colour comes twice.
    """
    if file not in source.sizes:
        return {label: voc_colour(index) for index, label in enumerate(listed_names(source, file) or VOC)}
    labels: dict[Colour, str] = {}
    for number, line in enumerate(text_lines(source, file), start=1):
        text, where = line.strip(), f"{source.path / file}, line {number}"
        if not text or text.startswith("#"):
            continue
        found = LINE.fullmatch(text)
        red, green, blue = (int(value) for value in found.group(2, 3, 4)) if found else (-1, -1, -1)
        if found is None or max(red, green, blue) > 255:  # noqa: PLR2004  # of 8 bits
            raise InputError(f"{where} is {text[:80]!r}: write label:R,G,B:: with numbers from 0 to 255.")
        label = found["label"].strip()
        if label in labels.values():
            raise InputError(f"{where} names the label {label!r} again: keep one of its lines.")
        if (red, green, blue) in labels:
            raise InputError(
                f"{where} gives {label!r} the colour of {labels[red, green, blue]!r}: masks cannot tell them apart, "
                "paint one anew."
            )
        labels[red, green, blue] = label
    return {label: colour for colour, label in labels.items()}


def listed_names(source: Source, labelmap: str) -> list[str]:
    """The names in `class_names.txt`, which LabelMe writes instead of a `labelmap.txt`; empty without that file.

    Raises:
        InputError: a name comes twice.
    """
    file = labelmap.replace(LABELMAP, NAMES)
    if file not in source.sizes:
        return []
    names = [name for line in text_lines(source, file) if (name := line.strip()) and name != "__ignore__"]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{source.path / file} names {twice!r} twice: keep one of its lines.")
    return names


def sample_names(source: Source, root: str, masks: Mapping[str, str], images: Mapping[str, str]) -> dict[str, str]:
    """Sample name → name in VOC's folders; each of several lists without common names is a split.

    Raises:
        InputError: two lists overlap in part, a name has no mask and no image, or no name has a mask.
    """
    files = files_like(source, re.compile(rf"{re.escape(root)}{LISTS}/(?P<name>[^/]+)\.(?i:txt)"))
    if not files:
        return {name: name for name in masks}
    where = f"{source.path / root / LISTS}"
    splits = disjoint({split: names_in(source, file, masks, images) for split, file in files.items()}, where)
    found: dict[str, str] = {}
    for split, names in splits.items():
        for name in names:
            unchanged = len(splits) == 1 or split == WHOLE or name.startswith(f"{split}/")
            found[name if unchanged else f"{split}/{name}"] = name
    if len(found) < sum(map(len, splits.values())):
        raise InputError(
            f"{where} lists SPLIT/NAME and NAME in a list called SPLIT, which are the same sample: rename one."
        )
    if not found:
        raise InputError(f"{where} lists no image that has a mask in {CLASSES}: add names to its lists or remove them.")
    return found


def names_in(source: Source, file: str, masks: Mapping[str, str], images: Mapping[str, str]) -> list[str]:
    """The names in a list that have masks; names that only have an image are skipped, as CVAT lists them too.

    Raises:
        InputError: a name has neither mask nor image.
    """
    forms = {unicodedata.normalize("NFC", name): name for name in (*images, *masks)}
    names: list[str] = []
    for number, line in enumerate(text_lines(source, file), start=1):
        name = line if line in masks else line.strip()  # not stripped where a file's name ends in a space
        if name not in masks and name not in images:
            name = forms.get(unicodedata.normalize("NFC", name), name)
        if name in masks:
            names.append(name)
        elif name and not name.startswith("#") and name not in images:
            raise InputError(
                f"{source.path / file}, line {number} names {name[:80]!r}, which has neither a mask nor an image: "
                "correct or remove the line."
            )
    return list(dict.fromkeys(names))


def disjoint(lists: Mapping[str, list[str]], where: str) -> dict[str, list[str]]:
    """The lists without those that only repeat shorter ones (as trainval repeats train and val).

    Raises:
        InputError: a list shares some of its names, but not all, with shorter lists.
    """
    kept: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for split in sorted(lists, key=lambda split: (len(lists[split]), split)):
        repeated = [name for name in lists[split] if name in owner]
        if repeated and len(repeated) < len(lists[split]):
            raise InputError(
                f"{where}: {owner[repeated[0]]}.txt and {split}.txt both list {repeated[0]}: give lists that share "
                "no image."
            )
        if not repeated and lists[split]:
            kept[split] = lists[split]
            owner |= dict.fromkeys(lists[split], split)
    return kept
