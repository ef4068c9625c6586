"""The `manifest.json` that HandsOff writes into a dataset (classes, keypoints, licence); and how images are written.

Of several manifests in a dataset, the one nearest to the top is read.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from handsoff.core.files import png, write_bytes
from handsoff.datasets.sources import Source
from handsoff.formats.samples import LabelledImage
from handsoff.tasks.classes import class_names
from handsoff.tasks.keypoints import Keypoints

MANIFEST = "manifest.json"


def nearest_json(source: Source, name: str) -> tuple[Any, str]:
    """The content of the JSON file of this name that lies nearest to the top (None if there is none), and its path.

    Raises:
        InputError: the file is not valid JSON.
    """
    file = min(
        (file for file in source.sizes if PurePosixPath(file).name == name),
        key=lambda file: file.count("/"),
        default=name,
    )
    return source.json(file), str(source.path / file)


def manifest_schema(source: Source, task: str) -> tuple[dict[str, Any] | None, str]:
    """The schema of a task (None where the manifest has none), and where it stands."""
    manifest, where = nearest_json(source, MANIFEST)
    tasks = manifest.get("tasks") if isinstance(manifest, dict) else None
    schema = tasks.get(task) if isinstance(tasks, dict) else None
    return schema if isinstance(schema, dict) else None, f"{where}: tasks.{task}"


def manifest_classes(source: Source) -> tuple[str, ...] | None:
    """The classes in the manifest, None where it has none.

    Raises:
        InputError: the classes are not a list of names.
    """
    schema, where = manifest_schema(source, "segmentation")
    return None if schema is None else class_names(schema.get("classes"), f"{where}.classes")


def manifest_points(source: Source) -> Keypoints | None:
    """The keypoints task in the manifest, None where it has none.

    Raises:
        InputError: the schema in the manifest is malformed.
    """
    schema, where = manifest_schema(source, "keypoints")
    if schema is None:
        return None
    names = schema.get("names")
    example = [[0, 0]] * (len(names) if isinstance(names, list) else 1)
    return Keypoints(Keypoints.declare(schema, where, {}, example))


def manifest_licence(source: Source) -> str:
    """The licence of the images, "" where the manifest has none."""
    manifest, _ = nearest_json(source, MANIFEST)
    licence = manifest.get("licence") if isinstance(manifest, dict) else None
    return licence if isinstance(licence, str) else ""


def points_task(names: Sequence[str], stated: Keypoints | None, where: str) -> Keypoints:
    """The keypoints task with these names: `stated` (from the manifest) if it has the same names.

    Raises:
        InputError: two points have the same name.
    """
    if stated is not None and stated.schema["names"] == list(names):
        return stated
    return Keypoints(Keypoints.declare({"names": list(names)}, where, {}, [[0, 0]] * len(names)))


def write_image(out: Path, sample: LabelledImage) -> str:
    """Write the image to `images/`, its own bytes if they may be copied. Returns its path in `out`."""
    suffix = PurePosixPath(sample.file).suffix.lower() if sample.data else ".png"
    file = f"images/{sample.name}{suffix}"
    write_bytes(out / file, sample.data or png(sample.image))
    return file


def holds_photos(source: Source) -> bool:
    """Whether the manifest says that the images are photos, as that of `handsoff label` does."""
    manifest, _ = nearest_json(source, MANIFEST)
    return isinstance(manifest, dict) and manifest.get("source") == "photos"
