"""Photos become a dataset like those of generate: labelled by votes, resumable, without what was labelled before."""

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import handsoff
from alike import contents, differences
from handsoff.api.dataset import Dataset
from handsoff.backbones.lite0 import frozen_lite0
from handsoff.backbones.perceptual import Perceptual
from handsoff.cli.main import main
from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.core.images import to_float, to_uint8
from handsoff.datasets.generated import open_generated
from handsoff.datasets.hub import check_pushable
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.likeness import save_seen
from handsoff.evaluation.inputs import open_inputs
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.formats.convert import convert
from handsoff.formats.samples import alike
from handsoff.formats.settings import ConvertSettings
from handsoff.generators.latents import Latents
from handsoff.generators.stored import load_generator
from handsoff.inversion.encoder import load_encoder, starting_point
from handsoff.inversion.invert import invert
from handsoff.inversion.latent_space import measure_latent_space, require_w_space
from handsoff.inversion.refine import Target
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.learning.models import build_model
from handsoff.learning.predictor import PredictorCard, load_predictor, save_predictor
from handsoff.learning.voting import vote
from handsoff.report.gallery import open_gallery
from handsoff.synthesis import shard
from handsoff.synthesis.generate import generate
from handsoff.synthesis.label import label, plan
from handsoff.synthesis.photo_shard import sample_names
from handsoff.synthesis.references import reference_records
from handsoff.synthesis.sample import sample
from handsoff.synthesis.settings import GenerateSettings, LabelSettings, SampleSettings
from handsoff.tasks.base import Task
from toy import CLASSES, toy_generator, toy_several

ALL = LabelSettings(keep=1)
FIT = FitSettings(members=2, hidden=(8, 8), steps=4, images=2, pixels=20, networks=2, network_steps=2)
PHOTOS = 24


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator, labelled photos, latents with their encoder, labelers of two tasks, and photos in a zip.

    The photos are larger than the frame, and the first two of them are labelled ones, encoded anew.
    """
    root = tmp_path_factory.mktemp("photos")
    net = toy_generator(root / "generator")
    toy_several(net, root / "labelled")
    quick = InvertSettings(encoder_steps=2, encoder_batch=4, steps=1)
    run_to_end(invert(root / "generator", root / "labelled", root / "latents", quick))
    for task in ("segmentation", "keypoints"):
        settings = FIT.model_copy(update={"task": task})
        run_to_end(fit(root / "generator", root / "latents", root / task, settings))
    labelled = open_labelled(root / "labelled")
    images = list(to_uint8(net.synthesize(net.draw(range(2000, 2000 + PHOTOS)))))
    images[:2] = [labelled.image(name) for name in labelled.names[:2]]
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for index, image in enumerate(images):
            with archive.open(f"walk/{index:02d}.jpg", "w") as file:
                enlarged(image).save(file, "JPEG", quality=92)
    return root


def enlarged(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image).resize((80, 80), Image.Resampling.NEAREST)


def unpacked(world: Path, folder: Path, *names: str) -> Path:
    """Some of the photos in a folder, as PNG."""
    folder.mkdir()
    with zipfile.ZipFile(world / "photos.zip") as archive:
        for name in names:
            with archive.open(f"walk/{name}.jpg") as file:
                Image.open(file).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def dataset(world: Path) -> Path:
    """All photos with both kinds of label."""
    out = world / "dataset"
    run_to_end(label([world / "segmentation", world / "keypoints"], world / "photos.zip", out, ALL))
    return out


def test_photos_without_labels_can_be_matched(world: Path, dataset: Path, tmp_path: Path) -> None:
    """The labelers label them first, as `label` does: the first two, which it leaves out, know their labels."""
    aim = {"match": str(world / "photos.zip")}
    run_to_end(generate([world / "segmentation"], tmp_path / "out", GenerateSettings(n=12, aim=aim, draws_limit=16)))
    reference = read_json(tmp_path / "out" / "ledger" / "reference.json")["content"]
    assert len(reference) == PHOTOS
    labelled = [record["shows"]["segmentation"] for record in open_generated(dataset).records() if "shows" in record]
    assert [record["shows"]["segmentation"] for record in reference[PHOTOS - len(labelled) :]] == labelled
    told = read_json(tmp_path / "out" / "aim.json")
    assert any(group["group"].startswith("bright, ") for group in told["groups"]), "areas are cut into thirds"


def test_photos_that_are_matched_are_enlarged_and_a_few_broken_ones_skipped(world: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(world / "photos.zip") as archive:
        archive.extractall(tmp_path / "photos")
    for file in sorted((tmp_path / "photos" / "walk").iterdir()):
        with Image.open(file) as image:
            small = image.resize((8, 8))
        small.save(file)
    (tmp_path / "photos" / "walk" / "03.jpg").write_bytes(b"no image")
    match, labelers = str(tmp_path / "photos"), [world / "segmentation"]
    found: Any = run_to_end(reference_records(match, labelers, {}))
    assert len(found) == PHOTOS - 1
    (tmp_path / "photos" / "walk" / "04.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"More than 5% of the 24 images in .* cannot be used\. The first: .*03\.jpg"):
        run_to_end(reference_records(match, labelers, {}))


def test_pixels_that_were_ignored_are_no_damage(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "SHARD", 5)
    settings, out = LabelSettings(keep=1, ignore_pixels=0.2), tmp_path / "out"
    run_to_end(label([world / "segmentation"], world / "photos.zip", out, settings))
    before = contents(out)
    made = {file: file.stat().st_mtime_ns for file in (out / "images").iterdir()}
    (out / "DONE").unlink()
    assert run_to_end(label([world / "segmentation"], world / "photos.zip", out, settings)) == "continued"
    assert all(file.stat().st_mtime_ns == time for file, time in made.items())
    assert not differences(contents(out), before)


# --- what comes out ---


def test_photos_are_labelled_into_shards_alike(world: Path, dataset: Path, tmp_path: Path) -> None:
    sharded = ALL.model_copy(update={"output": "webdataset"})
    run_to_end(label([world / "segmentation", world / "keypoints"], world / "photos.zip", tmp_path / "out", sharded))
    one, other = open_labelled(dataset), open_labelled(tmp_path / "out")
    assert one.names == other.names
    for name in one.names:
        (image, labels), (same, alike_labels) = one.sample(name), other.sample(name)
        assert np.array_equal(image, same)
        assert all(np.array_equal(labels[task], alike_labels[task]) for task in labels)
    assert (dataset / "left_out.jsonl").read_bytes() == (tmp_path / "out" / "left_out.jsonl").read_bytes()
    assert not (tmp_path / "out" / "images").exists()


def test_the_dataset_is_one_like_those_of_generate(dataset: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(dataset, tmp_path / "moved"))
    data, generated = open_labelled(moved), open_generated(moved)
    assert data.names == tuple(f"{index:02d}" for index in range(2, PHOTOS))
    assert set(data.kinds) == {"segmentation", "keypoints"}
    assert data.image("05").shape == (16, 16, 3)
    records = generated.records()
    assert [record["draw"] for record in records[:2]] == [{"photo": "walk/02.jpg"}, {"photo": "walk/03.jpg"}]
    assert all({"uncertainties", "uncertainty", "kept", "reason", "per_point"} <= record.keys() for record in records)
    assert not any({"rest", "files", "content"} & record.keys() for record in records)
    left_out = {"labelled": 2, "apart": 0, "duplicates": 0, "unusable": 0}
    expected = {"source": "photos", "image_size": [16, 16], "framing": "crop", "drawn": 22, "kept": 22}
    assert {**expected, "left_out": left_out}.items() <= generated.manifest.items()
    assert "generator" not in generated.manifest
    assert generated.manifest["tasks"]["segmentation"]["classes"] == CLASSES
    assert read_json(moved / "report.json")["left_out"] == left_out
    assert generated.uncertainty_map("05", "segmentation") is not None
    assert (moved / "preview.png").is_file()
    reasons = [json.loads(line) for line in (moved / "left_out.jsonl").read_text().splitlines()]
    assert [entry["photo"] for entry in reasons] == ["walk/00.jpg", "walk/01.jpg"]


def test_the_card_speaks_of_photos_and_of_their_terms(dataset: Path) -> None:
    text = (dataset / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license_name"] == "labels: CC0; the photos keep their own terms"
    assert "synthetic" not in head["tags"]
    for sentence in (
        "22 images with labels (segmentation, keypoints)",
        "22 photos, no generated images, were framed to 16 x 16 pixels (crop) and labelled",
        "Photos that were left out: 2 labelled already.",
        "segmentation: labelled by 2 image networks, which also looked at the mirror image",
        "they learnt from 8 labelled images",
    ):
        assert sentence in text


def test_the_dataset_is_taken_wherever_generated_ones_are(world: Path, dataset: Path, tmp_path: Path) -> None:
    run_to_end(convert(dataset, tmp_path / "parquet", ConvertSettings(format="huggingface")))
    text = (tmp_path / "parquet" / "README.md").read_text(encoding="utf-8")
    assert "22 photos, no generated images" in text
    assert "synthetic" not in text
    settings = EvaluateSettings(task="segmentation")
    inputs = open_inputs(world / "labelled", [dataset], world / "labelled", settings, None)
    assert (inputs.frame, inputs.framing) == ((16, 16), "crop")
    assert len(Dataset(dataset, "segmentation")) == 22
    assert open_gallery(dataset, "keypoints").generated is not None
    check_pushable(dataset)


def test_the_most_uncertain_photos_are_dropped(world: Path, tmp_path: Path) -> None:
    settings = LabelSettings(keep=0.5, strata="none")
    run_to_end(label([world / "segmentation"], world / "photos.zip", tmp_path / "out", settings))
    records = open_generated(tmp_path / "out").records()
    kept = [record for record in records if record["kept"]]
    assert len(kept) == 11
    assert max(record["uncertainty"] for record in kept) <= min(
        record["uncertainty"] for record in records if not record["kept"]
    )
    assert open_labelled(tmp_path / "out").names == tuple(record["name"] for record in kept)


# --- who votes ---


def members(task: Task, networks: tuple[torch.nn.Module, ...], images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and uncertainty of networks that vote with mirror images, computed here."""
    with torch.no_grad():
        found = vote(task, networks, to_float(images))
        labels, uncertainty = task.learning.decode(found, torch.full((len(found),), 1 / len(found)))
    return labels, uncertainty.numpy()


def stored(dataset: Path, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a dataset."""
    data = open_generated(dataset).labelled(task)
    samples = [data.sample(name) for name in data.names]
    return np.stack([image for image, _ in samples]), np.stack([labels[task] for _, labels in samples])


@pytest.mark.parametrize("task", ["segmentation", "keypoints"])
def test_networks_vote_on_the_photo_and_its_mirror_image(world: Path, dataset: Path, task: str) -> None:
    """The pixel classifiers read latents, which photos do not have."""
    labeler = load_labeler(world / task)
    images, found = stored(dataset, task)
    labels, uncertainty = members(labeler.task, labeler.networks, images)
    assert np.allclose(found, labels, atol=0.01)
    records = open_generated(dataset).records()
    numbers = labeler.task.scores.image_uncertainty(uncertainty)
    assert [record["uncertainties"][task] for record in records] == pytest.approx(numbers.tolist(), abs=1e-4)


def model_of(folder: Path, task: Task, seen: np.ndarray, size: tuple[int, int] = (16, 16)) -> Path:
    """A model that an evaluation handed over, untrained, in a report that is finished."""
    torch.manual_seed(1)
    card = PredictorCard(
        task.name, task.schema, "lite0", 2, 0, list(size), "crop", "CC BY 4.0", "real_only", "miou", [], [0.5, 0.5], 8
    )
    save_predictor(folder / "model", [build_model("lite0", task.channels).state_dict() for _ in range(2)], card)
    save_seen(folder / "model", seen)
    plan_of = {"verb": "evaluate", "inputs": {}, "settings": {}}
    for name in ("job.json", "report.json"):
        (folder / name).write_text(json.dumps(plan_of))
    (folder / "DONE").touch()
    return folder


@pytest.fixture(scope="module")
def report(world: Path) -> Path:
    data = open_labelled(world / "labelled")
    return model_of(world / "report", load_labeler(world / "segmentation").task, data.load((16, 16))[0])


def test_the_model_of_an_evaluation_labels_photos(world: Path, report: Path, tmp_path: Path) -> None:
    run_to_end(label([report], world / "photos.zip", tmp_path / "out", ALL))
    predictor = load_predictor(report / "model")
    images, found = stored(tmp_path / "out", "segmentation")
    assert np.array_equal(found, members(predictor.task, predictor.networks, images)[0])
    assert open_generated(tmp_path / "out").manifest["left_out"]["labelled"] == 2
    run_to_end(label([report / "model"], world / "photos.zip", tmp_path / "again", ALL))
    assert not differences(contents(tmp_path / "out" / "masks"), contents(tmp_path / "again" / "masks"))
    run_to_end(label([report, world / "keypoints"], world / "photos.zip", tmp_path / "both", ALL))
    manifest = open_generated(tmp_path / "both").manifest
    assert set(manifest["tasks"]) == {"segmentation", "keypoints"}
    assert manifest["licence"] == "labels: CC BY 4.0; CC0; the photos keep their own terms"


def test_pixel_classifiers_that_read_images_vote_with_their_share(world: Path, tmp_path: Path) -> None:
    settings = FIT.model_copy(update={"features": ("lite0",), "network_share": 0.4})
    run_to_end(fit(world / "generator", world / "labelled", tmp_path / "labeler", settings))
    out = tmp_path / "out"
    run_to_end(label([tmp_path / "labeler"], world / "photos.zip", out, LabelSettings(keep=1, mirror=False)))
    labels, uncertainty = load_labeler(tmp_path / "labeler").label_images(stored(out, "segmentation")[0])
    assert (labels == stored(out, "segmentation")[1]).mean() > 0.99
    values = [record["uncertainties"]["segmentation"] for record in open_generated(out).records()]
    task = load_labeler(tmp_path / "labeler").task
    assert values == pytest.approx(task.scores.image_uncertainty(uncertainty).tolist(), abs=2e-3)


def test_pixel_classifiers_vote_on_the_inverted_photo(world: Path, tmp_path: Path) -> None:
    no_networks = FIT.model_copy(update={"networks": 0})
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "labeler", no_networks))
    out, settings = tmp_path / "out", LabelSettings(keep=1, inversion="encoder")
    run_to_end(label([tmp_path / "labeler"], world / "photos.zip", out, settings))
    net = require_w_space(load_generator(world / "generator"), "the generator")
    images, found = stored(out, "segmentation")
    space, encoder = measure_latent_space(net), load_encoder(net, world / "latents")
    target = Target(net, space, Perceptual(frozen_lite0(), net.image_size))

    ws = space.unwhiten(starting_point(target, encoder, to_float(images)))
    _, labels, _ = load_labeler(tmp_path / "labeler").label(Latents({"ws": ws}))
    assert (labels == found).mean() > 0.99


def test_networks_and_classifiers_vote_on_the_refined_inversion(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handsoff.synthesis.voters.InvertSettings", lambda: InvertSettings(steps=3))
    photos = unpacked(world, tmp_path / "photos", "04", "05")
    outs = {}
    for inversion in ("none", "encoder", "refined"):
        settings = LabelSettings(keep=1, inversion=inversion)
        run_to_end(label([world / "segmentation"], photos, tmp_path / inversion, settings))
        outs[inversion] = open_generated(tmp_path / inversion).records()
    assert len({tuple(record["uncertainty"] for record in records) for records in outs.values()}) == 3
    assert not any({"disagreement", "reconstruction_error"} & record.keys() for record in outs["none"])
    assert all(0 < record["disagreement"] <= 1 for record in [*outs["encoder"], *outs["refined"]])
    for rough, refined in zip(outs["encoder"], outs["refined"], strict=True):
        assert refined["reconstruction_error"] < rough["reconstruction_error"]


# --- what is left out ---


def test_so_many_photos_are_spread_evenly(world: Path, tmp_path: Path) -> None:
    settings = ALL.model_copy(update={"n": 8})
    run_to_end(label([world / "segmentation"], world / "photos.zip", tmp_path / "out", settings))
    assert open_labelled(tmp_path / "out").names == ("03", "06", "09", "12", "15", "18", "21"), "00 is a labelled one"


def test_only_the_labels_that_are_used_are_kept_apart(world: Path, tmp_path: Path) -> None:
    """The labeler knows all eight; a voter that learnt from none knows which by `apart_first` alone."""
    stranger = shutil.copytree(world / "segmentation", tmp_path / "stranger")
    save_seen(stranger, open_labelled(world / "labelled").part(7, 8).load((16, 16))[0])
    settings = ALL.model_copy(update={"apart_first": 1})
    run_to_end(label([stranger], world / "photos.zip", tmp_path / "out", settings, [world / "labelled"]))
    names = open_labelled(tmp_path / "out").names
    assert "00" not in names
    assert "01" in names


def test_copies_of_photos_to_be_kept_apart_and_doubles_are_left_out(world: Path, tmp_path: Path) -> None:
    photos = unpacked(world, tmp_path / "photos", "00", "04", "05", "06", "07")
    shutil.copy(photos / "07.png", photos / "08.png")
    apart = unpacked(world, tmp_path / "apart", "05", "09")
    with Image.open(apart / "05.png") as image:
        image.resize((57, 57)).save(apart / "05.jpg", quality=80)
    (apart / "05.png").unlink()
    out = tmp_path / "out"
    run_to_end(label([world / "segmentation"], photos, out, ALL, [apart]))
    assert open_labelled(out).names == ("04", "06", "07")
    assert {file.stem for kind in ("images", "masks", "uncertainty") for file in (out / kind).iterdir()} == {
        "04", "06", "07",
    }  # fmt: skip
    counts = {"labelled": 1, "apart": 1, "duplicates": 1, "unusable": 0}
    assert read_json(out / "report.json")["left_out"] == counts
    lines = [json.loads(line) for line in (out / "left_out.jsonl").read_text().splitlines()]
    assert lines[-1] == {"photo": "08.png", "reason": "the same as 07"}


def test_a_few_unusable_photos_are_skipped_and_named(world: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(world / "photos.zip") as archive:
        archive.extractall(tmp_path / "photos")
    (tmp_path / "photos" / "walk" / "11.jpg").write_bytes(b"no image")
    run_to_end(label([world / "segmentation"], tmp_path / "photos", tmp_path / "out", ALL))
    report = read_json(tmp_path / "out" / "report.json")
    assert report["left_out"]["unusable"] == 1
    assert "walk/11.jpg is not a readable image" in report["notes"][-1]
    with Image.open(tmp_path / "photos" / "walk" / "12.jpg") as image:
        small = image.resize((8, 8))
    small.save(tmp_path / "photos" / "walk" / "12.jpg")
    with pytest.raises(InputError, match=r"More than 5% of the 24 images in .* cannot be used\. The first: .*11\.jpg"):
        run_to_end(label([world / "segmentation"], tmp_path / "photos", tmp_path / "worse", ALL))
    assert not (tmp_path / "worse").exists()


@given(st.lists(st.text("aAb./-_é", min_size=1, max_size=6), min_size=1, max_size=20, unique=True))
def test_every_photo_has_a_name_of_its_own(stems: list[str]) -> None:
    files = [f"{stem.strip('/') or 'x'}.jpg" for stem in stems]
    names = sample_names(files)
    assert len({alike(name) for name in names}) == len(files)
    assert not any("/" in name for name in names)
    assert sample_names(["a\tb.jpg", "a\\b.jpg"]) == ["a_b", "a_b-2"], "shards can hold them"


# --- interruptions ---


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(
    world: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "SHARD", 5)
    voters, out = [world / "segmentation", world / "keypoints"], tmp_path / "killed"
    work = label(voters, world / "photos.zip", out, ALL)
    while len(list((out / "ledger").glob("*.json"))) < 2:
        next(work)
    work.close()
    made = {file: file.stat().st_mtime_ns for file in (out / "images").iterdir()}
    assert 3 <= len(made) < 22
    first = min(made)
    first.write_bytes(first.read_bytes()[:-9])
    assert run_to_end(label(voters, world / "photos.zip", out, ALL)) == "continued"
    redone = {file for file, time in made.items() if file.stat().st_mtime_ns != time}
    assert first in redone
    assert len(redone) < len(made), "the shard that is whole is not made again"
    assert not differences(contents(out), contents(dataset))
    assert run_to_end(label(voters, world / "photos.zip", out, ALL)) == "done"


def test_a_network_that_goes_away_costs_no_work(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was listed and can no longer be read is no bad photo, and what was made stays."""
    folder, out = tmp_path / "photos", tmp_path / "out"
    with zipfile.ZipFile(world / "photos.zip") as archive:
        archive.extractall(folder)
    monkeypatch.setattr(shard, "SHARD", 5)
    work = label([world / "segmentation"], folder, out, ALL)
    while not list((out / "ledger").glob("*.json")):
        next(work)
    hidden = folder.rename(tmp_path / "away")
    folder.mkdir()
    with pytest.raises(
        HandsOffError, match=r"can no longer be read \(No such file or directory\): restore it"
    ) as caught:
        run_to_end(work)
    assert not isinstance(caught.value, InputError)
    made = list((out / "ledger").glob("*.json"))
    assert made
    folder.rmdir()
    hidden.rename(folder)
    assert run_to_end(label([world / "segmentation"], folder, out, ALL)) == "continued"
    assert read_json(out / "report.json")["left_out"]["unusable"] == 0


class SendingEngine:
    """Sends pickles, as engines of several processes do, and the last shard first."""

    def map(self, function: Callable[[Any, Any], Any], shards: Iterable[Any], context: Any) -> Iterator[Any]:
        results = []
        for part in reversed(list(shards)):
            sent, given_part, given_context = pickle.loads(pickle.dumps((function, part, context)))  # noqa: S301  # our own, just made
            results.append(sent(given_part, given_context))
        yield from reversed(results)


def test_the_engine_makes_no_difference(
    world: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "SHARD", 7)
    voters = [world / "segmentation", world / "keypoints"]
    run_to_end(label(voters, world / "photos.zip", tmp_path / "out", ALL, engine=SendingEngine()))
    assert not differences(contents(tmp_path / "out"), contents(dataset))


def test_another_input_or_setting_is_another_dataset(world: Path, dataset: Path) -> None:
    voters = [world / "segmentation", world / "keypoints"]
    with pytest.raises(InputError, match=r"keep = 1\.0 instead of 0\.9"):
        run_to_end(label(voters, world / "photos.zip", dataset, LabelSettings()))
    with pytest.raises(InputError, match="another apart"):
        run_to_end(label(voters, world / "photos.zip", dataset, ALL, [world / "labelled"]))
    names = ["voter", "voter 2", "photos", "apart", "apart 2"]
    apart = [world / "labelled", world / "photos.zip"]
    assert list(plan(voters, world / "photos.zip", ALL, apart).inputs) == names


# --- bad input ---


def refused(world: Path, voter: Path, settings: LabelSettings = ALL) -> str:
    with pytest.raises((InputError, MismatchError)) as caught:
        run_to_end(label([voter], world / "photos.zip", world / "refused", settings))
    assert not (world / "refused").exists()
    return str(caught.value)


def test_photos_that_are_all_labelled_ones_are_refused(world: Path, tmp_path: Path) -> None:
    sentence = r"None of the 8 photos in .*labelled is left \(8 labelled already\): give others"
    with pytest.raises(InputError, match=sentence):
        run_to_end(label([world / "segmentation"], world / "labelled", tmp_path / "out", ALL))
    assert not (tmp_path / "out").exists()


def test_voters_of_another_frame_or_of_one_task_are_refused(world: Path, report: Path, tmp_path: Path) -> None:
    keypoints = load_labeler(world / "keypoints").task
    large = model_of(tmp_path / "large", keypoints, np.zeros((1, 32, 32, 3), np.uint8), (32, 32))
    with pytest.raises(MismatchError, match=r"sees photos in another frame \(32x32, crop\) than .* \(16x16, crop\)"):
        plan([world / "segmentation", large], world / "photos.zip", ALL)
    with pytest.raises(InputError, match="have the task segmentation: give one of each task"):
        plan([world / "segmentation", report], world / "photos.zip", ALL)


def test_a_labeler_that_cannot_label_photos_says_what_is_missing(world: Path, tmp_path: Path) -> None:
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "blind", FIT.model_copy(update={"networks": 0})))
    sentence = refused(world, tmp_path / "blind")
    assert "no image networks" in sentence
    assert "--set networks=3" in sentence
    assert "inversion=encoder" in sentence
    (tmp_path / "blind" / "encoder.safetensors").unlink()
    assert "has no encoder to invert photos with" in refused(
        world, tmp_path / "blind", LabelSettings(inversion="encoder")
    )


def test_inversion_that_nobody_needs_is_refused(world: Path, report: Path) -> None:
    assert "inversion = refined is no use" in refused(world, report, LabelSettings(inversion="refined"))


def test_what_is_not_finished_or_no_voter_is_refused(world: Path, report: Path, tmp_path: Path) -> None:
    for source, again in ((world / "segmentation", "handsoff fit"), (report, "handsoff evaluate")):
        unfinished = Path(shutil.copytree(source, tmp_path / source.name))
        (unfinished / "DONE").unlink()
        assert f"is not finished: run {again} again" in refused(world, unfinished)
    (tmp_path / "report" / "DONE").touch()
    shutil.rmtree(tmp_path / "report" / "model")
    assert "holds no model: evaluate again" in refused(world, tmp_path / "report")
    assert "was made by handsoff invert; a folder of handsoff fit is needed" in refused(world, world / "latents")
    assert "holds neither a labeler nor a model" in refused(world, world / "labelled")
    damaged = Path(shutil.copytree(world / "segmentation", tmp_path / "damaged"))
    (damaged / "seen.safetensors").unlink()
    assert "seen.safetensors is missing" in refused(world, damaged)


def test_an_unreadable_photo_that_is_to_be_kept_apart_is_refused(world: Path, tmp_path: Path) -> None:
    apart = unpacked(world, tmp_path / "apart", "05", "06")
    (apart / "06.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"which is to be kept apart: 06\.png is not a readable image"):
        run_to_end(label([world / "segmentation"], world / "photos.zip", tmp_path / "out", ALL, [apart]))
    assert not (tmp_path / "out").exists()


# --- the command ---


def test_the_function_labels_photos(world: Path, tmp_path: Path) -> None:
    handsoff.label(world / "segmentation", world / "photos.zip", tmp_path / "out", keep=1, apart=world / "labelled")
    assert len(open_labelled(tmp_path / "out").names) == 22


def test_the_command_labels_photos(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voters = [str(world / "segmentation"), str(world / "keypoints")]
    apart = unpacked(world, tmp_path / "apart", "05", "09")
    given = ["label", *voters, str(world / "photos.zip"), "-o", str(tmp_path / "out"), "--keep", "0.5"]
    assert main([*given, "--apart", str(apart), "--apart", str(world / "labelled"), "--set", "drop=all"]) == 0
    shown = capsys.readouterr()
    assert "labels: CC0; the photos keep their own terms" in shown.out
    assert read_json(tmp_path / "out" / "report.json")["left_out"]["apart"] == 2
    assert main(["inspect", str(tmp_path / "out")]) == 0
    assert "made by handsoff label, finished" in capsys.readouterr().out
    assert main(["label", str(world / "photos.zip"), "-o", str(tmp_path / "other")]) == 2
    assert "give a labeler or a report before the photos" in capsys.readouterr().err


def test_generated_images_keep_their_terms_and_their_generator(world: Path, tmp_path: Path) -> None:
    """Whoever labels them again, they are no photos."""
    run_to_end(generate([world / "segmentation"], tmp_path / "drawn", GenerateSettings(n=6, keep=1, seed=50)))
    manifest = read_json(tmp_path / "drawn" / "manifest.json")
    write_json(tmp_path / "drawn" / "manifest.json", {**manifest, "licence": "research only"})
    run_to_end(label([world / "segmentation"], tmp_path / "drawn", tmp_path / "out", ALL))
    found = read_json(tmp_path / "out" / "manifest.json")
    assert found["licence"] == "labels: CC0; images: research only"
    assert (found["generator"], "source" in found) == (manifest["generator"], False)
    assert "6 generated images were framed" in (tmp_path / "out" / "README.md").read_text()
    run_to_end(sample(world / "generator", tmp_path / "samples", SampleSettings(n=4, seed=50)))
    run_to_end(label([world / "segmentation"], tmp_path / "samples", tmp_path / "again", ALL))
    found = read_json(tmp_path / "again" / "manifest.json")
    assert (found["licence"], found["generator"]) == ("CC0", manifest["generator"])


def test_what_is_to_be_kept_apart_must_be_there(world: Path) -> None:
    with pytest.raises(InputError, match=r"apart_first says how much of the first --apart .* there is none: give one"):
        plan([world / "segmentation"], world / "photos.zip", LabelSettings(apart_first=2))


@pytest.mark.slow
def test_what_was_loaded_for_a_stopped_work_is_not_used_by_the_next(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same process and folder, other photos to be kept apart are left out."""
    monkeypatch.setattr(shard, "SHARD", 8)
    voters, photos, out = [world / "segmentation"], world / "photos.zip", tmp_path / "out"
    apart = [unpacked(world, tmp_path / name, name) for name in ("05", "09")]
    work = label(voters, photos, out, ALL, [apart[0]])
    while not next(work).stage.startswith("labelling"):
        pass
    work.close()  # type: ignore[attr-defined]  # a generator
    shutil.rmtree(out)
    run_to_end(label(voters, photos, out, ALL, [apart[1]]))
    lines = [json.loads(line) for line in (out / "left_out.jsonl").read_text().splitlines()]
    assert [line["photo"] for line in lines if "kept apart" in line["reason"]] == ["walk/09.jpg"]
