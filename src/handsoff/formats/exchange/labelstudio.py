"""Label Studio's JSON export: lists of tasks with `annotations`.

The project's configuration, `label_config.xml`, is read if it lies beside them. Coordinates are percentages of the
image's sides, from its edges; brush strokes are run lengths (`brush`). Source: labelstud.io's description of tasks and
of the tags.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Bool

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.core.images import IMAGE_SUFFIXES
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import (
    check_stated_size,
    coordinates,
    drawn_tasks,
    ellipse_mask,
    json_object,
    json_objects,
    numbers,
    paint_mask,
    point_label,
    point_names,
    region_palette,
    rotated,
)
from handsoff.formats.exchange.brush import brush_mask
from handsoff.formats.manifest import manifest_classes, manifest_licence, manifest_points, points_task
from handsoff.formats.samples import Dataset, LabelledImage, find_image, images_by_name, load_image
from handsoff.formats.shapes import Palette, polygon_mask
from handsoff.tasks.keypoints import Keypoints

REGIONS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels")  # types of results that cover pixels
POINTS = "keypointlabels"
CONFIG = "label_config.xml"
UPLOADED = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the names of uploaded files
HIDDEN = "hidden"  # the text in `meta` of a point of visibility 1
ABSENT = "absent_points"  # key in a task's data: name → location of every point of visibility 0, which are not drawn
PERCENT = 100


@dataclass(frozen=True)
class AnnotatedTask:
    """A task with the one of its annotations that is read."""

    where: str
    file: str
    results: list[dict[str, Any]]
    absent: dict[str, Any]

    def of(self, *kinds: str) -> Iterator[tuple[dict[str, Any], str, str]]:
        """The results of these types: each with its label and where it stands."""
        for index, result in enumerate(self.results):
            if result.get("type") in kinds:
                where = f"{self.where}.result[{index}]"
                yield result, label_of(result, where), where


def recognises(source: Source) -> bool:
    """Whether a JSON list of tasks lies at the top of the source, or in a folder there."""
    files = json_files(source)
    try:
        return bool(files) and looks_like_tasks(source.read(files[0]))
    except InputError:
        return False


def json_files(source: Source) -> list[str]:
    """The files that may hold tasks; those named as Label Studio or HandsOff names them come first."""
    files = [file for file in source.sizes if file.endswith(".json") and file.count("/") <= 1]
    return sorted(files, key=lambda file: (not PurePosixPath(file).name.startswith(("tasks", "project-")), file))


def looks_like_tasks(data: bytes) -> bool:
    return data.lstrip()[:1] == b"[" and b'"data"' in data and (b'"annotations"' in data or b'"predictions"' in data)


def read(source: Source) -> Dataset:
    """Reads the annotated tasks; tasks without an annotation are left out."""
    files = [file for file in json_files(source) if looks_like_tasks(source.read(file))]
    if not files:
        raise InputError(
            f"{source.path} has no JSON list of tasks with data and annotations: export as JSON (not JSON-MIN)."
        )
    folder = files[0].rpartition("/")[0]
    root = f"{folder}/" if folder else ""
    annotated = annotated_tasks(source, files, root)
    labels, points = config_labels(source, f"{root}{CONFIG}")
    used = {label for answer in annotated.values() for _, label, _ in answer.of(*REGIONS)}
    placed = {}
    for answer in annotated.values():
        seen = [label for _, label, _ in answer.of(POINTS)]
        placed[answer.where] = seen + [label for label in answer.absent if label not in seen]
    regions = labels is not None or bool(used)
    named = point_names(placed, regions=regions)
    if not regions and not named:
        raise InputError(
            f"{source.path} has neither labelled regions nor points: label with brush, polygons, rectangles, "
            "ellipses or key points."
        )
    where = str(source.path)
    classes = (
        region_palette([*(labels or ()), *sorted(used - set(labels or ()))], where, manifest_classes(source))
        if regions
        else None
    )
    task = (
        points_task([*points, *(name for name in named if name not in points)], manifest_points(source), where)
        if named
        else None
    )
    tasks, licence = drawn_tasks(classes, task), manifest_licence(source)
    return Dataset(
        tuple(sorted(annotated)), tasks, lambda name: read_image(source, annotated[name], name, classes, task), licence
    )


def annotated_tasks(source: Source, files: Sequence[str], root: str) -> dict[str, AnnotatedTask]:
    """Sample name → task.

    Raises:
        InputError: no task is annotated, an image is missing, or two tasks are of the same image.
    """
    images = images_by_name(source)
    annotated: dict[str, AnnotatedTask] = {}
    for file in files:
        for index, task in enumerate(json_objects(source.json(file), str(source.path / file))):
            where = f"{source.path / file}[{index}]"
            results = results_of(task, where)
            if results is None:
                continue
            data = json_object(task.get("data"), f"{where}.data")
            image = image_of(source, images, data, where)
            name = PurePosixPath(image.removeprefix(root).removeprefix("images/")).with_suffix("").as_posix()
            if name in annotated:
                raise InputError(
                    f"{where} and {annotated[name].where} would be the same sample {name}: remove one of them."
                )
            annotated[name] = AnnotatedTask(
                where, image, results, json_object(data.get(ABSENT, {}), f"{where}.data.{ABSENT}")
            )
    if not annotated:
        raise InputError(
            f"{source.path / files[0]} has no annotations (predictions alone do not count): submit some in Label "
            "Studio and export again."
        )
    return annotated


def results_of(task: Mapping[str, Any], where: str) -> list[dict[str, Any]] | None:
    """The results of the last annotation that was not cancelled (of the ground truth, if there is any); else None."""
    made = json_objects(task.get("annotations", []), f"{where}.annotations")
    valid = [(index, annotation) for index, annotation in enumerate(made) if not annotation.get("was_cancelled")]
    best = [found for found in valid if found[1].get("ground_truth")] or valid
    if not best:
        return None
    results = json_objects(best[-1][1].get("result"), f"{where}.annotations[{best[-1][0]}].result")
    return [compact(result) for result in results]


def compact(result: dict[str, Any]) -> dict[str, Any]:
    """The result with its run lengths as bytes, an eighth of the memory; unchanged if they are no list of bytes."""
    value = result.get("value")
    if isinstance(value, dict) and isinstance(value.get("rle"), list):
        try:
            return {**result, "value": {**value, "rle": bytes(value["rle"])}}
        except (TypeError, ValueError):
            pass
    return result


def image_of(source: Source, images: Mapping[str, list[str]], data: Mapping[str, Any], where: str) -> str:
    """The image of a task: by its path, its name, or its name without the prefix that the upload added.

    Raises:
        InputError: there is no such image, or its address cannot be parsed.
    """
    named = [
        value
        for key, value in data.items()
        if isinstance(value, str) and (key == "image" or PurePosixPath(value).suffix.lower() in IMAGE_SUFFIXES)
    ]
    asked = data["image"] if isinstance(data.get("image"), str) else next(iter(named), "")
    path = asked
    if "://" in asked or asked.startswith("/data/"):
        try:
            parts = urlsplit(asked)
        except ValueError:
            raise InputError(f"{where}.data refers to the image {asked!r}, which is no address: correct it.") from None
        path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    asked_path = PurePosixPath(path.replace("\\", "/"))
    short = asked_path.parent / UPLOADED.sub("", asked_path.name, count=1)
    return find_image(source, images, str(asked_path if asked_path.name.lower() in images else short), f"{where}.data")


def config_labels(source: Source, file: str) -> tuple[list[str] | None, list[str]]:
    """The labels of regions and of points, in the project's order.

    For regions None if the project has no tool for them; None and [] without the file.

    Raises:
        InputError: the file is not XML, or declares types or entities.
    """
    if file not in source.sizes:
        return None, []
    data = source.read(file)
    if b"<!" in data.replace(b"<!--", b""):
        raise InputError(
            f"{source.path / file} declares types or entities, which no labelling configuration needs: remove them."
        )
    try:
        tree = ET.fromstring(data)  # noqa: S314  # safe: entities, which could expand without bound, are refused above
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError(
            f"{source.path / file} is not readable as XML ({error}): copy the project's labelling configuration again."
        ) from None
    tags = [
        (element.tag.lower(), [label.get("value", "") for label in element.iter("Label")])
        for element in tree.iter()
        if isinstance(element.tag, str)
    ]
    regions = [labels for tag, labels in tags if tag in REGIONS]
    listed = list(dict.fromkeys(label for labels in regions for label in labels if label))
    return listed if regions else None, list(
        dict.fromkeys(label for tag, labels in tags if tag == POINTS for label in labels if label)
    )


def read_image(
    source: Source, answer: AnnotatedTask, name: str, classes: Palette | None, points: Keypoints | None
) -> LabelledImage:
    photo = load_image(source, answer.file, name)
    for result, _, where in answer.of(*REGIONS, POINTS):
        check_stated_size(result.get("original_height"), result.get("original_width"), photo.size, where)
        if result.get("image_rotation"):
            raise InputError(f"{where} was made on a turned image: turn the image itself, and label it again.")
    if classes is not None:
        regions = ((label, region(result, photo.size, where)) for result, label, where in answer.of(*REGIONS))
        photo = replace(photo, labels={"segmentation": paint_mask(regions, classes, photo.size, answer.where)})
    if points is not None:
        label = point_label(points, point_locations(answer, photo.size), answer.where, photo.size)
        photo = replace(photo, labels={**photo.labels, "keypoints": label})
    return photo


def label_of(result: Mapping[str, Any], where: str) -> str:
    """The one label of a result.

    Raises:
        InputError: the result has no label, or several.
    """
    labels = json_object(result.get("value"), f"{where}.value").get(result["type"])
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str) or not labels[0].strip():
        raise InputError(f"{where} has {str(labels)[:40]} instead of one label: give it one or remove it.")
    return labels[0]


def region(result: Mapping[str, Any], size: Frame, where: str) -> Bool[np.ndarray, "h w"]:
    """The pixels that a result covers.

    Raises:
        InputError: the values of the result are missing or damaged.
    """
    value, kind = result["value"], result["type"]
    side = np.array([size[1], size[0]]) / PERCENT
    if kind == "brushlabels":
        if not isinstance(value.get("rle"), bytes):
            raise InputError(f"{where} has no run lengths (a list of bytes called rle): export it again.")
        return brush_mask(value["rle"], size, where)
    if kind == "polygonlabels":
        return polygon_mask([coordinates(value.get("points"), f"{where}.value.points", 3) * side], size, where)
    lengths = ("width", "height") if kind == "rectanglelabels" else ("radiusX", "radiusY")
    x, y, across, down, angle = numbers({"rotation": 0, **value}, ("x", "y", *lengths, "rotation"), where)
    centre, (across, down) = np.array([x, y]) * side, np.array([across, down]) * side
    if kind == "ellipselabels":
        return ellipse_mask((float(centre[0]), float(centre[1])), (float(across), float(down)), angle, size)
    corners = np.array([[0, 0], [across, 0], [across, down], [0, down]])  # turned around its first corner
    return polygon_mask([centre + rotated(corners, angle)], size, where)


def point_locations(answer: AnnotatedTask, size: Frame) -> dict[str, tuple[float, float, int]]:
    """Name → x, y in pixels (edges of pixels at whole numbers) and visibility."""
    side = size[1] / PERCENT, size[0] / PERCENT
    absent = {
        name: coordinates([location], f"{answer.where}.data.{ABSENT}.{name}", 1)[0].tolist()
        for name, location in answer.absent.items()
    }
    found = {name: (x * side[0], y * side[1], 0) for name, (x, y) in absent.items()}
    for result, name, where in answer.of(POINTS):
        x, y = numbers(result["value"], ("x", "y"), where)
        note = result["meta"].get("text") if isinstance(result.get("meta"), dict) else None
        found[name] = (x * side[0], y * side[1], 1 if HIDDEN in (note if isinstance(note, list) else [note]) else 2)
    return found
