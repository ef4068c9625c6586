"""The card of a dataset: `README.md`, whose YAML head the Hugging Face hub reads, and whose text people read.

Source: the hub's documentation of dataset cards (licence identifiers, size categories, task categories, data files).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from handsoff.tasks.base import Task

CARD = "README.md"
BEGIN, END = "<!-- made by handsoff: begin -->", "<!-- made by handsoff: end -->"  # around how a dataset was made
CATEGORIES = {  # task → what the hub calls it
    "segmentation": "image-segmentation",
    "keypoints": "keypoint-detection",
    "depth": "depth-estimation",
    "normals": "image-to-image",
}
SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
LARGEST = "10M<n<100M"
CC = ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd")
LICENCES = {  # the hub's identifiers
    *(f"cc-{kind}-{number}" for kind in CC for number in ("2.0", "3.0", "4.0")),
    *("apache-2.0", "mit", "cc0-1.0", "bsd-2-clause", "bsd-3-clause", "odbl", "pddl", "gpl-3.0", "unlicense"),
}
SHORT = {"cc0": "cc0-1.0", "public-domain": "cc0-1.0"}


def as_yaml(values: Mapping[str, object]) -> str:
    """Readable YAML where that means the same, else with every special character escaped (U+0085 breaks lines)."""
    readable: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000)
    if yaml.safe_load(readable) == values:
        return readable
    escaped: str = yaml.safe_dump(values, sort_keys=False, width=1000)
    return escaped


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        title: of the dataset.
        count: of its samples.
        licence: of its images, "" where it is unknown.
        tasks: of its labels.
        files: split → patterns of its files, as the hub loads them.
        about: Markdown after the first sentence: how the dataset was made.
        layout: Markdown about the files.
        synthetic: whether its images were generated.
    """

    title: str
    count: int
    licence: str
    tasks: Mapping[str, Task]
    files: Mapping[str, Sequence[str]]
    about: str = ""
    layout: str = ""
    synthetic: bool = False

    def text(self) -> str:
        """The whole file."""
        head = as_yaml(self.head())
        kind = "generated images" if self.synthetic else "images"
        first = f"{self.count:,} {kind} with labels ({', '.join(self.tasks)}), written by HandsOff."
        explained = ["\n".join(lines) for task in self.tasks.values() if (lines := label_lines(task))]
        about = [f"{BEGIN}\n{self.about}\n{END}"] if self.about else []
        licence = f"## Licence\n\n{self.licence or 'Unknown: ask whoever made the images.'}"
        return (
            "\n\n".join(
                [
                    f"---\n{head}---",
                    f"# {self.title}",
                    first,
                    *explained,
                    *([self.layout] if self.layout else []),
                    *about,
                    licence,
                ]
            )
            + "\n"
        )

    def head(self) -> dict[str, Any]:
        """What the hub reads."""
        categories = [CATEGORIES[name] for name in self.tasks if name in CATEGORIES]
        config = {
            "config_name": "default",
            "data_files": [split_files(split, self.files[split]) for split in self.files],
        }
        return {
            "pretty_name": self.title,
            **licence_fields(self.licence),
            **({"task_categories": categories} if categories else {}),
            "size_categories": [size_category(self.count)],
            "tags": ["handsoff", *(["synthetic"] if self.synthetic else []), *self.tasks],
            "configs": [config],
        }


def split_files(split: str, patterns: Sequence[str]) -> dict[str, Any]:
    return {"split": split, "path": patterns[0] if len(patterns) == 1 else list(patterns)}


def licence_fields(licence: str) -> dict[str, str]:
    """The hub's identifier where it has one for these terms; their own words otherwise; nothing where none are known.

    >>> licence_fields("CC BY 4.0"), licence_fields("CC0"), licence_fields("ask us")
    ({'license': 'cc-by-4.0'}, {'license': 'cc0-1.0'}, {'license': 'other', 'license_name': 'ask us'})
    """
    if not licence:
        return {}
    plain = "-".join(licence.lower().split())
    found = SHORT.get(plain, plain)
    return {"license": found} if found in LICENCES else {"license": "other", "license_name": licence}


def size_category(count: int) -> str:
    return next((name for limit, name in SIZES.items() if count < limit), LARGEST)


def label_lines(task: Task) -> list[str]:
    """What a task's labels mean, nothing where its name says all."""
    table = ["| id | name |", "|---|---|", *(f"| {index} | {cell(name)} |" for index, name in enumerate(task.parts))]
    told = task.storage.explain() or (table if task.parts else [])
    return [f"## Labels: {task.name}", "", *told] if told else []


def cell(text: str) -> str:
    """A text that stays within its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def account_in(card: str) -> str:
    """How a dataset was made, from the card that came with it; "" where it does not say."""
    return card.partition(BEGIN)[2].partition(END)[0].strip()
