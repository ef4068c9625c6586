"""Labels from a diffusion model (Baranchuk et al. 2022, arXiv 2112.03126): nothing is inverted.

Its feature maps can be read from any image. `ddpm-features` reads the test photos themselves; `datasetddpm` trains
networks on the model's own samples; `gan-ddpm` has it label the samples of a GAN, which draws hundreds of images in the
time of one.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from handsoff.core.errors import InputError
from handsoff.methods.handsoff import evaluated, labelled_photos
from handsoff.recipes.schema import Recipe, Tables
from handsoff.recipes.steps import Step

PROBE = {"features": ("diffusion",), "networks": 0}  # whatever else the recipe says of labelers
SAMPLES: Tables = {"generate": {"n": 1_000}}  # the paper draws 50,000; one takes a second of a core at 64 px
TOGETHER: Tables = {"fit": {"features": ["diffusion", "lite0"]}}


def features_steps(recipe: Recipe) -> Iterator[Step]:
    """Per budget and task pixel classifiers that read photos, and their score."""
    model = yield from diffusion_model(recipe)
    for budget in recipe.budgets:
        labelers = yield from fitted(recipe, budget, {"generator": model}, PROBE)
        for labeler, task in zip(labelers, recipe.tasks, strict=True):
            report, test = recipe.folder(budget, "report", task), recipe.test or recipe.labelled
            yield Step("score", report, {"voters": [labeler], "test": test}, recipe.for_score())


def dataset_steps(recipe: Recipe) -> Iterator[Step]:
    """Per budget the same classifiers, samples that they label, and a report for every task."""
    recipe = recipe.with_defaults(SAMPLES)
    model = yield from diffusion_model(recipe)
    for budget in recipe.budgets:
        labelers = yield from fitted(recipe, budget, {"generator": model}, PROBE)
        dataset = recipe.output / str(budget) / "dataset"
        yield Step("generate", dataset, {"labelers": labelers}, recipe.for_generate())
        yield from reports(recipe, budget, [dataset])


def both_steps(recipe: Recipe) -> Iterator[Step]:
    """As the default method, but labelers read the diffusion model in place of the GAN, so that nothing is inverted."""
    recipe = recipe.with_defaults(TOGETHER)
    generator = recipe.generator or recipe.output / "generator"
    if recipe.images is not None:
        yield Step("train", generator, {"images": recipe.images}, recipe.for_train())
    nets = {"generator": generator, "denoiser": (yield from diffusion_model(recipe))}
    for budget in recipe.budgets:
        labelers = yield from fitted(recipe, budget, nets, {})
        dataset = recipe.output / str(budget) / "dataset"
        yield Step("generate", dataset, {"labelers": labelers}, recipe.for_generate())
        photos = yield from labelled_photos(recipe, budget, labelers)
        yield from reports(recipe, budget, [dataset, *photos])


def diffusion_model(recipe: Recipe) -> Generator[Step, None, Path]:
    """The folder of the recipe's diffusion model, or of one that is trained on its photos.

    Raises:
        InputError: it names neither.
    """
    if recipe.diffusion is not None:
        return recipe.diffusion
    if recipe.unlabelled is None:
        raise InputError(
            f"The method {recipe.method} reads a diffusion model: name one as diffusion, or photos to train it on as "
            "images or photos."
        )
    folder = recipe.output / "diffusion"
    yield Step("train", folder, {"images": recipe.unlabelled}, recipe.for_diffusion())
    return folder


def fitted(
    recipe: Recipe, budget: int, nets: dict[str, Path], owned: dict[str, Any]
) -> Generator[Step, None, list[Path]]:
    """The folders of labelers, one per task, which are fitted to the labelled photos as they are."""
    labelers = [recipe.folder(budget, "labeler", task) for task in recipe.tasks]
    for labeler, task in zip(labelers, recipe.tasks, strict=True):
        settings = recipe.for_fit(budget, task).model_copy(update={**owned, "labels": recipe.options})
        yield Step("fit", labeler, {**nets, "examples": recipe.labelled}, settings)
    return labelers


def reports(recipe: Recipe, budget: int, datasets: list[Path]) -> Iterator[Step]:
    """What the datasets are worth, task by task."""
    for task in recipe.tasks:
        report = recipe.folder(budget, "report", task)
        yield Step("evaluate", report, evaluated(recipe, datasets), recipe.for_evaluate(budget, task))
