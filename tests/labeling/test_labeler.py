"""Labelers, wherever their latents and images come from."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.datasets.labelled import open_labelled
from handsoff.generators.stored import save_generator
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import Labeler, label_together, load_labeler, read_card
from toy import FIT, toy_generator
from toy_generators import toy_conditional


def test_it_labels_what_its_generator_makes(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "labeler", tmp_path / "moved")
    labeler = load_labeler(tmp_path / "moved")
    images, labels, uncertainty = labeler.label(labeler.generator.draw(range(1000, 1008)))
    truth = np.stack(
        [open_labelled(world / "labelled").label("segmentation", f"photo{index:02d}") for index in range(8)]
    )
    assert images.dtype == np.uint8
    assert uncertainty.min() >= 0
    assert uncertainty.max() <= 1
    assert (labels == truth).mean() > 0.7, "three classes by brightness: chance is a third"


def test_samples_from_seeds_are_those_of_the_latents(world: Path) -> None:
    labeler = load_labeler(world / "labeler")
    assert (labeler.size, labeler.device) == ((16, 16), labeler.generator.device)
    sampled, drawn = labeler.sample([3, 7], psi=0.5), labeler.label(labeler.generator.draw([3, 7], psi=0.5))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(sampled, drawn, strict=True))
    with pytest.raises(InputError, match="no conditions"):
        labeler.sample([1], condition=0)


def test_samples_of_a_class(world: Path, tmp_path: Path) -> None:
    net = toy_conditional()
    save_generator(net, tmp_path / "generator")
    settings = FIT.model_copy(update={"features": ("lite0",), "steps": 4})
    run_to_end(fit(tmp_path / "generator", world / "labelled", tmp_path / "labeler", settings))
    labeler = load_labeler(tmp_path / "labeler")
    told = labeler.sample([0, 1], condition=2)[0]
    expected = labeler.label(net.draw([0, 1], torch.tensor([2, 2])))[0]
    np.testing.assert_array_equal(told, expected)
    assert labeler.sample(range(4))[0].shape == (4, 16, 16, 3), "without a class, classes are drawn"


def test_images_from_anywhere_are_labelled_where_features_can_be_read_from_them(world: Path, tmp_path: Path) -> None:
    settings = FIT.model_copy(update={"features": ("lite0",)})
    run_to_end(fit(world / "generator", world / "labelled", tmp_path / "labeler", settings))
    labeler = load_labeler(tmp_path / "labeler")
    data = open_labelled(world / "labelled")
    images = np.stack([data.image(name) for name in data.names])
    labels, uncertainty = labeler.label_images(images)
    truth = np.stack([data.label("segmentation", name) for name in data.names])
    assert (labels == truth).mean() > 0.7
    assert uncertainty.shape == labels.shape
    made, again, _ = labeler.sample(range(2))
    assert (labeler.label_images(made)[0] == again).mean() > 0.95
    with pytest.raises(InputError, match="16x12 pixels, the labeler's 16x16"):
        labeler.label_images(images[:, :, :12])
    with pytest.raises(InputError, match="need latents, not images"):
        load_labeler(world / "labeler").label_images(images)


def test_several_of_one_generator_share_what_they_read(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [world / "labeler"]
    for features in (("generator",), ("lite0",)):
        settings, out = FIT.model_copy(update={"features": features, "steps": 4}), tmp_path / "-".join(features)
        run_to_end(fit(world / "generator", world / "latents", out, settings))
        folders.append(out)
    labelers = [load_labeler(folder) for folder in folders]
    latents = labelers[0].generator.draw(range(2))
    alone = [labeler.label(latents) for labeler in labelers]
    calls = counted(monkeypatch, labelers)
    images, found = label_together(labelers, latents)
    assert calls == ["synthesis", "lite0"], "one image, one set of features of it"
    for part, (image, own, single) in zip(found, alone, strict=True):
        np.testing.assert_array_equal(images, image)
        assert (part.labels == own).mean() > 0.99
        np.testing.assert_allclose(part.uncertainty, single, atol=0.02)


def counted(monkeypatch: pytest.MonkeyPatch, labelers: list[Labeler]) -> list[str]:
    """A list that grows with every pass through a generator or Lite0."""
    calls: list[str] = []

    def watch(owner: Any, method: str, name: str) -> None:
        before = getattr(owner, method)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return before(*arguments, **options)

        monkeypatch.setattr(owner, method, call)

    for labeler in labelers:
        watch(labeler.generator, "synthesis", "synthesis")
        for part in labeler.extractor.parts.values():
            if not part.needs_latents:
                watch(part.perceptual.net, "forward", "lite0")  # type: ignore[attr-defined]  # Lite0Features
    return calls


def test_the_card_says_what_others_ask(world: Path) -> None:
    card = read_json(world / "labeler" / "labeler.json")
    assert card["framing"] == "crop"
    assert card["image_size"] == [16, 16]
    assert card["features"] == ["generator", "lite0"]
    assert (card["task"], card["licence"], card["examples"]) == ("segmentation", "CC0", 8)


def test_a_labeler_whose_generator_was_exchanged_is_refused(world: Path, tmp_path: Path) -> None:
    run_to_end(fit(world / "generator", world / "latents", tmp_path / "labeler", FIT.model_copy(update={"steps": 2})))
    toy_generator(tmp_path / "labeler" / "generator", seed=1)
    with pytest.raises(MismatchError, match="run handsoff fit again"):
        load_labeler(tmp_path / "labeler")


def test_what_is_not_a_labeler_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HandsOffError, match="no labeler"):
        load_labeler(tmp_path)


@pytest.mark.parametrize("wrong", [{"features": None}, {"hidden": 3}, {"task": []}, {"schema": "a"}, {"networks": "b"}])
def test_a_card_of_another_shape_is_damaged(world: Path, tmp_path: Path, wrong: dict[str, Any]) -> None:
    shutil.copytree(world / "labeler", tmp_path / "old")
    card = read_json(tmp_path / "old" / "labeler.json")
    write_json(tmp_path / "old" / "labeler.json", card | wrong)
    for read in (load_labeler, read_card):
        with pytest.raises(InputError, match=r"labeler\.json is damaged \(.*\): restore it"):
            read(tmp_path / "old")


def test_a_card_that_says_too_little_is_refused(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "labeler", tmp_path / "old")
    card = read_json(tmp_path / "old" / "labeler.json")
    del card["features"]
    write_json(tmp_path / "old" / "labeler.json", card)
    with pytest.raises(InputError, match=r"labeler\.json is damaged \(features: Field required\)"):
        load_labeler(tmp_path / "old")
