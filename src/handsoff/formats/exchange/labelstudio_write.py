"""Tasks to import into Label Studio: annotated images, and `label_config.xml` for the project.

Masks are written as brush strokes, keypoints as key points, in the form that `labelstudio` reads. Labels that were
generated are there twice: as an annotation, and as a prediction whose score is 1 − their uncertainty. Those of a queue
are predictions alone: what comes back annotated was looked at by somebody.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Float, UInt8

from handsoff.core.errors import InputError
from handsoff.core.files import write_bytes
from handsoff.core.frames import Frame
from handsoff.core.images import IGNORE
from handsoff.formats.drawn import IGNORED
from handsoff.formats.exchange.brush import brush_runs
from handsoff.formats.exchange.folder import UNCERTAINTY
from handsoff.formats.exchange.labelstudio import ABSENT
from handsoff.formats.exchange.labelstudio_config import CONFIG
from handsoff.formats.exchange.labelstudio_regions import HIDDEN, PERCENT
from handsoff.formats.manifest import write_image
from handsoff.formats.samples import Entry, LabelledImage, Writing
from handsoff.formats.shapes import background_of, listed_classes
from handsoff.tasks.base import Task

MODEL = "handsoff"  # the name of the model that made the predictions
# What XML cannot hold, and the sign of labels that Label Studio reads from the data of a task.
UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|^[$]")
DIGITS = 8  # decimals of a percentage: exact to a thousandth of a pixel in images of any size


def check(names: Sequence[str], tasks: Mapping[str, Task]) -> None:  # noqa: ARG001  # addresses are quoted
    """Refuse classes and points that the labelling configuration cannot name.

    Raises:
        InputError: there is one.
    """
    strange = next((part for task in tasks.values() for part in task.parts if UNWRITABLE.search(part)), None)
    if strange is not None:
        raise InputError(
            f"The class or point {strange!a} cannot be a label in Label Studio, which allows no control characters and "
            "no $ in front: rename it."
        )


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:
    """A file of tasks per part: Label Studio imports several at once."""
    tasks, entries = [], []
    for sample in samples:
        address = served(write_image(out, sample), writing.prefix)
        tasks.append(task_of(sample, address, writing.tasks, waiting=writing.queued))
        entries.append({"name": sample.name})
    if tasks:
        write_bytes(out / f"tasks-{part:05d}.json", json.dumps(tasks, ensure_ascii=False).encode())
    return entries


def served(file: str, prefix: str) -> str:
    """The address of a file that Label Studio serves from its local files, below `prefix` in their root."""
    return f"/data/local-files/?d={quote('/'.join([*prefix.strip('/').split('/'), file] if prefix else [file]))}"


def task_of(sample: LabelledImage, address: str, tasks: Mapping[str, Task], *, waiting: bool) -> dict[str, Any]:
    """An annotated task, of a generated sample with its labels as a prediction as well; that alone while it waits."""
    data: dict[str, Any] = {"image": address}
    results: list[dict[str, Any]] = []
    if "segmentation" in tasks:
        results += brush_results(sample.labels["segmentation"], tasks["segmentation"].parts)
    if "keypoints" in tasks:
        found, absent = point_results(sample.labels["keypoints"], tasks["keypoints"].parts, sample.size)
        results += found
        data |= {ABSENT: absent} if absent else {}
    common = {
        "to_name": "image",
        "original_width": sample.size[1],
        "original_height": sample.size[0],
        "image_rotation": 0,
    }
    made = [{**result, **common} for result in results]
    task: dict[str, Any] = {"data": data}
    if not waiting:
        task["annotations"] = [{"result": made, "was_cancelled": False, "ground_truth": False}]
    uncertainty = sample.account.get(UNCERTAINTY)
    if uncertainty is not None:
        score = round(1 - uncertainty, DIGITS)
        task["predictions"] = [{"model_version": MODEL, "score": score, "result": made}]
    return task


def brush_results(mask: UInt8[np.ndarray, "h w"], classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One result per class, and one of the ignored pixels.

    Raises:
        InputError: there are such, and no label is left for them.
    """
    labels = {index: name for index, name in enumerate(classes) if name != background_of(classes)}
    ignored = ignore_label(classes)
    if ignored is not None:
        labels[IGNORE] = ignored
    elif (mask == IGNORE).any():
        both = " and ".join(sorted(IGNORED, reverse=True))
        raise InputError(
            f"Ignored pixels have no name in Label Studio beside classes called {both}: rename one of them."
        )
    for index, label in labels.items():
        marked = mask == index
        if marked.any():
            value = {"format": "rle", "rle": brush_runs(marked), "brushlabels": [label]}
            yield {"id": f"mask-{index}", "type": "brushlabels", "from_name": "mask", "value": value}


def point_results(
    label: Float[np.ndarray, "k 3"], names: Sequence[str], size: Frame
) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """The results of the points in the image, and name → location of the others."""
    locations = ((label[:, :2].astype(np.float64) + 0.5) / [size[1], size[0]] * PERCENT).round(DIGITS).tolist()
    found, absent = [], {}
    for index, (name, (x, y), seen) in enumerate(zip(names, locations, label[:, 2], strict=True)):
        if not seen:
            absent[name] = [x, y]
            continue
        note = {"meta": {"text": [HIDDEN]}} if seen == 1 else {}
        value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
        found.append({"id": f"point-{index}", "type": "keypointlabels", "from_name": "points", "value": value, **note})
    return found, absent


def ignore_label(classes: Sequence[str]) -> str | None:
    """What ignored pixels are called, None where classes have all such names."""
    return next((label for label in sorted(IGNORED, reverse=True) if label not in classes), None)


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:  # noqa: ARG001  # the project is the same whatever was written
    """The labelling configuration of the project."""
    view = ET.Element("View")
    ET.SubElement(view, "Image", name="image", value="$image")
    controls: list[tuple[str, str, list[str]]] = []
    if "segmentation" in writing.tasks:
        classes = list(writing.tasks["segmentation"].parts)
        controls.append(("BrushLabels", "mask", list(filter(None, [*listed_classes(classes), ignore_label(classes)]))))
    if "keypoints" in writing.tasks:
        controls.append(("KeyPointLabels", "points", list(writing.tasks["keypoints"].parts)))
    for tag, name, labels in controls:
        control = ET.SubElement(view, tag, name=name, toName="image")
        for label in labels:
            ET.SubElement(control, "Label", value=label)
    ET.indent(view)
    write_bytes(out / CONFIG, ET.tostring(view, encoding="utf-8") + b"\n")
