"""A generated dataset as its folder holds it: manifest, records of the samples, uncertainty maps."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from handsoff.core.files import read_json
from handsoff.core.images import decode_mask
from handsoff.datasets.labelled import LabelledDataset, open_like
from handsoff.tasks import make_task
from handsoff.tasks.base import Task


@dataclass(frozen=True)
class GeneratedDataset:
    """A folder of `handsoff generate`.

    Attributes:
        manifest: tasks, image_size, framing, licence, …
    """

    folder: Path
    manifest: dict[str, Any]

    def tasks(self) -> dict[str, Task]:
        return {name: make_task(name, schema) for name, schema in self.manifest["tasks"].items()}

    def records(self) -> list[dict[str, Any]]:
        """What `samples.jsonl` says of every sample that was drawn."""
        ledger = self.folder / "samples.jsonl"
        lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.is_file() else []
        return [json.loads(line) for line in lines if line.strip()]

    def labelled(self, task: str) -> LabelledDataset:
        return open_like(self.folder, {task: self.manifest["tasks"][task]})

    def uncertainty_map(self, name: str, task: str) -> Float[np.ndarray, "h w"] | None:
        """Uncertainty in [0, 1], None where there is no map."""
        folder = "uncertainty" if len(self.manifest["tasks"]) == 1 else f"uncertainty-{task}"
        file = self.folder / folder / f"{name}.png"
        return decode_mask(file.read_bytes(), file.name).astype(np.float32) / 255 if file.is_file() else None


def open_generated(folder: Path) -> GeneratedDataset:
    """The dataset in a folder.

    Raises:
        InputError: it has no readable manifest.
    """
    return GeneratedDataset(folder, read_json(folder / "manifest.json"))
