"""Tar shards hold what the folder holds, wherever they lie; whatever is interrupted, damaged or done twice."""

import io
import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from handsoff.api.dataset import Dataset
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.places import Place, system_of
from handsoff.datasets.generated import open_generated
from handsoff.datasets.hub import check_pushable
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import open_source
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL
from handsoff.evaluation.arms import REAL
from handsoff.evaluation.inputs import open_inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.convert import convert
from handsoff.formats.exchange import open_dataset
from handsoff.formats.exchange.webdataset import tar_members
from handsoff.formats.settings import ConvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.report.gallery import open_gallery
from handsoff.synthesis import shard
from handsoff.synthesis.generate import generate
from handsoff.synthesis.settings import GenerateSettings
from handsoff.tasks import TASKS
from objectstore import s3_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        yield from s3_server(patch)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "SHARD", 8)


def tars_of(place: Place, count: int) -> dict[str, bytes | None]:
    return {name: place.read(name) for name in (f"shards/shard-{first:08d}.tar" for first in range(0, count, 8))}


class TwiceEngine:
    """Computes every shard twice, in another order."""

    def map(self, function: Callable[[Any, Any], Any], shards: Iterable[Any], context: Any) -> Iterator[Any]:
        sent = [pickle.loads(pickle.dumps((function, part, context))) for part in shards]  # noqa: S301  # our own, just made
        for work, *given in reversed(sent):
            work(*given)
        yield from (work(*given) for work, *given in sent)


def test_shards_in_a_bucket_hold_what_the_folder_holds(labelers: list[Path], bucket: str, tmp_path: Path) -> None:
    """Labels of all tasks, uncertainty and records, through every door that reads a dataset."""
    url = f"{bucket}/all"
    run_to_end(generate(labelers, tmp_path / "folder", GenerateSettings(n=20, keep=0.6)))
    sharded = GenerateSettings(n=20, keep=0.6, output="webdataset", url=url)
    run_to_end(generate(labelers, tmp_path / "sharded", sharded))
    for name in ("samples.jsonl", "keypoints.json", "classes.json", "preview.png"):
        assert (tmp_path / "folder" / name).read_bytes() == (tmp_path / "sharded" / name).read_bytes()
    assert not (tmp_path / "sharded" / "images").exists()
    (tmp_path / "sharded").rename(tmp_path / "moved")
    folder, moved = open_generated(tmp_path / "folder"), open_generated(tmp_path / "moved")
    for task in TASKS:
        one, other = folder.labelled(task), moved.labelled(task)
        assert one.names == other.names
        for name in one.names:
            np.testing.assert_array_equal(one.sample(name)[0], other.sample(name)[0])
            np.testing.assert_array_equal(one.sample(name)[1][task], other.sample(name)[1][task])
            np.testing.assert_array_equal(folder.uncertainty_map(name, task), moved.uncertainty_map(name, task))
    torch_sample = Dataset(tmp_path / "moved", "segmentation")[3]
    assert all(map(np.array_equal, torch_sample, Dataset(tmp_path / "folder", "segmentation")[3]))
    run_to_end(convert(tmp_path / "moved", tmp_path / "coco", ConvertSettings(format="coco", tasks=("segmentation",))))
    assert len(open_dataset(open_source(tmp_path / "coco")).names) == 12
    record = next(record for record in moved.records() if record["kept"])
    strip = open_gallery(tmp_path / "moved", "segmentation").strip(record)
    assert strip is not None
    assert [panel.title for panel in strip.panels] == ["image", "label", "uncertainty"]
    inputs = open_inputs(
        tmp_path / "folder", [tmp_path / "moved"], tmp_path / "folder", EvaluateSettings(task="depth"), None
    )
    (pool,) = (name for name in inputs.pools if name != REAL)
    assert inputs.pools[pool].load(inputs.frame)[0].shape == (12, 16, 16, 3)
    with pytest.raises(InputError, match=r"lie at s3://bucket/all, and would not be uploaded"):
        check_pushable(tmp_path / "moved")
    # the bucket says all of itself, and WebDataset's readers see the kept samples only
    system, root = system_of(url)
    assert {Path(file).name for file in system.ls(root)} >= {"manifest.json", "samples.jsonl", "classes.json", "shards"}
    (tmp_path / "copy").mkdir()
    system.get(f"{root}/", str(tmp_path / "copy"), recursive=True)
    (tmp_path / "copy" / "shards.jsonl").unlink()
    seen = open_dataset(open_source(tmp_path / "copy"))
    assert (set(seen.names), set(seen.tasks)) == (set(folder.labelled("depth").names), set(TASKS))


def test_whatever_happens_the_shards_are_the_same(labeler: Path, bucket: str, tmp_path: Path) -> None:
    """Done at once in a folder; twice by another engine in a bucket; stopped at every step; damaged."""
    settings = GenerateSettings(n=30, keep=0.7, output="webdataset")
    run_to_end(generate([labeler], tmp_path / "whole", settings))
    whole = tars_of(Place(str(tmp_path / "whole")), 30)
    kept = [record["name"] for record in open_generated(tmp_path / "whole").records() if record["kept"]]
    held = [name for data in whole.values() if data for name, _, _ in tar_members(io.BytesIO(data), "shard")]
    assert [name for name in held if name.endswith(".mask.npy")] == [f"{name}.mask.npy" for name in kept]

    def made(name: str, engine: Engine = LOCAL, stops: int | None = None) -> dict[str, bytes | None]:
        url = f"{bucket}/{name}"
        work = generate([labeler], tmp_path / name, settings.model_copy(update={"url": url}), engine)
        if stops is None:
            run_to_end(work)
        else:
            for _ in range(stops):
                next(work)
            work.close()
        return tars_of(Place(url), 30)

    assert made("twice", TwiceEngine()) == whole
    for stops in (2, 6, 7):
        made("stopped", stops=stops)
    assert made("stopped") == whole
    system, root = system_of(f"{bucket}/stopped")
    (tmp_path / "stopped" / "DONE").unlink()
    system.pipe_file(f"{root}/shards/shard-00000008.tar", b"cut off")
    system.rm_file(f"{root}/shards/shard-00000024.tar")
    assert made("stopped") == whole
    for name in ("samples.jsonl", "manifest.json", "preview.png"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_shards_of_other_work_are_not_overwritten(labeler: Path, bucket: str, tmp_path: Path) -> None:
    """Equal work may go on from another folder."""
    url = f"{bucket}/shared"
    settings = GenerateSettings(n=12, output="webdataset", url=url)
    run_to_end(generate([labeler], tmp_path / "first", settings))
    before = tars_of(Place(url), 12)
    other = settings.model_copy(update={"seed": 1})
    with pytest.raises(InputError, match=r"The shards at s3://bucket/shared are those of other work: choose another"):
        run_to_end(generate([labeler], tmp_path / "other", other))
    assert not (tmp_path / "other").exists()
    run_to_end(generate([labeler], tmp_path / "again", settings))
    assert tars_of(Place(url), 12) == before


@pytest.mark.usefixtures("bucket")
def test_what_cannot_be_is_said_in_a_sentence(labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, reason in (
        ({"url": "s3://bucket"}, "add output = webdataset"),
        ({"url": "bucket", "output": "webdataset"}, "is no URL"),
        ({"output": "zip"}, "folder"),
        ({"output": "webdataset", "ignore_pixels": 0.1}, "needs output = folder"),
    ):
        with pytest.raises(ValidationError, match=reason):
            GenerateSettings(n=4, **wrong)

    def refused(url: str, reason: str) -> None:
        with pytest.raises(HandsOffError, match=reason) as caught:
            run_to_end(generate([labeler], tmp_path / "out", GenerateSettings(n=4, output="webdataset", url=url)))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    refused("s3://nobody-has-this/x", r"bucket does not exist.*: check the URL, and make its bucket")
    refused("nonsense://x/y", r"nonsense://x/y is no URL that fsspec knows")
    refused("gs://bucket/x", r"needs a package that is not installed")

    def forbidden(*_: object) -> None:
        raise PermissionError("Access Denied.")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.pipe_file", forbidden)
    refused("memory://x", r"could not be written \(Access Denied\): use credentials that may")


def test_a_shard_that_is_lost_is_named(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "out", GenerateSettings(n=4, keep=1, output="webdataset")))
    data = open_labelled(tmp_path / "out")
    (tmp_path / "out" / "shards" / "shard-00000000.tar").unlink()
    with pytest.raises(HandsOffError, match=r"shard-00000000\.tar is missing, and images/00000000\.png is in it"):
        data.image("00000000")
    index = tmp_path / "out" / "shards.jsonl"
    heads = ("[]", "", '{"url": "simplecache::s3://a"}')
    entries = (
        "[]",
        '{"shard": "a", "files": {"b": 3}}',
        '{"shard": "../a", "files": {}}',
        '{"shard": "/a", "files": {}}',
    )
    for number, line in (*((1, line) for line in heads), *((2, line) for line in entries)):
        index.write_text(f"{line}\n" if number == 1 else f'{{"url": null}}\n{line}\n', encoding="utf-8")
        with pytest.raises(HandsOffError, match=rf"shards\.jsonl, line {number} is damaged"):
            open_source(tmp_path / "out")
    index.write_bytes(b'{"url": null}\n\xff\n')
    with pytest.raises(HandsOffError, match=r"shards\.jsonl, line 2 is damaged"):
        open_source(tmp_path / "out")
    index.write_bytes(b"")
    with pytest.raises(HandsOffError, match=r"shards\.jsonl is empty"):
        open_source(tmp_path / "out")
