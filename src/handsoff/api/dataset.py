"""Labelled images of any format as a map-style dataset of PyTorch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Subset

from handsoff.api.signatures import AnyPath
from handsoff.core.errors import InputError
from handsoff.datasets.sources import open_source
from handsoff.formats import exchange
from handsoff.formats.samples import Dataset as Opened
from handsoff.tasks.base import Label, Task

COLOURED = 3  # axes of a label that has several numbers per pixel
TensorLabel = Tensor | dict[str, Tensor]
Transforms = Callable[[Tensor, TensorLabel], Any]


class Dataset(TorchDataset[Any]):
    """Images with their labels, as tensors: a generated dataset, a labelled folder, or any format that HandsOff reads.

    Sample i is (image, label), or what `transforms(image, label)` makes of it. The image is uint8 [3, H, W], RGB. The
    label is, by task: segmentation int64 [H, W] (class ids, 255 = ignored), keypoints float32 [K, 3] (x, y in pixels,
    visibility 0 to 2), depth float32 [H, W], normals uint8 [3, H, W]; see docs/tasks.md.

    Attributes:
        names: of the samples, in order.
        tasks: name → task of the labels.
        licence: of the images, "" where it is unknown.
    """

    def __init__(
        self,
        path: AnyPath,
        task: str | None = None,
        transforms: Transforms | None = None,
        *,
        split: str | None = None,
        source: str | None = None,
    ) -> None:
        """Open a dataset; images are read when they are asked for.

        Args:
            path: A folder or zip.
            task: Which labels; without it the only kind there is, or, of several, a dict with all of them.
            transforms: Called with every image and label.
            split: Only the samples of this split (train, val, …).
            source: The name of its format, where HandsOff does not recognise it.

        Raises:
            InputError: It is no labelled dataset, or has no such split or labels.
            UnknownNameError: There is no such format.
        """
        self.path, self.source, self.transforms = Path(path), source, transforms
        self._opened: tuple[int, Opened] | None = None
        opened = self._open()
        tasks = dict(opened.tasks)
        if task is not None and task not in tasks:
            raise InputError(f"{path} has no labels for {task}, only for {', '.join(tasks)}: choose one of those.")
        self.tasks: dict[str, Task] = tasks if task is None else {task: tasks[task]}
        self.names = tuple(name for name in opened.names if split is None or name.startswith(f"{split}/"))
        if not self.names:
            splits = sorted({name.partition("/")[0] for name in opened.names if "/" in name})
            raise InputError(f"{path} has no split {split!r}: its splits are {', '.join(splits) or 'not named'}.")
        self.licence = opened.licence

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what the labels tell apart (classes or points), by id; () where there are none or several tasks."""
        (first, *others) = self.tasks.values()
        return () if others else first.parts

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int | slice) -> Any:
        """Sample `index`; of a slice its samples as a `torch.utils.data.Subset`, which reads them one by one.

        Raises:
            IndexError: There are not so many.
            InputError: A file of it is damaged.
        """
        if isinstance(index, slice):
            return Subset(self, range(len(self))[index])
        sample = self._open().read(self.names[index])
        image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
        labels = {name: as_tensor(sample.labels[name]) for name in self.tasks}
        label = labels if len(labels) > 1 else next(iter(labels.values()))
        return (image, label) if self.transforms is None else self.transforms(image, label)

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {len(self)} samples, {', '.join(self.tasks)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}  # open files do not travel to other processes

    def _open(self) -> Opened:
        """The dataset as this process opened it: processes that share a zip's file handle would disturb each other."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), exchange.open_dataset(open_source(self.path), self.source)
        return self._opened[1]


def as_tensor(label: Label) -> Tensor:
    """A label as networks take it: ids of pixels as int64, colours before rows and columns, numbers as float32."""
    if label.ndim == COLOURED:
        return torch.from_numpy(np.ascontiguousarray(label.transpose(2, 0, 1)))
    values = torch.from_numpy(np.ascontiguousarray(label))
    return values.float() if values.is_floating_point() else values.long()
