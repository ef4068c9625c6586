"""What a conditional generator is trained on beside the photos: their attributes, from a JSON file.

Words become classes, numbers are standardised. Of a tenth of the samples nothing is said, so that the generator also
draws unconditionally. Which photo comes when does not depend on its attributes: they are as frequent as in the data.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from handsoff.core.errors import InputError, nearest
from handsoff.core.files import sha256
from handsoff.datasets.given import Values, check_given, read_given
from handsoff.datasets.sources import Source, image_names, printable
from handsoff.generators.contract import Conditions

DROPPED = 0.1  # share of the samples of which nothing is said
EXAMPLES = 1024  # photos whose attributes the generator remembers
MOST_WORDS = 1000  # of one attribute
NOT_MIRRORED = (
    "Photos are not mirrored, since the mirror image may have other conditions: name those whose sign it changes, "
    "--set 'mirrored=[\"yaw\"]', or none, --set 'mirrored=[]'."
)


@dataclass(frozen=True)
class PhotoConditions:
    """The conditions of all photos.

    Attributes:
        conditions: what they are about.
        values: a row per photo.
        signs: what each value is multiplied by in the mirror image, 1 or -1.
        mirrored: whether that is known.
    """

    conditions: Conditions
    values: Float[Tensor, "n a"]
    signs: Float[Tensor, " a"]
    mirrored: bool

    def of(self, photos: Int64[Tensor, " b"], mirrored: Bool[Tensor, " b"], dropped: Bool[Tensor, " b"]) -> Tensor:
        """Those of some photos [B, A]; nothing (NaN) where they are dropped."""
        rows = self.values[photos].to(mirrored.device)
        rows = torch.where(mirrored[:, None], rows * self.signs.to(rows), rows)
        return rows.masked_fill(dropped[:, None], torch.nan)


def conditions_input(file: Path, photos: Source, mirrored: Collection[str] | None) -> dict[str, str]:
    """The file as an input of the plan.

    Raises:
        InputError: it does not tell the attributes of all photos, see `photo_conditions`.
    """
    photo_conditions(file, image_names(photos), mirrored)
    return {"path": str(file.resolve()), "fingerprint": sha256(file)}


def photo_conditions(
    file: Path, photos: Sequence[str], mirrored: Collection[str] | None, known: Sequence[str] | None = None
) -> PhotoConditions:
    """The conditions of photos.

    Args:
        file: JSON, {name: {attribute: number or word}}.
        photos: paths of the images in their folder or zip. The name of one is its path, with or without its suffix and
            the `images/` of a labelled folder.
        mirrored: the attributes whose sign the mirror changes.
        known: all photos that the file may name, where some of them were skipped.

    Raises:
        InputError: an attribute is missing for some photos, or is the same in all; a name is no known photo; one that
            changes its sign is no number.
    """
    found = by_photo(check_given(read_given(file), str(file), ()), file, known or photos)
    check_given(found, str(file), photos)
    attributes = dict.fromkeys(name for entry in found.values() for name in entry)
    columns = {name: [found[photo][name] for photo in photos] for name in attributes}
    if not columns:
        raise InputError(f"{file} names no attribute: give a number or a word for each photo.")
    for name, column in columns.items():
        check_varied(file, name, column)
    words = {name: words_of(column) for name, column in columns.items()}
    check_mirrored(file, mirrored or (), words)
    table = np.array([
        [words[name].index(value) if words[name] else value for value in column] for name, column in columns.items()
    ], np.float32).T  # fmt: skip
    scales = tuple(
        (0.0, 1.0) if words[name] else (float(column.mean()), float(column.std()))
        for name, column in zip(columns, table.T.astype(np.float64), strict=True)
    )
    shown = table[np.arange(min(EXAMPLES, len(table))) * len(table) // min(EXAMPLES, len(table))]
    examples = tuple(tuple(float(f"{value:.6g}") for value in row) for row in shown)
    conditions = Conditions("attributes", tuple(columns), tuple(words.values()), scales, examples)
    signs = torch.tensor([-1.0 if name in (mirrored or ()) else 1.0 for name in columns])
    return PhotoConditions(conditions, torch.from_numpy(table), signs, mirrored is not None)


def by_photo(given: Values, file: Path, photos: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """The entry of every photo that has one.

    Raises:
        InputError: a name is that of no photo, or two names are of the same one.
    """
    homes = {spelling: photo for photo in photos for spelling in reversed(spellings(photo))}
    strangers = [name for name in given if name not in homes]
    if strangers:
        raise InputError(
            f"{file} names {len(strangers):,} of {len(given):,} images that are not among the photos, the first is "
            f"{printable(strangers[0])}: name each as its file is called, below the folder."
        )
    found: dict[str, Mapping[str, object]] = {}
    for name, entry in given.items():
        if homes[name] in found:
            raise InputError(f"{file} names {printable(homes[name])} twice: keep one entry.")
        found[homes[name]] = entry
    return found


def spellings(photo: str) -> list[str]:
    """The names that a photo can have, the fullest first."""
    path = PurePosixPath(photo)
    whole = [photo, str(path.with_suffix(""))]
    return [*whole, *(name.removeprefix("images/") for name in whole)]


def words_of(column: Sequence[object]) -> tuple[str, ...]:
    """The words of an attribute in alphabetical order; none of numbers."""
    return tuple(sorted({value for value in column if isinstance(value, str)}))


def check_mirrored(file: Path, mirrored: Collection[str], words: Mapping[str, Sequence[str]]) -> None:
    """Whether the mirror can change the sign of attributes; `words` are those of all there are.

    Raises:
        InputError: one is a word, or is not there.
    """
    for name in mirrored:
        if name not in words or words[name]:
            what = "a word" if name in words else f"no attribute of {file}, {nearest(name, words)}choose"
            raise InputError(f"mirrored names {name}, which is {what}: name numbers whose sign the mirror changes.")


def check_varied(file: Path, name: str, column: Sequence[object]) -> None:
    """Whether an attribute tells photos apart.

    Raises:
        InputError: all have the same, as far as 32 bits tell, or nearly each has a word of its own.
    """
    different = len(set(column))
    if different == 1:
        raise InputError(
            f"{file}: {name} is {column[0]} in all {len(column):,} photos, so it tells nothing: leave it out."
        )
    if not isinstance(column[0], str) and not np.ptp(np.asarray(column, np.float32)):
        raise InputError(
            f"{file}: the numbers of {name} differ by less than seven digits tell, the first is {column[0]}: "
            "count from another zero."
        )
    if different > MOST_WORDS and isinstance(column[0], str):
        raise InputError(
            f"{file}: {name} has {different:,} different words, more than {MOST_WORDS:,}: use fewer, or a number."
        )
