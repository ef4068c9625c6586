"""Which files of a folder or zip are photos, where labels may be images too: for `train` and what follows it.

Of a dataset in a known format they are what the format calls images. Elsewhere a folder is taken for labels if two of
three signs agree: it is called like one, its images have a few colours only, and another folder has images of the same
names. Then it is refused rather than guessed at.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from handsoff.core.errors import InputError
from handsoff.core.images import decode_image
from handsoff.datasets.layout import layout_of
from handsoff.datasets.sources import Source, image_names, kinds_of
from handsoff.formats.exchange import FOLDER, READERS, format_of
from handsoff.jobs.folder import JOB

TREES = {  # format → the folder of its images, anywhere, where labels are images in folders beside it
    "cvat": "JPEGImages", "cityscapes": "leftImg8bit", "celebamask": "CelebA-HQ-img",
    "deepfashion": "images?",
}  # fmt: skip
LABELS = re.compile(  # in the name of a folder, in lower case
    r"mask|(?<!un)label(?!l?ed)|annot|segm|(^|[-_ ])(seg|gt)([-_ ]|$)|ground.?truth|depth|disparit|parsing|matte|trimap"
    r"|panoptic|normals|overlay|visuali"
)
MARK = re.compile(r"[-_. ](masks?|labels?|seg|segmentation|annotation|gt)$")  # ends names of labels, in lower case
CONTAINERS = ("huggingface", "webdataset", "labelme")  # formats whose images may lie inside other files
FOREIGN = re.compile(  # suffixes of images that are not read
    r".*\.(gif|hei[cf]|avif|psd|svg|jp2|j2k|jxl|raw|dng|cr[23]|nef|arw|orf|raf|exr|hdr|ico|tga|p[pgbn]m|eps|pdf|dcm)",
    re.IGNORECASE | re.DOTALL,
)
FOLDERS, LOOKED_AT = 48, 3  # folders that are looked into, and images of each
COLOURS, PIXELS = 64, 16  # a drawing has so many colours at the most, each on so many pixels on average
COMPARED = 100  # names of a folder that are looked for in others
SIGNS = 2  # of three


def photos_in(source: Source) -> Source:
    """The photos of a source, as a source of their own; its notes say what was left out.

    Raises:
        InputError: there are none, or there are images beside them that seem to be labels.
    """
    known = recognised(source)
    try:
        names = image_names(source)
    except InputError:
        if known not in CONTAINERS:
            raise
        raise InputError(
            f"{source.path} keeps its images inside other files ({READERS[known].title}): write them out with "
            "handsoff convert --format folder, and give its images folder."
        ) from None
    photos = without_labels(source, known, names)
    drawn = refuse_labels(source, photos)
    notes = [*source.notes, *([] if known else left_out(source, names))]
    if drawn:
        notes.append(
            f"The images of {source.path} that were looked at have a few colours only, like masks of class ids: are "
            "they photos?"
        )
    return replace(source, sizes={name: source.sizes[name] for name in photos}, notes=tuple(notes))


def recognised(source: Source) -> str | None:
    """The format of a labelled dataset; None also where its annotations cannot be read, for they are not needed."""
    try:
        return format_of(source)
    except InputError:
        return None


def without_labels(source: Source, known: str | None, names: list[str]) -> list[str]:
    """What the known format calls images, without the sheets that HandsOff draws itself."""
    made = folders_of_jobs(source)
    names = [name for name in names if PurePosixPath(name).parent not in made] or names
    if known == FOLDER:
        images = tuple(f"{root}images/" for root in layout_of(source).roots)
        return [name for name in names if name.startswith(images)] or names
    if known in TREES:
        inside = re.compile(rf"(.*/)?{TREES[known]}/.+", re.DOTALL)
        return [name for name in names if inside.fullmatch(name)] or names
    segments = {
        path.stem
        for path in map(PurePosixPath, source.sizes)
        if path.suffix == ".json" and (known == "coco-panoptic" or path.stem.startswith("panoptic"))
    }
    return [name for name in names if not segments.intersection(PurePosixPath(name).parts[:-1])] or names


def left_out(source: Source, names: Sequence[str]) -> list[str]:
    """A sentence about the files that are no images, where there are any; what HandsOff wrote itself is not meant."""
    made = folders_of_jobs(source)
    strange = sorted(source.sizes.keys() - set(names))
    rest = [name for name in strange if FOREIGN.fullmatch(name) or made.isdisjoint(PurePosixPath(name).parents)]
    foreign = [name for name in rest if FOREIGN.fullmatch(name)]
    if not rest:
        return []
    advice = "convert images to PNG or JPEG if they are to be used" if foreign else "they were not used"
    counted = f"{len(rest):,} files in {source.path} are no images that are read ({kinds_of(rest)})"
    return [f"{counted}, such as {(foreign or rest)[0]!a}: {advice}."]


def folders_of_jobs(source: Source) -> set[PurePosixPath]:
    """Folders that a verb of HandsOff wrote: what lies there and is no image is its own."""
    return {path.parent for path in map(PurePosixPath, source.sizes) if path.name == JOB}


def refuse_labels(source: Source, names: Sequence[str]) -> bool:
    """Check that no images seem to be labels of others, such as those of another folder; returns whether all seem so.

    Raises:
        InputError: one does.
    """
    refuse_marked(source, names)
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
    called = {folder for folder in folders if LABELS.search(folder.lower())}
    others = sorted(folders.keys() - called)
    looked = [*sorted(called)[:FOLDERS], *others[:: max(1, len(others) // FOLDERS)]]
    drawn = {folder for folder in looked if all(is_drawing(source, name) for name in spread(folders[folder]))}
    homes: dict[str, list[str]] = {}
    for folder in folders.keys() - called - drawn:
        for name in folders[folder]:
            homes.setdefault(PurePosixPath(name).stem, []).append(folder)
    for folder in sorted(called | drawn):
        twin = twin_of(folders[folder], homes)
        photos = twin or next((other for other in others if other not in drawn), None)
        if photos is not None and (folder in called) + (folder in drawn) + (twin is not None) >= SIGNS:
            raise InputError(
                f"{source.path} holds photos in {photos} and, as it seems, their labels in {folder}: give the photos "
                f"alone, such as {source.path / apart(photos, folder)}."
            )
    return bool(looked) and drawn.issuperset(looked)


def refuse_marked(source: Source, names: Sequence[str]) -> None:
    """Check that no labels lie beside their photos, told by names (a_mask.png beside a.jpg) and their few colours.

    Raises:
        InputError: some do.
    """
    stems = {str(PurePosixPath(name).with_suffix("")).lower(): name for name in names}
    pairs = ((stems.get(MARK.sub("", stem)), name) for stem, name in stems.items() if MARK.search(stem))
    photos = {label: photo for photo, label in pairs if photo is not None}
    labels = list(photos)
    if labels and all(is_drawing(source, label) for label in spread(labels)):
        raise InputError(
            f"{source.path} holds photos such as {photos[labels[0]]} and, as it seems, their labels beside them "
            f"({len(labels):,}, such as {labels[0]}): move the labels out, and give the photos alone."
        )


def spread(names: Sequence[str], most: int = LOOKED_AT) -> Sequence[str]:
    """So many of the names at the most, from all over."""
    return names[:: max(1, len(names) // most)][:most]


def is_drawing(source: Source, name: str) -> bool:
    """Whether an image has so few colours that it is none of a camera; not where it cannot be read."""
    try:
        image = decode_image(source.read(name), name, (COLOURS, COLOURS))
    except InputError:
        return False
    pixels = image.reshape(-1, 3).astype(np.uint32) @ np.array([2**16, 2**8, 1], np.uint32)
    return len(np.unique(pixels)) <= min(COLOURS, len(pixels) // PIXELS)


def twin_of(names: Sequence[str], homes: dict[str, list[str]]) -> str | None:
    """The folder that has images of the same names, at least of half of them."""
    asked = names[:COMPARED]
    found = Counter(home for name in asked for home in set(homes.get(PurePosixPath(name).stem, ())))
    best = found.most_common(1)
    return best[0][0] if best and 2 * best[0][1] >= len(asked) else None


def apart(photos: str, labels: str) -> str:
    """The path of the photos up to where it leaves that of the labels."""
    one, other = PurePosixPath(photos).parts, PurePosixPath(labels).parts
    common = next((place for place, part in enumerate(one) if place >= len(other) or part != other[place]), len(one))
    return "/".join(one[: common + 1])
