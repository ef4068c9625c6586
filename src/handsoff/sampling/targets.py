"""An aim as groups of samples: which samples belong to each, and what share of the dataset each is to be.

It looks at records alone: `shows` {task: {part: share of the pixels, or 1 for a point}} and `attributes` {name: number
or word}, of generated samples and of photos alike.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from handsoff.core.errors import InputError, nearest
from handsoff.sampling.aims import EVEN, Aim, Bins, PixelShare, Share, Wish, Words
from handsoff.tasks.classes import part_titles

Record = Mapping[str, Any]  # of a sample or photo: `shows` and `attributes`
Parts = Mapping[str, Collection[str]]  # task → what its labels tell apart
LEAST = 1e-3  # share of the pixels from which on a part counts as shown: less is often a mistake of the labeler
EDGES = (5, 95)  # percentiles of what is drawn, between which "uniform" is
THIRDS = (100 / 3, 200 / 3)  # percentiles of a set that is matched, at which its values are cut
DIGITS, EXACT = 3, 17  # of a number in a title, at the least, and where all of them differ
MANY = 12  # photos from which on the distribution of their values is matched, not only how many there are
CLOSE, NEAR = 0.005, 0.05  # shares of samples that are missed by less are met; of pixels, by so much of what is asked
CLUSTER = "cluster"  # an attribute whose numbers are names


@dataclass(frozen=True)
class Group:
    """Samples of one kind, and the share of the dataset that is asked for.

    Attributes:
        title: for people.
        asked: share of the samples; of the pixels, where `pixels`.
        task: whose part it is about; "" for an attribute.
        name: the part or attribute.
        low, high: a sample belongs to the group if its value is at least `low` and below `high`,
        word: or equal to this.
    """

    title: str
    asked: float
    task: str
    name: str
    low: float = LEAST
    high: float = np.inf
    word: str | None = None
    pixels: bool = False

    def holds(self, record: Record) -> bool:
        """Whether a sample belongs to the group."""
        found = value_of(record, self.task, self.name)
        if self.word is not None:
            return found is not None and str(found) == self.word
        return is_number(found) and self.low <= found < self.high

    def knows(self, record: Record) -> bool:
        """Whether a sample or photo tells whether it belongs to the group."""
        if self.task:
            return self.task in record.get("shows", {})
        return value_of(record, "", self.name) is not None

    def tolerance(self, count: int) -> float:
        """By how much the share may be missed in a dataset of `count` samples."""
        return NEAR * max(self.asked, LEAST) if self.pixels else max(CLOSE, 1 / count)

    def counts(self, record: Record) -> float:
        """What a sample adds to the share, in [0, 1]."""
        if self.pixels:
            return float(value_of(record, self.task, self.name) or 0.0)
        return float(self.holds(record))


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_of(record: Record, task: str, name: str) -> Any:
    """The value of a part (0 where it is not shown) or of an attribute (None where it is not known)."""
    if task:
        return record.get("shows", {}).get(task, {}).get(name, 0.0)
    return record.get("attributes", {}).get(name)


def values(groups: Sequence[Group], records: Sequence[Record]) -> Float[np.ndarray, "n m"]:
    """What every sample adds to the share of every group."""
    found = (group.counts(record) for record in records for group in groups)
    return np.fromiter(found, float, len(records) * len(groups)).reshape(len(records), len(groups))


def members(group: Group, records: Sequence[Record]) -> Bool[np.ndarray, " n"]:
    return np.fromiter(map(group.holds, records), bool, len(records))


def located(name: str, parts: Parts) -> tuple[str, str] | None:
    """(task, part) of a name, which is a part or TASK/PART; None: it is no part.

    Raises:
        InputError: several tasks have such a part.
    """
    task, _, part = name.partition("/")
    if part in parts.get(task, ()):
        return task, part
    homes = [task for task, names in parts.items() if name in names]
    if len(homes) > 1:
        choices = " or ".join(f"{task}/{name}" for task in homes)
        raise InputError(f"The aim names {name}, which {' and '.join(homes)} have: write {choices}.")
    return (homes[0], name) if homes else None


def check_names(aim: Aim, parts: Parts, attributes: Mapping[str, Sequence[str]]) -> None:
    """Whether all that an aim names is there, and can be asked for so.

    Args:
        aim: what is asked for.
        parts: of the labels.
        attributes: each with the words that it can be, none where it is a number.

    Raises:
        InputError: something is not.
    """
    every = [*dict.fromkeys(part for names in parts.values() for part in names), *attributes]
    for name, wish in aim.wishes.items():
        part = located(name, parts)
        if part is None and name not in attributes:
            raise InputError(
                f"The aim names {name!r}, which is no class, point or attribute here: {nearest(name, every)}choose "
                f"among {', '.join(every)}."
            )
        if part is not None and isinstance(wish, Bins | Words):
            raise InputError(
                f"The aim asks for {name}, a part of the labels, as an attribute: write a share of the samples such as "
                f"{name} = 0.3, or of the pixels, {name} = {{pixels = 0.02}}."
            )
        if part is None and isinstance(wish, Share | PixelShare):
            raise InputError(
                f"The aim asks for a share of {name}, an attribute: write a range such as {name} = [0.2, 0.5], "
                f'"uniform", a histogram, or a share for each of its words.'
            )
        if part is None:
            check_values(name, wish, attributes[name])


def check_values(name: str, wish: Wish, words: Sequence[str]) -> None:
    """Whether an attribute can have the values that are asked for.

    Raises:
        InputError: it is a number and words are asked for, or the other way round; or it is never such a word.
    """
    for word in wish.shares if isinstance(wish, Words) else ():
        if not words:
            raise InputError(
                f"The aim asks for {name} = {word}, and {name} is a number: write a range such as {name} = [0.2, 0.5], "
                f'"uniform" or a histogram.'
            )
        if word not in words:
            raise InputError(
                f"The aim asks for {name} = {word}, which it never is: {nearest(word, words)}choose among "
                f"{', '.join(words)}."
            )
    if isinstance(wish, Bins) and wish != EVEN and words and name != CLUSTER:
        raise InputError(
            f"The aim asks for a range of {name}, which is a word: write a share for each, or "
            f'"uniform"; it is one of {", ".join(words)}.'
        )


def groups_of(aim: Aim, parts: Parts, plain: Sequence[Record], reference: Sequence[Record]) -> list[Group]:
    """The groups of an aim.

    Args:
        aim: what is asked for.
        parts: of the labels.
        plain: samples as the generator draws them, which say what an even distribution covers.
        reference: samples or photos to be like, where the aim says so.

    Raises:
        InputError: plain samples do not tell what an even distribution covers.
    """
    found = [group for name, wish in aim.wishes.items() for group in wished(name, wish, parts, plain)]
    asked = {(group.task, group.name) for group in found}
    return found + [group for group in matched(parts, reference) if (group.task, group.name) not in asked]


def wished(name: str, wish: Wish, parts: Parts, plain: Sequence[Record]) -> Iterator[Group]:
    """The groups of one wish.

    Raises:
        InputError: an even distribution is asked for, and samples do not tell what it covers.
    """
    task, part = located(name, parts) or ("", name)
    if isinstance(wish, Share | PixelShare):
        pixels = isinstance(wish, PixelShare)
        yield Group(f"{name}, share of the pixels" if pixels else name, wish.share, task, part, pixels=pixels)
    elif isinstance(wish, Words):
        yield from (Group(f"{name} {word}", share, "", name, word=word) for word, share in wish.shares.items())
    else:
        known = [value for record in plain if (value := value_of(record, "", name)) is not None]
        if wish == EVEN and not known:
            raise InputError(f"The aim asks for {name} = uniform, and no sample has a known {name}: leave it out.")
        if wish == EVEN and (name == CLUSTER or not all(map(is_number, known))):
            words = sorted(set(map(str, known)))
            yield from (Group(f"{name} {word}", 1 / len(words), "", name, word=word) for word in words)
        else:
            yield from bins(name, wish, [float(value) for value in known if is_number(value)])


def bins(name: str, wish: Bins, known: Sequence[float]) -> Iterator[Group]:
    """One group per bin of a histogram.

    Raises:
        InputError: the bins follow from the known values, and nearly all of these are alike.
    """
    low, high = wish.low, wish.high
    open_ended = low is None or high is None
    if low is None or high is None:
        low, high = spread_of(name, known)
    edges = np.linspace(low, high, len(wish.weights) + 1)
    lows, highs = edges[:-1].copy(), edges[1:].copy()
    highs[-1] = np.nextafter(highs[-1], np.inf)
    if open_ended:
        lows[0], highs[-1] = -np.inf, np.inf
    said = told_apart([float(edge) for edge in edges])
    for index, weight in enumerate(wish.weights):
        title = f"{name} {said[index]} to {said[index + 1]}"
        yield Group(title, weight / sum(wish.weights), "", name, float(lows[index]), float(highs[index]))


def spread_of(name: str, known: Sequence[float]) -> tuple[float, float]:
    """Between which values "uniform" is.

    Raises:
        InputError: nearly all are alike.
    """
    low, high = (float(value) for value in np.percentile(known, EDGES))
    if low == high:
        raise InputError(
            f"The aim asks for {name} = uniform, and nearly all samples have {name} = {low:g}: write a range such as "
            f"{name} = [0.2, 0.5], or leave it out."
        )
    return low, high


def matched(parts: Parts, reference: Sequence[Record]) -> Iterator[Group]:
    """How often every part is shown, how large it then is, and the attributes, as in a set that is to be matched.

    Shares are of the records that have labels of the task: nothing follows from those without.
    """
    titles = part_titles(parts)
    for task, names in parts.items():
        own = [record for record in reference if task in record["shows"]]
        for part in names if own else ():
            shown = [value for record in own if (value := value_of(record, task, part)) >= LEAST]
            title = titles[task, part]
            sizes = list(thirds(title, task, part, shown, len(own)))
            if len(shown) < len(own) or not sizes:
                yield Group(title, len(shown) / len(own), task, part)
            yield from sizes
    names = sorted({name for record in reference for name in record.get("attributes", {})})
    for name in names:
        telling = {task for record in reference if value_of(record, "", name) is not None for task in record["shows"]}
        own = [record for record in reference if telling & record["shows"].keys()]
        known = [value for record in own if is_number(value := value_of(record, "", name))]
        yield from thirds(name, "", name, known, len(own))


def thirds(title: str, task: str, name: str, found: Sequence[float], total: int) -> Iterator[Group]:
    """Three groups of values, each with the share that it has in what is matched."""
    if len(found) < MANY or min(found) == max(found):
        return
    first, second = (float(value) for value in np.percentile(found, THIRDS))
    edges = [*([LEAST] if task else []), first, second]
    texts = dict(zip(edges, told_apart(edges), strict=True))
    for low, high in ((LEAST if task else -np.inf, first), (first, second), (second, np.inf)):
        inside = sum(low <= value < high for value in found)
        said = " to ".join(texts[value] for value in (low, high) if np.isfinite(value))
        yield Group(f"{title}, {said}", inside / total, task, name, low, high)


def told_apart(values: Sequence[float]) -> list[str]:
    """Numbers as text, with as many digits as it takes for different ones to differ.

    >>> told_apart([1990, 1992, 1994]), told_apart([0.25, 0.5])
    (['1990', '1992', '1994'], ['0.25', '0.5'])
    """
    for digits in range(DIGITS, EXACT):
        found = [f"{value:.{digits}g}" for value in values]
        if len(set(found)) == len(set(values)):
            return found
    return [repr(value) for value in values]
