"""Reading Parquet files as Hugging Face's `datasets` writes and loads them: a row is a labelled image.

Images are {"bytes", "path"} (the Image feature of `datasets`) or plain bytes.
"""

import importlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from threading import Lock
from typing import Any, NamedTuple

from handsoff.core.errors import HandsOffError, InputError
from handsoff.datasets.sources import MAX_BYTES, Source
from handsoff.formats.containers import (
    declare_tasks,
    full_name,
    load_image_bytes,
    split_in,
)
from handsoff.formats.manifest import manifest_licence
from handsoff.formats.notes import counted
from handsoff.formats.samples import Dataset, LabelledImage
from handsoff.tasks import TASKS
from handsoff.tasks.base import Parse

SPLIT = "train"  # of samples whose names have no split
IMAGES = ("image", "img", "photo", "pixel_values")
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    NotImplementedError,
    MemoryError,
    OverflowError,
    RuntimeError,
)


@dataclass(frozen=True)
class Shard:
    """A Parquet file with images.

    Attributes:
        columns: "image" or a task → its column.
        groups: rows in each row group.
        names: the name of every row, None where the file has no names.
        bare: whether nothing beside the images could be a label, whatever it is called.
    """

    file: str
    columns: dict[str, str]
    groups: tuple[int, ...]
    names: tuple[str | None, ...]
    bare: bool


class Row(NamedTuple):
    """Where a labelled image is stored: row `number` of a row group."""

    shard: Shard
    group: int
    number: int


def arrow() -> Any:
    """The package pyarrow.

    Raises:
        HandsOffError: it is not installed.
    """
    try:
        for module in ("compute", "parquet"):
            importlib.import_module(f"pyarrow.{module}")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise HandsOffError(
            "Parquet files need the package pyarrow: install it with pip install 'handsoff-labels[parquet]'."
        ) from None


def recognises(source: Source) -> bool:
    return any(is_parquet(file) for file in source.sizes)


def is_parquet(file: str) -> bool:
    return PurePosixPath(file).suffix.lower() == ".parquet"


def read(source: Source) -> Dataset:
    """Names come from the column `name`; where that is missing or not unique, rows are numbered within their split.

    Raises:
        InputError: no file has images with labels, or one has other kinds of label than the others.
    """
    found = [shard for file in source.sizes if is_parquet(file) for shard in read_shards(source, file)]
    shards = [shard for shard in found if not shard.bare]
    kinds = [task for task in TASKS if any(task in shard.columns for shard in shards)]
    for shard in shards:
        if missing := [task for task in kinds if task not in shard.columns]:
            raise InputError(
                f"{source.path / shard.file} has no labels for {missing[0]}, as others have: add the column "
                f"{TASKS[missing[0]].aliases[0]} or remove it."
            )
    rows = rows_by_name(shards)
    if not kinds or not rows:
        wanted = "a column called image and one called mask (or keypoints, depth, normals), images being {bytes, path}"
        raise InputError(f"{source.path} has Parquet files, but no images with labels in them: they need {wanted}.")
    values = reader_of(source)
    first = next(iter(rows))
    examples = {}
    for task in kinds:
        column, where = rows[first].shard.columns[task], f"{source.path / rows[first].shard.file}: {first}"
        examples[task] = (
            None
            if TASKS[task].locations[0].suffixes
            else TASKS[task].first_entry(values(rows[first], column), f"{where}, column {column},")
        )
    tasks, parses = declare_tasks(source, examples)
    return Dataset(
        tuple(rows),
        tasks,
        lambda name: read_image(source, values, parses, rows[name], name),
        manifest_licence(source),
        tuple(unlabelled_note(source, [shard for shard in found if shard.bare])),
    )


def unlabelled_note(source: Source, shards: Sequence[Shard]) -> list[str]:
    """What to tell of the images in files without labels."""
    first = f"the first is {shards[0].file}" if shards else ""
    count = sum(sum(shard.groups) for shard in shards)
    return counted(source.path, count, f"{{is}} in Parquet files without labels, and left out ({first})", "image")


def read_shards(source: Source, file: str) -> Iterator[Shard]:
    """The file if it has a column of images, else nothing.

    Raises:
        InputError: the Parquet file is damaged, or a row group is too large to be read at once.
    """
    with open_parquet(source, file) as parquet:
        columns = columns_of(parquet.schema_arrow)
        if "image" not in columns:
            return
        others = [field.type for field in parquet.schema_arrow if field.name != columns["image"]]
        bare = not any(holds_files(kind) or holds_lists(kind) for kind in others)
        groups = [parquet.metadata.row_group(index) for index in range(parquet.metadata.num_row_groups)]
        if any(group.total_byte_size > MAX_BYTES for group in groups):
            raise ValueError(f"a row group of more than {MAX_BYTES:,} bytes")
        counts = tuple(group.num_rows for group in groups)
        if min(counts, default=0) < 0 or sum(counts) > source.sizes[file]:
            raise ValueError(f"{sum(counts):,} rows in {source.sizes[file]:,} bytes")
        text = "name" in parquet.schema_arrow.names and str(parquet.schema_arrow.field("name").type) in {
            "string",
            "large_string",
        }
        names = tuple(parquet.read(columns=["name"]).column("name").to_pylist()) if text else (None,) * sum(counts)
        if len(names) != sum(counts):
            raise ValueError(f"{len(names)} names for {sum(counts)} rows")
    yield Shard(file, columns, counts, names, bare)


def columns_of(schema: Any) -> dict[str, str]:
    """What a column is used for ("image" or a task) → the first column with a fitting name and type."""
    found = {}
    for use, names in {"image": IMAGES, **{name: task.aliases for name, task in TASKS.items()}}.items():
        fits = holds_files if use == "image" or TASKS[use].locations[0].suffixes else holds_lists
        column = next((name for name in names if schema.names.count(name) == 1 and fits(schema.field(name).type)), None)
        if column is not None:
            found[use] = column
    return found


def holds_files(kind: Any) -> bool:
    """Whether a column of this type may hold images: bytes, or {bytes, path}."""
    types = arrow().types
    held = kind.field("bytes").type if types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    return bool(types.is_binary(held) or types.is_large_binary(held))


def holds_lists(kind: Any) -> bool:
    """Whether a column of this type may hold points: lists of lists."""
    types = arrow().types
    sequences = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(check(kind) for check in sequences) and any(check(kind.value_type) for check in sequences)


def rows_by_name(shards: Iterable[Shard]) -> dict[str, Row]:
    """Name → row, sorted.

    Raises:
        InputError: a name cannot be a file's name, or two samples have the same name.
    """
    rows = [
        Row(shard, group, number)
        for shard in shards
        for group, count in enumerate(shard.groups)
        for number in range(count)
    ]
    stated = [name for shard in shards for name in shard.names]
    if all(stated) and len(set(stated)) == len(stated):
        names = [full_name(str(name), row.shard.file, SPLIT) for name, row in zip(stated, rows, strict=True)]
    else:
        splits = [split_in(row.shard.file, SPLIT) for row in rows]
        counters = {split: itertools.count() for split in splits}
        names = [f"{split}/{next(counters[split]):06d}" for split in splits]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"The Parquet files have two samples called {twice!r}: rename one of them.")
    return dict(sorted(zip(names, rows, strict=True), key=lambda pair: pair[0]))


@contextmanager
def open_parquet(source: Source, file: str) -> Iterator[Any]:
    """A Parquet file.

    Raises:
        InputError: the file is damaged, or reading from it fails.
    """
    pa = arrow()
    try:
        readable = str(source.path / file) if source.archive is None else pa.BufferReader(source.read(file))
        with pa.parquet.ParquetFile(readable) as parquet:
            yield parquet
    except (*UNREADABLE, pa.ArrowException) as error:
        message = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise InputError(
            f"{source.path / file} is not a readable Parquet file ({message}): copy or write it again."
        ) from None


def reader_of(source: Source) -> Callable[[Row, str], Any]:
    """A function (row, column) → value, or an image's bytes. It caches row groups, as samples are read in order."""
    pa, lock = arrow(), Lock()

    @lru_cache(maxsize=2)
    def group(file: str, index: int, columns: tuple[str, ...]) -> dict[str, Any]:
        with open_parquet(source, file) as parquet:
            table = parquet.read_row_group(index, columns=list(columns))
            found = {column: table.column(column) for column in columns}
            return {
                name: pa.compute.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
                for name, column in found.items()
            }

    def value(row: Row, column: str) -> Any:
        with lock:
            found = group(row.shard.file, row.group, tuple(row.shard.columns.values()))
        return found[column][row.number].as_py()

    return value


def read_image(
    source: Source, values: Callable[[Row, str], Any], parses: dict[str, Parse], row: Row, name: str
) -> LabelledImage:
    where = f"{source.path / row.shard.file}: {name}"
    columns = row.shard.columns
    wheres = {use: f"{where}, column {column}," for use, column in columns.items()}
    photo = load_image_bytes(image_bytes(values(row, columns["image"]), wheres["image"]), name, wheres["image"])
    labels = {}
    for kind, parse in parses.items():
        value = values(row, columns[kind])
        labels[kind] = parse(
            image_bytes(value, wheres[kind]) if TASKS[kind].locations[0].suffixes else value, wheres[kind], photo.size
        )
    return LabelledImage(name, photo.image, labels, photo.file, photo.data)


def image_bytes(data: Any, where: str) -> bytes:
    """The bytes of an image feature.

    Raises:
        InputError: the cell has a path without bytes, or is empty.
    """
    if not isinstance(data, bytes) or not data:
        raise InputError(
            f"{where} holds no bytes, at most the path of a file elsewhere: write the Parquet file again with the "
            "images in it."
        )
    return data
