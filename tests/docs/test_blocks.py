"""What the documentation shows works: Python runs, shell commands are ones of the command line, recipes load."""

import json
import shlex
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.settings import FitSettings
from handsoff.learning.models import build_model
from handsoff.learning.predictor import PredictorCard, save_predictor
from handsoff.recipes.load import load_recipe
from pages import ROOT, Block, blocks
from shell import check_command, commands, without_brackets
from toy import toy_generator, toy_labels

RECIPE = """
generator = "generator"
labelled = "labelled"
output = "runs/recipe"
budget = 50
validation = 5
invert = { encoder_steps = 0, steps = 1 }
fit = { members = 2, steps = 2, networks = 0 }
generate = { n = 20 }
evaluate = { steps = 2, seeds = 1, batch = 4 }
"""


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the Python blocks read: a labeler, a converted dataset, a recipe, a model, all of a toy."""
    root = tmp_path_factory.mktemp("docs")
    toy_labels(toy_generator(root / "generator"), root / "labelled", count=60)
    run_to_end(
        invert(
            root / "generator", root / "labelled", root / "latents", InvertSettings(first=4, encoder_steps=0, steps=1)
        )
    )
    settings = FitSettings(members=2, hidden=(8, 8), steps=2, images=2, pixels=20, networks=0)
    run_to_end(fit(root / "generator", root / "latents", root / "runs/mine/50/labeler", settings))
    framed = ConvertSettings(first=2, frame="128x128", align={"dark": (0.5, 0.4), "bright": (0.5, 0.75)})
    run_to_end(convert(root / "labelled", root / "aligned", framed))
    schema = {"classes": ["background", "dark", "bright"]}
    card = PredictorCard(
        "segmentation", schema, "lite0", 1, 0, [16, 16], "crop", "CC0", "real_only", "miou", [0.5], [0.5], 4
    )
    save_predictor(root / "runs/mine/50/report/model", [build_model("lite0", 3).state_dict()], card)
    Image.new("RGB", (40, 30)).save(root / "photo.jpg")
    (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return root


def by_page(found: list[Block]) -> dict[str, list[Block]]:
    pages = defaultdict(list)
    for block in found:
        pages[block.page].append(block)
    return pages


@pytest.mark.slow
@pytest.mark.parametrize("page", by_page(blocks("python")))
def test_python_blocks_run_one_after_the_other(page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, Any] = {"__name__": "documentation"}
    for block in by_page(blocks("python"))[page]:
        source = "\n" * (block.line - 1) + block.code  # tracebacks then show the page's own lines
        exec(compile(source, str(ROOT / page), "exec"), names)  # noqa: S102  # our own documentation


@pytest.mark.parametrize("block", blocks("shell"), ids=str)
def test_shell_blocks_are_commands_that_exist(block: Block) -> None:
    code = without_brackets(block.code)
    parsed = subprocess.run(["bash", "-n"], input=code, text=True, capture_output=True, check=False)  # noqa: S607  # whichever bash
    assert parsed.returncode == 0, f"{parsed.stderr}\nWhat is not for the shell needs a language after its three ticks."
    for command in commands(code):
        check_command(command)


@pytest.mark.parametrize(
    "command",
    [
        "handsoff sing",
        "handsoff invert generator labelled",
        "handsoff invert generator labelled -o out --sing",
        "handsoff invert generator labelled -o out --set sing=1",
        "torchrun -m handsoff train photos.zip -o out --minutes many",
        "make sing",
        "python tools/sing.py",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    with pytest.raises(AssertionError):
        check_command(shlex.split(command))


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_toml_blocks_are_recipes_or_parts_of_one(block: Block, tmp_path: Path) -> None:
    stated = tomllib.loads(block.code)
    rest = {"images": "photos.zip", "labelled": "labelled", "output": "runs/mine"}
    if "generator" in stated:
        del rest["images"]
    missing = [f'{name} = "{value}"\n' for name, value in rest.items() if name not in stated]
    (tmp_path / "recipe.toml").write_text("".join(missing) + block.code, encoding="utf-8")
    load_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_blocks_parse(block: Block) -> None:
    assert json.loads(block.code)
