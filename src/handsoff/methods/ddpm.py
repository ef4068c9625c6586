"""Labels from a diffusion model (Baranchuk et al. 2022, arXiv 2112.03126): nothing is inverted.

Its feature maps can be read from any image. `ddpm-features` reads the test photos themselves; `datasetddpm` trains
networks on the model's own samples; `gan-ddpm` has it label the samples of a GAN, which draws hundreds of images in the
time of one.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

from handsoff.core.errors import InputError
from handsoff.methods.handsoff import fitted, has_networks, labelled_photos, real_only_runs, reports, scored
from handsoff.recipes.schema import Recipe, Tables
from handsoff.recipes.steps import Step

PROBE = {"features": ("diffusion",), "networks": 0}  # whatever else the recipe says of labelers
SAMPLES: Tables = {"generate": {"n": 1_000}}  # the paper draws 50,000; one takes a second of a core at 64 px
TOGETHER: Tables = {"fit": {"features": ["diffusion", "lite0"]}}


def features_steps(recipe: Recipe) -> Iterator[Step]:
    """Per budget and task pixel classifiers that read photos, and their score."""
    model = yield from diffusion_model(recipe)
    for budget in recipe.budgets:
        labelers = yield from probes(recipe, budget, model)
        for labeler, task in zip(labelers, recipe.tasks, strict=True):
            yield scored(recipe, budget, task, labeler)


def dataset_steps(recipe: Recipe) -> Iterator[Step]:
    """Per budget the same classifiers, samples that they label, and a report for every task."""
    recipe = recipe.with_defaults(SAMPLES)
    model = yield from diffusion_model(recipe)
    for budget in recipe.budgets:
        labelers = yield from probes(recipe, budget, model)
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
        teachers = (yield from real_only_runs(recipe, budget)) if has_networks(recipe) else []
        inputs, owned = {**nets, "examples": recipe.labelled}, {"labels": recipe.options}
        labelers = yield from fitted(recipe, budget, inputs, teachers, owned)
        dataset = recipe.output / str(budget) / "dataset"
        yield Step("generate", dataset, {"labelers": labelers}, recipe.for_generate())
        photos = yield from labelled_photos(recipe, budget, labelers)
        yield from reports(recipe, budget, [dataset, *photos], teachers)


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


def probes(recipe: Recipe, budget: int, model: Path) -> Generator[Step, None, list[Path]]:
    """The folders of pixel classifiers alone, one per task, which are fitted to the labelled photos as they are."""
    inputs, owned = {"generator": model, "examples": recipe.labelled}, {**PROBE, "labels": recipe.options}
    return (yield from fitted(recipe, budget, inputs, owned=owned))
