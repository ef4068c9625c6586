import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboardX.proto.event_pb2 import Event, SessionLog

from handsoff.backbones.distances import distances
from handsoff.core import device
from handsoff.core.device import best_device, mixed_precision
from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.core.tensors import read_tensors
from handsoff.generators.stored import generator_hash, load_generator, read_card, save_generator
from handsoff.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from handsoff.jobs.checkpoints import read_numbers
from handsoff.jobs.folder import require_done
from handsoff.jobs.progress import run_to_end
from handsoff.training import parallel, snapshots
from handsoff.training import train as whole
from handsoff.training.gan import train as training
from handsoff.training.gan.augment import adaptive_augment, diff_augment
from handsoff.training.gan.discriminators import Projected, StyleGAN2Discriminator, WithDeviation, steepness
from handsoff.training.gan.train import SMALLEST, parse_resolution
from handsoff.training.settings import SHAPE, TrainSettings
from handsoff.training.snapshots import shown_kimg, trim_log
from handsoff.training.state import CHECKPOINT
from handsoff.training.train import finished, train
from toy_generators import toy_conditional

Photos = Callable[..., Path]
BATCH = 4


def tiny(steps: int, **changes: Any) -> TrainSettings:
    chosen = {
        "resolution": "16",
        "batch": BATCH,
        "channel_base": 64,
        "channel_max": 8,
        "w_dim": 8,
        "feature_size": 32,
        "kimg": steps * BATCH / 1000,
    }
    return TrainSettings(**{**chosen, **changes})


def cheap_distances(real: torch.Tensor, fake: torch.Tensor) -> dict[str, float]:
    return {"fd_lite0": float((real.mean(0) - fake.mean(0)).square().sum()), "kd_lite0": 0.0}


CLOCK = ("numbers.seconds", "numbers.best_fd")


def measure_cheaply(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(snapshots, "MEASURED_IMAGES", 8)
    patch.setattr(snapshots, "distances", cheap_distances)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    measure_cheaply(monkeypatch)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The whole run on disk but for the clock."""
    return {name: value for name, value in read_tensors(folder / CHECKPOINT).items() if name not in CLOCK}


def numbers(folder: Path) -> list[float]:
    """Steps done and images shown."""
    found = read_numbers(folder / CHECKPOINT)
    return [found["step"], found["images"]]


def differing(one: Path, other: Path) -> list[str]:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    return [name for name in ours if not torch.equal(ours[name], theirs[name])]


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


# sizes


@pytest.mark.parametrize(
    ("text", "frame", "base"),
    [
        ("64", (64, 64), (4, 4)),
        ("16", (16, 16), (4, 4)),
        ("256x192", (256, 192), (4, 3)),
        ("192X256", (192, 256), (3, 4)),
        ("128x176", None, None),
        ("8", (8, 8), (4, 4)),
        ("24", (24, 24), (3, 3)),
        ("64x32", (64, 32), (8, 4)),
        ("72x40", (72, 40), (9, 5)),
    ],
)
def test_parse_resolution(text: str, frame: tuple[int, int] | None, base: tuple[int, int] | None) -> None:
    if frame is None:
        with pytest.raises(InputError, match="cannot be reached by doubling"):
            parse_resolution(text)
    else:
        assert parse_resolution(text) == (frame, base)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"resolution": "256", "channel_base": 64}, "channel_base 64 leaves no channels at 256x256 pixels"),
        ({"resolution": "8192"}, "8192x8192 pixels from a base of 4x4 are not 1 to"),
        ({"w_dim": 40_000}, "z_dim is 40000, not"),
        ({"channel_max": 20_000}, "channel_max is 20000, not"),
        ({"resolution": "64x48", "feature_size": 32}, "feature_size 32 shows the discriminator images of 32x24 pixels"),
    ],
)
def test_networks_that_cannot_be_built_are_refused_before_any_photo_is_read(
    settings: dict[str, object], sentence: str, tmp_path: Path, photos: Photos
) -> None:
    with pytest.raises(InputError, match=sentence):
        run_to_end(train(photos(), tmp_path / "out", TrainSettings(**settings)))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_the_smallest_feature_size_can_be_trained_on() -> None:
    net = Projected((64, 48), 39, 0, 5.0)
    assert net.size == (39, SMALLEST)
    with mixed_precision():
        assert [len(logits) for logits in net.logits(net.extract(torch.zeros(4, 3, 64, 48)))] == [4] * 4


def test_every_process_of_torchrun_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where something asked for the device before: it is remembered."""
    current, began = [0], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[0])
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: current.__setitem__(0, number))
    monkeypatch.setattr(
        parallel.distributed, "init_process_group", lambda backend, timeout: began.append((backend, timeout))
    )
    monkeypatch.setattr(parallel.distributed, "is_initialized", lambda: False)
    monkeypatch.setattr(parallel.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(parallel.distributed, "get_world_size", lambda: 2)
    for name in ("RANK", *parallel.TORCHRUN):
        monkeypatch.setenv(name, "1")
    try:
        device.best_device.cache_clear()
        assert device.best_device() == torch.device("cuda", 0)
        assert parallel.join() == (1, 2)
        assert device.best_device() == torch.device("cuda", 1)
        assert began == [("nccl", parallel.PATIENCE)]
        monkeypatch.setattr(device, "chosen", ["cpu"])
        device.best_device.cache_clear()
        assert parallel.join() == (1, 2)
        assert ([kind for kind, _ in began[1:]], device.best_device().type) == (["gloo"], "cpu")
    finally:
        monkeypatch.undo()
        device.best_device.cache_clear()
        device.fast_dtype.cache_clear()


@pytest.mark.parametrize("text", ["", "big", "64x", "x64", "64x64x64", "64.5", "64 by 64"])
def test_a_resolution_that_is_no_size_is_said(text: str) -> None:
    with pytest.raises(InputError, match="is not a size: write 64 or"):
        parse_resolution(text)


@pytest.mark.parametrize("text", ["0", "-64", "4", "7", "63", "9x7", "100", "64x0"])
def test_a_resolution_that_cannot_be_reached_is_said(text: str) -> None:
    with pytest.raises(InputError, match=r"cannot be reached by doubling a small base|is not a size"):
        parse_resolution(text)


@pytest.mark.parametrize("lacking", ["LOCAL_RANK", "MASTER_PORT"])
def test_a_rank_that_torchrun_did_not_give_is_said(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    for name in {"RANK", *parallel.TORCHRUN} - {lacking}:
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv(lacking, raising=False)
    with pytest.raises(HandsOffError, match=f"has RANK, .* and lacks {lacking}: start them with torchrun"):
        parallel.join()


@pytest.mark.parametrize("world", [3, 8])
def test_processes_that_cannot_share_a_batch_alike_are_refused_before_anything_is_written(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    monkeypatch.setattr(whole, "join", lambda: (0, world))
    with pytest.raises(InputError, match=f"batch = 4 cannot be shared alike by {world} processes: take a multiple"):
        run_to_end(train(photos(), tmp_path / "out", tiny(1)))
    assert not (tmp_path / "out").exists()


# whole runs


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"discriminator": "stylegan2"},
        {"resolution": "32x24", "discriminator": "stylegan2"},
        {"resolution": "64x48", "feature_size": 64},
    ],
)
def test_a_few_steps_leave_a_generator_a_log_and_a_grid(
    tmp_path: Path, photos: Photos, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not changes:
        monkeypatch.setattr(snapshots, "distances", distances)
    settings = tiny(3, licence="CC0-1.0", **changes)
    frame = parse_resolution(settings.resolution)[0]
    work = list(train(photos(12, 66, 66), tmp_path / "gen", settings))
    assert work[-1].done == work[-1].total == settings.kimg
    assert all(bool(torch.isfinite(tensor).all()) for name, tensor in weights(tmp_path / "gen").items())
    report = require_done(tmp_path / "gen", "train")
    assert (report["images_used"], report["licence"], report["seed"]) == (12, "CC0-1.0", 0)
    assert np.isfinite(list(report["last"].values())).all()
    net = load_generator(tmp_path / "gen")
    assert net.image_size == frame
    assert net.mapping_network.w_avg.abs().sum() > 0
    with Image.open(next((tmp_path / "gen" / "grids").iterdir())) as grid:
        assert grid.size == (8 * frame[1], 8 * frame[0])
    (line,) = log(tmp_path / "gen")
    nearness = read_card(tmp_path / "gen").nearness
    assert nearness is not None
    assert (nearness.samples, nearness.photos, nearness.share) == (8, 12, line["copies"])
    assert report["nearness"] == asdict(nearness)
    assert (tmp_path / "gen" / "nearest.png").is_file()
    page = (tmp_path / "gen" / "progress.html").read_text()
    assert "Finished after 0.0 kimg" in page
    assert "grids/000000.png" in page


def test_a_finished_run_stops_and_goes_on_when_asked_for_more(tmp_path: Path, photos: Photos) -> None:
    images, out = photos(), tmp_path / "gen"
    run_to_end(train(images, out, tiny(2)))
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*")}
    assert list(train(images, out, tiny(2))) == []
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*")} == before
    run_to_end(train(images, out, tiny(5)))
    run_to_end(train(images, tmp_path / "at once", tiny(5)))
    assert not differing(out, tmp_path / "at once")
    assert [line["kimg"] for line in log(out)] == [shown_kimg(8), shown_kimg(20)]
    with pytest.raises(InputError, match="begun with seed = 0 instead of 1"):
        run_to_end(train(images, out, tiny(5, seed=1)))


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_finished_run_without_its_checkpoint_stays_finished_until_more_is_asked_for(
    tmp_path: Path, photos: Photos, damage: str
) -> None:
    images, out = photos(), tmp_path / "gen"
    run_to_end(train(images, out, tiny(2)))
    file, made = out / CHECKPOINT, generator_hash(out)
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    assert finished(out, tiny(2))
    assert list(train(images, out, tiny(2))) == []
    assert generator_hash(out) == made
    assert not finished(out, tiny(15))
    notes = [progress.note for progress in train(images, out, tiny(15))]
    assert "checkpoint.safetensors is missing or damaged: training begins again" in notes
    assert numbers(out) == [15, 15 * BATCH]


@pytest.mark.parametrize(
    ("asked", "enough"),
    [({"kimg": 0.128}, True), ({"kimg": 0.2}, False), ({"minutes": 30.4 / 60}, True), ({"minutes": 0.52}, False)],
)
def test_a_report_that_rounds_does_not_make_a_run_begin_again(
    tmp_path: Path, asked: dict[str, float], *, enough: bool
) -> None:
    write_json(tmp_path / "report.json", {"kimg": 0.1, "training_seconds": 30, "seed": 0})
    assert finished(tmp_path, TrainSettings(**asked)) is enough


def test_photos_that_are_skipped_are_named_at_every_start_and_in_the_report(tmp_path: Path, photos: Photos) -> None:
    with zipfile.ZipFile(photos(40)) as archive:
        archive.extractall(tmp_path / "photos")
    (tmp_path / "photos" / "003.png").write_bytes(b"no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "017.png")
    note = "2 photos were skipped, such as 003.png: broken or smaller than the frame (report.json names all)."
    work = train(tmp_path / "photos", tmp_path / "gen", tiny(2))
    assert note in [progress.note for progress in itertools.takewhile(lambda now: now.stage != "training", work)]
    work.close()  # type: ignore[attr-defined]  # a generator
    assert note in [progress.note for progress in train(tmp_path / "photos", tmp_path / "gen", tiny(2))]
    report = require_done(tmp_path / "gen", "train")
    assert (report["images_used"], report["images_skipped"]) == (38, ["003.png", "017.png"])
    assert note in report["notes"]


def test_one_photo_is_refused_and_leaves_nothing(tmp_path: Path, photos: Photos) -> None:
    with pytest.raises(InputError, match="has one photo, and a generator learns from many: give 500 or more"):
        run_to_end(train(photos(count=1), tmp_path / "out", tiny(1)))
    assert not (tmp_path / "out").exists()


def test_the_distance_of_photos_among_themselves_is_said(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of other photos than those that samples are compared with, measured once; None where there are too few."""
    run_to_end(train(photos(count=12), tmp_path / "few", tiny(1)))
    assert read_json(tmp_path / "few" / "report.json")["fd_lite0_of_photos"] is None
    run_to_end(train(photos(count=16), tmp_path / "many", tiny(1)))
    floor = read_json(tmp_path / "many" / "report.json")["fd_lite0_of_photos"]
    assert floor > 0
    monkeypatch.setattr(snapshots, "distances", lambda *_: {"fd_lite0": 99.0, "kd_lite0": 0.0})
    run_to_end(train(photos(count=16), tmp_path / "many", tiny(2)))
    assert [(line["fd_photos"], line["fd_lite0"] == 99) for line in log(tmp_path / "many")] == [
        (floor, False),
        (floor, True),
    ]
    assert "</span>photos " in (tmp_path / "many" / "progress.html").read_text()


def test_minutes_end_a_run(tmp_path: Path, photos: Photos) -> None:
    work = list(train(photos(), tmp_path, tiny(0, kimg=None, minutes=0.5 / 60)))
    assert require_done(tmp_path, "train")["training_seconds"] >= 0
    assert work[-1].total == 0.5 / 60


def test_seeds_differ_and_repeat(tmp_path: Path, photos: Photos) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run_to_end(train(photos(), tmp_path / name, tiny(2, seed=seed)))
    assert not differing(tmp_path / "a", tmp_path / "b")
    assert differing(tmp_path / "a", tmp_path / "c")


# interruptions


@pytest.fixture(scope="module", params=["projected", "stylegan2"])
def uninterrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, photos: Photos
) -> tuple[Path, TrainSettings]:
    settings = tiny(7, discriminator=request.param, snapshot_kimg=3 * BATCH / 1000)
    out = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        measure_cheaply(patch)
        run_to_end(train(photos(), out, settings))
    return out, settings


def check_resumed(out: Path, photos: Path, uninterrupted: tuple[Path, TrainSettings]) -> None:
    expected, settings = uninterrupted
    assert not (out / "DONE").exists()
    run_to_end(train(photos, out, settings))
    assert not differing(out, expected)
    assert {line["kimg"]: line["fd_lite0"] for line in log(out)} == {
        line["kimg"]: line["fd_lite0"] for line in log(expected)
    }
    assert (out / "generator.safetensors").read_bytes() == (expected / "generator.safetensors").read_bytes()
    assert not [file for file in out.rglob("*") if file.name.endswith(".part")]


@pytest.mark.parametrize(
    "file",
    ["checkpoint.safetensors", "generator.safetensors", "generator.json", "photos.u8", "photos.json", "log.jsonl"],
)
def test_what_is_damaged_in_an_unfinished_run_is_made_again(
    tmp_path: Path, photos: Photos, uninterrupted: tuple[Path, TrainSettings], file: str
) -> None:
    work = train(photos(), tmp_path, uninterrupted[1])
    while (now := next(work)).stage != "training" or now.done * 1000 < 4 * BATCH:
        pass
    work.close()  # type: ignore[attr-defined]  # a generator
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole + b"\xff{}\n" if file == "log.jsonl" else whole[:-9])
    if file in {
        "generator.safetensors",
        "generator.json",
    }:  # the best one may be lost; what is written in the end is whole
        run_to_end(train(photos(), tmp_path, uninterrupted[1]))
        load_generator(tmp_path)
    else:
        check_resumed(tmp_path, photos(), uninterrupted)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_a_run_that_is_stopped_between_steps_goes_on(
    tmp_path: Path, photos: Photos, uninterrupted: tuple[Path, TrainSettings], steps: int
) -> None:
    work = train(photos(), tmp_path, uninterrupted[1])
    while next(work).stage != "training":
        pass
    for _ in range(steps - 1):
        next(work)
    work.close()  # type: ignore[attr-defined]  # a generator
    assert numbers(tmp_path) == [steps, steps * BATCH]
    check_resumed(tmp_path, photos(), uninterrupted)


@pytest.mark.parametrize("player", [0, 1])
def test_a_run_that_is_interrupted_within_a_step_goes_on(
    tmp_path: Path,
    photos: Photos,
    uninterrupted: tuple[Path, TrainSettings],
    monkeypatch: pytest.MonkeyPatch,
    player: int,
) -> None:
    calls, update = iter(range(100)), training.update

    def interrupted(*arguments: Any) -> None:
        if next(calls) == 2 * 4 + player:
            raise KeyboardInterrupt
        update(*arguments)

    monkeypatch.setattr(training, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(train(photos(), tmp_path, uninterrupted[1]))
    monkeypatch.undo()
    measure_cheaply(monkeypatch)
    assert numbers(tmp_path) == [3, 3 * BATCH]  # the snapshot's checkpoint, not half a step
    check_resumed(tmp_path, photos(), uninterrupted)


def test_a_full_disk_says_so_and_the_run_goes_on(
    tmp_path: Path, photos: Photos, uninterrupted: tuple[Path, TrainSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    work = train(photos(), tmp_path, uninterrupted[1])
    while next(work).done < 4 * BATCH / 1000:
        pass
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HandsOffError, match="The disk is full"):
        run_to_end(work)
    monkeypatch.undo()
    measure_cheaply(monkeypatch)
    check_resumed(tmp_path, photos(), uninterrupted)


def test_photos_are_forgotten_once_the_run_is_finished_and_not_before(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before `DONE`, the run does not decode all photos again; what then stays goes with the next call."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(whole, "write_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(train(photos(), tmp_path, tiny(1)))
    cache = tmp_path / whole.CACHE
    kept = cache.read_bytes()
    monkeypatch.undo()
    measure_cheaply(monkeypatch)
    run_to_end(train(photos(), tmp_path, tiny(1)))
    assert not cache.exists()
    cache.write_bytes(kept)
    assert list(train(photos(), tmp_path, tiny(1))) == []
    assert not cache.exists()


class Together:
    """Two processes as one of them sees them: `said` holds what it tells, `others` what the other one tells."""

    ReduceOp = parallel.distributed.ReduceOp

    def __init__(self, others: list[list[float]]) -> None:
        self.said: list[list[float]] = []
        self.others = others

    def is_initialized(self) -> bool:
        return True

    def get_world_size(self) -> int:
        return 1  # so that a step of this process is the whole of it

    def barrier(self) -> None:
        pass

    def all_reduce(self, found: torch.Tensor, operation: object = None) -> None:
        if operation is self.ReduceOp.MAX:
            self.said.append(found.tolist())
            found.copy_(torch.maximum(found, torch.tensor(self.others.pop(0) if self.others else [0.0, 0.0])))


def test_a_process_leaves_together_with_one_that_was_asked_to_stop(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "distributed", Together([[0, 0], [0, 0], [0, 0], [0, 1]]))
    with pytest.raises(KeyboardInterrupt):
        run_to_end(train(photos(), tmp_path, tiny(9)))
    assert numbers(tmp_path) == [2, 2 * BATCH], "it met the other one after reading, and before steps 1, 2 and 3"


def test_a_process_that_is_stopped_tells_the_others(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it reports its progress it may be ended: while photos are read, and after every step."""
    for stage, told in (("reading images", 1), ("training", 3)):
        both = Together([])
        monkeypatch.setattr(parallel, "distributed", both)
        work = train(photos(), tmp_path / stage, tiny(9))
        while next(work).stage != stage:
            pass
        work.close()  # type: ignore[attr-defined]  # a generator
        assert both.said == [[0, 0]] * (told - 1) + [[0, 1]]


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from handsoff.training import parallel, snapshots
from handsoff.training import train as whole
from handsoff.training.gan import train as training
from handsoff.training.settings import TrainSettings

torch.set_num_threads(1)
snapshots.MEASURED_IMAGES = 8
snapshots.distances = lambda real, fake: {
    "fd_lite0": float((real.mean(0) - fake.mean(0)).square().sum()),
    "kd_lite0": 0.0,
}
calls, update = iter(range(100)), training.update


def killed(*arguments):
    if next(calls) == 2 * 5 + 1:
        os.kill(os.getpid(), signal.SIGKILL)
    update(*arguments)


training.update = killed
for _ in whole.train(Path(sys.argv[1]), Path(sys.argv[2]), TrainSettings.model_validate_json(sys.argv[3])):
    pass
"""


def test_a_killed_run_goes_on(tmp_path: Path, photos: Photos, uninterrupted: tuple[Path, TrainSettings]) -> None:
    arguments = [sys.executable, "-c", KILLED, str(photos()), str(tmp_path), uninterrupted[1].model_dump_json()]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    check_resumed(tmp_path, photos(), uninterrupted)


def test_a_run_that_diverges_says_so_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_to_end(train(photos(), tmp_path, tiny(2)))
    before = weights(tmp_path)
    synthesis = StyleGAN2.synthesis
    monkeypatch.setattr(
        StyleGAN2, "synthesis", lambda self, ws, noise="const": (synthesis(self, ws, noise)[0] * torch.nan, [])
    )
    with pytest.raises(HandsOffError, match=r"diverged after 0\.0 kimg: the loss is not a number"):
        run_to_end(train(photos(), tmp_path, tiny(4)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(tmp_path).items())


def test_a_lowered_budget_ends_a_run_measured(tmp_path: Path, photos: Photos) -> None:
    work = train(photos(), tmp_path, tiny(9))
    while next(work).done < 3 * BATCH / 1000:
        pass
    work.close()  # type: ignore[attr-defined]  # a generator
    run_to_end(train(photos(), tmp_path, tiny(2)))
    assert require_done(tmp_path, "train")["kimg"] == 0.0
    assert [line["kimg"] for line in log(tmp_path)] == [shown_kimg(12)]
    load_generator(tmp_path)


def test_the_log_is_cut_at_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert trim_log(path, 5) is None
    path.write_text('{"kimg": 5.01}\n{"kimg": 10.02}\n{"kimg": 20.0}\n{"kimg": 30.')
    assert trim_log(path, 20_000) == 20.0
    assert trim_log(path, 10_016) == 10.02  # rounded up when it was written
    assert path.read_text() == '{"kimg": 5.01}\n{"kimg": 10.02}\n'
    assert trim_log(path, 0) is None
    assert path.read_text() == ""


# TensorBoard


def events(folder: Path) -> list[tuple[int, str]]:
    """(step, curve) of what TensorBoard shows of all event files: what is purged is gone."""
    shown: list[tuple[int, str]] = []
    for file in sorted((folder / "tensorboard").iterdir()):
        data = file.read_bytes()
        while data:  # a record: length, its checksum, content, its checksum
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            if event.session_log.status == SessionLog.START:
                shown = [entry for entry in shown if entry[0] < event.step]
            shown += [(event.step, value.tag) for value in event.summary.value]
    return shown


def test_tensorboard_shows_every_snapshot_once_after_a_kill(tmp_path: Path, photos: Photos) -> None:
    settings = tiny(6, tensorboard=True, snapshot_kimg=2 * BATCH / 1000)
    run_to_end(train(photos(), tmp_path, tiny(3, tensorboard=True, snapshot_kimg=2 * BATCH / 1000)))
    checkpoint = (tmp_path / CHECKPOINT).read_bytes()  # after step 3
    run_to_end(train(photos(), tmp_path, settings))
    (tmp_path / CHECKPOINT).write_bytes(checkpoint)  # as if killed before the last one was written
    run_to_end(train(photos(), tmp_path, settings))
    shown = events(tmp_path)
    assert len(set(shown)) == len(shown)
    curves = {"loss_d", "loss_g", "fd_lite0", "kd_lite0", "images_per_second", "copies", "nearest", "grid"}
    assert set(shown) == {(step * BATCH, curve) for step in (2, 3, 4, 6) for curve in curves}


def test_without_its_writer_tensorboard_is_refused_before_training(
    tmp_path: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(HandsOffError, match=r"pip install 'handsoff-labels\[tensorboard\]'"):
        run_to_end(train(photos(), tmp_path / "gen", tiny(1, tensorboard=True)))
    assert list(tmp_path.iterdir()) == []


# beginning with another generator


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of a shape that the settings do not have, with weights of its own."""
    folder = tmp_path_factory.mktemp("another")
    torch.manual_seed(5)
    net = StyleGAN2(StyleGAN2Config((16, 16), (4, 4), 12, 12, 2, 64, 16), "CC BY 4.0")
    net.mapping_network.w_avg.normal_()
    save_generator(net, folder)
    return folder


def begun(steps: int, **changes: Any) -> TrainSettings:
    """Settings without a shape: that of the generator that training begins with counts."""
    said = tiny(steps).model_dump(exclude_unset=True, exclude=set(SHAPE))
    return TrainSettings(**{**said, **changes})


@pytest.mark.parametrize("shape", [{"channel_base": 64}, {"channel_max": 8}, {"w_dim": 8}])
def test_a_shape_is_refused_beside_a_generator_to_begin_with(
    tmp_path: Path, photos: Photos, another: Path, shape: dict[str, int]
) -> None:
    with pytest.raises(MismatchError, match=f"{next(iter(shape))} is that of the generator that --init names"):
        run_to_end(train(photos(), tmp_path / "gen", begun(1, **shape), another))
    assert not (tmp_path / "gen").exists()


def test_a_generator_begins_as_the_other_one(tmp_path: Path, photos: Photos, another: Path) -> None:
    still = begun(1, licence="CC0-1.0", g_lr=1e-12)
    run_to_end(train(photos(), tmp_path, still, another))
    ours, theirs = load_generator(tmp_path), load_generator(another)
    images = [net.synthesize(net.draw(range(4))) for net in (ours, theirs)]
    assert torch.allclose(*images, atol=1e-4)
    assert ours.licence == require_done(tmp_path, "train")["licence"] == "CC0-1.0; CC BY 4.0"
    assert json.loads((tmp_path / "job.json").read_text())["inputs"]["init"]["fingerprint"] == generator_hash(another)
    with pytest.raises(InputError, match="begun with a further init"):
        run_to_end(train(photos(), tmp_path, still))


def test_what_began_with_another_one_resumes_to_the_same_weights(tmp_path: Path, photos: Photos, another: Path) -> None:
    run_to_end(train(photos(), tmp_path / "at once", begun(4), another))
    run_to_end(train(photos(), tmp_path / "in parts", begun(2), another))
    run_to_end(train(photos(), tmp_path / "in parts", begun(4), another))
    assert not differing(tmp_path / "at once", tmp_path / "in parts")


def test_a_generator_to_begin_with_must_fit(tmp_path: Path, photos: Photos, another: Path) -> None:
    for changes, said in (
        ({"resolution": "8x16"}, "draws images of 16x16 pixels, not 8x16: train with --resolution 16x16"),
        ({"framing": "pad"}, "framed by crop, not pad: train with --set framing=crop"),
    ):
        with pytest.raises(MismatchError, match=said):
            run_to_end(train(photos(), tmp_path / "gen", begun(1, **changes), another))
    with pytest.raises(InputError, match="holds no generator"):
        run_to_end(train(photos(), tmp_path / "gen", begun(1), tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_conditional_generator_is_none_to_begin_with(tmp_path: Path, photos: Photos) -> None:
    save_generator(toy_conditional(), tmp_path / "conditional")
    with pytest.raises(MismatchError, match="--init takes a StyleGAN2 without conditions"):
        run_to_end(train(photos(), tmp_path / "gen", tiny(1), tmp_path / "conditional"))


def test_bad_input_leaves_no_folder(tmp_path: Path, photos: Photos) -> None:
    with pytest.raises(InputError, match="smaller than the resolution 32x32"):
        run_to_end(train(photos(), tmp_path / "gen", tiny(2, resolution="32")))
    with pytest.raises(InputError, match="does not exist"):
        run_to_end(train(tmp_path / "nowhere", tmp_path / "gen", tiny(2)))
    with pytest.raises(InputError, match="is not a size"):
        run_to_end(train(photos(), tmp_path / "gen", tiny(2, resolution="small")))
    assert list(tmp_path.iterdir()) == []


# what the discriminators see


@pytest.mark.parametrize(
    "augment", [diff_augment, lambda x: adaptive_augment(x, 1.0), lambda x: adaptive_augment(x, 0.0)]
)
@pytest.mark.parametrize("size", [(16, 16), (20, 12)])
def test_augmentations_keep_the_shape_and_let_gradients_through(
    augment: Callable[[torch.Tensor], torch.Tensor], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    x = (torch.rand(8, 3, *size) * 2 - 1).requires_grad_()
    y = augment(x)
    assert y.shape == x.shape
    y.square().mean().backward()
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())
    assert (x.grad.abs().sum((1, 2, 3)) > 0).all()


def test_augmentations_change_images_each_in_its_own_way() -> None:
    torch.manual_seed(0)
    x = (torch.rand(1, 3, 16, 16) * 2 - 1).expand(6, -1, -1, -1)
    for augment in (diff_augment, lambda images: adaptive_augment(images, 1.0)):
        y = augment(x)
        assert all(not torch.allclose(y[i], y[j], atol=1e-2) for i in range(6) for j in range(i))
    assert torch.allclose(adaptive_augment(x, 0.0), x, atol=1e-4)


@pytest.mark.parametrize("size", [(16, 16), (64, 32), (20, 40)])
def test_what_ada_turns_keeps_its_angles_whatever_the_frame(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pixels, not in the grid's own units, an image is turned and zoomed alike in all directions."""
    seen: list[torch.Tensor] = []
    affine_grid = torch.nn.functional.affine_grid

    def watched(rows: torch.Tensor, *shape: Any, **more: Any) -> torch.Tensor:
        seen.append(rows)
        return affine_grid(rows, *shape, **more)

    monkeypatch.setattr(torch.nn.functional, "affine_grid", watched)
    torch.manual_seed(0)
    adaptive_augment(torch.rand(6, 3, *size), 1.0)
    sides = torch.tensor([size[1], size[0]]).float()
    moves = seen[0][:, :, :2] * sides[:, None] / sides
    lengths = moves[:, 0].square().sum(1)
    expected = lengths[:, None, None] * torch.eye(2)
    torch.testing.assert_close(moves @ moves.transpose(1, 2), expected, rtol=1e-4, atol=1e-5)
    assert (moves[:, 0, 1].abs() > 1e-3).any()


@pytest.mark.parametrize("augment", [True, False])
def test_the_projected_discriminator_can_see_images_as_they_are(*, augment: bool) -> None:
    net, images = Projected((16, 16), 32, 0, 5.0, augment=augment), torch.rand(2, 3, 16, 16).to(best_device())
    first, second = net.extract(images), net.extract(images)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True)) is not augment


def discriminator() -> StyleGAN2Discriminator:
    torch.manual_seed(0)
    return StyleGAN2Discriminator((8, 8, 8), (4, 3)).to(best_device())


def test_images_that_are_alike_are_seen_as_a_group() -> None:
    different = torch.randn(8, 3, 5, 4)
    alike = different[:1].repeat(8, 1, 1, 1)
    planes = WithDeviation()(torch.cat([different[:4], alike[:4]]))[:, 3]
    assert torch.allclose(planes[:4], different[:4].std(0, unbiased=False).mean().expand(4, 5, 4), atol=1e-4)
    assert planes[4:].abs().max() < 1e-3
    assert torch.equal(WithDeviation()(different)[:, :3], different)
    assert WithDeviation()(different[:3]).shape == (3, 4, 5, 4)


def test_steepness_is_that_of_a_known_slope() -> None:
    features = torch.randn(6, 7, 3, 2, requires_grad=True)
    slope = torch.randn(7)
    logits = torch.einsum("nchw,c->nhw", features, slope)[:, None]
    expected = slope.square().sum() * features.detach().var()
    assert torch.allclose(steepness([logits], [features]), expected, rtol=1e-4)


def test_ada_rises_while_the_discriminator_is_sure_and_falls_else() -> None:
    net = discriminator()
    sure = torch.ones(50, 1, device=best_device())
    net.adapt(sure)
    assert float(net.p) == pytest.approx(50 / 100_000)
    net.adapt(-sure)
    assert float(net.p) == 0
    for _ in range(2000):
        net.adapt(sure)
    assert float(net.p) == pytest.approx(0.8)
    net.adapt(torch.cat([sure, -sure]))
    assert float(net.p) < 0.8


def test_the_gradient_penalty_comes_every_sixteenth_step() -> None:
    net = discriminator()
    real, fake = [torch.rand(4, 3, 16, 12, device=best_device())], [torch.rand(4, 3, 16, 12, device=best_device())]
    plain, penalised = (float(net.loss(real, fake, step).detach()) for step in (1, 16))
    assert penalised > plain
    net.loss(real, fake, 0).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


# several processes

TOGETHER = """
import json
import sys
import zipfile
from pathlib import Path
import torch
from handsoff.training import parallel, snapshots
from handsoff.training import train as whole
from handsoff.training.gan import train as training
from handsoff.training.settings import TrainSettings

torch.set_num_threads(1)
torch.cpu._is_amx_tile_supported = torch.cpu._is_avx512_bf16_supported = lambda: False  # 32 bits everywhere
snapshots.MEASURED_IMAGES = 8
for settings in map(TrainSettings.model_validate, map(json.loads, sys.argv[3:])):
    for _ in whole.train(Path(sys.argv[1]), Path(sys.argv[2]) / f"{settings.kind}-{settings.discriminator}", settings):
        pass
"""


@pytest.mark.slow
@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.device_count() < 2, reason="two processes need two GPUs or none"
)
def test_two_processes_train_together(tmp_path: Path, photos: Photos) -> None:
    """Each has half of the batch, and they make what one process makes of all of it, but for sums in another order.

    Adam moves a weight by its learning rate however small the gradient is. The projected discriminator has many that
    are all but zero, and their signs may be other ones.
    """
    (tmp_path / "script.py").write_text(TOGETHER)
    script, chosen = [str(tmp_path / "script.py"), str(photos())], {"batch": 8, "kimg": 0.016}
    kinds = [
        tiny(2, **chosen, discriminator="projected"),
        tiny(2, **chosen, discriminator="stylegan2"),
        TrainSettings(kind="diffusion", resolution="16", unet_channels=(8, 16), feature_size=32, **chosen),
    ]
    settings = [json.dumps(kind.model_dump(exclude_unset=True)) for kind in kinds]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1", f"--master-port={port}"]
    for out, prefix in (("two", launch), ("one", [])):
        command = [sys.executable, *prefix, *script, str(tmp_path / out), *settings]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as processes:
            try:
                said, _ = processes.communicate(timeout=900)
            finally:
                processes.terminate()  # it ends its children
        assert processes.returncode == 0, said
    for name, most, mean in (
        ("stylegan2-projected", 0.01, 1e-4),
        ("stylegan2-stylegan2", 1e-5, 1e-6),
        ("diffusion-projected", 1e-5, 1e-6),
    ):
        two, one = tmp_path / "two" / name, tmp_path / "one" / name
        assert require_done(two, "train")["images_used"] == 12
        assert numbers(two) == numbers(one) == [2, 16]
        ours, theirs = weights(two), weights(one)
        apart = torch.cat([(ours[key] - theirs[key]).abs().flatten() for key in ours if key.startswith("average")])
        assert apart.max() < most
        assert apart.mean() < mean, "a step moves every weight by 0.002 or 0.0004"
    run_to_end(train(photos(), two, kinds[-1].model_copy(update={"kimg": 0.024})))  # and one process goes on
    assert numbers(two) == [3, 24]


STOPPED = """
import os, signal, sys
import torch
from handsoff.cli.main import main
from handsoff.training import snapshots
from handsoff.training.gan import train as training

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell's background has ignored stays so
torch.set_num_threads(1)
snapshots.MEASURED_IMAGES = 8
calls, update = iter(range(1000)), training.update


def stopped(*arguments):
    if next(calls) == 2 * 3 + 1 and os.environ["RANK"] == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGINT)
    update(*arguments)


training.update = stopped
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.device_count() < 2, reason="two processes need two GPUs or none"
)
@pytest.mark.parametrize("rank", ["0", "1"])
def test_ctrl_c_ends_all_processes_after_the_same_step(tmp_path: Path, photos: Photos, rank: str) -> None:
    """Whichever of them sees it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    given = [f"{name}={value}" for name, value in tiny(99).model_dump(exclude_unset=True).items()]
    command = [sys.executable, "-c", STOPPED, rank, "train", str(photos()), "-o", str(tmp_path / "out")]
    command += [part for setting in given for part in ("--set", setting)]
    processes = [
        subprocess.Popen(
            command, env={**os.environ, **told, "RANK": own, "LOCAL_RANK": own}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        for own in ("0", "1")
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=600)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [130, 130], said
    assert not any("Traceback" in text for text in said)
    assert numbers(tmp_path / "out") == [4, 4 * BATCH]


def test_labels_among_the_photos_are_left_out_and_warnings_stand_in_the_report(photos: Photos, tmp_path: Path) -> None:
    with zipfile.ZipFile(photos(8)) as archive:
        archive.extractall(tmp_path / "data" / "CelebA-HQ-img")
    for file in sorted((tmp_path / "data" / "CelebA-HQ-img").iterdir()):
        mask = tmp_path / "data" / "CelebAMask-HQ-mask-anno" / "0" / f"00{file.stem}_hair.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), 255).save(mask)
    run_to_end(train(tmp_path / "data", tmp_path / "out", tiny(1)))
    report = require_done(tmp_path / "out", "train")
    assert report["images_used"] == 8
    assert report["notes"] == [
        "8 photos are few: with fewer than some 500 a generator tends to repeat them, add more if you can."
    ]


@pytest.mark.parametrize("where", ["distances", "save_generator"])
def test_a_snapshot_that_was_stopped_is_taken_again(
    where: str, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the checkpoint nor the best distance goes past a snapshot that is not whole."""
    settings = tiny(2, batch=10, kimg=0.02, snapshot_kimg=0.01)
    run_to_end(train(photos(), tmp_path / "whole", settings))

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    whole = getattr(snapshots, where)
    monkeypatch.setattr(snapshots, where, stopped)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(train(photos(), tmp_path / "cut", settings))
    assert not (tmp_path / "cut" / CHECKPOINT).exists()
    monkeypatch.setattr(snapshots, where, whole)
    run_to_end(train(photos(), tmp_path / "cut", settings))
    assert generator_hash(tmp_path / "cut") == generator_hash(tmp_path / "whole")
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    assert [[json.loads(line)["kimg"] for line in lines] for lines in logs] == [[0.01, 0.02]] * 2
