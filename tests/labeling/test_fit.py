"""Hypercolumn, ensemble and fit."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import read_json
from handsoff.core.seeds import standard_normal
from handsoff.datasets.labelled import open_labelled
from handsoff.generators.stored import load_generator
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling import hypercolumn, pixel_samples
from handsoff.labeling.ensemble import Ensemble
from handsoff.labeling.features import make_reader
from handsoff.labeling.fit import fit
from handsoff.labeling.hypercolumn import materialised, pixel_places, project_tiles, sample
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.tasks.segmentation import Segmentation
from toy import CLASSES, toy_generator, toy_labels

FIT = FitSettings(members=4, hidden=(24, 12), steps=150, images=4, pixels=100, dropout=0.0, networks=0)


def feature_maps(height: int, width: int, doublings: int, seed: int = 0) -> list[torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, 3 + level, height << level, width << level, generator=stream)
        for level in range(doublings + 1)
        for _ in range(1 + (level > 0))
    ]


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(0, 99),
    st.sampled_from([4, 12, 64]),
    st.sampled_from([0, 200, 2**24]),
)
@settings(max_examples=60, deadline=None)
def test_projecting_before_upsampling_is_exact_in_tiles_of_any_size(
    height: int, width: int, doublings: int, seed: int, tile: int, kept: int
) -> None:
    features = feature_maps(height, width, doublings, seed)
    size = (height << doublings, width << doublings)
    features.append(torch.randn(2, 2, 3, 7))  # neither a divisor nor smaller
    column = materialised(features, size)
    weight, bias = torch.randn(7, column.shape[1], generator=torch.Generator().manual_seed(seed)), torch.arange(7.0)
    naive = torch.einsum("oc,chw->hwo", weight, column[1]) + bias
    found = torch.full_like(naive, torch.nan)
    with patch.object(hypercolumn, "TILE", tile), patch.object(hypercolumn, "KEPT", kept):
        for place, pixels in project_tiles([feature[1] for feature in features], weight, bias, size):
            found[place] = pixels.view(found[place].shape)
    torch.testing.assert_close(found, naive, rtol=1e-4, atol=1e-4)


@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_sampled_pixels_are_those_of_the_hypercolumn(height: int, width: int, doublings: int) -> None:
    features = feature_maps(height, width, doublings)
    size = (height << doublings, width << doublings)
    rows, columns = torch.randint(size[0], (2, 9)), torch.randint(size[1], (2, 9))
    full = materialised(features, size)
    expected = torch.stack([full[n, :, rows[n], columns[n]].T for n in range(2)])
    torch.testing.assert_close(sample(features, pixel_places(rows, columns, size)), expected, rtol=1e-4, atol=1e-5)


def test_dense_equals_every_member_alone_on_the_materialised_hypercolumn() -> None:
    torch.manual_seed(0)
    features = feature_maps(4, 3, 2)
    ensemble = Ensemble(sum(f.shape[1] for f in features), 5, members=3, hidden=(8, 6)).eval()
    ensemble.mean.normal_()
    ensemble.scale.uniform_(0.5, 2)
    for bias in ensemble.biases:
        torch.nn.init.normal_(bias)
    size = (16, 12)
    columns = materialised(features, size).permute(0, 2, 3, 1).flatten(0, 2)
    naive = []
    for member in range(3):
        x = (columns - ensemble.mean) / ensemble.scale
        for layer in range(3):
            x = (x.relu() if layer else x) @ ensemble.weights[layer][member] + ensemble.biases[layer][member]
        naive.append(x.view(2, *size, 5).permute(0, 3, 1, 2))
    with torch.no_grad():
        torch.testing.assert_close(ensemble.dense(features, size), torch.stack(naive), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            ensemble(columns).view(3, 2, *size, 5).permute(0, 1, 4, 2, 3), torch.stack(naive), rtol=1e-4, atol=1e-4
        )


def test_a_member_alone_is_that_member() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(6, 3, members=4, hidden=(5, 4)).eval()
    ensemble.mean.normal_()
    columns = torch.randn(7, 6)
    for member in range(4):
        torch.testing.assert_close(ensemble.alone(member, columns), ensemble(columns)[member])


def test_all_pixels_are_kept_where_they_are_few_and_the_likely_ones_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chances = torch.ones(2, 100)
    chances[:, :10], chances[1, 50:] = 0, 50
    places, weights = pixel_samples.choose(chances, 0)
    assert torch.equal(places, torch.arange(100).expand(2, -1))
    assert torch.equal(weights, chances)
    monkeypatch.setattr(pixel_samples, "PIXELS", 40)
    places, weights = pixel_samples.choose(chances, 0)
    assert all(len(set(row.tolist())) == 40 for row in places)
    assert (places >= 10).all()
    assert (places[1] >= 50).float().mean() > 0.8
    assert torch.equal(weights, torch.ones(2, 40))


def test_the_pool_holds_the_hypercolumns_of_its_pixels(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_samples, "PIXELS", 30)
    reader = make_reader(load_generator(world / "generator"), perception=False)
    ws = reader.generator.mapping(standard_normal(range(3), 16))
    labels = np.random.default_rng(0).integers(0, 3, (3, 16, 16), dtype=np.uint8)
    work = pixel_samples.gather(reader, ws, labels, torch.rand(3, 16, 16), Segmentation({"classes": CLASSES}), 0.0, 0)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found = end.value
            break
    places, _ = pixel_samples.choose(torch.ones(3, 256), 0)
    whole = materialised(reader.read(ws)[1], (16, 16)).flatten(2).transpose(1, 2)
    expected = torch.stack([whole[n, places[n]] for n in range(3)])
    torch.testing.assert_close(found.columns.float(), expected, rtol=0.03, atol=0.03)
    assert torch.equal(found.target, torch.from_numpy(labels.reshape(3, -1)).gather(1, places).long())


def test_uncertainty_is_zero_when_members_agree_and_one_when_they_split() -> None:
    task = Segmentation({"classes": ["a", "b"]})
    sure = torch.tensor([20.0, -20.0]).view(1, 1, 2, 1, 1)
    assert task.learning.decode(sure.expand(4, -1, -1, -1, -1))[1].item() == pytest.approx(0, abs=1e-4)
    assert task.learning.decode(torch.cat([sure, -sure]))[1].item() == pytest.approx(1, abs=1e-3)
    unsure = torch.zeros(4, 1, 2, 1, 1)
    assert task.learning.decode(unsure)[1].item() == pytest.approx(0, abs=1e-4), (
        "doubt that all members share is no disagreement"
    )


def test_image_uncertainty_looks_at_the_worst_tenth() -> None:
    flat = np.zeros((2, 10, 10), np.float32)
    flat[1, :1] = 0.5
    np.testing.assert_allclose(Segmentation({"classes": ["a"]}).scores.image_uncertainty(flat), [0, 0.5])


def test_balanced_drawing_reaches_rare_classes_and_never_the_ignored() -> None:
    labels = np.zeros((1, 10, 10), np.uint8)
    labels[0, 0, 0], labels[0, 1] = 1, 255
    task = Segmentation({"classes": ["a", "b"]})
    even, balanced = (task.learning.sampling_weights(labels, (10, 10), power)[0] for power in (0.0, 1.0))
    assert even[0] == even[99]
    assert balanced[0] == pytest.approx(float(balanced.sum() - balanced[0]), rel=1e-5)
    assert balanced[10:20].sum() == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    net = toy_generator(root / "generator")
    toy_labels(net, root / "labelled")
    run_to_end(
        invert(
            root / "generator", root / "labelled", root / "codes", InvertSettings(encoder_steps=0, steps=60, batch=4)
        )
    )
    run_to_end(fit(root / "generator", root / "codes", root / "labeler", FIT))
    return root


def test_a_fitted_labeler_labels_what_its_generator_makes(world: Path, tmp_path: Path) -> None:
    (world / "labeler").rename(tmp_path / "moved")
    try:
        labeler = load_labeler(tmp_path / "moved")
        ws = labeler.generator.mapping(standard_normal(range(1000, 1008), 16))
        images, labels, uncertainty = labeler.label(ws)
    finally:
        (tmp_path / "moved").rename(world / "labeler")
    truth = np.stack(
        [open_labelled(world / "labelled").label("segmentation", f"photo{index:02d}") for index in range(8)]
    )
    assert images.dtype == np.uint8
    assert uncertainty.min() >= 0
    assert uncertainty.max() <= 1
    assert (labels == truth).mean() > 0.7, "three classes by brightness: chance is a third"


def test_the_same_seed_fits_the_same_labeler(world: Path, tmp_path: Path) -> None:
    run_to_end(fit(world / "generator", world / "codes", tmp_path / "again", FIT))
    ours, again = (load_labeler(folder).ensemble.state_dict() for folder in (world / "labeler", tmp_path / "again"))
    assert all(torch.equal(ours[name], again[name]) for name in ours)


def test_votes_weigh_the_members() -> None:
    task = Segmentation({"classes": ["a", "b"]})
    members = torch.tensor([[5.0, -5.0], [-5.0, 5.0], [-5.0, 5.0]]).view(3, 1, 2, 1, 1)
    assert task.learning.decode(members)[0].item() == 1
    label, uncertainty = task.learning.decode(members, torch.tensor([0.8, 0.1, 0.1]))
    assert label.item() == 0
    assert 0 < uncertainty.item() < task.learning.decode(members, torch.tensor([0.5, 0.25, 0.25]))[1].item()
    assert task.learning.decode(members, torch.tensor([1.0, 0.0, 0.0]))[1].item() == pytest.approx(0, abs=1e-4)


@pytest.mark.slow
def test_networks_that_saw_the_photos_vote_too(world: Path, tmp_path: Path) -> None:
    """They are trained once, also when the fit is interrupted after them, and their share of the vote decides."""
    plan = FIT.model_copy(update={"networks": 2, "network_steps": 3, "network_share": 1.0})
    work = fit(world / "generator", world / "codes", tmp_path / "labeler", plan)
    while not next(work).stage.startswith("fitting"):
        pass
    work.close()  # type: ignore[attr-defined]  # a generator
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "labeler").glob("network-*")}
    assert len(before) == 2
    run_to_end(fit(world / "generator", world / "codes", tmp_path / "labeler", plan))
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    labeler = load_labeler(tmp_path / "labeler")
    ws = labeler.generator.mapping(standard_normal(range(4), 16))
    with torch.no_grad():
        image = labeler.reader.read(ws)[0].float().clamp(-1, 1)
        expected = labeler.task.learning.decode(torch.stack([network(image) for network in labeler.networks]))[0]
    assert (labeler.label(ws)[1] == expected).mean() > 0.99


def test_fewer_labels_can_be_used(world: Path, tmp_path: Path) -> None:
    run_to_end(
        fit(world / "generator", world / "codes", tmp_path / "few", FIT.model_copy(update={"first": 4, "steps": 4}))
    )
    assert read_json(tmp_path / "few" / "report.json")["codes_used"] == 4
    with pytest.raises(InputError, match="8 photos, not 20"):
        run_to_end(fit(world / "generator", world / "codes", tmp_path / "many", FIT.model_copy(update={"first": 20})))


def test_codes_of_another_generator_are_refused(world: Path, tmp_path: Path) -> None:
    toy_generator(tmp_path / "other", seed=1)
    with pytest.raises(MismatchError, match="another generator"):
        run_to_end(fit(tmp_path / "other", world / "codes", tmp_path / "out", FIT))
    assert not (tmp_path / "out").exists()


def test_a_labeler_whose_generator_was_exchanged_is_refused(world: Path, tmp_path: Path) -> None:
    run_to_end(fit(world / "generator", world / "codes", tmp_path / "labeler", FIT.model_copy(update={"steps": 2})))
    toy_generator(tmp_path / "labeler" / "generator", seed=1)
    with pytest.raises(MismatchError, match="run handsoff fit again"):
        load_labeler(tmp_path / "labeler")


def test_what_is_not_a_labeler_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HandsOffError, match="no label generator"):
        load_labeler(tmp_path)
