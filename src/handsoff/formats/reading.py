"""Which part of an input is read, so that no output is written into it."""

from pathlib import Path
from typing import Literal

from handsoff.core.errors import InputError
from handsoff.datasets.sources import open_source
from handsoff.formats.exchange import FOLDER
from handsoff.formats.photos import recognised
from handsoff.jobs.folder import JOB

Reads = Literal["labels", "photos", "all", "made"]  # labelled data or a made folder; images; all; a made folder alone


def refuse_inside(out: Path, source: Path, reads: Reads) -> None:
    """Refuse an output folder among what is read of a source: when the work goes on, it would be read as more of that.

    Raises:
        InputError: it lies there.
    """
    if not source.is_dir() or not out.resolve().is_relative_to(source.resolve()):
        return
    read = folder_read(source, reads)
    if read is not None and out.resolve().is_relative_to(read.resolve()):
        raise InputError(f"{out} lies inside {read}, which is read: choose another output folder with -o.")


def folder_read(source: Path, reads: Reads) -> Path | None:
    """The folder all of which is read; None: single files are, which their maker named."""
    images = source / "images"
    if reads == "made":
        return None
    if reads == "labels":
        return images if images.is_dir() else None if (source / JOB).is_file() else source
    alone = reads == "photos" and images.is_dir() and recognised(open_source(source)) == FOLDER
    return images if alone else source
