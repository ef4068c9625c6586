"""Fitting labelers to latents with labels, and to images with labels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from handsoff.core.errors import HandsOffError, InputError, MismatchError, UnknownNameError
from handsoff.core.files import png, read_json, write_json
from handsoff.core.images import to_uint8
from handsoff.core.tensors import read_tensors
from handsoff.datasets.labelled import open_labelled
from handsoff.datasets.likeness import known, read_seen, thumbnails
from handsoff.datasets.writing import write_cards, write_sample
from handsoff.generators.contract import Generator
from handsoff.generators.latents import RESIDUAL, Latents, load_latents
from handsoff.generators.stored import generator_hash, load_generator, save_generator
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling import examples
from handsoff.labeling.fit import fit, plan
from handsoff.labeling.labeler import EXAMPLE_WS, Labeler, load_labeler, read_examples
from handsoff.review.session import open_session
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.tasks.segmentation import Segmentation
from toy import CLASSES, FIT, toy_generator
from toy_generators import toy_diffusion

READ_IMAGES = FIT.model_copy(update={"features": ("lite0",)})


def test_the_same_seed_fits_the_same_labeler(world: Path, tmp_path: Path) -> None:
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "again", FIT))
    ours, again = (load_labeler(folder).ensemble.state_dict() for folder in (world / "labeler", tmp_path / "again"))
    assert all(torch.equal(ours[name], again[name]) for name in ours)


def test_fewer_labels_can_be_used(world: Path, tmp_path: Path) -> None:
    few, many = (FIT.model_copy(update={"first": first, "steps": 4}) for first in (4, 20))
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "few", few))
    assert read_json(tmp_path / "few" / "report.json")["examples_used"] == 4
    with pytest.raises(InputError, match="8 photos, not 20"):
        run_to_end(fit(world / "generator", world / "latents", tmp_path / "many", many))
    assert not (tmp_path / "many").exists()


def test_more_labels_than_there_are_are_refused_with_what_to_type(world: Path) -> None:
    many = FIT.model_copy(update={"first": 9})
    with pytest.raises(InputError, match="holds 8 photos, not 9: --set first=8, or label more"):
        plan(world / "generator", world / "latents", many)


def test_a_fit_that_diverges_is_no_labeler(world: Path, tmp_path: Path) -> None:
    wild = FIT.model_copy(update={"steps": 4, "lr": 1e38})
    with pytest.raises(HandsOffError, match="diverged: a member's loss"):
        run_to_end(fit(world / "generator", world / "latents", tmp_path / "labeler", wild))
    assert not (tmp_path / "labeler" / "DONE").exists()


def test_labels_cannot_be_read_in_another_way_than_the_latents_say(world: Path, tmp_path: Path) -> None:
    merged = FIT.model_copy(update={"labels": {"segmentation": {"merge": {"edge": "edge"}}}})
    with pytest.raises(InputError, match="says itself what its labels are: leave labels out here, and give it to"):
        run_to_end(fit(world / "generator", world / "latents", tmp_path / "labeler", merged))


def test_a_labeler_knows_its_photos_and_keeps_their_encoder(world: Path, tmp_path: Path) -> None:
    """The encoder may be that of other latents."""
    settings = InvertSettings(first=5, encoder_steps=1, encoder_batch=4, steps=1)
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "first", settings))
    borrowed = settings.model_copy(update={"encoder": str(tmp_path / "first")})
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "second", borrowed))
    quick = FIT.model_copy(update={"steps": 2, "first": 4})
    run_to_end(fit(world / "generator", tmp_path / "second", tmp_path / "labeler", quick))
    encoder = (tmp_path / "first" / "encoder.safetensors").read_bytes()
    assert (tmp_path / "labeler" / "encoder.safetensors").read_bytes() == encoder
    assert not (world / "labeler" / "encoder.safetensors").exists()
    images, _ = open_labelled(world / "labelled").load((16, 16))
    assert known(thumbnails(images), read_seen(tmp_path / "labeler")).tolist() == [True] * 4 + [False] * 4
    examples, ws = read_examples(tmp_path / "labeler"), read_tensors(tmp_path / "labeler" / EXAMPLE_WS)
    assert list(examples) == sorted(ws) == [f"photo{index:02d}" for index in range(4)]
    assert sum(examples["photo00"]["shows"]["segmentation"].values()) == pytest.approx(1, abs=1e-5)
    stored = load_latents(tmp_path / "second" / "latents.safetensors").tensors["ws"]
    assert torch.equal(ws["photo03"], stored[3])


def test_latents_of_another_generator_are_refused(world: Path, tmp_path: Path) -> None:
    toy_generator(tmp_path / "other", seed=1)
    with pytest.raises(MismatchError, match="another generator"):
        run_to_end(fit(tmp_path / "other", world / "latents", tmp_path / "out", FIT))
    assert not (tmp_path / "out").exists()


def test_corrected_labels_make_a_finished_labeler_stale(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "latents", tmp_path / "latents")
    before = plan(world / "generator", tmp_path / "latents", FIT)
    elsewhere = plan(world / "generator", world / "latents", FIT)
    assert before.inputs["examples"]["fingerprint"] == elsewhere.inputs["examples"]["fingerprint"]
    mask = next((tmp_path / "latents" / "labels" / "masks").iterdir())
    mask.write_bytes(png(np.zeros((16, 16), np.uint8)))
    assert plan(world / "generator", tmp_path / "latents", FIT).inputs != before.inputs


# --- images with labels


def photos_of(net: Generator, folder: Path, draws: list[Draw]) -> np.ndarray:
    """Samples with the class of each pixel by its brightness; returns the masks."""
    images = to_uint8(net.synthesize(draw_latents(net, draws)))
    masks = np.digitize(images.mean(-1), np.quantile(images.mean(-1), [0.33, 0.67])).astype(np.uint8)
    tasks = {"segmentation": Segmentation({"classes": CLASSES})}
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        write_sample(folder, f"{index:03d}", image, {"segmentation": mask}, tasks)
    write_cards(folder, tasks)
    return masks


def as_generated(folder: Path, generator: Path, draws: list[Draw]) -> None:
    """What makes a labelled folder a generated dataset."""
    records = [
        {"name": f"{index:03d}", "draw": draw.record(), "kept": True, "uncertainties": {"segmentation": 0.1}}
        for index, draw in enumerate(draws)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    manifest = {"tasks": {"segmentation": {"classes": CLASSES}}, "image_size": [16, 16], "licence": "CC0"}
    write_json(folder / "manifest.json", {**manifest, "generator": generator_hash(generator)})
    write_json(folder / "job.json", {"verb": "generate", "inputs": {}, "settings": {}})
    write_json(folder / "report.json", {})
    (folder / "DONE").touch()


def accuracy(labeler: Labeler, seeds: range) -> float:
    """Agreement with brightness, over new samples."""
    images, labels, _ = labeler.sample(seeds)
    truth = np.digitize(images.mean(-1), np.quantile(images.mean(-1), [0.33, 0.67]))
    return float((labels == truth).mean())


@pytest.mark.usefixtures("diffusion_known")
def test_a_diffusion_generator_is_fitted_to_labelled_images(tmp_path: Path) -> None:
    save_generator(toy_diffusion(), tmp_path / "generator")
    net = load_generator(tmp_path / "generator")
    photos_of(net, tmp_path / "labelled", [Draw(seed) for seed in range(8)])
    run_to_end(fit(tmp_path / "generator", tmp_path / "labelled", tmp_path / "labeler", READ_IMAGES))
    labeler = load_labeler(tmp_path / "labeler")
    assert accuracy(labeler, range(100, 108)) > 0.6
    assert not (tmp_path / "labeler" / "inversions.png").exists()


@pytest.mark.usefixtures("diffusion_known")
def test_a_diffusion_generator_is_fitted_to_annotated_samples(tmp_path: Path) -> None:
    save_generator(toy_diffusion(), tmp_path / "generator")
    net, draws = load_generator(tmp_path / "generator"), [Draw(seed) for seed in range(8)]
    photos_of(net, tmp_path / "dataset", draws)
    as_generated(tmp_path / "dataset", tmp_path / "generator", draws)
    run_to_end(fit(tmp_path / "generator", tmp_path / "dataset", tmp_path / "labeler", READ_IMAGES))
    assert accuracy(load_labeler(tmp_path / "labeler"), range(100, 108)) > 0.6


def test_latents_of_annotated_samples_are_drawn_again(world: Path, tmp_path: Path) -> None:
    """The generator's own features are read from the latents that the records name."""
    net, draws = load_generator(world / "generator"), [Draw(seed, 0.7) for seed in (5, 3, 9, 1, 8, 30, 20, 10)]
    photos_of(net, tmp_path / "dataset", draws)
    as_generated(tmp_path / "dataset", world / "generator", draws)
    found = examples.open_examples(world / "generator", tmp_path / "dataset", FIT)
    data = examples.load_training_data([found], net, "segmentation", needs_latents=True)
    assert data.latents is not None
    assert torch.equal(data.latents.tensors["ws"], draw_latents(net, draws).tensors["ws"])
    settings = FIT.model_copy(update={"features": ("generator",)})
    run_to_end(fit(world / "generator", tmp_path / "dataset", tmp_path / "labeler", settings))
    assert accuracy(load_labeler(tmp_path / "labeler"), range(100, 108)) > 0.6


def test_corrections_of_inverted_photos_can_be_ignored_or_be_all(world: Path, tmp_path: Path) -> None:
    latents = Path(shutil.copytree(world / "latents", tmp_path / "latents"))
    session = open_session(latents)
    names = session.dataset.names
    session.decide(names[0], "reject", 0)
    for name in names[1:5]:
        session.decide(name, "accept", 0)

    def used(corrections: str | None) -> int:
        settings = FIT.model_copy(update={"corrections": corrections})
        return len(examples.open_examples(world / "generator", latents, settings).labelled.names)

    assert [used(how) for how in (None, "ignore", "only")] == [len(names) - 1, len(names), 4]


def test_samples_are_learnt_from_beside_inverted_photos(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU draws lie there and stored latents do not; and photos may have a residual, which samples never have."""
    net, draws = load_generator(world / "generator"), [Draw(seed) for seed in range(4)]
    photos_of(net, tmp_path / "dataset", draws)
    as_generated(tmp_path / "dataset", world / "generator", draws)
    settings = InvertSettings(encoder_steps=0, steps=2, residual=8)
    run_to_end(invert(world / "generator", world / "labelled", tmp_path / "latents", settings))
    paths = (tmp_path / "latents", tmp_path / "dataset")
    parts = [examples.open_examples(world / "generator", path, FIT) for path in paths]
    stored, drawn = load_latents(tmp_path / "latents" / "latents.safetensors"), draw_latents(net, draws)

    class Elsewhere(Latents):
        """The drawn latents on another device: nothing can be done with them before they are moved."""

        def to(self, device: torch.device) -> Latents:
            return drawn.to(device)

    elsewhere = Elsewhere({name: tensor.to("meta") for name, tensor in drawn.tensors.items()})
    monkeypatch.setattr(examples, "draw_latents", lambda *_: elsewhere)
    latents = examples.load_training_data(parts, net, "segmentation", needs_latents=True).latents
    assert latents is not None
    assert torch.equal(latents.tensors["ws"], torch.cat([stored.tensors["ws"], drawn.tensors["ws"].cpu()]))
    assert torch.equal(latents.tensors[RESIDUAL][:8], stored.tensors[RESIDUAL])
    assert not latents.tensors[RESIDUAL][8:].any()
    images = net.synthesize(latents[8:].to(net.device))
    assert torch.equal(images, net.synthesize(drawn)), "a residual of zeros changes nothing"


def test_samples_of_another_generator_are_images(world: Path, tmp_path: Path) -> None:
    toy_generator(tmp_path / "other", seed=1)
    draws = [Draw(seed) for seed in range(4)]
    photos_of(load_generator(tmp_path / "other"), tmp_path / "dataset", draws)
    as_generated(tmp_path / "dataset", tmp_path / "other", draws)
    assert examples.open_examples(world / "generator", tmp_path / "dataset", READ_IMAGES).draw is None
    with pytest.raises(InputError, match="run handsoff invert"):
        plan(world / "generator", tmp_path / "dataset", FIT)


def test_features_that_need_latents_refuse_images(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run handsoff invert on it first, or .* --set 'features=\[\"lite0\"\]'"):
        run_to_end(fit(world / "generator", world / "labelled", tmp_path / "labeler", FIT))
    assert not (tmp_path / "labeler").exists()


@pytest.mark.usefixtures("diffusion_known")
def test_a_generator_without_feature_maps_says_what_to_do(world: Path, tmp_path: Path) -> None:
    save_generator(toy_diffusion(), tmp_path / "generator")
    with pytest.raises(InputError, match=r"no feature maps of its own: read its images with --set 'features"):
        plan(tmp_path / "generator", world / "labelled", FIT)


def test_unknown_features_are_refused(world: Path) -> None:
    settings = FIT.model_copy(update={"features": ("dino",)})
    with pytest.raises(UnknownNameError, match="Unknown features 'dino': choose one of diffusion, generator, lite0"):
        plan(world / "generator", world / "latents", settings)


def test_labelled_images_are_framed_as_the_generators_photos(tmp_path: Path) -> None:
    toy_generator(tmp_path / "generator", framing="letterbox")
    tasks = {"segmentation": Segmentation({"classes": CLASSES})}
    mask = (np.arange(40, dtype=np.uint8)[None] // 14).repeat(20, 0)
    for index in range(4):
        grey = np.full((20, 40, 3), 128, np.uint8)
        write_sample(tmp_path / "labelled", f"{index}", grey, {"segmentation": mask}, tasks)
    write_cards(tmp_path / "labelled", tasks)
    found = examples.open_examples(tmp_path / "generator", tmp_path / "labelled", READ_IMAGES)
    net = load_generator(tmp_path / "generator")
    data = examples.load_training_data([found], net, "segmentation", needs_latents=False)
    assert (data.images[:, :4] == 0).all()
    assert (data.labels[:, :4] == 255).all()
    assert set(np.unique(data.labels[:, 4:12])) == {0, 1, 2}
