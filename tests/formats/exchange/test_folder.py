"""Every format that can be written is written, moved, read back and compared exactly."""

import io
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from handsoff.core.files import write_json
from handsoff.core.images import IGNORE
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import READERS, WRITERS, format_of, open_dataset
from handsoff.formats.samples import Dataset, LabelledImage, Writing
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.tasks import make_task
from handsoff.tasks.base import Task

CLASSES = ("background", "skin", "left eye", "Haar")
POINTS = ("nose", "left_ear", "right_ear")
TASKS: dict[str, Task] = {
    "segmentation": make_task("segmentation", {"classes": list(CLASSES)}),
    "keypoints": make_task("keypoints", {"names": list(POINTS), "mirror": [[1, 2]]}),
    "depth": make_task("depth", {"unit": "metres", "range": [0.5, 80.0]}),
    "normals": make_task("normals", {}),
}


def sample(name: str, size: tuple[int, int], seed: int, *, ignored: bool = True) -> LabelledImage:
    """Noise as an image, blocks as classes, points on a grid of thousandths, depth with holes."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    rough = rng.integers(0, len(CLASSES), (size[0] // 3 + 1, size[1] // 3 + 1))
    mask = np.kron(rough, np.ones((3, 3), int))[: size[0], : size[1]].astype(np.uint8)
    if ignored:
        mask[rng.random(size) < 0.1] = IGNORE
    points = np.column_stack(
        [rng.uniform(0, size[1] - 1, 3), rng.uniform(0, size[0] - 1, 3), rng.integers(0, 3, 3)]
    ).round(3)
    depth = np.where(rng.random(size) < 0.2, 0, rng.uniform(0.5, 80, size)).astype(np.float32)
    depth[0, 0] = 1.0
    normals = rng.integers(1, 256, (*size, 3), dtype=np.uint8)
    labels = {"segmentation": mask, "keypoints": points.astype(np.float32), "depth": depth, "normals": normals}
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return LabelledImage(name, image, labels, f"images/{name}.png", buffer.getvalue())


def dataset(samples: list[LabelledImage], tasks: Mapping[str, Task]) -> Dataset:
    found = {one.name: replace(one, labels={task: one.labels[task] for task in tasks}) for one in samples}
    return Dataset(tuple(sorted(found)), tasks, found.__getitem__, "CC0")


def written(out: Path, name: str, samples: Dataset, *, parts: int = 2, instances: bool = False) -> None:
    """Write a dataset as `convert` does, without its job."""
    writer, writing = WRITERS[name], Writing(samples.tasks, samples.names, instances, samples.licence)
    entries = []
    for part in range(parts):
        entries += writer.write(out, part, (samples.read(one) for one in samples.names[part::parts]), writing)
    writer.finish(
        out,
        sorted(entries, key=lambda entry: str(entry.get("name") or entry["file"])) if parts > 1 else entries,
        writing,
    )


def combinations() -> list[tuple[str, tuple[str, ...]]]:
    """Format and tasks to try: each task alone and, where the format can hold them, all together."""
    found = []
    for name, writer in WRITERS.items():
        found += [(name, (task,)) for task in writer.holds]
        found += [(name, writer.holds)] if len(writer.holds) > 1 and not writer.alone else []
    return found


def folder_dataset(folder: Path, samples: Dataset) -> Path:
    written(folder, "folder", samples, parts=1)
    write_json(folder / "manifest.json", {"licence": samples.licence})
    return folder


def same(one: LabelledImage, other: LabelledImage) -> None:
    assert one.name == other.name
    np.testing.assert_array_equal(one.image, other.image)
    assert one.labels.keys() == other.labels.keys()
    for task, label in one.labels.items():
        tolerance = 0.0005 if task == "keypoints" else 0.0
        np.testing.assert_allclose(other.labels[task], label, atol=tolerance, rtol=0, err_msg=f"{one.name} {task}")
        assert other.labels[task].dtype == label.dtype


@pytest.mark.parametrize(
    ("name", "tasks"), combinations(), ids=lambda value: value if isinstance(value, str) else "+".join(value)
)
def test_written_moved_and_read_back(tmp_path: Path, name: str, tasks: tuple[str, ...]) -> None:
    ignored = WRITERS[name].ignores
    names = ["train/ein Kopf", "train/zwei.drei", "val/日本 語", "val/x"]
    sizes = [(13, 17), (1, 9), (16, 8), (24, 31)]
    made = [sample(one, size, seed, ignored=ignored) for seed, (one, size) in enumerate(zip(names, sizes, strict=True))]
    samples = dataset(made, {task: TASKS[task] for task in tasks})
    source = folder_dataset(tmp_path / "dataset", samples)
    run_to_end(convert(source, tmp_path / "here", ConvertSettings(format=name)))
    there = Path(shutil.move(tmp_path / "here", tmp_path / "else where"))
    opened = open_source(there)
    assert format_of(opened) == name
    again = open_dataset(opened)
    assert (again.names, again.licence) == (samples.names, samples.licence)
    assert {task: kind.schema for task, kind in again.tasks.items()} == {
        task: kind.schema for task, kind in samples.tasks.items()
    }
    for one in samples.names:
        same(samples.read(one), again.read(one))


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_samples_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    tasks = WRITERS[name].holds[:1] if WRITERS[name].alone else WRITERS[name].holds
    samples = dataset(
        [sample(f"{seed}", (12, 10), seed, ignored=False) for seed in range(5)], {task: TASKS[task] for task in tasks}
    )
    for out in ("one", "two"):
        written(tmp_path / out, name, samples)
    files = [
        sorted(file.relative_to(tmp_path / out) for file in (tmp_path / out).rglob("*") if file.is_file())
        for out in ("one", "two")
    ]
    assert files[0] == files[1]
    for file in files[0]:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


@pytest.mark.parametrize("name", [name for name, writer in WRITERS.items() if "segmentation" in writer.holds])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_mask_survives(tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject) -> None:
    """Odd sizes, empty masks, one pixel, every id, holes, diagonal neighbours."""
    size = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    ids = [*range(len(CLASSES)), *([IGNORE] if WRITERS[name].ignores else [])]
    values = data.draw(st.lists(st.sampled_from(ids), min_size=size[0] * size[1], max_size=size[0] * size[1]))
    one = sample("a", size, 0, ignored=False)
    one = replace(one, labels={"segmentation": np.array(values, np.uint8).reshape(size)})
    samples = dataset([one], {"segmentation": TASKS["segmentation"]})
    out = tmp_path_factory.mktemp("any")
    written(out, name, samples, parts=1, instances=data.draw(st.booleans()))
    same(one, READERS[name].read(open_source(out)).read("a"))
