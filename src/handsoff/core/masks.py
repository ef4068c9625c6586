"""What the pixels of a mask mean as class ids: what the file stores, not what Pillow or an optimiser makes of it.

A palette gives every index a colour, and it is the index that annotation tools mean. Lossless optimisers (oxipng,
zopfli, …) know nothing of that: they turn grey masks into palettes, whose indices mean nothing, and put palettes into
another order. Where the colours say so, the ids are read from them; where both is possible, the mask is refused.
"""

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps

from handsoff.core.errors import InputError

LOSSLESS = ("PNG", "BMP", "TIFF")
LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")
GREY = ("1", "L", "I", "I;16", "I;16B")
SCALED = {"L;2": 85, "L;2R": 85, "L;4": 17, "L;4R": 17}  # Pillow multiplies samples of few bits, so that they look grey
IGNORE = 255
REMEDY = "save it as a PNG of 8-bit grey with one class id per pixel"

Ids = tuple[int, ...]
Colours = dict[int, tuple[tuple[int, ...], str]]  # id → the colour that palettes give it, and the first such file


def stored_ids(image: Image.Image, name: str, count: int | None, colours: Colours | None) -> Shaped[np.ndarray, "h w"]:
    """The ids of an opened mask, upright (EXIF), whole numbers of any size; arguments as of `images.decode_mask`.

    Raises:
        InputError: the format is lossy, or it is not clear which number a pixel has.
    """
    if is_lossy(image):
        raise InputError(
            f"{name} is a {image.format} file, which may change class ids when it is saved: export the masks as PNG."
        )
    stored = stored_as(image)
    if "I" in stored.partition(";")[2]:
        raise InputError(f"{name} stores grey inverted (0 is white): {REMEDY}.")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "P":
        return palette_ids(image, name, count, {} if colours is None else colours)
    if image.mode in GREY:
        return np.asarray(image) // SCALED.get(stored, 1) if image.mode != "1" else np.asarray(image)
    return equal_channels(image, stored, name)


def is_lossy(image: Image.Image) -> bool:
    """Whether the file of an opened image may not hold the numbers that were saved."""
    return image.format not in LOSSLESS or image.info.get("compression") in LOSSY_TIFF


def stored_as(image: Image.Image) -> str:
    """Pillow's name for how samples lie in the file, such as L;4 or RGB;16B, before they are read."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else image.mode
    return str(arguments if isinstance(arguments, str) else arguments[0])


def equal_channels(image: Image.Image, stored: str, name: str) -> UInt8[np.ndarray, "h w"]:
    """The one channel of a grey mask that a tool saved with several.

    Raises:
        InputError: they differ, a part is transparent, or there are 16 bits, which Pillow cuts to 8.
    """
    alpha = image.mode in ("LA", "RGBA")
    if image.mode in ("LA", "RGB", "RGBA") and "16" not in stored:
        channels = np.asarray(image)
        shown = channels[..., :-1] if alpha else channels
        if (shown == shown[..., :1]).all() and not (alpha and (channels[..., -1] < 255).any()):  # noqa: PLR2004  # opaque
            return shown[..., 0]
    raise InputError(
        f"{name} has mode {image.mode}{' of 16 bits' if '16' in stored else ''}: a mask must be an 8-bit PNG with one "
        "class id per pixel (mode L or P)."
    )


def palette_ids(image: Image.Image, name: str, count: int | None, colours: Colours) -> UInt8[np.ndarray, "h w"]:
    """The ids of a mask with a palette: its indices, or what its colours say.

    Raises:
        InputError: both could be meant, or its palette gives an id another colour than an earlier mask's.
    """
    indices = np.asarray(image)
    used = tuple(np.unique(indices).tolist())
    flat = image.getpalette("RGB") or []
    entries = [tuple(flat[start : start + 3]) for start in range(0, len(flat) - 2, 3)]
    if used and used[-1] < len(entries):
        ids = meant(used, entries, name, count)
        if ids != used:
            table = np.zeros(256, np.uint8)
            table[list(used)] = ids
            return table[indices]
        if len({entries[index] for index in used}) == len(used):
            compare_colours({index: entries[index] for index in used}, name, colours)
    return indices


def meant(used: Ids, entries: list[tuple[int, ...]], name: str, count: int | None) -> Ids:
    """The ids that the used indices stand for.

    Raises:
        InputError: it is not clear.
    """
    coloured = [ids for ids in (greys(used, entries), voc_ids(used, entries)) if ids]
    if not coloured or used in coloured:
        return used
    allowed = {*range(256 if count is None else count), IGNORE}
    possible = [ids for ids in coloured if allowed.issuperset(ids)]
    if possible and possible[0] == greys(used, entries) and not is_ramp(possible[0]):
        return possible[0]
    doubtful = possible or [ids for ids in coloured if is_partly_ids(ids, allowed)]
    if not doubtful:
        return used
    if len(possible) == 1 and not allowed.issuperset(used):
        return possible[0]
    place, other = next((index, value) for index, value in zip(used, doubtful[0], strict=True) if index != value)
    raise InputError(
        f"{name} has a palette in which the index {place} has the colour {','.join(map(str, entries[place]))}, so that "
        f"it may mean the id {place} or {other} (optimisers rewrite palettes): {REMEDY}."
    )


def is_partly_ids(greys: Ids, allowed: set[int]) -> bool:
    """Whether some greys, but not all, are ids of the dataset: then a grey mask has an id that it should not have."""
    return not is_ramp(greys) and any(value in allowed for value in greys if value not in (0, IGNORE))


def greys(used: Ids, entries: list[tuple[int, ...]]) -> Ids:
    """The grey of each used index; () where the palette has colours, or there are entries that no optimiser left."""
    if len(used) < len(entries) or not all(len(set(entry)) == 1 for entry in entries):
        return ()
    return tuple(entries[index][0] for index in used)


def voc_ids(used: Ids, entries: list[tuple[int, ...]]) -> Ids:
    """The id that Pascal VOC gives each colour; () where others occur, or there are entries that no optimiser left."""
    if len(used) < len(entries) or not all(entry in VOC_IDS for entry in entries):
        return ()
    return tuple(VOC_IDS[entries[index]] for index in used)


def is_ramp(values: Ids) -> bool:
    """Whether greys are evenly spread from black to white: those are for the eye, and no ids."""
    ordered = sorted(set(values))
    return len(ordered) > 1 and all(
        abs(value - 255 * place / (len(ordered) - 1)) <= 1 for place, value in enumerate(ordered)
    )


def voc_colour(index: int) -> tuple[int, int, int]:
    """VOC's colour map: bit 3·i + c of the index is bit 7 - i of channel c (red, green, blue)."""
    red, green, blue = (sum((index >> 3 * bit + channel & 1) << 7 - bit for bit in range(8)) for channel in range(3))
    return red, green, blue


VOC_IDS: dict[tuple[int, ...], int] = {voc_colour(index): index for index in range(256)}


def compare_colours(found: dict[int, tuple[int, ...]], name: str, colours: Colours) -> None:
    """Whether masks of one dataset give an id one colour; optimisers reorder each palette for itself.

    Raises:
        InputError: they do not.
    """
    for index, colour in found.items():
        first, where = colours.setdefault(index, (colour, name))
        if first != colour:
            shown, other = ",".join(map(str, colour)), ",".join(map(str, first))
            raise InputError(
                f"{name} gives the index {index} of its palette the colour {shown}, {where} gives it {other}: an "
                "optimiser has changed one of the palettes, or ids mean different things; save the masks as PNG of "
                "8-bit grey with one class id per pixel."
            )
