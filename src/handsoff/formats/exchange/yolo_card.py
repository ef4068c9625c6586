"""A YOLO dataset's `data.yaml` (Ultralytics' description of datasets), and where its images and labels lie."""

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from handsoff.core.errors import InputError
from handsoff.core.images import IMAGE_SUFFIXES
from handsoff.datasets.sources import Source
from handsoff.formats.manifest import points_task
from handsoff.formats.trees import text_lines
from handsoff.tasks.keypoints import Keypoints

CARD = "data.yaml"
LISTS = ("classes.txt", "obj.names")  # a class per line: of Label Studio and labelImg, of darknet
MAX_CARD = 2**20  # bytes
UNREADABLE = (  # what damaged yaml raises
    yaml.YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RecursionError,
    OverflowError,
)
SPLITS = ("train", "val", "test")
HELD_OUT = 10  # every tenth image is for validation where a dataset has no splits
COLUMNS = (2, 3)  # numbers of a point: x, y and perhaps its visibility


def pictures(source: Source, root: str = "") -> list[str]:
    """All images below this folder ("" or "FOLDER/") that lie in a folder called images."""
    return [
        file
        for file in source.sizes
        if file.startswith(root)
        and PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES
        and "images" in file.removeprefix(root).split("/")[:-1]
    ]


def image_files(source: Source, root: str) -> dict[str, str]:
    """Sample name → image, for all images in a folder called images; that folder is left out of the name.

    Raises:
        InputError: there are no images, two have the same name, or a name is not Unicode.
    """
    images: dict[str, str] = {}
    for file in pictures(source, root):
        parts = list(PurePosixPath(file.removeprefix(root)).with_suffix("").parts)
        del parts[0 if parts[0] == "images" else last_images(parts)]
        name = "/".join(parts)
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise InputError(f"{source.path} holds the file {file!a}, whose name is not valid UTF-8: rename it.")
        if name in images:
            raise InputError(
                f"{source.path / file} and {source.path / images[name]} would be the same sample {name}: rename or "
                "remove one of them."
            )
        images[name] = file
    if not images:
        raise InputError(f"{source.path} has no images in a folder called images beside {root}{CARD}: put them there.")
    return images


def label_file(image: str) -> str:
    """The label file of an image by Ultralytics' rule: the last folder called images becomes labels."""
    parts = list(PurePosixPath(image).with_suffix(".txt").parts)
    parts[last_images(parts)] = "labels"
    return "/".join(parts)


def last_images(parts: Sequence[str]) -> int:
    return max(index for index, part in enumerate(parts[:-1]) if part == "images")


def card_file(source: Source, root: str | None = None) -> str | None:
    """The yaml that names the classes, else a list of their names, else any yaml; None if there is none.

    It lies in `root`, else as near to the top of the source as any; a list may also lie in the folder `labels` there.
    """
    near = sorted(
        (file for file in source.sizes if root in (None, root_of(file))),
        key=lambda file: (file.count("/"), PurePosixPath(file).name != CARD, file),
    )
    cards = [file for file in near if file.endswith((".yaml", ".yml"))]
    naming = (file for file in cards if names_classes(source, file))
    lists = (file for file in near if PurePosixPath(file).name in LISTS)
    return next(naming, None) or next(lists, None) or next(iter(cards), None)


def names_classes(source: Source, file: str) -> bool:
    try:
        return "names" in read_card(source, file)
    except InputError:
        return False


def root_of(file: str) -> str:
    """The folder of the dataset, as "" or "FOLDER/"."""
    folders = file.split("/")[:-1]
    return "".join(f"{folder}/" for folder in (folders[: folders.index("labels")] if "labels" in folders else folders))


def dataset_root(source: Source, file: str) -> str:
    """The folder of the images that the card `file` is about: its own, or that above where others there are splits.

    Raises:
        InputError: a folder of images and labels beside it has another card, or none.
    """
    top, root = top_of(source), root_of(file)
    images, labels = folders_of(pictures(source), "images", top), folders_of(source.sizes, "labels", top)
    others = sorted(images & labels - {root})
    if root == top or root not in images or not others:
        return root
    cards = [card_file(source, other) for other in others]
    if all(card and names_classes(source, card) and meaning(source, card) == meaning(source, file) for card in cards):
        return top
    folders = ", ".join(folder or "./" for folder in sorted([root, *others]))
    raise InputError(f"{source.path} holds several YOLO datasets ({folders}): give one, or put one {CARD} above them.")


def top_of(source: Source) -> str:
    """The folder ("FOLDER/…/" or "") below which all folders called images and labels lie."""
    parts = [file.split("/")[:-1] for file in source.sizes]
    above = [folders[: folders.index(name)] for folders in parts for name in ("images", "labels") if name in folders]
    shared = posixpath.commonpath(["/".join(folders) for folders in above] or [""])
    return f"{shared}/" if shared else ""


def folders_of(files: Iterable[str], name: str, top: str) -> set[str]:
    """The folders in `top` ("FOLDER/…/", or `top` itself) of the files in a folder of this name."""
    paths = [file.removeprefix(top).split("/") for file in files if file.startswith(top)]
    return {top if parts[0] == name else f"{top}{parts[0]}/" for parts in paths if name in parts[:-1]}


def meaning(source: Source, file: str) -> tuple[list[str], list[Any]]:
    """All that a card says about the numbers in label files."""
    card = read_card(source, file)
    return class_names(card, str(source.path / file)), [card.get(key) for key in ("kpt_shape", "kpt_names", "flip_idx")]


def read_card(source: Source, file: str) -> dict[Any, Any]:
    where = source.path / file
    if source.sizes[file] > MAX_CARD:
        raise InputError(f"{where} is larger than {MAX_CARD:,} bytes: it should only name the classes.")
    if PurePosixPath(file).name in LISTS:
        return {"names": [line.strip() for line in text_lines(source, file) if line.strip()]}
    try:
        card = yaml.safe_load(source.read(file))
    except UNREADABLE as error:
        raise InputError(f"{where} is not valid YAML ({' '.join(str(error).split())}): correct it.") from None
    if not isinstance(card, dict):
        raise InputError(f"{where} is not a table of settings such as names: correct it.")
    return card


def class_names(card: dict[Any, Any], where: str) -> list[str]:
    """The names of the classes, position = id.

    Raises:
        InputError: `names` is neither a list of names nor a table from 0 on, or does not fit `nc`.
    """
    named = card.get("names")
    if isinstance(named, dict):
        table = {str(key): name for key, name in named.items()}
        named = [table.get(str(index)) for index in range(len(table))]
    if not isinstance(named, list) or not all(
        isinstance(name, str | int) and not isinstance(name, bool) and str(name).strip() for name in named
    ):
        raise InputError(
            f"{where}: names must list the classes, such as names: [skin, hair] or {{0: skin, 1: hair}}, in quotes "
            "where YAML needs them."
        )
    if card.get("nc", len(named)) not in (len(named), str(len(named))):  # some tools write it in quotes
        raise InputError(f"{where}: names lists {len(named)} classes, nc says {card['nc']}: correct one of them.")
    return [str(name) for name in named]


def points_of(card: dict[Any, Any], stated: Keypoints | None, where: str) -> tuple[int, Keypoints]:
    """How many numbers a point has (2 or 3), and the keypoints task.

    Raises:
        InputError: `kpt_shape`, `kpt_names` or `flip_idx` is malformed, or they contradict each other.
    """
    shape, named, flip = card["kpt_shape"], card.get("kpt_names"), card.get("flip_idx")
    if (
        not isinstance(shape, list)
        or len(shape) != 2  # noqa: PLR2004  # count and columns
        or not all(type(side) is int for side in shape)
        or shape[0] < 1
        or shape[1] not in COLUMNS
    ):
        raise InputError(f"{where}: kpt_shape must be [number of points, 2 or 3], not {shape}: correct it.")
    count = shape[0]
    if isinstance(named, dict):  # names per class: those of the first class
        named = next(iter(named.values()), None)
    if named is None:
        named = (
            list(stated.parts)
            if stated is not None and stated.channels == count
            else [str(index) for index in range(count)]
        )
    if not isinstance(named, list) or len(named) != count or not all(isinstance(name, str) for name in named):
        raise InputError(f"{where}: kpt_names must name {count} points, as kpt_shape says: correct one of them.")
    points = points_task(named, stated, where)
    if flip is None:
        return shape[1], points
    if not isinstance(flip, list) or not all(
        type(index) is int and 0 <= index < len(flip) == count and flip[index] == position
        for position, index in enumerate(flip)
    ):
        raise InputError(
            f"{where}: flip_idx must say for each of the {count} points which one it is in the mirror, and the same "
            "back: correct it."
        )
    pairs = [[a, b] for a, b in enumerate(flip) if a < b]
    fits = points.geometry.mirrors and list(points.geometry.partner) == flip
    return shape[1], points if fits else Keypoints({**points.schema, "mirror": pairs})


def split_folders(names: Sequence[str]) -> dict[str, str | list[str]]:
    """Split → the folders of its images; empty unless all names lie in train… and val… or test… folders."""
    folders = sorted({name.partition("/")[0] if "/" in name else "" for name in names})
    found = {split: [f"images/{folder}" for folder in folders if folder.startswith(split)] for split in SPLITS}
    found["val"] = found["val"] or found["test"]
    if not found["train"] or not found["val"] or any(not folder.startswith(SPLITS) for folder in folders):
        return {}
    return {split: folders if len(folders) > 1 else folders[0] for split, folders in found.items() if folders}


def split_lists(files: Sequence[str]) -> dict[str, list[str]]:
    """Split → its images: Ultralytics needs a split for validation, so every tenth image (else the last) is one.

    Raises:
        InputError: a name has a line break, which a list cannot hold.
    """
    broken = next((file for file in files if file.splitlines() != [file]), None)
    if broken is not None:
        raise InputError(f"{broken!a} has a line break in its name, which YOLO's lists cannot hold: rename it.")
    held = files[HELD_OUT - 1 :: HELD_OUT] or files[-1:]
    return {"train": [file for file in files if file not in set(held)] or list(files), "val": list(held)}
