"""Label Studio's exports JSON and JSON-MIN; the project's `label_config.xml` is read if it lies beside them.

How tasks, images and results are read: `labelstudio_tasks`, `labelstudio_images`, `labelstudio_regions`. Source:
labelstud.io's description of tasks and of the tags, and exports of its converter.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.core.frames import Frame
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import (
    coordinates,
    drawn_tasks,
    json_object,
    paint_mask,
    point_label,
    point_names,
    region_palette,
)
from handsoff.formats.exchange.labelstudio_config import CONFIG, Config, merged, read_config
from handsoff.formats.exchange.labelstudio_images import Images, asked_image, list_images
from handsoff.formats.exchange.labelstudio_regions import (
    PERCENT,
    POINT,
    Region,
    check_region,
    point_location,
    region_mask,
    regions_of,
)
from handsoff.formats.exchange.labelstudio_tasks import Answer, answers, is_export, is_recognised, json_files
from handsoff.formats.manifest import manifest_classes, manifest_licence, manifest_points, points_task
from handsoff.formats.notes import counted, unused_images
from handsoff.formats.samples import Dataset, LabelledImage, load_image
from handsoff.formats.shapes import Palette
from handsoff.formats.trees import folders_apart
from handsoff.tasks.keypoints import Keypoints

ABSENT = "absent_points"  # key in a task's data: name → location of every point of visibility 0, which are not drawn
REMARK = "result of type "  # beginning of the keys under which results without a region are counted


@dataclass(frozen=True)
class AnnotatedTask:
    """A task of one image: its file, what was drawn, and the locations of points that are not drawn."""

    where: str
    file: str
    regions: list[Region]
    points: list[Region]
    absent: dict[str, Any]


def recognises(source: Source) -> bool:
    """Whether there is a JSON list of tasks."""
    return is_recognised(source)


def read(source: Source) -> Dataset:
    """Reads the annotated tasks; tasks without an annotation are left out, and counted in the notes.

    Raises:
        InputError: there are no tasks, none is annotated, or something drawn cannot be read.
    """
    files = [file for file in json_files(source) if is_export(source.read(file))]
    if not files:
        raise InputError(
            f"{source.path} has no JSON list of tasks with data and annotations: export as JSON or JSON-MIN."
        )
    configs = {folder: read_config(source, f"{folder}{CONFIG}") for folder in sorted(map(folder_of, files))}
    notes: Counter[str] = Counter()
    annotated = annotated_tasks(source, files, configs, notes)
    classes, points = meanings(source, merged(configs.values()), annotated.values(), notes)
    return Dataset(
        tuple(sorted(annotated)),
        drawn_tasks(classes, points),
        lambda name: read_image(source, annotated[name], name, classes, points),
        manifest_licence(source),
        sentences(source, annotated.values(), notes),
    )


def folder_of(file: str) -> str:
    """The folder of a file, as "" or "FOLDER/"."""
    return file[: file.rfind("/") + 1]


def annotated_tasks(
    source: Source, files: Sequence[str], configs: Mapping[str, Config], notes: Counter[str]
) -> dict[str, AnnotatedTask]:
    """Sample name → task; with exports in several folders, a name begins with its own.

    Raises:
        InputError: no task is annotated, an image is missing, or two tasks are of the same image.
    """
    images, apart = list_images(source), folders_apart(files)
    annotated: dict[str, AnnotatedTask] = {}
    owners: dict[str, str] = {}
    for home, answer in ((file, answer) for file in files for answer in answers(source, file, notes)):
        if answer.results is None:
            notes["unanswered"] += 1
            continue
        task = annotated_task(answer, images, configs[folder_of(home)], notes, apart[home])
        name = name_of(task.file, folder_of(home), apart[home])
        other = annotated[name].where if name in annotated else owners.setdefault(task.file, task.where)
        if other != task.where:
            raise InputError(f"{task.where} and {other} would be the same sample {name}: remove one of them.")
        annotated[name] = task
    if not annotated:
        raise InputError(
            f"{source.path / files[0]} has no annotations (predictions alone do not count): submit some in Label "
            "Studio and export again."
        )
    return annotated


def name_of(image: str, root: str, split: str) -> str:
    """The name of a sample: where its image lies in the folder `root` of its export, below `split`."""
    path = PurePosixPath(image.removeprefix(root).removeprefix("images/")).with_suffix("")
    return (path if path.is_relative_to(split) else split / path).as_posix()


def annotated_task(answer: Answer, images: Images, config: Config, notes: Counter[str], folder: str) -> AnnotatedTask:
    """The task of an answer, whose image most likely lies in `folder`.

    Raises:
        InputError: it is about several images, none, or one that is missing; or something drawn cannot be read.
    """
    where, results = answer.where, answer.results or []
    remarks: Counter[str] = Counter()
    drawn = regions_of(results, remarks)
    notes.update({f"{REMARK}{kind}": count for kind, count in remarks.items()})
    about = sorted({str(region.result["to_name"]) for region in drawn if region.result.get("to_name")})
    if len(about) > 1:
        raise InputError(f"{where} labels several images ({', '.join(about)}): make a task of every image.")
    key = config.images.get(about[0]) if about else next(iter(config.images.values()), None)
    file = images.find(asked_image(answer.data, key, where), f"{where}.data", folder)
    absent = json_object(answer.data.get(ABSENT, {}), f"{where}.data.{ABSENT}")
    regions = [region for region in drawn if region.kind != POINT]
    notes["rectangles"] += sum(region.kind == "rectangle" for region in regions)
    return AnnotatedTask(where, file, regions, [region for region in drawn if region.kind == POINT], absent)


def meanings(
    source: Source, config: Config, annotated: Collection[AnnotatedTask], notes: Counter[str]
) -> tuple[Palette | None, Keypoints | None]:
    """The classes and the points of a dataset, each None where there are none.

    Raises:
        InputError: there are neither, too many classes, or points of the same name in an image.
    """
    where = str(source.path)
    used = {region.label for task in annotated for region in task.regions}
    placed = {}
    for task in annotated:
        seen = [point.label for point in task.points]
        placed[task.where] = seen + [name for name in task.absent if name not in seen]
    regions = config.regions is not None or bool(used)
    named = point_names(placed, regions=regions)
    notes["points"] += 0 if named else sum(map(len, placed.values()))
    if not regions and not named:
        raise InputError(
            f"{where} has neither labelled regions nor points: label with brush, bitmask, polygons, rectangles, "
            "ellipses or key points."
        )
    stated = config.regions or ()
    classes = (
        region_palette([*stated, *sorted(used - set(stated))], where, manifest_classes(source)) if regions else None
    )
    listed = [*config.points, *(name for name in named if name not in config.points)]
    return classes, points_task(listed, manifest_points(source), where) if named else None


def sentences(source: Source, annotated: Collection[AnnotatedTask], notes: Mapping[str, int]) -> tuple[str, ...]:
    """What was left out or read in a way that the user should know of."""
    remarks = {kind.removeprefix(REMARK): count for kind, count in notes.items() if kind.startswith(REMARK)}
    told = (
        ("unanswered", "task", "{is} left out: no annotation counts (none, cancelled, only predictions or drafts)"),
        ("several", "task", "{has} several annotations: the one updated last counts, of those marked ground truth"),
        ("rectangles", "rectangle", "{is} painted as a filled region: remove what only frames an object"),
        ("min", "task", "{is} of JSON-MIN, without turns of images, marks of hidden points, the order among tools"),
        ("points", "point", "{is} left out: a name comes several times in an image"),
    )
    where = source.path
    return (
        *(line for kind, thing, sentence in told for line in counted(where, notes.get(kind, 0), sentence, thing)),
        *counted(
            where,
            sum(remarks.values()),
            f"{{has}} no region, and {{is}} left alone ({', '.join(sorted(remarks))})",
            "result",
        ),
        *unused_images(source, (task.file for task in annotated)),
    )


def read_image(
    source: Source, task: AnnotatedTask, name: str, classes: Palette | None, points: Keypoints | None
) -> LabelledImage:
    photo = load_image(source, task.file, name)
    for region in (*task.regions, *task.points):
        check_region(region, photo.size)
    if classes is not None:
        regions = ((region.label, region_mask(region, photo.size)) for region in task.regions)
        photo = replace(photo, labels={"segmentation": paint_mask(regions, classes, photo.size, task.where)})
    if points is not None:
        label = point_label(points, point_locations(task, photo.size), task.where, photo.size)
        photo = replace(photo, labels={**photo.labels, "keypoints": label})
    return photo


def point_locations(task: AnnotatedTask, size: Frame) -> dict[str, tuple[float, float, int]]:
    """Name → x, y in pixels (edges of pixels at whole numbers) and visibility."""
    absent = {
        name: coordinates([location], f"{task.where}.data.{ABSENT}.{name}", 1)[0].tolist()
        for name, location in task.absent.items()
    }
    found = {name: (x * size[1] / PERCENT, y * size[0] / PERCENT, 0) for name, (x, y) in absent.items()}
    return found | {point.label: point_location(point, size) for point in task.points}
