"""What a diagnosis tells of a recipe does not say where things lie."""

from pathlib import Path

from handsoff.inspection.paths import without_paths
from handsoff.recipes.load import load_recipe

RECIPE = """
generator = "private/generator"
diffusion = "private/diffusion"
photos = "private/photos"
labelled = "private/labelled"
test = "private/test"
output = "private/output"
[train]
conditions = "private/conditions.json"
kimg = 3
[invert]
encoder = "private/latents"
[generate]
attributes = "private/attributes.json"
aim = { match = "private/match", cluster = "uniform" }
"""


def test_a_recipe_is_told_without_its_paths(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    told = without_paths(load_recipe(tmp_path / "recipe.toml").model_dump(mode="json"))
    assert "private" not in str(told)
    assert told["budgets"] == [50]
    assert told["tables"] == {"train": {"kimg": 3}, "invert": {}, "generate": {"aim": {"cluster": "uniform"}}}


def test_an_aim_that_names_the_recipes_own_data_stays() -> None:
    tables = {"generate": {"aim": {"match": "unlabelled"}}}
    assert without_paths({"tables": tables})["tables"] == tables
