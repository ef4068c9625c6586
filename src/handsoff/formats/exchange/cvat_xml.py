"""CVAT's own XML, "CVAT for images 1.1"; only read.

Coordinates put the edges of pixels at whole numbers. Polygons, masks and ellipses are painted by `z_order`. Boxes are
ignored where no region covers them. Skeletons, else points, are keypoints. Source: CVAT's documentation of the format.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import check_stated_size, drawn_tasks, paint_mask, point_label, point_names, region_palette
from handsoff.formats.exchange.cvat_shapes import (
    BOX,
    NO_AREA,
    POINTS,
    REGIONS,
    SKELETON,
    TAG,
    box_region,
    label_of,
    largest_skeleton,
    points_of,
    region,
    skeleton_points,
    stack_order,
)
from handsoff.formats.manifest import points_task
from handsoff.formats.markup import read_xml
from handsoff.formats.notes import boxes_note, counted, unicode_note, unused_images
from handsoff.formats.samples import Dataset, LabelledImage, find_image, images_by_name, load_image, without_suffix
from handsoff.formats.shapes import Palette
from handsoff.formats.trees import folders_apart
from handsoff.tasks.keypoints import Keypoints

AREAS = frozenset({"any", "polygon", "mask", "ellipse", "rectangle"})  # types of labels that may be classes
NO_SPLIT = frozenset({"", "default"})


@dataclass(frozen=True)
class Photo:
    """An image, its element, and where that stands for error messages."""

    file: str
    element: Element
    where: str

    def shapes(self, *kinds: str) -> list[tuple[Element, str]]:
        """The shapes of these kinds in the file's order, and where each stands."""
        return [(shape, f"{self.where}, shape {n}") for n, shape in enumerate(self.element, 1) if shape.tag in kinds]


def recognises(source: Source) -> bool:
    return bool(xml_files(source))


def xml_files(source: Source) -> list[str]:
    """The XML files that begin as CVAT's do, whether they are whole or not."""
    return [file for file in source.sizes if file.lower().endswith(".xml") and begins_so(source, file)]


def begins_so(source: Source, file: str) -> bool:
    try:
        return b"<annotations" in source.read(file).replace(b"\0", b"")  # zeros: UTF-16
    except InputError:
        return False


def read(source: Source) -> Dataset:
    """Reads all files of CVAT for their labels; images are not opened yet.

    Raises:
        InputError: there is no such file, it is one of videos, an image is missing, a shape is of a kind that covers no
            pixels, or all are boxes.
    """
    files = xml_files(source)
    if not files:
        raise InputError(f"{source.path} has no XML of CVAT: export CVAT for images 1.1 with its images.")
    roots = {file: read_xml(source, file) for file in files}
    for file, root in roots.items():
        if root.find("track") is not None:
            raise InputError(f"{source.path / file} is CVAT for video (tracks): export CVAT for images 1.1 instead.")
    photos = photos_of(source, roots)
    check_shapes(source, photos)
    drawn = list(dict.fromkeys(label_of(*shape) for photo in photos.values() for shape in photo.shapes(*REGIONS)))
    classes = region_palette(class_names(list(roots.values()), photos, drawn), str(source.path)) if drawn else None
    skeletons = [shape for photo in photos.values() for shape in photo.shapes(SKELETON)]
    posed = {photo.where: [name for name, _ in points_in(photo)] for photo in photos.values()}
    names = skeleton_names(list(roots.values()), skeletons) or point_names(posed, regions=bool(drawn))
    task = points_task(names, None, str(source.path)) if names else None
    if classes is None and task is None:
        held = "boxes only" if any(photo.shapes(BOX) for photo in photos.values()) else "no shapes"
        raise InputError(f"{source.path / files[0]} has {held}: polygons, masks, ellipses or points are needed.")
    return Dataset(
        tuple(sorted(photos)),
        drawn_tasks(classes, task),
        partial(read_image, source, photos, classes, task),
        notes=notes_of(source, photos, classes, task),
    )


def photos_of(source: Source, roots: Mapping[str, Element]) -> dict[str, Photo]:
    """Sample name → image; with several subsets, or exports in several folders, a name begins with its own.

    Raises:
        InputError: an image is missing or has no name, or two have the same one.
    """
    images = images_by_name(source)
    subsets = {element.get("subset", "") for root in roots.values() for element in root.iter("image")}
    exports = folders_apart(list(roots))
    photos: dict[str, Photo] = {}
    owners: dict[str, str] = {}
    for file, root in roots.items():
        for index, element in enumerate(root.iter("image")):
            asked = element.get("name", "").replace("\\", "/")
            where = f"{source.path / file}: image {index} ({asked})"
            if not asked.strip("/"):
                raise InputError(f"{where} has no name: export it again.")
            subset = element.get("subset", "")
            likely = f"{exports[file]}/{subset}".strip("/")
            found = exact(source, file, asked, subset) or find_image(source, images, asked, where, likely)
            path = PurePosixPath(found if asked.startswith("/") or ".." in asked.split("/") else asked)
            path = path.relative_to("images") if path.is_relative_to("images") and len(path.parts) > 1 else path
            for folder in (subset if len(subsets) > 1 and subset not in NO_SPLIT else "", exports[file]):
                path = path if path.is_relative_to(folder) else folder / path
            name = without_suffix(path.as_posix())
            if name in photos or found in owners:
                other = photos[name].where if name in photos else owners[found]
                same = "is the same image" if found in owners else f"would be the same sample {name}"
                raise InputError(f"{where} {same} as {other}: keep one of them.")
            photos[name], owners[found] = Photo(found, element, where), where
    return photos


def exact(source: Source, file: str, asked: str, subset: str) -> str | None:
    """The image where CVAT's export puts it: `images/` or `images/SUBSET/` beside the XML, or beside it."""
    home = PurePosixPath(file).parent
    places = (str(home / folder / asked) for folder in (f"images/{subset}", subset, "images", "."))
    return next((place for place in places if place in source.sizes), None)


def check_shapes(source: Source, photos: Mapping[str, Photo]) -> None:
    """Check that every shape is of a known kind and has a label.

    Raises:
        InputError: a shape is a line, a cuboid, or of a kind that CVAT did not have.
    """
    for photo in photos.values():
        for shape, where in photo.shapes(*(child.tag for child in photo.element)):
            label_of(shape, where)
            if shape.tag not in {*REGIONS, BOX, POINTS, SKELETON, TAG}:
                held = "covers no pixels" if shape.tag in NO_AREA else "is not known"
                raise InputError(f"{where} is a {shape.tag}, which {held}: draw a polygon instead or remove it.")
    if not photos:
        raise InputError(f"{source.path} has CVAT's XML without any image: export it again.")


def class_names(roots: Sequence[Element], photos: Mapping[str, Photo], drawn: Sequence[str]) -> list[str]:
    """The labels that may be classes, in the project's order; then others that regions have."""
    used = {label_of(*shape) for photo in photos.values() for shape in photo.shapes(POINTS, SKELETON, TAG)}
    stated = [
        name
        for root in roots
        for label in root.iter("label")
        if label.find("parent") is None and (label.findtext("type") or "any") in AREAS
        if (name := (label.findtext("name") or "").strip()) and (name in drawn or name not in used)
    ]
    return list(dict.fromkeys([*stated, *drawn]))


def skeleton_names(roots: Sequence[Element], skeletons: Sequence[tuple[Element, str]]) -> list[str]:
    """The points of the skeletons: in the project's order, else in that of the first skeletons that have them.

    Raises:
        InputError: there are two kinds of skeletons.
    """
    labels = {label_of(*skeleton): skeleton[1] for skeleton in skeletons}
    if len(labels) > 1:
        kinds = " and ".join(list(labels)[:2])
        raise InputError(f"{list(labels.values())[1]}: there are skeletons of {kinds}: export one kind at a time.")
    held = [label_of(point, where) for skeleton, where in skeletons for point in skeleton.iter(POINTS)]
    stated = [
        (label.findtext("name") or "").strip()
        for root in roots
        for label in root.iter("label")
        if (label.findtext("parent") or "").strip() in labels
    ]
    return list(dict.fromkeys([*(name for name in stated if name), *held])) if labels else []


def points_in(photo: Photo) -> list[tuple[str, tuple[float, float, int]]]:
    return [point for shape, where in photo.shapes(POINTS) for point in points_of(shape, where)]


def read_image(
    source: Source, photos: Mapping[str, Photo], classes: Palette | None, task: Keypoints | None, name: str
) -> LabelledImage:
    photo = photos[name]
    sample = load_image(source, photo.file, name)
    height, width = (photo.element.get(side) for side in ("height", "width"))
    check_stated_size(
        int(height) if height and height.isdecimal() else height,
        int(width) if width and width.isdecimal() else width,
        sample.size,
        photo.where,
    )
    if classes is not None:
        shapes = sorted(photo.shapes(*REGIONS), key=stack_order)  # stable: the file's order within a level
        regions = ((label_of(*shape), region(*shape, sample.size)) for shape in shapes)
        boxes = [box_region(*shape, sample.size) for shape in photo.shapes(BOX)]
        mask = paint_mask(regions, classes, sample.size, photo.where, boxes)
        sample = replace(sample, labels={"segmentation": mask})
    if task is not None:
        skeleton = largest_skeleton(photo.shapes(SKELETON))
        found = dict(points_in(photo)) if skeleton is None else skeleton_points(*skeleton)
        known = {part: point for part, point in found.items() if part in task.parts}
        labels = {**sample.labels, "keypoints": point_label(task, known, photo.where, sample.size)}
        sample = replace(sample, labels=labels)
    return sample


def notes_of(
    source: Source, photos: Mapping[str, Photo], classes: Palette | None, task: Keypoints | None
) -> tuple[str, ...]:
    """What of the files is ignored or left out, with numbers."""
    where, every = source.path, list(photos.values())
    tags = Counter(label_of(*tag) for photo in every for tag in photo.shapes(TAG))
    skeletons = [len(photo.shapes(SKELETON)) for photo in every]
    points = sum(len(photo.shapes(POINTS)) for photo in every) if task is None or any(skeletons) else 0
    boxes = sum(len(photo.shapes(BOX)) for photo in every)
    empty = sum(not photo.shapes(*REGIONS, BOX, POINTS, SKELETON) for photo in every)
    meaning = "none of the points is there" if classes is None else "all of it is background"
    unclear = "skeletons are the keypoints" if any(skeletons) else "their labels come twice in an image"
    return (
        *(boxes_note(where, boxes) if classes else counted(where, boxes, "{has} only a box, and {is} left out")),
        *counted(where, sum(max(0, count - 1) for count in skeletons), "{is} left out: the largest counts", "skeleton"),
        *counted(where, points, f"of points {{is}} left out: {unclear}", "shape"),
        *counted(where, sum(tags.values()), f"{{is}} left out ({', '.join(sorted(tags))}), about no pixels", "tag"),
        *counted(where, empty, f"of {len(every):,} {{has}} no shape: {meaning}", "image"),
        *unicode_note(where, ((photo.element.get("name", ""), photo.file) for photo in every)),
        *unused_images(source, (photo.file for photo in every)),
    )
