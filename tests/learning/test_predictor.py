"""A model in a folder: it comes back as it was, says what it is, and a damaged one is one sentence."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from discs import CLASSES, SEGMENTATION
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.inspection.inspect import describe
from handsoff.learning.predictor import PredictorCard, find_predictor, load_predictor, network_file, save_predictor
from handsoff.learning.supervised import new_model
from handsoff.learning.voting import vote
from handsoff.tasks import make_task

CARD = PredictorCard(
    task="segmentation", schema={"classes": CLASSES}, network="lite0", networks=2, best=1, image_size=[32, 24],
    framing="crop", licence="CC0", arm="real_plus_photos", metric="miou", validation=[0.7, 0.8], test=[0.6, 0.75],
    examples=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "model"
    save_predictor(folder, [new_model(SEGMENTATION, seed, "lite0").state_dict() for seed in range(2)], CARD)
    return folder


@torch.no_grad()
def test_it_comes_back_as_it_was(model: Path) -> None:
    assert find_predictor(model) == find_predictor(model.parent) == model
    assert find_predictor(model.parent.parent) is None
    predictor = load_predictor(model)
    assert (predictor.card, predictor.size) == (CARD, (32, 24))
    images = torch.rand(2, 3, 32, 24) * 2 - 1
    for seed, network in enumerate(predictor.networks):
        assert torch.equal(network(images), new_model(SEGMENTATION, seed, "lite0").eval()(images))


@torch.no_grad()
def test_mirror_images_vote_in_the_words_of_the_image(model: Path) -> None:
    """Where left and right have names, they change places twice."""
    task = make_task("segmentation", {"classes": ["skin", "left_eye", "right_eye"]})
    network = load_predictor(model).networks[0]
    images = torch.rand(2, 3, 32, 24) * 2 - 1
    plain, mirrored = vote(task, [network], images)
    assert torch.equal(plain, network(images))
    assert torch.equal(mirrored, network(images.flip(-1)).flip(-1)[:, [0, 2, 1]])
    assert len(vote(task, [network], images, mirrored=False)) == 1


def test_inspect_says_what_it_is(model: Path) -> None:
    what, facts, *_ = describe(model)
    assert what == "a model that handsoff evaluate handed over"
    assert {
        ("learnt from", "real_plus_photos, 50 real labels"),
        ("miou on validation", "0.700, 0.800"),
        ("image size", "32x24"),
    } <= set(facts)


def test_a_damaged_model_is_one_sentence(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model: give the report of handsoff evaluate"):
        load_predictor(tmp_path)
    weights = [network.state_dict() for network in load_predictor(model).networks]
    save_predictor(tmp_path, weights, replace(CARD, schema={"classes": [*CLASSES, "more"]}))
    with pytest.raises(MismatchError, match=r"network-0\.safetensors does not fit model\.json"):
        load_predictor(tmp_path)
    write_json(tmp_path / "model.json", read_json(tmp_path / "model.json") | {"schema": {}})
    with pytest.raises(InputError, match="does not describe a model"):
        load_predictor(tmp_path)
    network_file(tmp_path, 0).unlink()
    write_json(tmp_path / "model.json", read_json(model / "model.json"))
    with pytest.raises(InputError, match=r"network-0\.safetensors"):
        load_predictor(tmp_path)
