"""Which image a Label Studio task is about: from its address in the task's data to a file of the dataset."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source
from handsoff.formats.samples import alike, find_image, images_by_name, images_named, without_suffix

UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")  # what Label Studio puts before the names of uploaded files
SERVED = ("?d=", "?filepath=")  # what stands before the path of a file that Label Studio itself serves
FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")  # of letters with accents: one character, or two


@dataclass(frozen=True)
class Images:
    """The images of a dataset.

    Attributes:
        named: as `images_by_name` lists them.
        stored: the name that an upload would store, in lower case → the images that it may be.
    """

    source: Source
    named: Mapping[str, list[str]]
    stored: Mapping[str, list[str]]

    def find(self, asked: str, where: str, folder: str = "") -> str:
        """The image at an address: as it is spelt, without percent codes, or as the upload that it was.

        A name with a suffix fits images of exactly that name; only a name without one fits any suffix.

        Args:
            asked: the address.
            where: the task, for error messages.
            folder: in which the image most likely lies.

        Raises:
            InputError: there is no such image, or several fit.
        """
        for path in spellings(asked):
            if images_named(self.named, PurePosixPath(path).name):
                return find_image(self.source, self.named, path, where, folder)
        return self.upload(asked, where, folder)

    def upload(self, asked: str, where: str, folder: str) -> str:
        for path in map(PurePosixPath, spellings(asked)):
            match = UPLOADED.fullmatch(path.name)
            files = self.stored.get(stored_name(match[1], "NFC"), []) if match else []
            names = sorted({PurePosixPath(file).name for file in files})
            if len(names) > 1:
                raise InputError(
                    f"{where} refers to the upload {asked!r}, which may be {names[0]} or {names[1]}: rename the right "
                    f"one to {path.name}."
                )
            if names:
                return find_image(self.source, self.named, str(path.parent / names[0]), where, folder)
        raise InputError(
            f"{where} refers to the image {asked!r}, which is not in {self.source.path}: put it beside the annotations."
        )


def list_images(source: Source) -> Images:
    named = images_by_name(source)
    stored: dict[str, list[str]] = {}
    for file in sorted({file for files in named.values() for file in files}):
        for key in sorted({stored_name(PurePosixPath(file).name, form) for form in FORMS}):
            stored.setdefault(key, []).append(file)
    return Images(source, named, stored)


def stored_name(name: str, form: Literal["NFC", "NFD"]) -> str:
    """The name under which an upload is stored, in lower case: spaces become _, most signs (in NFD accents) go."""
    kept = re.sub(r"[^-\w.]", "", unicodedata.normalize(form, name).strip().replace(" ", "_"))
    return alike(kept)


def spellings(asked: str) -> Iterator[str]:
    """The paths that an address may mean, the literal one first. It is never taken apart as a form would be."""
    mark = next((mark for mark in SERVED if mark in asked), None)
    if mark is not None:
        paths = [asked.partition(mark)[2]]
    elif "://" in asked:
        path = asked.partition("://")[2].partition("/")[2]
        paths = [path, re.split(r"[?#]", path, maxsplit=1)[0]]
    else:
        paths = [asked]
    for path in paths:
        yield from (spelt.replace("\\", "/") for spelt in (path, unquote(path)))


def asked_image(data: Mapping[str, Any], key: str | None, where: str) -> str:
    """The address of the image in a task's data.

    Args:
        data: of the task.
        key: where the configuration says that the address stands, None if it is not known.
        where: for error messages.

    Raises:
        InputError: there is none, there are several, or it cannot be parsed.
    """
    key = key if key is not None and key in data else "image"
    asked = data.get(key)
    if asked is None:
        found = sorted(
            {
                name
                for name, value in data.items()
                if isinstance(value, str) and any(without_suffix(path) != path for path in spellings(value))
            }
        )
        if len(found) > 1:
            raise InputError(
                f"{where}.data names the images {found[0]} and {found[1]}: put the project's label_config.xml beside "
                "the tasks, or call the right one image."
            )
        asked = data[found[0]] if found else None
    if isinstance(asked, list) and len(asked) == 1:
        asked = asked[0]
    if isinstance(asked, list):
        raise InputError(f"{where}.data.{key} lists {len(asked)} images: make a task of every image.")
    if not isinstance(asked, str):
        raise InputError(f"{where}.data names no image (png, jpg, …): HandsOff reads tasks about images only.")
    if "://" in asked:
        try:
            urlsplit(asked)
        except ValueError:
            raise InputError(f"{where}.data refers to the image {asked!r}, which is no address: correct it.") from None
    return asked
