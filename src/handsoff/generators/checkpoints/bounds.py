"""What reading a stranger's file may cost, and the one error that it may end in."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from handsoff.core.errors import HandsOffError, InputError

MAX_STEPS = 2_000_000  # opcodes and copied items of one file; a checkpoint of 1024 px has about 50,000


class RefusedError(InputError):
    """A pickle that asks for something that is not data, or is damaged."""


@contextmanager
def one_sentence(where: str) -> Iterator[None]:
    """Around everything that reads a stranger's file: whatever breaks inside is the file's fault, said in a sentence.

    Raises:
        RefusedError: in place of any other error; that one is its cause.
    """
    try:
        yield
    except HandsOffError:
        raise
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror or error}): give a checkpoint file.") from error
    except Exception as error:
        raise RefusedError(
            f"{where} is damaged or no checkpoint ({type(error).__name__}: {str(error)[:100]!r}): get it again."
        ) from error


@dataclass
class Budget:
    """What reading one file may cost, all pickles inside it together.

    Attributes:
        where: the file, for messages.
        steps: opcodes, and items that a call copies.
        size: bytes that are read or copied.
    """

    where: str
    size: int
    steps: int = MAX_STEPS

    @classmethod
    def of_file(cls, where: str, length: int) -> "Budget":
        """For a file of `length` bytes, which are read once or twice and never many times."""
        return cls(where, 4 * length + 2**20)

    def spend(self, *, steps: int = 0, size: int = 0) -> None:
        self.steps -= steps
        self.size -= size
        if self.steps < 0 or self.size < 0:
            what = (
                f"takes more than {MAX_STEPS:,} steps to read"
                if self.steps < 0
                else "unpacks to far more than its size"
            )
            raise RefusedError(f"{self.where} {what}: this is no checkpoint.")


class Bounded:
    """A file that reads at most what is left of it, whatever length a pickle declares: no huge allocations."""

    def __init__(self, file: io.BufferedIOBase, budget: Budget) -> None:
        self.file, self.budget, begin = file, budget, file.tell()
        self.end = file.seek(0, io.SEEK_END)
        file.seek(begin)

    def read(self, length: int) -> bytes:
        length = max(0, min(length, self.end - self.file.tell()))
        self.budget.spend(size=length)
        return self.file.read(length)

    def readline(self) -> bytes:
        line = self.file.readline()
        self.budget.spend(size=len(line))
        return line
