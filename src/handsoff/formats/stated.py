"""What a HandsOff writer noted in `manifest.json` beside what it wrote, and images as all writers copy them."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from handsoff.core.files import png, write_bytes
from handsoff.formats.photos import Source
from handsoff.formats.samples import Sample, stated_tasks
from handsoff.tasks.keypoints import Keypoints
from handsoff.tasks.segmentation import class_names

MANIFEST = "manifest.json"


def stated_classes(source: Source, root: str = "") -> tuple[str, ...] | None:
    """The classes as they were when the pack was written, None where nobody says.

    Raises:
        InputError: they are no list of names.
    """
    schema = stated_tasks(source, root).get("segmentation")
    return None if schema is None else class_names(schema.get("classes"), f"{source.path / root / MANIFEST}: tasks.segmentation.classes")


def stated_points(source: Source, root: str = "") -> Keypoints | None:
    """The task of the points as they were when the pack was written, None where nobody says.

    Raises:
        InputError: what is said of them cannot be.
    """
    schema = stated_tasks(source, root).get("keypoints")
    if schema is None:
        return None
    names = schema.get("names")
    example = [[0, 0]] * (len(names) if isinstance(names, list) else 1)
    return Keypoints.described(schema, f"{source.path / root / MANIFEST}: tasks.keypoints", {}, example)


def points_task(names: Sequence[str], stated: Keypoints | None, where: str) -> Keypoints:
    """The task of points called so: the stated one if it is about them.

    Raises:
        InputError: two have the same name.
    """
    if stated is not None and stated.schema["names"] == list(names):
        return stated
    return Keypoints.described({"names": list(names)}, where, {}, [[0, 0]] * len(names))


def stated_licence(source: Source, root: str = "") -> str:
    """The terms of the images, "" where the manifest is silent."""
    manifest = source.json(f"{root}{MANIFEST}")
    licence = manifest.get("licence") if isinstance(manifest, dict) else None
    return licence if isinstance(licence, str) else ""


def write_image(out: Path, sample: Sample) -> str:
    """Write the image to `images/`, its own bytes if they may be copied; its path in `out`."""
    suffix = PurePosixPath(sample.file).suffix.lower() if sample.data else ".png"
    file = f"images/{sample.name}{suffix}"
    write_bytes(out / file, sample.data or png(sample.image))
    return file
