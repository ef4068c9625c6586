"""EditGAN (Ling et al. 2021, arXiv 2111.03186): edit vectors learnt from pasted masks make rare classes less rare.

Labels, inversion and labeler are those of the HandsOff paper's plain form, so that what differs is the edits. The
dataset is asked to show every class as often as the labelled photos do, and the vectors are one way to get there.
"""

from collections.abc import Iterator

from handsoff.core.errors import InputError
from handsoff.methods import paper
from handsoff.methods.handsoff import fitted, reports
from handsoff.recipes.schema import Recipe, Tables
from handsoff.recipes.steps import Step
from handsoff.tasks.segmentation import Segmentation

SETTINGS: Tables = {**paper.SETTINGS, "generate": {"aim": {"match": "labelled"}}}


def steps(recipe: Recipe) -> Iterator[Step]:
    """One generator and the latents of all labels; per budget labelers, edits, a dataset, and a report for every task.

    Raises:
        InputError: the recipe has no masks, which edits are made by.
    """
    if Segmentation.name not in recipe.tasks:
        raise InputError(f"The method editgan edits images by their masks: name {Segmentation.name} among the tasks.")
    recipe = recipe.with_defaults(SETTINGS)
    generator, latents = recipe.generator or recipe.output / "generator", recipe.output / "latents"
    if recipe.images is not None:
        yield Step("train", recipe.output / "generator", {"images": recipe.images}, recipe.for_train())
    yield Step("invert", latents, {"generator": generator, "labelled": recipe.labelled}, recipe.for_invert())
    for budget in recipe.budgets:
        labelers = yield from fitted(recipe, budget, {"generator": generator, "examples": latents})
        edits, dataset = (recipe.output / str(budget) / name for name in ("edits", "dataset"))
        masks = recipe.folder(budget, "labeler", Segmentation.name)
        settings = recipe.settings("edit", first=budget)
        yield Step("edit", edits, {"labeler": masks, "examples": latents}, settings)
        yield Step("generate", dataset, {"labelers": labelers, "edits": edits}, recipe.for_generate())
        yield from reports(recipe, budget, [dataset])
