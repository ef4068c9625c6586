"""The comparison of the three arms, at toy size: alignment, shapes, honesty, resume."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discs import CLASSES, SEGMENTATION, blobs, write_dataset, write_pack
from handsoff.backbones.lite0 import SameConv
from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.core.images import decode_image, to_float
from handsoff.evaluation import arms
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.settings import EvaluateSettings, part_bounds
from handsoff.jobs.progress import run_to_end
from handsoff.learning.augment import augment, warp
from handsoff.learning.data import EvaluationData, LabelledArrays, without
from handsoff.learning.pyramid import PyramidNet
from handsoff.learning.settings import LearnSettings
from handsoff.learning.supervised import Choice, evaluated, train_predictor
from handsoff.tasks.segmentation import mirrored_ids

TINY = EvaluateSettings(first=4, steps=3, seeds=2, batch=2)


def result(work: Any) -> Any:
    """What a work function returns in the end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack") / "real", blobs(16, seed=1))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "synthetic", blobs(12, seed=2))


@pytest.fixture(scope="module")
def report(pack: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole evaluation whose real, validation and test data are one pack, the first four samples in all three of them."""
    out = tmp_path_factory.mktemp("report") / "whole"
    run_to_end(evaluate(pack, dataset, pack, out, TINY.model_copy(update={"validation_part": "2:8"})))
    return out


@pytest.mark.slow
def test_metrics_say_what_the_contract_says(report: Path) -> None:
    metrics = read_json(report / "metrics.json")
    assert metrics["task"] == "segmentation"
    assert set(metrics["arms"]) == {"real_only", "synthetic_only", "real_plus_synthetic"}
    for arm, scores in metrics["arms"].items():
        assert set(scores) == {"miou", "miou_foreground"}
        for entry in scores.values():
            assert len(entry["runs"]) == TINY.seeds
            assert entry["mean"] == pytest.approx(np.mean(entry["runs"]))
            assert entry["std"] == pytest.approx(np.std(entry["runs"]))
        assert set(metrics["per_class"][arm]) == set(CLASSES)
        assert set(metrics["per_class"][arm]["blob"]) == {"mean", "std"}
        sheet = decode_image((report / "predictions" / f"{arm}.png").read_bytes(), arm)
        assert sheet.shape == (3 * 32, 8 * 32, 3)
    assert (metrics["n_real"], metrics["n_synthetic"], metrics["steps"]) == (4, 12, 3)
    assert (report / "DONE").is_file()
    assert read_json(report / "report.json")["licence"] == "CC0"


@pytest.mark.slow
def test_what_was_trained_or_chosen_on_is_no_test(report: Path) -> None:
    """Real is 0-3; validation 2-7 loses two of them; the test, all 16, loses both."""
    metrics = read_json(report / "metrics.json")
    assert (metrics["n_validation"], metrics["excluded_from_validation"]) == (4, 2)
    assert (metrics["n_test"], metrics["excluded_from_test"]) == (8, 8)


def test_exclusion_goes_by_the_pixels_not_by_the_name() -> None:
    samples = blobs(5, seed=0)
    left, count = without(
        samples,
        LabelledArrays(samples.images[3:], samples.labels[3:]),
        LabelledArrays(samples.images[:1], samples.labels[:1]),
    )
    assert count == 3
    assert np.array_equal(left.images, samples.images[1:3])


def test_no_test_left_is_refused_and_leaves_nothing(pack: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No test samples are left"):
        run_to_end(evaluate(pack, dataset, pack, tmp_path / "out", EvaluateSettings(steps=1)))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_interrupted_evaluation_gives_the_same_numbers(
    report: Path, pack: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TINY.model_copy(update={"validation_part": "2:8"})
    moved = shutil.copytree(pack, tmp_path / "moved")
    work = evaluate(pack, dataset, pack, tmp_path / "out", settings)
    while not next(work).stage.startswith("real plus synthetic, run 1"):
        pass
    next(work)
    with pytest.raises(RuntimeError, match="power"):
        work.throw(RuntimeError("power cut"))  # type: ignore[attr-defined]  # a generator
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").iterdir()}
    assert sorted(path.name for path in finished) == ["real_only-0.json", "synthetic_only-0.json"]
    trained: list[str] = []

    def counted(task: Any, mixture: Any, seed: int, settings: EvaluateSettings, stage: str, choice: Choice) -> Any:
        trained.append(stage)
        return train_predictor(task, mixture, seed, settings, stage, choice)

    monkeypatch.setattr(arms, "train_predictor", counted)
    run_to_end(evaluate(moved, dataset, moved, tmp_path / "out", settings))
    assert trained == [
        "real plus synthetic, run 1 of 2",
        *(f"{arm.replace('_', ' ')}, run 2 of 2" for arm in arms.ARMS),
    ]
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
    assert read_json(tmp_path / "out" / "metrics.json") == read_json(report / "metrics.json")
    run_to_end(evaluate(moved, dataset, moved, tmp_path / "out", settings))
    assert len(trained) == 4  # done: nothing more


def test_weights_are_chosen_without_the_test() -> None:
    """Training ends with the weights of the step that the validation part likes best; the test samples are not even passed."""
    task, choice, real = SEGMENTATION, Choice(blobs(4, 3)), blobs(4, 1)
    model = result(train_predictor(task, lambda _: [(real, 4)], 0, LearnSettings(steps=8, batch=4), "", choice))
    assert set(choice.scores) == {"5", "6", "7", "8"}
    assert choice.scores[str(choice.step)] == max(choice.scores.values())
    assert evaluated(model, task, blobs(4, 3))["metrics"]["miou"] == choice.scores[str(choice.step)]


def test_augmentation_keeps_image_and_mask_aligned() -> None:
    """Where the image shows a class's colour, the mask says that class, whatever the warp; not square, to see shear."""
    labels = torch.zeros(64, 48, 64, dtype=torch.uint8)
    labels[:, 6:20, 10:30], labels[:, 26:44, 34:60] = 1, 2
    images = torch.stack([(labels == k).float() for k in range(3)], 1)
    moved, found = warp(images, labels.numpy(), SEGMENTATION, torch.Generator().manual_seed(0))
    names = torch.from_numpy(found)
    sure = (moved.amax(1) > 0.99) & (names != 255)
    assert sure.float().mean() > 0.7
    assert (moved.argmax(1)[sure] == names[sure]).float().mean() > 0.999
    assert 0.02 < (names == 255).float().mean() < 0.4
    assert not torch.equal(names[0], labels[0])


def test_augmentation_is_drawn_from_its_stream() -> None:
    samples = blobs(4, 0)
    twice = [
        augment(to_float(samples.images), samples.labels, SEGMENTATION, torch.Generator().manual_seed(5))
        for _ in range(2)
    ]
    assert torch.equal(twice[0][0], twice[1][0])
    assert np.array_equal(twice[0][1], twice[1][1])


def test_left_and_right_change_places_in_the_mirror() -> None:
    table = mirrored_ids(["background", "left_eye", "right_eye", "front_left_door", "nose"])
    assert table[:5].tolist() == [0, 2, 1, 3, 4]  # the door has no partner and stays
    assert table[255] == 255


@pytest.mark.parametrize("frame", [(32, 32), (48, 32), (160, 136)])
def test_outputs_are_as_large_as_the_image(frame: tuple[int, int]) -> None:
    model = PyramidNet(5).eval()
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, *frame)).shape == (2, 5, *frame)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_bfloat16_depthwise_layers_have_the_gradients_of_float32(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    quick, plain = (SameConv(32, 32, kernel, stride, groups=32, bias=False) for _ in range(2))
    plain.load_state_dict({"weight": quick.weight.data.bfloat16().float()})
    x = torch.randn(2, 32, 15, 16).bfloat16()
    inputs = [x.clone().requires_grad_(), x.float().requires_grad_()]
    outputs = [quick(inputs[0]).float(), plain(inputs[1])]
    assert torch.allclose(outputs[0], outputs[1], atol=0.05)
    for output in outputs:
        output.square().sum().backward()
    for one, other in ((inputs[0].grad, inputs[1].grad), (quick.weight.grad, plain.weight.grad)):
        assert one is not None
        assert other is not None
        assert (one.float() - other).norm() < 0.01 * other.norm()


def test_parts_are_python_slices() -> None:
    assert part_bounds("50:150") == (50, 150)
    assert part_bounds("150:") == (150, None)
    assert part_bounds(None) == (0, None)
    with pytest.raises(ValueError, match="test_part"):
        EvaluateSettings(test_part="150")


def test_the_share_of_real_images_moves_linearly() -> None:
    settings, data = (
        EvaluateSettings(steps=5, batch=8, real_share_start=0, real_share_end=1),
        EvaluationData(blobs(1, 1), blobs(1, 2), blobs(1, 3), None, {}),
    )
    both = [arms.mixture("real_plus_synthetic", step, data, settings) for step in range(5)]
    assert [[count for _, count in pools] for pools in both] == [[0, 8], [2, 6], [4, 4], [6, 2], [8, 0]]
    assert all(pools[0][0] is data.real and pools[1][0] is data.synthetic for pools in both)
    assert arms.mixture("real_only", 0, data, settings) == [(data.real, 8)]
    assert arms.mixture("synthetic_only", 4, data, settings) == [(data.synthetic, 8)]


def test_rare_classes_count_more_and_the_average_pixel_counts_one() -> None:
    task = SEGMENTATION
    labels = np.array([0] * 16 + [1] * 4 + [2] + [255] * 3, np.uint8).reshape(1, 4, 6)
    logits, target = torch.zeros(1, 3, 4, 6), task.learning.encode(labels, (4, 6))
    plain = task.learning.loss(logits, target)
    assert torch.equal(task.learning.loss(logits, target, task.learning.class_weights([labels], 0.0)), plain)
    weight = (
        task.learning.loss(logits, target, task.learning.class_weights([labels], 0.5)) / plain.clamp_min(1e-9)
    ).flatten()
    assert weight[16] / weight[0] == pytest.approx(2)
    assert weight[20] / weight[0] == pytest.approx(4)
    assert weight[:21].mean() == pytest.approx(1)
    assert weight[21:].sum() == 0
    assert torch.equal(task.learning.loss(logits, target), plain), "the task itself stays as it was"
