"""What `evaluate` leaves of its test for the report: `test.jsonl`, the scores of every sample, and pictures of some.

The pictures lie in archives: `test.zip` has images and true labels, `predictions/ARM.zip` what the arm's first model
predicted.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handsoff.report.gallery import data_uri

IMAGE, LABEL, BARE = "image", "label", "bare"  # BARE: a label without its image
TRUTH = ""  # in place of an arm's name: the archive of images and true labels
LINES = "test.jsonl"


@dataclass(frozen=True)
class Sample:
    """One test sample.

    Attributes:
        index: its place in the test, by which its pictures are named.
        scores: arm → its main metric on this sample alone, None where the label says nothing.
        parts: arm → class or point → its score in this sample, None where it does not occur.
    """

    index: int
    name: str
    scores: Mapping[str, float | None]
    parts: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Examples:
    """The samples and pictures of one report; both are empty where it has none."""

    samples: list[Sample]
    archives: Mapping[str, Mapping[str, bytes]]

    def picture(self, archive: str, index: int, kind: str) -> str | None:
        """One picture as a data URI."""
        data = self.archives.get(archive, {}).get(picture_name(index, kind))
        return None if data is None else data_uri(data)

    @property
    def drawn(self) -> list[Sample]:
        """The samples that have a picture."""
        return [sample for sample in self.samples if picture_name(sample.index, IMAGE) in self.archives.get(TRUTH, {})]


def open_examples(report: Path, arms: list[str]) -> Examples:
    """What a report's folder has of it; damaged files count as missing."""
    archives = {name: archive_of(archive_path(report, name)) for name in (TRUTH, *arms)}
    try:
        lines = (report / LINES).read_bytes().splitlines()  # of bytes: in texts, a name may hold other line ends
        samples = [Sample(index, **json.loads(line)) for index, line in enumerate(lines)]
    except (OSError, ValueError, TypeError):
        samples = []
    return Examples(samples, archives)


def archive_path(report: Path, arm: str) -> Path:
    return report / "predictions" / f"{arm}.zip" if arm else report / "test.zip"


def archive_of(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return {}


def picture_name(index: int, kind: str) -> str:
    return f"{index:06d}-{kind}.webp"


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive that is the same whenever it is written."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def lines_of(samples: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples).encode()
