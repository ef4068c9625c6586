"""What a dataset is to hold, as people write it: a table in a recipe, or a text such as `glasses=0.3, size=[0.2, 0.5]`.

Nothing here needs torch: settings are read before there is work.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MATCH, UNIFORM = "match", "uniform"
LABELLED, UNLABELLED = "labelled", "unlabelled"  # what `match` may say, besides a folder
PIXELS, RANGE, WEIGHTS = "pixels", "range", "weights"  # keys of a wish that is a table
LARGEST = sys.float_info.max  # whole numbers may be larger, and are none that can be computed with
Said = dict[str, Any]  # an aim as it is stored: JSON


@dataclass(frozen=True)
class Share:
    """In how large a share of the samples a class or point is to be seen."""

    share: float


@dataclass(frozen=True)
class PixelShare:
    """How much of all pixels a class is to make up."""

    share: float


@dataclass(frozen=True)
class Bins:
    """How often an attribute is to have values in equal bins between `low` and `high`, in proportion to `weights`.

    Without limits (None) they are those of what the generator draws; values beyond count to the bins at the ends.
    """

    low: float | None
    high: float | None
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Words:
    """In how large a share of the samples an attribute is to have each of these values."""

    shares: dict[str, float]


Wish = Share | PixelShare | Bins | Words
EVEN = Bins(None, None, (1.0,) * 5)  # what "uniform" means


@dataclass(frozen=True)
class Aim:
    """What is asked for: wishes by the name of a class, point or attribute, and whose labels to be like.

    Attributes:
        match: "labelled", "unlabelled" or a folder.
    """

    wishes: dict[str, Wish] = field(default_factory=dict)
    match: str | None = None


def read_text(text: str) -> Said:
    """`glasses=0.3, brightness=uniform` as a table; wishes may also stand on lines of their own.

    Raises:
        ValueError: a part of it is no NAME=VALUE, or a name is there twice.

    >>> read_text("glasses=0.3, size=[0.2, 0.5], match=labelled")
    {'glasses': 0.3, 'size': [0.2, 0.5], 'match': 'labelled'}
    """
    said: Said = {}
    for part in filter(None, map(str.strip, pieces(text))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        name = name.strip("'\"")
        if not equals or not name or not value:
            raise ValueError(f"{part!r} is no NAME=VALUE, such as glasses=0.3")
        if name in said:
            raise ValueError(f"{name} is asked for twice")
        try:
            read = tomllib.loads(f"value = {value}")
        except (ValueError, RecursionError):
            read = {"value": value}
        if len(read) > 1:
            raise ValueError(f"{part!r} says more than one thing: put a comma between them")
        said[name] = read["value"]
    return said


def pieces(text: str) -> Iterator[str]:
    """The text cut at its commas and line ends, but for those within brackets."""
    start = depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "[{") - (letter in "]}")
        if letter in ",\n\r" and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def read_aim(said: Mapping[str, Any]) -> Aim:
    """An aim from its table.

    Raises:
        ValueError: a value is none that can be asked for, or shares cannot hold together.
    """
    match = said.get(MATCH)
    if match is not None and not (isinstance(match, str) and match):
        raise ValueError(f'match = {match} is not "labelled", "unlabelled" or a folder')
    wishes = {name: read_wish(name, value) for name, value in said.items() if name != MATCH}
    if not wishes and match is None:
        raise ValueError("nothing is asked for: name a class, point or attribute, or leave the aim out")
    shares = {name: wish.share for name, wish in wishes.items() if isinstance(wish, PixelShare)}
    refuse_too_much(shares, "the pixels")
    return Aim(wishes, match)


def read_wish(name: str, value: Any) -> Wish:
    """One wish from its value.

    Raises:
        ValueError: it is none.
    """
    if is_number(value):
        return Share(as_share(name, value))
    if value == UNIFORM:
        return EVEN
    if isinstance(value, list):
        return Bins(*limits(name, value), (1.0,))
    if isinstance(value, Mapping) and value.keys() == {PIXELS}:
        return PixelShare(as_share(f"{name} {PIXELS}", value[PIXELS]))
    if isinstance(value, Mapping) and value.keys() == {RANGE, WEIGHTS}:
        return histogram(name, value)
    if isinstance(value, Mapping) and value:
        shares = {word: as_share(f"{name} {word}", share) for word, share in value.items()}
        refuse_too_much({f"{name} {word}": share for word, share in shares.items()}, "the samples")
        return Words(shares)
    raise ValueError(
        f"{name} = {value} is no wish: write a share such as 0.3, {{pixels = 0.02}}, a range [0.2, 0.5], "
        '"uniform", {range = [0, 1], weights = [1, 2]} or {word = 0.3}'
    )


def histogram(name: str, value: Mapping[str, Any]) -> Bins:
    weights = value[WEIGHTS]
    fits = isinstance(weights, list) and all(is_number(weight) and weight >= 0 for weight in weights)
    if not fits or not sum(weights) > 0:
        raise ValueError(f"{name} {WEIGHTS} = {weights} is no histogram: write numbers from 0 on, such as [1, 2, 1]")
    return Bins(*limits(name, value[RANGE]), tuple(map(float, weights)))


def limits(name: str, value: Any) -> tuple[float, float]:
    if not (isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and value[0] < value[1]):  # noqa: PLR2004  # two ends
        raise ValueError(f"{name} = {value} is no range: write [lowest, highest]")
    return float(value[0]), float(value[1])


def as_share(name: str, value: Any) -> float:
    if not (is_number(value) and 0 <= value <= 1):
        raise ValueError(f"{name} = {value} is no share: write a number from 0 to 1")
    return float(value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def refuse_too_much(shares: Mapping[str, float], of: str) -> None:
    """Shares of the same whole.

    Raises:
        ValueError: they are more than all of it.
    """
    if sum(shares.values()) > 1 + 1e-9:
        raise ValueError(f"{' and '.join(shares)} add up to {sum(shares.values()):.2f} of {of}, more than all of them")
