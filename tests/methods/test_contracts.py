"""Other generators and other tasks than the package's own go the whole way: from labels to dataset and report."""

from pathlib import Path

import numpy as np
import pytest

from handsoff.core.files import read_json
from handsoff.core.images import to_uint8
from handsoff.datasets.generated import open_generated
from handsoff.evaluation.evaluate import evaluate
from handsoff.evaluation.settings import EvaluateSettings
from handsoff.generators.contract import Generator
from handsoff.generators.stored import load_generator, read_card, save_generator
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.recipes.load import load_recipe
from handsoff.runner.compare import compare
from handsoff.runner.run import run
from handsoff.sampling.draws import Draw, draw_latents, uniform_draws
from handsoff.synthesis.generate import generate
from handsoff.synthesis.settings import GenerateSettings
from handsoff.tasks import TASKS
from matte import Matte, write_mattes
from toy import CLASSES, FIT, QUICK_RECIPE, toy_generator, write_classes, write_mask
from toy_generators import toy_conditional, toy_diffusion, toy_unet

FEW = EvaluateSettings(first=4, steps=2, batch=2, seeds=1, test_part="4:")


def label_samples(net: Generator, folder: Path, count: int) -> None:
    """Samples of a generator as labelled photos: the class of a pixel is how bright it is."""
    draws = uniform_draws(net.conditions, range(500, 500 + count))
    images = to_uint8(net.synthesize(draw_latents(net, draws)))
    levels = np.digitize(images.mean(-1), np.quantile(images.mean(-1), [0.33, 0.67])).astype(np.uint8)
    for index, (image, mask) in enumerate(zip(images, levels, strict=True)):
        write_mask(folder, f"photo{index:02d}", image, mask)
    write_classes(folder, CLASSES)


def whole_run(folder: Path, task: str) -> Path:
    (folder / "recipe.toml").write_text(f'tasks = "{task}"{QUICK_RECIPE}', encoding="utf-8")
    run_to_end(run(load_recipe(folder / "recipe.toml", folder / "run")))
    return folder / "run" / "6"


@pytest.mark.usefixtures("diffusion_known")
def test_a_diffusion_generator_needs_no_inversion(tmp_path: Path) -> None:
    save_generator(toy_diffusion(), tmp_path / "generator")
    net = load_generator(tmp_path / "generator")
    label_samples(net, tmp_path / "labelled", 8)
    features = FIT.model_copy(update={"features": ("lite0",), "steps": 30, "first": 4})
    run_to_end(fit(tmp_path / "generator", tmp_path / "labelled", tmp_path / "labeler", features))
    run_to_end(generate([tmp_path / "labeler"], tmp_path / "dataset", GenerateSettings(n=6, keep=1.0)))
    run_to_end(evaluate(tmp_path / "labelled", [tmp_path / "dataset"], tmp_path / "labelled", tmp_path / "report", FEW))
    metrics = read_json(tmp_path / "report" / "metrics.json")
    assert list(metrics["arms"]) == ["real_only", "synthetic_only", "real_plus_synthetic"]
    assert metrics["n_synthetic"] == 6
    assert (tmp_path / "report" / "report.html").is_file()
    dataset = open_generated(tmp_path / "dataset")
    draws = [Draw.of_record(record["draw"]) for record in dataset.records()]
    assert (tmp_path / "dataset" / "preview.png").is_file()
    again = to_uint8(net.synthesize(draw_latents(net, draws)))
    for image, name in zip(again, dataset.labelled("segmentation").names, strict=True):
        np.testing.assert_allclose(image.astype(int), dataset.labelled("segmentation").image(name).astype(int), atol=1)
    aim = {"bright": {"pixels": 0.9}}
    composed = GenerateSettings(n=8, aim=aim, draws_limit=72)
    run_to_end(generate([tmp_path / "labeler"], tmp_path / "composed", composed))
    kinds = {record.get("proposal", {}).get("kind") for record in open_generated(tmp_path / "composed").records()}
    assert kinds == {None, "plain draws"}, "without a w space there is nothing to edit"
    (group,) = read_json(tmp_path / "composed" / "aim.json")["groups"]
    assert group["reached"] > group["plain"]


def test_a_conditional_generator_says_the_class_of_every_sample(tmp_path: Path) -> None:
    save_generator(toy_conditional(), tmp_path / "generator")
    label_samples(load_generator(tmp_path / "generator"), tmp_path / "labelled", 12)
    out = whole_run(tmp_path, "segmentation")
    classes = [record["draw"]["condition"] for record in open_generated(out / "dataset").records()]
    assert set(classes) == {0, 1, 2}
    assert (out / "report" / "report.html").is_file()


def test_a_fifth_task_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "matte", Matte)
    net = toy_generator(tmp_path / "generator")
    images = to_uint8(net.synthesize(net.draw(range(500, 512))))
    write_mattes(tmp_path / "labelled", images)
    out = whole_run(tmp_path, "matte")
    metrics = read_json(out / "report" / "metrics.json")
    assert metrics["task"] == "matte"
    assert 0 <= metrics["arms"]["real_only"]["matte_mae"]["mean"] <= 1
    page = (out / "report" / "report.html").read_text(encoding="utf-8")
    assert Matte.metrics["matte_mae"].title in page
    assert list(open_generated(out / "dataset").tasks()) == ["matte"]


def test_methods_of_a_diffusion_model_go_the_whole_way(tmp_path: Path) -> None:
    """Both generators are there; photos are read as they are, and samples of the GAN through the diffusion model."""
    save_generator(toy_unet(), tmp_path / "model")
    net = toy_generator(tmp_path / "generator")
    label_samples(net, tmp_path / "labelled", 12)
    text = QUICK_RECIPE.replace("[invert]\nencoder_steps = 0\nsteps = 2\n", "").replace(
        'features = ["generator"]\n', ""
    )
    text = f'diffusion = "model"\n{text}'
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    methods = ["ddpm-features", "gan-ddpm"]
    run_to_end(compare(load_recipe(tmp_path / "recipe.toml", tmp_path / "run"), methods))
    found = read_json(tmp_path / "run" / "compare.json")
    assert set(found["methods"]) == set(methods)
    labeler = tmp_path / "run" / "gan-ddpm" / "6" / "labeler"
    cards = [read_card(labeler / name).architecture for name in ("generator", "denoiser")]
    assert cards == ["stylegan2", "diffusion"]
    assert open_generated(tmp_path / "run" / "gan-ddpm" / "6" / "dataset").records()
    page = (tmp_path / "run" / "compare.html").read_text(encoding="utf-8")
    assert all(method in page for method in methods)
