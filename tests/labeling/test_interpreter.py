"""The convolutional head: its outputs, what the class does, and labelers that have it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from handsoff.core.files import read_json
from handsoff.core.images import to_uint8
from handsoff.datasets.labelled import open_labelled
from handsoff.generators.latents import UNKNOWN
from handsoff.generators.stored import load_generator, save_generator
from handsoff.generators.stylegan2 import StyleGAN2
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.examples import load_training_data, open_examples
from handsoff.labeling.fit import extractor_for, fit, new_run
from handsoff.labeling.interpreter import WIDTH, Interpreter
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.map_run import MapRun, classes_of, hardly_seen
from handsoff.sampling.draws import draw_latents, uniform_draws
from handsoff.synthesis.generate import generate
from handsoff.synthesis.sample import sample
from handsoff.synthesis.settings import GenerateSettings, SampleSettings
from toy import CLASSES, FIT, toy_generator, write_classes, write_mask
from toy_generators import toy_conditional

MAPS = [(6, 4, 4), (5, 8, 8), (5, 8, 8), (4, 16, 16), (3, 32, 32)]
CONV = FIT.model_copy(update={"head": "conv", "steps": 30, "features": ("generator",), "members": 3})


def test_its_outputs_are_those_of_plain_convolutions() -> None:
    """Member by member: standardise, 1x1, resize, mix, add to the next level; levels beyond the output are not made."""
    torch.manual_seed(0)
    head = Interpreter(MAPS, 3, members=2).eval()
    head.mean.normal_()
    head.scale.uniform_(0.5, 2)
    features = [torch.randn(2, *shape) for shape in MAPS]
    found = head.dense(features, (16, 12))
    channels = np.cumsum([0, *(shape[0] for shape in MAPS)])
    for member in range(2):
        x = torch.zeros(())
        for level, (maps, frame) in enumerate((([0], (4, 4)), ([1, 2, 3], (16, 12)), ([4], (16, 12)))):
            parts = []
            for index in maps:
                part = slice(channels[index], channels[index + 1])
                parts.append((features[index] - head.mean[part, None, None]) / head.scale[part, None, None])
            joined = torch.cat([F.interpolate(part, size=frame, mode="bilinear") for part in parts], 1)
            weight, bias = head.projections[level][member], head.biases[level][member]
            own = F.conv2d(joined, weight[..., None, None], bias[0])
            x = own + F.interpolate(x, size=frame, mode="bilinear") if level else own
            x = x + F.relu(F.conv2d(F.relu(x), head.mixings[level][member], bias[1], padding=1))
        wanted = F.conv2d(x, head.head[member][..., None, None], head.head_bias[member])
        torch.testing.assert_close(found[member], wanted, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(head.dense(features, (16, 12), only=member)[0], found[member])


def test_a_class_changes_what_is_mixed_once_it_was_learnt() -> None:
    head, features = Interpreter(MAPS, 3, members=2, classes=4).eval(), [torch.randn(2, *shape) for shape in MAPS]
    plain, ids = head.dense(features, (16, 16)), torch.tensor([1, 3])
    torch.testing.assert_close(head.dense(features, (16, 16), ids), plain)
    assert head.of_class is not None
    assert head.of_class.shape == (2, 4, 3, 2, WIDTH)
    head.of_class.data[:, 3] = 0.5
    learnt = head.dense(features, (16, 16), ids)
    torch.testing.assert_close(learnt[:, 0], plain[:, 0])
    assert not torch.allclose(learnt[:, 1], plain[:, 1], atol=0.1)


def test_what_no_class_is_known_of_is_read_by_the_block_of_no_class() -> None:
    head, features = Interpreter(MAPS, 3, members=2, classes=4).eval(), [torch.randn(3, *shape) for shape in MAPS]
    assert head.of_class is not None
    head.of_class.data.fill_(0.5)
    plain, known = head.dense(features, (16, 16)), head.dense(features, (16, 16), torch.tensor([2, 2, 2]))
    found = head.dense(features, (16, 16), torch.tensor([2, UNKNOWN, 2]))
    torch.testing.assert_close(found[:, 1], plain[:, 1])
    torch.testing.assert_close(found[:, [0, 2]], known[:, [0, 2]])
    assert not torch.allclose(plain, known, atol=0.1)


def annotated(net: StyleGAN2, root: Path, count: int, seed: int) -> None:
    """A generator, and samples of it with labels: how bright a pixel is."""
    save_generator(net, root / "generator")
    run_to_end(sample(root / "generator", root / "samples", SampleSettings(n=count, seed=seed)))
    draws = uniform_draws(net.conditions, range(seed, seed + count))
    images = to_uint8(net.synthesize(draw_latents(net, draws)))
    levels = np.digitize(images.mean(-1), np.quantile(images.mean(-1), [0.33, 0.67])).astype(np.uint8)
    for draw, image, mask in zip(draws, images, levels, strict=True):
        write_mask(root / "samples", f"{draw.seed:08d}", image, mask)
    write_classes(root / "samples", CLASSES)


def test_a_labeler_has_it_and_labels_as_any_other(tmp_path: Path) -> None:
    annotated(toy_generator(tmp_path / "generator"), tmp_path, 8, 1000)
    for name in ("labeler", "again"):
        run_to_end(fit(tmp_path / "generator", tmp_path / "samples", tmp_path / name, CONV))
    curve, card = (read_json(tmp_path / "labeler" / name) for name in ("report.json", "labeler.json"))
    assert min(curve["held_out_loss"]) < 0.8 * curve["held_out_loss"][0]
    assert (card["head"], len(card["maps"])) == ("conv", 5)
    labeler = load_labeler(tmp_path / "labeler")
    _, labels, uncertainty = labeler.sample(range(1000, 1008))
    truth = open_labelled(tmp_path / "samples")
    assert (labels == np.stack([truth.label("segmentation", name) for name in truth.names])).mean() > 0.6
    assert uncertainty.min() >= 0 < uncertainty.max() <= 1
    run_to_end(generate([tmp_path / "labeler"], tmp_path / "dataset", GenerateSettings(n=4)))
    ours, again = (load_labeler(tmp_path / name).ensemble.state_dict() for name in ("labeler", "again"))
    assert all(torch.equal(value, again[name]) for name, value in ours.items())


def test_classes_of_the_generator_are_learnt_and_those_with_few_labels_are_named(tmp_path: Path) -> None:
    net = toy_conditional()
    annotated(net, tmp_path, 5, 2)
    quick = CONV.model_copy(update={"steps": 4, "members": 2})
    run_to_end(fit(tmp_path / "generator", tmp_path / "samples", tmp_path / "labeler", quick))
    draws = uniform_draws(net.conditions, range(2, 7))
    counts = np.bincount([int(str(draw.condition)) for draw in draws], minlength=3)
    (note,) = read_json(tmp_path / "labeler" / "report.json")["notes"]
    few = ", ".join(str(index) for index in range(3) if counts[index] < 2)
    assert note == f"Fewer than 2 labelled images show the generator's class {few}: label more of them."
    head = load_labeler(tmp_path / "labeler").ensemble
    assert isinstance(head, Interpreter)
    assert head.of_class is not None
    assert head.of_class.abs().amax((0, 2, 3, 4)).gt(0).tolist() == (counts > 0).tolist()


def test_photos_without_a_class_are_learnt_from_beside_samples_with_one(tmp_path: Path) -> None:
    """Every image keeps its own class: an inverted photo has none, whatever those of the samples are."""
    net = toy_conditional()
    annotated(net, tmp_path, 5, 2)
    invert_settings = InvertSettings(encoder_steps=0, steps=1)
    run_to_end(invert(tmp_path / "generator", tmp_path / "samples", tmp_path / "latents", invert_settings))
    generator, quick = tmp_path / "generator", CONV.model_copy(update={"steps": 2, "members": 2})
    parts = [open_examples(generator, tmp_path / name, quick) for name in ("latents", "samples")]
    extractor = extractor_for(generator, None, quick, load_generator)
    data = load_training_data(parts, extractor.generator, "segmentation", needs_latents=True)
    asked = [int(str(draw.condition)) for draw in uniform_draws(net.conditions, range(2, 7))]
    classes = classes_of(data, [*range(10)])
    assert classes is not None
    assert classes.tolist() == [UNKNOWN] * 5 + asked
    run = run_to_end(new_run(extractor, data, quick))
    assert isinstance(run, MapRun)
    assert torch.isfinite(run.step_loss(0))
    assert torch.isfinite(torch.stack([run.loss_on(0, image) for image in (0, 9)])).all()
    few = ", ".join(str(index) for index in range(3) if asked.count(index) < 2)
    assert hardly_seen(extractor, data) == [
        f"Fewer than 2 labelled images show the generator's class {few}: label more of them."
    ]


@pytest.mark.parametrize("task", ["keypoints", "depth"])
def test_it_learns_other_labels(several: Path, tmp_path: Path, task: str) -> None:
    quick = CONV.model_copy(update={"steps": 8, "task": task, "members": 2})
    run_to_end(fit(several / "generator", several / "latents", tmp_path / task, quick))
    _, labels, _ = load_labeler(tmp_path / task).sample([1, 2])
    assert len(labels) == 2
