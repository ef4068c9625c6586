"""Composition: an aim is reached where it can be, in rounds that any run makes alike, and what was missed is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.datasets.generated import open_generated
from handsoff.datasets.labelled import open_labelled
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.labeler import load_labeler
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import read_materials
from handsoff.sampling.targets import Group
from handsoff.synthesis import compose as rounds
from handsoff.synthesis import shard
from handsoff.synthesis.compose import Composition
from handsoff.synthesis.generate import generate, plan
from handsoff.synthesis.samples import label_draws
from handsoff.synthesis.settings import GenerateSettings
from handsoff.synthesis.shard import DrawShards
from toy import CLASSES, toy_generator, toy_labels

Made = Callable[..., Path]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "SHARD", 8)
    monkeypatch.setattr(rounds, "LEAST_ROUND", 8)


def settings(aim: Any, **more: Any) -> GenerateSettings:
    return GenerateSettings(**{"n": 24, "aim": aim, "draws_limit": 72, **more})


def kept_of(dataset: Path) -> list[dict[str, Any]]:
    return [record for record in open_generated(dataset).records() if record["kept"]]


def names_and_draws(dataset: Path) -> list[tuple[str, Any]]:
    return [(record["name"], record["draw"]) for record in open_generated(dataset).records()]


def brightness(dataset: Path) -> np.ndarray:
    data = open_labelled(dataset)
    grey = [data.image(name) @ np.array([0.299, 0.587, 0.114]) / 255 for name in data.names]
    return np.array([image.mean() for image in grey])


def test_an_attribute_is_spread_as_asked(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "plain", GenerateSettings(n=24)))
    middle = float(np.median(brightness(tmp_path / "plain")))
    run_to_end(generate([labeler], tmp_path / "out", settings({"brightness": [middle, 1.0]}, keep=0.75)))
    told = read_json(tmp_path / "out" / "aim.json")
    assert told["kept"] == len(kept_of(tmp_path / "out")) == 18
    assert told["met"]
    (group,) = told["groups"]
    found = brightness(tmp_path / "out")
    assert group["reached"] == pytest.approx((found >= middle).mean()) == pytest.approx(1.0, abs=1 / 18)
    assert 0.2 < group["plain"] < 0.8
    assert open_generated(tmp_path / "out").manifest["aim"] == told
    reasons = {record["reason"] for record in open_generated(tmp_path / "out").records() if not record["kept"]}
    assert "the aim needs others" in reasons


def test_every_sample_is_made_again_from_its_record(labeler: Path, tmp_path: Path) -> None:
    aim = {"bright": {"pixels": 0.9}}  # out of reach: all rounds are made
    run_to_end(generate([labeler], tmp_path / "out", settings(aim, keep=1)))
    (tmp_path / "out").rename(tmp_path / "moved")
    data = open_generated(tmp_path / "moved")
    edited = [record for record in kept_of(tmp_path / "moved") if "edits" in record["draw"]]
    assert {record["proposal"]["kind"] for record in edited} >= {"perturbation", "style mixing, coarse layers"}
    assert any("photo" in edit["mix"] for record in edited for edit in record["draw"]["edits"] if "mix" in edit)
    draws = [Draw.of_record(record["draw"]) for record in edited]
    remade = label_draws([load_labeler(labeler)], draws, read_materials(tmp_path / "moved"))
    for record, sample in zip(edited, remade, strict=True):
        image, labels = data.labelled("segmentation").sample(record["name"])
        assert np.array_equal(sample.image, image)
        assert np.array_equal(sample.labels["segmentation"], labels["segmentation"])
    for record in data.records():
        number = int(record["name"])
        assert record["draw"]["seed"] == number
        assert ("proposal" in record) == (number >= 24)


def test_what_is_out_of_reach_is_said(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "out", settings({"bright": {"pixels": 0.9}})))
    told, report = read_json(tmp_path / "out" / "aim.json"), read_json(tmp_path / "out" / "report.json")
    assert (told["drawn"], told["met"]) == (72, False)
    (sentence,) = report["notes"]
    assert "bright, share of the pixels: asked 0.9, reached 0." in sentence
    assert "after 72 draws; the generator shows it in" in sentence
    (group,) = told["groups"]
    assert group["reached"] > group["plain"], "nearer than chance"
    assert not group["met"]
    assert group["photos"] == pytest.approx(np.mean([shows(labeler, name) for name in examples(labeler)]), abs=1e-5)
    tried = sum(found["tried"] for found in group["proposals"].values())
    assert tried == 72


def examples(labeler: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(labeler / "examples.json")
    return found


def shows(labeler: Path, name: str) -> float:
    return float(examples(labeler)[name]["shows"]["segmentation"].get("bright", 0))


@pytest.mark.parametrize("stops", [3, 5, 8, 11])
def test_a_run_that_is_stopped_goes_on_alike(labeler: Path, tmp_path: Path, stops: int) -> None:
    chosen = settings({"bright": {"pixels": 0.5}, "brightness": "uniform"})
    work = generate([labeler], tmp_path / "stopped", chosen)
    for _ in range(stops):
        next(work)
    work.close()
    assert run_to_end(generate([labeler], tmp_path / "stopped", chosen)) == "continued"
    run_to_end(generate([labeler], tmp_path / "whole", chosen))
    for name in ("samples.jsonl", "aim.json", "manifest.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_small_share_of_the_pixels_is_not_met_by_none(labeler: Path) -> None:
    composition = Composition(
        [labeler], {}, settings({"bright": 0.5}, n=100, draws_limit=100), [], {}, DrawShards(0, ([],))
    )
    rare, often = Group("glasses", 0.01, "t", "glasses", pixels=True), Group("hat", 0.2, "t", "hat")
    assert composition.met([rare, often], np.array([0.0, 0.19])).tolist() == [False, True]
    assert composition.met([rare, often], np.array([0.0096, 0.18])).tolist() == [True, False]


def test_shards_that_were_made_are_not_made_again(labeler: Path, tmp_path: Path) -> None:
    chosen = settings({"bright": {"pixels": 0.9}})
    run_to_end(generate([labeler], tmp_path / "out", chosen))
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out" / "images").iterdir()}
    (tmp_path / "out" / "DONE").unlink()
    run_to_end(generate([labeler], tmp_path / "out", chosen))
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())


def test_a_conditional_generator_is_asked_for_the_class_that_shows_it(conditional: Path, tmp_path: Path) -> None:
    run_to_end(generate([conditional], tmp_path / "out", settings({"bright": {"pixels": 0.9}})))
    asked = [
        record["draw"]["condition"]
        for record in open_generated(tmp_path / "out").records()
        if record.get("proposal", {}).get("kind") == "condition"
    ]
    assert asked
    assert set(asked) <= {0, 1, 2}


def test_an_attribute_of_the_generator_is_asked_for(posed: Path, tmp_path: Path) -> None:
    aim = {"yaw": [20, 31], "hat": {"none": 0.4}}
    run_to_end(generate([posed], tmp_path / "out", settings(aim, keep=1)))
    told = read_json(tmp_path / "out" / "aim.json")
    turned, bare = told["groups"]
    assert (bare["group"], turned["plain"] < 0.5, turned["reached"] > 0.7) == ("hat none", True, True)
    assert turned["proposals"]["condition"]["tried"] == turned["proposals"]["condition"]["confirmed"] > 5
    data = open_generated(tmp_path / "out")
    records = list(data.records())
    for record in records:
        draw = Draw.of_record(record["draw"])
        assert isinstance(draw.condition, tuple)
        known = {} if draw.edits else {"yaw": draw.condition[0], "hat": ["none", "brim", "cap"][int(draw.condition[1])]}
        assert record.get("attributes", {}) == known, "of edited samples nobody knows"
    asked = [record for record in records if record.get("proposal", {}).get("kind") == "condition"]
    assert all(20 <= record["draw"]["condition"][0] <= 31 for record in asked if "yaw" in record["proposal"]["group"])
    again = [record for record in records if record["kept"] and (record in asked or "edits" in record["draw"])][-8:]
    draws = [Draw.of_record(record["draw"]) for record in again]
    remade = label_draws([load_labeler(posed)], draws, read_materials(tmp_path / "out"))
    for record, sample in zip(again, remade, strict=True):
        assert np.array_equal(sample.image, data.labelled("segmentation").image(record["name"]))


def test_a_condition_holds_for_all_samples(posed: Path, tmp_path: Path) -> None:
    run_to_end(generate([posed], tmp_path / "out", GenerateSettings(n=8, condition={"yaw": 25})))
    asked = [record["draw"]["condition"] for record in open_generated(tmp_path / "out").records()]
    assert asked == [[25.0, 2.0]] * 8, "who is turned so far wears a cap"
    for wrong, said in (({"hat": "fez"}, "hat = fez is none of"), (2, "conditional on yaw, hat: ask for some")):
        with pytest.raises(InputError, match=said):
            plan([posed], GenerateSettings(n=8, condition=wrong))
    for aim, said in (
        ({"hat": {"fez": 0.5}}, "hat = fez, which it never is: choose among none, brim, cap"),
        ({"hat": [0, 1]}, "a range of hat, which is a word: .* one of none, brim, cap"),
        ({"yaw": {"left": 0.5}}, "yaw = left, and yaw is a number"),
    ):
        with pytest.raises(InputError, match=said):
            plan([posed], settings(aim))
    for condition in ({"yaw": 25}, "none"):
        with pytest.raises(InputError, match=r"asks for yaw, and condition = .* says of all samples what it is: leave"):
            plan([posed], settings({"yaw": [-30, 0]}, condition=condition))
    plan([posed], settings({"hat": {"cap": 0.5}}, condition={"yaw": 25}))


def test_the_labelled_photos_can_be_matched(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "out", settings({"match": "labelled"})))
    told = read_json(tmp_path / "out" / "aim.json")
    assert {group["group"].partition(",")[0] for group in told["groups"]} == set(CLASSES)
    reference = read_json(tmp_path / "out" / "ledger" / "reference.json")["content"]
    assert len(reference) == 8


def test_a_labelled_folder_can_be_matched(labeler: Path, tmp_path: Path) -> None:
    net = toy_generator(tmp_path / "generator", seed=3, resolution=(32, 24))
    toy_labels(net, tmp_path / "labelled", count=20)
    chosen = settings({"match": str(tmp_path / "labelled")})
    assert plan([labeler], chosen).inputs["match"]["path"] == str(tmp_path / "labelled")
    run_to_end(generate([labeler], tmp_path / "out", chosen))
    titles = [group["group"] for group in read_json(tmp_path / "out" / "aim.json")["groups"]]
    assert any(title.startswith("bright, ") for title in titles), "areas are cut into thirds"
    for file in ("aim.json", "manifest.json", "README.md", "samples.jsonl"):
        assert str(tmp_path) not in (tmp_path / "out" / file).read_text(), f"{file} goes to others"


def test_clusters_are_filled_evenly(labeler: Path, tmp_path: Path) -> None:
    run_to_end(generate([labeler], tmp_path / "out", settings({"cluster": "uniform"}, keep=0.5)))
    told = read_json(tmp_path / "out" / "aim.json")
    found = {record["attributes"]["cluster"] for record in open_generated(tmp_path / "out").records()}
    assert {group["group"]: group["asked"] for group in told["groups"]} == {f"cluster {k}": 0.125 for k in range(8)}
    assert found == set(range(8))
    spread = [(group["reached"] - group["asked"]) ** 2 for group in told["groups"]]
    plain = [(group["plain"] - group["asked"]) ** 2 for group in told["groups"]]
    assert sum(spread) < sum(plain)


def labelled_with(folder: Path, values: Callable[[str, np.ndarray], Any]) -> Path:
    """Photos and the attribute `glow` of each."""
    toy_labels(toy_generator(folder / "generator", resolution=(32, 24)), folder / "labelled", count=40)
    data = open_labelled(folder / "labelled")
    given = {name: {"glow": values(name, data.image(name))} for name in data.names}
    (folder / "labelled" / "attributes.json").write_text(json.dumps(given), encoding="utf-8")
    return folder / "labelled"


def test_given_attributes_are_predicted(labeler: Path, tmp_path: Path) -> None:
    given = labelled_with(tmp_path, lambda _, image: float(image[..., 0].mean()))
    middle = float(np.median([image["glow"] for image in read_json(given / "attributes.json").values()]))
    chosen = settings({"glow": [middle, 255]}, attributes=str(given), keep=0.5)
    run_to_end(generate([labeler], tmp_path / "out", chosen))
    data = open_labelled(tmp_path / "out")
    red = np.array([data.image(name)[..., 0].mean() for name in data.names])
    assert (red >= middle).mean() > 0.7
    assert read_json(tmp_path / "out" / "ledger" / "pooled.json")["glow"]["skill"] > 0.5


def test_given_words_are_predicted(labeler: Path, tmp_path: Path) -> None:
    given = labelled_with(tmp_path, lambda _, image: "much" if image[..., 0].mean() > 128 else "little")
    middle = float(np.median([open_labelled(given).image(name)[..., 0].mean() for name in open_labelled(given).names]))
    labelled_with(tmp_path, lambda _, image: "much" if image[..., 0].mean() > middle else "little")
    run_to_end(generate([labeler], tmp_path / "out", settings({"glow": "uniform"}, attributes=str(given))))
    told = read_json(tmp_path / "out" / "aim.json")
    assert [group["group"] for group in told["groups"]] == ["glow little", "glow much"]


# --- what cannot be


def test_an_attribute_that_images_do_not_tell_is_refused(labeler: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given = labelled_with(tmp_path, lambda *_: float(rng.random()))
    chosen = settings({"glow": [0, 0.5]}, attributes=str(given))
    with pytest.raises(InputError, match=r"glow of attributes\.json cannot be told from images"):
        run_to_end(generate([labeler], tmp_path / "out", chosen))
    assert not (tmp_path / "out").exists()


def test_a_word_that_no_labelled_image_has_is_refused(labeler: Path, tmp_path: Path) -> None:
    given = labelled_with(tmp_path, lambda name, _: "much" if name < "photo20" else "little")
    with pytest.raises(InputError, match=r"glow = mach, which it never is: did you mean much.* among little, much"):
        plan([labeler], settings({"glow": {"mach": 0.5}}, attributes=str(given)))
    with pytest.raises(InputError, match=r"a range of glow, which is a word: .* one of little, much"):
        plan([labeler], settings({"glow": [0, 1]}, attributes=str(given)))


def test_an_attribute_that_some_images_lack_is_refused(labeler: Path, tmp_path: Path) -> None:
    given = labelled_with(tmp_path, lambda name, _: None if name in {"photo03", "photo30"} else 1.0)
    with pytest.raises(InputError, match="no glow for 2 of 40 images, the first is photo03"):
        plan([labeler], settings({"glow": [0, 0.5]}, attributes=str(given)))


@pytest.mark.parametrize(
    ("aim", "reason"),
    [
        ({"hut": 0.3}, r"names 'hut', which is no class, point or attribute here: .*dark, middle, bright, brightness"),
        ({"light_x": [0, 1]}, "names 'light_x'"),
        ({"cluster": {"8": 0.5}}, "cluster = 8, which it never is: choose among 0, 1, 2, 3, 4, 5, 6, 7"),
        ({"size": {"large": 0.5}}, "size = large, and size is a number"),
        ({"match": "unlabelled"}, "is known in a recipe"),
        ({"match": "nowhere"}, "nowhere"),
    ],
)
def test_an_aim_at_what_is_not_there_is_refused(labeler: Path, aim: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        plan([labeler], settings(aim))


def test_settings_refuse_what_is_no_aim() -> None:
    for aim in ("hat=2", "hat", {"hat": 2}, 3):
        with pytest.raises(ValidationError):
            settings(aim)
    with pytest.raises(ValidationError, match="draws_limit = 9 is less than n = 24, which are drawn before the aim"):
        settings({"hat": 0.2}, draws_limit=9)
    assert settings({"hat": 0.2}, draws_limit=24).most_draws == 24
    assert settings("hat=0.2, brightness=uniform").aim == {"hat": 0.2, "brightness": "uniform"}
