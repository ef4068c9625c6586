"""Writing Parquet files as Hugging Face's `datasets` loads them, and the tasks' cards beside them.

A row is a labelled image, its images being {"bytes", "path"}. Depth is a TIFF of 32-bit floats, which loads as an image
of mode F and is exact. Source: the documentation of `datasets` (Image feature, features in the schema's metadata) and
of dataset cards on the hub.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from handsoff.core.files import png, write_bytes
from handsoff.datasets.card import CARD, Card
from handsoff.formats.containers import split_of, write_cards
from handsoff.formats.exchange.huggingface import SPLIT, arrow
from handsoff.formats.samples import Entry, LabelledImage, Writing
from handsoff.tasks import TASKS
from handsoff.tasks.base import Label, Task

GROUP = 16  # rows in a row group
IMAGE_FEATURE = {"_type": "Image"}
POINTS_FEATURE = {  # Sequence is known to all versions of `datasets`
    "feature": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"},
    "_type": "Sequence",
}


def write(out: Path, part: int, samples: Iterable[LabelledImage], writing: Writing) -> list[Entry]:
    """A file per part and split."""
    pa = arrow()
    schema = schema_of(pa, writing.tasks)
    entries: list[Entry] = []
    rows: dict[str, list[dict[str, Any]]] = {}
    files: dict[str, tuple[Any, Any]] = {}

    def flush(split: str) -> None:
        if split not in files:
            sink = pa.BufferOutputStream()
            files[split] = sink, pa.parquet.ParquetWriter(sink, schema, compression="zstd", use_dictionary=False)
        files[split][1].write_table(pa.Table.from_pylist(rows.pop(split), schema=schema))

    for sample in samples:
        split = split_of(sample.name, SPLIT)
        rows.setdefault(split, []).append(row_of(sample, writing.tasks))
        entries.append({"name": sample.name})
        if len(rows[split]) == GROUP:
            flush(split)
    for split in list(rows):
        flush(split)
    for split, (sink, parquet) in files.items():
        parquet.close()
        write_bytes(out / "data" / f"{split}-{part:05d}.parquet", sink.getvalue().to_pybytes())
    return entries


def schema_of(pa: Any, tasks: Iterable[str]) -> Any:
    """The Arrow schema, with the features of `datasets` in its metadata."""
    image, numbers = pa.struct([("bytes", pa.binary()), ("path", pa.string())]), pa.list_(pa.list_(pa.float32()))
    fields = [("name", pa.string()), ("image", image)]
    features: dict[str, Any] = {"name": {"dtype": "string", "_type": "Value"}, "image": IMAGE_FEATURE}
    for task in tasks:
        files, column = bool(TASKS[task].locations[0].suffixes), TASKS[task].aliases[0]
        fields.append((column, image if files else numbers))
        features[column] = IMAGE_FEATURE if files else POINTS_FEATURE
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def row_of(sample: LabelledImage, tasks: Mapping[str, Task]) -> dict[str, Any]:
    base = PurePosixPath(sample.name).name
    suffix = PurePosixPath(sample.file).suffix.lower() if sample.data else ".png"
    row: dict[str, Any] = {
        "name": sample.name,
        "image": {"bytes": sample.data or png(sample.image), "path": f"{base}{suffix}"},
    }
    for kind, label in sample.labels.items():
        row[TASKS[kind].aliases[0]] = cell(tasks[kind], label, base)
    return row


def cell(task: Task, label: Label, base: str) -> Any:
    if not task.locations[0].suffixes:
        return label.tolist()
    data, suffix = task.storage.as_image(label)
    return {"bytes": data, "path": f"{base}{suffix}"}


def finish(out: Path, entries: list[Entry], writing: Writing) -> None:
    """The tasks' cards, and a README from which the hub and `load_dataset` learn the files of each split."""
    write_cards(out, writing.tasks)
    splits = sorted({split_of(entry["name"], SPLIT) for entry in entries})
    files = {split: [f"data/{split}-*.parquet"] for split in splits}
    title = f"Images with labels for {' and '.join(writing.tasks)}"
    card = Card(title, len(entries), writing.licence, writing.tasks, files, writing.about, synthetic=writing.synthetic)
    write_bytes(out / CARD, card.text().encode())
