"""Labels that can be read and hardly mean what they say."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from handsoff.core.errors import InputError
from handsoff.tasks.base import Label, Task


def doubts(tasks: Mapping[str, Task], names: Sequence[str], label: Callable[[str, str], Label]) -> list[str]:
    """What is doubtful about a dataset, a sentence per kind of label; mostly one label is read of each.

    Args:
        tasks: name → task.
        names: of the samples.
        label: (task, sample) → label; may raise InputError, and then nothing is said about the task.
    """

    def read(task: str) -> Iterator[Label]:
        for name in names:
            yield label(task, name)

    found = []
    for name, task in tasks.items():
        try:
            found.append(task.storage.doubt(read(name)))
        except InputError:
            continue  # whoever reads the labels for good says what is wrong
    return [sentence for sentence in found if sentence]
