"""Label Studio's exports, JSON and JSON-MIN, as tasks with the one of their annotations that counts.

JSON has a list of tasks, each with its `annotations`. JSON-MIN has a flat record per annotation: the task's data, and
under the names of the tools what was drawn, without types, ids and notes.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any

from handsoff.core.errors import InputError
from handsoff.datasets.sources import Source
from handsoff.formats.drawn import json_object, json_objects
from handsoff.formats.exchange.labelstudio_regions import PLACED, REMARKS, SHAPES, Found

MAX_LOOK = 16  # files that are opened to recognise the format
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Answer:
    """A task's data with the results of one annotation, None if no annotation counts."""

    where: str
    data: Mapping[str, Any]
    results: list[Found] | None


def json_files(source: Source) -> list[str]:
    """The files that may hold tasks; those named as Label Studio or HandsOff names them come first."""
    files = [file for file in source.sizes if file.lower().endswith(".json")]
    return sorted(files, key=lambda file: (not PurePosixPath(file).name.startswith(("tasks", "project-")), file))


def is_export(data: bytes) -> bool:
    """Whether a file looks like a list of tasks, as JSON or JSON-MIN."""
    if data.removeprefix(BOM).lstrip()[:1] != b"[":
        return False
    tasks = b'"data"' in data and (b'"annotations"' in data or b'"predictions"' in data)
    return tasks or is_min(data)


def is_min(data: bytes) -> bool:
    return b'"annotation_id"' in data and b'"lead_time"' in data and b'"annotations"' not in data


def is_recognised(source: Source) -> bool:
    for file in json_files(source)[:MAX_LOOK]:
        try:
            if is_export(source.read(file)):
                return True
        except InputError:
            continue
    return False


def answers(source: Source, file: str, notes: Counter[str]) -> Iterator[Answer]:
    """The tasks of a file.

    Raises:
        InputError: the file is damaged.
    """
    where = str(source.path / file)
    records = json_objects(source.json(file), where)
    if is_min(source.read(file)):
        yield from min_answers(records, where, notes)
        return
    for index, task in enumerate(records):
        here = f"{where}[{index}]"
        made = json_objects(task.get("annotations", []), f"{here}.annotations")
        chosen = best(made, notes)
        if chosen is None:
            yield Answer(here, {}, None)
            continue
        there = f"{here}.annotations[{chosen}].result"
        results = json_objects(made[chosen].get("result"), there)
        data = json_object(task.get("data"), f"{here}.data")
        yield Answer(here, data, [(result, f"{there}[{number}]") for number, result in enumerate(results)])


def best(made: list[dict[str, Any]], notes: Counter[str]) -> int | None:
    """The index of the annotation that counts, None if there is none.

    It is the one updated last (without times the last one) of those marked as ground truth, else of all that were not
    cancelled.
    """
    valid = [index for index, found in enumerate(made) if not (found.get("was_cancelled") or found.get("skipped"))]
    asked = [index for index in valid if made[index].get("ground_truth")] or valid
    notes["several"] += len(valid) > 1
    return max(asked, key=lambda index: (changed(made[index]), index), default=None)


def changed(annotation: Mapping[str, Any]) -> str:
    """When an annotation was changed last, as a text that can be compared; "" if it does not say."""
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def min_answers(records: list[dict[str, Any]], where: str, notes: Counter[str]) -> Iterator[Answer]:
    """The tasks of a JSON-MIN export, whose annotations are records with the same task id."""
    tasks: dict[Any, list[int]] = {}
    for index, record in enumerate(records):
        number = record.get("id")
        tasks.setdefault(number if isinstance(number, int | str) else (index,), []).append(index)
    for group in tasks.values():
        made = [index for index in group if records[index].get("annotation_id") is not None]
        chosen = best([records[index] for index in made], notes)
        if chosen is None:
            yield Answer(f"{where}[{group[0]}]", {}, None)
            continue
        here = f"{where}[{made[chosen]}]"
        notes["min"] += 1
        yield Answer(here, records[made[chosen]], min_results(records[made[chosen]], here))


def min_results(record: Mapping[str, Any], where: str) -> list[Found]:
    """What was drawn, with the types and ids that JSON-MIN leaves out: equal geometries belong together."""
    results = []
    for name, drawn in record.items():
        if not (isinstance(drawn, list) and drawn and all(isinstance(value, dict) for value in drawn)):
            continue
        for index, value in enumerate(drawn):
            place = {key: value[key] for keys in SHAPES.values() for key in keys if key in value}
            result = {
                "id": blake2b(json.dumps(place, sort_keys=True).encode(), digest_size=8).hexdigest() if place else None,
                "type": min_type(value),
                "value": value,
                "original_width": value.get("original_width"),
                "original_height": value.get("original_height"),
            }
            results.append((result, f"{where}.{name}[{index}]"))
    return results


def min_type(value: Mapping[str, Any]) -> str:
    """The type of a result from the keys of its value."""
    labels = next((key for key, listed in value.items() if key.endswith("labels") and isinstance(listed, list)), None)
    if labels is not None:
        return labels
    remark = next((key for key in value if key in REMARKS or key == "text"), None)
    if remark is not None:
        return "textarea" if remark == "text" else remark
    shape = next((shape for shape, needed in SHAPES.items() if value.keys() >= set(needed)), None)
    return shape or ("unknown" if not PLACED.isdisjoint(value) else "remark")
