"""Generated datasets: deterministic, resumable, honest about what was dropped."""

import hashlib
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deciding import decided
from handsoff.core.disk import used_bytes
from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.datasets.generated import open_generated, read_manifest
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.sources import open_source
from handsoff.formats.convert import convert
from handsoff.formats.exchange import open_dataset
from handsoff.formats.settings import ConvertSettings
from handsoff.generators.nearness import Nearness, nearness_in
from handsoff.jobs.folder import require_done
from handsoff.jobs.ledger import read_entry
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.labeler import load_labeler
from handsoff.sampling.draws import Draw, class_of
from handsoff.synthesis import shard
from handsoff.synthesis.generate import generate, labelers_licence, plan
from handsoff.synthesis.samples import label_draws
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.size import most_bytes
from toy import CLASSES


def hashes(dataset: Path) -> dict[str, str]:
    """Of everything that is made per sample."""
    files = [file for kind in ("images", "masks", "uncertainty") for file in (dataset / kind).iterdir()]
    return {file.relative_to(dataset).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# --- samples ---


def test_the_same_seed_is_the_same_sample_whatever_else_is_drawn(
    labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_to_end(generate([labeler], tmp_path / "many", GenerateSettings(n=40, seed=100, keep=1)))
    run_to_end(generate([labeler], tmp_path / "few", GenerateSettings(n=7, seed=119, keep=1)))
    monkeypatch.setattr(shard, "SHARD", 5)
    run_to_end(generate([labeler], tmp_path / "shards", GenerateSettings(n=40, seed=100, keep=1)))
    many, few = hashes(tmp_path / "many"), hashes(tmp_path / "few")
    assert len(list((tmp_path / "shards" / "ledger").iterdir())) == 8
    assert len(few) == 3 * 7
    assert few.items() <= many.items()
    assert hashes(tmp_path / "shards") == many


@pytest.mark.parametrize("psi", [1.0, 0.5])
def test_a_sample_is_made_again_from_its_record_alone(labeler: Path, tmp_path: Path, psi: float) -> None:
    run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=20, seed=7, keep=1, psi=psi)))
    data = open_generated(tmp_path / "dataset")
    records = [data.records()[index] for index in (17, 3)]
    assert [record["draw"] for record in records] == [
        {"seed": 24, "psi": psi, "condition": None},
        {"seed": 10, "psi": psi, "condition": None},
    ]
    assert_remade(labeler, tmp_path / "dataset", records)


def assert_remade(labeler: Path, dataset: Path, records: list[dict[str, Any]]) -> None:
    """The records' draws give the images, labels and uncertainties that lie in the dataset."""
    data = open_generated(dataset)
    draws = [Draw.of_record(record["draw"]) for record in records]
    for record, sample in zip(records, label_draws([load_labeler(labeler)], draws), strict=True):
        image, labels = data.labelled("segmentation").sample(record["name"])
        assert np.array_equal(sample.image, image)
        assert np.array_equal(sample.labels["segmentation"], labels["segmentation"])
        assert sample.uncertainties["segmentation"] == pytest.approx(record["uncertainties"]["segmentation"], abs=1e-6)
        stored = data.uncertainty_map(record["name"], "segmentation")
        assert stored is not None
        assert np.abs(sample.uncertainty["segmentation"] - stored).max() <= 0.5 / 255 + 1e-6


def test_every_record_states_the_class_of_its_sample(conditional: Path, tmp_path: Path) -> None:
    run_to_end(generate([conditional], tmp_path / "dataset", GenerateSettings(n=30, seed=5, keep=1)))
    records = open_generated(tmp_path / "dataset").records()
    assert [record["draw"]["condition"] for record in records] == [class_of(seed, 3) for seed in range(5, 35)]
    assert {record["draw"]["condition"] for record in records} == {0, 1, 2}
    assert_remade(conditional, tmp_path / "dataset", [records[index] for index in (21, 0, 4)])
    first = records[0]["draw"]
    others = [Draw.of_record({**first, "condition": condition}) for condition in range(3)]
    images = [sample.image for sample in label_draws([load_labeler(conditional)], others)]
    assert len({image.tobytes() for image in images}) == 3, "the class matters"


def test_one_class_can_be_asked_for(conditional: Path, tmp_path: Path) -> None:
    run_to_end(generate([conditional], tmp_path / "dataset", GenerateSettings(n=6, keep=1, condition=2)))
    records = open_generated(tmp_path / "dataset").records()
    assert [record["draw"]["condition"] for record in records] == [2] * 6
    assert_remade(conditional, tmp_path / "dataset", records[3:])


def test_a_class_that_the_generator_does_not_know_is_refused(labeler: Path, conditional: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no conditions"):
        run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=6, condition=0)))
    with pytest.raises(InputError, match="knows the classes 0 to 2"):
        run_to_end(generate([conditional], tmp_path / "dataset", GenerateSettings(n=6, condition=3)))
    assert not (tmp_path / "dataset").exists()


# --- the dataset ---


def test_the_dataset_is_a_labelled_folder_with_an_account_of_itself(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=20)))
    (tmp_path / "dataset").rename(tmp_path / "moved")
    data = open_labelled(tmp_path / "moved")
    assert (len(data.names), data.tasks["segmentation"].schema["classes"]) == (18, CLASSES)
    assert data.image(data.names[0]).shape == (32, 24, 3)
    generated = open_generated(tmp_path / "moved")
    records = generated.records()
    assert {record["name"] for record in records if record["kept"]} == set(data.names)
    assert [record["kept"] for record in decided(records, 0.9, strata="parts")] == [
        record["kept"] for record in records
    ]
    assert all(record["reason"] for record in records if not record["kept"])
    assert not any("rest" in record for record in records)
    card = read_json(labeler / "labeler.json")
    expected = {"licence": "CC0", "drawn": 20, "kept": 18, "image_size": [32, 24], "framing": "crop"}
    expected |= {"psi": 1.0, "seed": 0, "generator": card["generator"]}
    assert expected.items() <= generated.manifest.items()
    unsure = generated.uncertainty_map(data.names[0], "segmentation")
    assert unsure is not None
    assert unsure.shape == (32, 24)
    assert (tmp_path / "moved" / "preview.png").is_file()
    inversions = (tmp_path / "moved" / "inversions.png").read_bytes()
    assert inversions == (labeler / "inversions.png").read_bytes()


def test_a_generator_that_repeats_its_photos_is_told_of(labeler: Path, tmp_path: Path) -> None:
    shutil.copytree(labeler, tmp_path / "labeler")
    run_to_end(generate([tmp_path / "labeler"], tmp_path / "unknown", GenerateSettings(n=4)))
    assert "nearness" not in read_manifest(tmp_path / "unknown")
    card, found = tmp_path / "labeler" / "generator" / "generator.json", Nearness(2000, 300, 0.4, 900)
    write_json(card, read_json(card) | {"nearness": asdict(found)})
    run_to_end(generate([tmp_path / "labeler"], tmp_path / "known", GenerateSettings(n=4)))
    assert nearness_in(read_manifest(tmp_path / "known")) == found
    assert require_done(tmp_path / "known", "generate")["notes"] == [found.sentence()]


def test_a_dataset_converts_to_another_format(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=10)))
    run_to_end(convert(tmp_path / "dataset", tmp_path / "yolo", ConvertSettings(format="yolo")))
    kept, other = open_labelled(tmp_path / "dataset"), open_dataset(open_source(tmp_path / "yolo"))
    assert other.names == kept.names
    assert other.licence == open_generated(tmp_path / "dataset").manifest["licence"]
    for name in kept.names:
        np.testing.assert_array_equal(other.read(name).labels["segmentation"], kept.label("segmentation", name))


# --- interruptions ---


def test_an_interrupted_run_goes_on_without_redoing(
    labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "SHARD", 16)
    settings = GenerateSettings(n=40, seed=3)
    work = generate([labeler], tmp_path / "killed", settings)
    next(work)
    next(work)
    work.close()
    (tmp_path / "killed" / "images" / ".00000035.png.123.part").write_bytes(b"half a file")
    (tmp_path / "killed" / "images" / "00000036.png").write_bytes(b"of an earlier version")
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "killed" / "masks").glob("*.png")}
    assert len(made) == 32, "two shards"
    assert run_to_end(generate([labeler], tmp_path / "killed", settings)) == "continued"
    assert run_to_end(generate([labeler], tmp_path / "whole", settings)) == "made"
    assert all(file.stat().st_mtime_ns == time for file, time in made.items() if file.is_file())
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "whole")


def test_a_run_killed_while_it_selected_goes_on(labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = GenerateSettings(n=10, keep=0.5)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("handsoff.synthesis.dataset.write_preview", killed)
        with pytest.raises(KeyboardInterrupt):
            run_to_end(generate([labeler], tmp_path / "killed", settings))
    assert len(list((tmp_path / "killed" / "images").iterdir())) == 5
    run_to_end(generate([labeler], tmp_path / "killed", settings))
    run_to_end(generate([labeler], tmp_path / "whole", settings))
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "whole")
    for name in ("samples.jsonl", "manifest.json", "preview.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


KILLED = """
import sys
from pathlib import Path
import torch
from handsoff.jobs.progress import run_to_end
from handsoff.synthesis import shard
from handsoff.synthesis.generate import generate
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.size import most_bytes
torch.set_num_threads(1)
shard.SHARD = 16
run_to_end(generate([Path(sys.argv[1])], Path(sys.argv[2]), GenerateSettings(n=160, keep=1)))
"""


@pytest.mark.slow
def test_a_process_killed_in_the_middle_leaves_nothing_wrong(
    labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(labeler), str(out)])
    images, ledger = out / "images", out / "ledger"
    deadline = time.monotonic() + 120
    while not (ledger.is_dir() and len(list(ledger.glob("*.json"))) >= 2 and len(list(images.iterdir())) % 16):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()
    made = {file: file.stat().st_mtime_ns for entry in ledger.glob("*.json") for file in files_of(out, entry)}
    assert 3 * 32 <= len(made) < 3 * 160
    monkeypatch.setattr(shard, "SHARD", 16)
    settings = GenerateSettings(n=160, keep=1)
    assert run_to_end(generate([labeler], out, settings)) == "continued"
    assert all(file.stat().st_mtime_ns == time for file, time in made.items()), "what the ledger names stays"
    run_to_end(generate([labeler], tmp_path / "whole", settings))
    assert hashes(out) == hashes(tmp_path / "whole")
    assert not list(out.rglob("*.part"))


def test_what_is_damaged_in_an_unfinished_dataset_is_made_again(
    labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of dropped samples are gone when the selection was interrupted; that alone makes no shard again."""
    monkeypatch.setattr(shard, "SHARD", 4)
    out, settings = tmp_path / "dataset", GenerateSettings(n=16, keep=0.7)
    run_to_end(generate([labeler], out, settings))
    whole, kept = hashes(out), [record["name"] for record in open_generated(out).records() if record["kept"]]
    entries = sorted((out / "ledger").iterdir())

    def again() -> dict[str, int]:
        before = {file: file.stat().st_mtime_ns for file in (out / "images").iterdir()}
        (out / "DONE").unlink()
        assert run_to_end(generate([labeler], out, settings)) == "continued"
        assert hashes(out) == whole
        return {file.stem: int(file.stat().st_mtime_ns != time) for file, time in before.items()}

    assert sum(again().values()) == 0, "nothing was damaged"
    image = out / "images" / f"{kept[0]}.png"
    image.write_bytes(image.read_bytes()[:-9])
    made = again()
    assert {name for name in kept if made[name]} == {name for name in kept if int(name) // 4 == int(kept[0]) // 4}
    (out / "masks" / f"{kept[-1]}.png").unlink()
    assert again()[kept[-1]]
    for content in (entries[0].read_bytes()[:-20], b"[]", entries[0].read_bytes().replace(b"0.", b"1.", 1)):
        entries[0].write_bytes(content)
        assert any(made for name, made in again().items() if int(name) < 4)


def files_of(out: Path, entry: Path) -> list[Path]:
    return [out / file for record in read_entry(entry) for file in record["files"]]


def test_a_finished_dataset_is_left_alone(labeler: Path, tmp_path: Path) -> None:
    settings = GenerateSettings(n=4)
    run_to_end(generate([labeler], tmp_path / "dataset", settings))
    before = (tmp_path / "dataset" / "DONE").stat().st_mtime_ns
    assert run_to_end(generate([labeler], tmp_path / "dataset", settings)) == "done"
    assert (tmp_path / "dataset" / "DONE").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="n = 4 instead of 5"):
        run_to_end(generate([labeler], tmp_path / "dataset", GenerateSettings(n=5)))


# --- the plan, and who carries it out ---


def test_the_plan_names_every_labeler_by_what_it_holds(labelers: list[Path], tmp_path: Path) -> None:
    settings = GenerateSettings(n=4)
    planned = plan(labelers, settings)
    assert list(planned.inputs) == ["labeler", "labeler 2", "labeler 3", "labeler 4"]
    assert (planned.verb, planned.settings) == ("generate", settings.model_dump(exclude={"attributes"}))
    moved = Path(shutil.copytree(labelers[0], tmp_path / "moved"))
    fingerprint = planned.inputs["labeler"]["fingerprint"]
    assert plan([moved], settings).inputs["labeler"] == {"path": str(moved), "fingerprint": fingerprint}
    (moved / "network-0.safetensors").write_bytes(b"a further network")
    assert plan([moved], settings).inputs["labeler"]["fingerprint"] != fingerprint


def test_what_is_no_finished_labeler_is_refused(labeler: Path, tmp_path: Path) -> None:
    shutil.copytree(labeler, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "DONE").unlink()
    with pytest.raises(InputError, match="is not finished: run handsoff fit again"):
        plan([tmp_path / "unfinished"], GenerateSettings(n=4))
    with pytest.raises(InputError, match="was not made by handsoff fit"):
        labelers_licence([labeler, tmp_path])
    assert labelers_licence([labeler]) == "CC0"


def test_a_labeler_that_is_fitted_anew_meanwhile_labels_no_later_shard(labeler: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(labeler, tmp_path / "labeler"))
    mark = plan([folder], GenerateSettings(n=4)).inputs["labeler"]["fingerprint"]
    assert shard.loaded.__wrapped__(((folder, mark),))[0].task.name == "segmentation"
    (folder / "network-0.safetensors").write_bytes(b"a further network")
    with pytest.raises(MismatchError, match="has been changed since this work began"):
        shard.loaded.__wrapped__(((folder, mark),))


def test_settings_that_nothing_heeds_are_refused() -> None:
    for unheeded in ({"attributes": "folder"}, {"draws_limit": 9}):
        with pytest.raises(ValueError, match=f"{next(iter(unheeded))} is about reaching an aim, and there is none"):
            GenerateSettings.model_validate({"n": 4, **unheeded})
    with pytest.raises(ValueError, match="less than 4611686018427387904"):
        GenerateSettings(n=4, seed=2**62)


class RoughEngine:
    """Sends pickles, computes the last shard first, and every one twice."""

    def map(
        self, function: Callable[[Any, Any], Any], shards: Iterable[Any], context: shard.ShardContext
    ) -> Iterator[Any]:
        results = []
        for part in reversed(list(shards)):
            sent = pickle.loads(pickle.dumps((function, part, context)))  # noqa: S301  # our own, just made
            made = sent[0](*sent[1:])
            before = hashes(context.out)
            results.append(function(part, context))
            assert pickle.dumps(results[-1]) == pickle.dumps(made)
            assert hashes(context.out) == before
        assert not list(context.out.glob("ledger/*")), "only who asked for shards writes the ledger"
        yield from reversed(results)


def test_the_engine_makes_no_difference(labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "SHARD", 8)
    settings = GenerateSettings(n=20, keep=0.7)
    run_to_end(generate([labeler], tmp_path / "local", settings))
    run_to_end(generate([labeler], tmp_path / "rough", settings, RoughEngine()))
    assert hashes(tmp_path / "local") == hashes(tmp_path / "rough")
    for name in ("samples.jsonl", "manifest.json", "classes.json", "preview.png"):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "rough" / name).read_bytes()


# --- the disk ---


def test_a_disk_that_will_be_full_stops_the_work_early_and_it_goes_on_later(
    labeler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "SHARD", 4)
    settings = GenerateSettings(n=12)
    with monkeypatch.context() as patch:
        patch.setattr("handsoff.core.disk.free_bytes", lambda _: 10_000)
        with pytest.raises(HandsOffError, match=r"needs about .* more, and its disk has 10 kB free"):
            run_to_end(generate([labeler], tmp_path / "dataset", settings))
    assert len(list((tmp_path / "dataset" / "images").iterdir())) == 4
    assert run_to_end(generate([labeler], tmp_path / "dataset", settings)) == "continued"


def test_a_dataset_takes_no_more_than_was_said(labelers: list[Path], tmp_path: Path) -> None:
    run_to_end(generate(labelers, tmp_path / "dataset", GenerateSettings(n=10, keep=1)))
    assert used_bytes(tmp_path / "dataset" / "images") > 0
    assert used_bytes(tmp_path / "dataset") < most_bytes((16, 16), len(labelers), 10) + 2_000_000
