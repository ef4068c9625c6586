"""The images that COCO's JSON files name: where they lie, and what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source
from handsoff.formats.exchange.coco_files import NO_SPLIT, CocoFile, Numbered
from handsoff.formats.samples import alike, find_image, images_by_name, splits_named, without_suffix


@dataclass(frozen=True)
class Photo:
    """An image and its entry in every file that names it."""

    file: str
    entries: list[tuple[CocoFile, Numbered]]

    def covers(self, *, regions: bool, points: bool) -> bool:
        """Whether files with these kinds of labels name the image."""
        found = [coco_file for coco_file, _ in self.entries]
        return (not regions or any(coco_file.draws for coco_file in found)) and (
            not points or any(coco_file.points for coco_file in found)
        )


def photos_of(source: Source, coco_files: Sequence[CocoFile]) -> dict[str, Photo]:
    """Sample name → image; with several splits, a name begins with its split.

    Raises:
        InputError: an image is missing, or two have the same name.
    """
    images = images_by_name(source)
    several = len({coco_file.split for coco_file in coco_files}) > 1
    photos: dict[str, Photo] = {}
    owners: dict[str, tuple[str, CocoFile]] = {}
    for coco_file in coco_files:
        named = several or splits_named([coco_file.split])  # any other name of a single file says nothing
        home = coco_file.split if named else ""
        seen: set[str] = set()
        for where, entry in coco_file.images:
            asked = entry.get("file_name")
            if not isinstance(asked, str) or not asked:
                raise InputError(f"{where} has no file_name: give every image one.")
            file = near(images, asked, coco_file) or find_image(source, images, asked, where, home)
            name = name_of(asked, file, coco_file, several=several)
            photo = photos.setdefault(name, Photo(file, []))
            if name in seen or photo.file != file:
                raise InputError(
                    f"{where} has the file_name {asked!r}, which another image has too: rename one of them."
                )
            owner, other = owners.setdefault(file, (name, coco_file))
            if owner != name:
                same = f"that is {owner} already:"
                twice = same if other is coco_file else f"{other.where} names that too: give one of these files, or"
                raise InputError(
                    f"{where} has the file_name {asked!r}, for which only {source.path / file} is there, and {twice} "
                    "put the missing image beside it."
                )
            seen.add(name)
            photo.entries.append((coco_file, (where, entry)))
    return photos


def near(images: Mapping[str, list[str]], asked: str, coco_file: CocoFile) -> str | None:
    """The image at exactly this path; None if there is none.

    The path may start at the JSON's folder, at the folder above, or at a folder `images/SPLIT`, SPLIT or `images` in
    one of these; the folders of the split come first.
    """
    path, home = PurePosixPath(asked.replace("\\", "/")), PurePosixPath(coco_file.file).parent
    own, plain = [f"images/{coco_file.split}", coco_file.split], [".", "images"]
    inside = [*plain, *own] if coco_file.split in ("", NO_SPLIT) else [*own, *plain]
    exact = [str(folder / inner / path) for folder in (home, home.parent) for inner in inside]
    return next((file for file in exact if file in images.get(alike(path.name), ())), None)


def name_of(asked: str, file: str, coco_file: CocoFile, *, several: bool) -> str:
    """The name of a sample: its `file_name`, or the file's path where `file_name` leads out of the dataset.

    In `images/SPLIT/`, where tools put the images of `instances_SPLIT.json`, names begin with the split.
    """
    path = PurePosixPath(asked.replace("\\", "/"))
    if coco_file.split not in ("", NO_SPLIT) and f"/{file}".endswith(f"/images/{coco_file.split}/{path}"):
        return without_suffix((coco_file.split / path).as_posix())
    if not path.name or path.is_absolute() or ".." in path.parts or path.parts[0].endswith(":"):
        path = PurePosixPath(file)
    name = path.relative_to("images") if path.is_relative_to("images") and len(path.parts) > 1 else path
    within = len(name.parts) > 1 and name.parts[0] in {coco_file.split, PurePosixPath(coco_file.file).stem}
    prefixed = several and coco_file.split and not within
    return without_suffix((coco_file.split / name if prefixed else name).as_posix())
