"""Sequences whose items are made when they are looked at: millions of them take no memory."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

T = TypeVar("T")


class Lazy(Sequence[T]):
    """A sequence of which a subclass says its length and makes the items; slices make theirs as late."""

    @abstractmethod
    def item(self, place: int) -> T:
        """The item at a place, from 0 to the length - 1."""

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Slice[T]": ...
    def __getitem__(self, index: int | slice) -> "T | Slice[T]":
        places = range(len(self))
        return Slice(self, places[index]) if isinstance(index, slice) else self.item(places[index])


@dataclass(frozen=True)
class Slice(Lazy[T]):
    """Some items of a lazy sequence.

    Attributes:
        whole: the sequence.
        places: of the items in it.
    """

    whole: Lazy[T]
    places: range

    def __len__(self) -> int:
        return len(self.places)

    def item(self, place: int) -> T:
        return self.whole.item(self.places[place])
