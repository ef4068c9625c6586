"""The tutorial does what it says: its commands are run one after the other, on fewer images and in fewer steps."""

import itertools
import os
import re
import shutil
from pathlib import Path

import pytest

import handsoff.cli.main as cli
import handsoff.demo
from pages import Block, page_blocks
from shell import commands

DEMO = Path(handsoff.demo.__file__).parent
SMALL = {  # what is added to a command, so that it takes seconds
    "sample": ["-n", "12"],
    "generate": ["-n", "8"],
    "convert": ["--set", "first=34"],
    "diagnose": ["--set", "photos=4", "--set", "images=8", "--set", "samples=4"],
}


def small(recipe: str) -> str:
    """The recipe with fewer images and steps."""
    fewer = re.sub(r"\bn = \d+", "n = 8", re.sub(r"steps = [1-9]\d*", "steps = 1", recipe))
    return fewer.replace("[fit]\n", "[fit]\nmembers = 2\n").replace("validation = 20", "validation = 4")


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = itertools.chain(*map(follow, page_blocks("docs/tutorial.md")))
    assert list(done) == [
        *("mkdir", "cp", "cp", "convert", "convert", "inspect", "run", "run", "diagnose", "sample", "label"),
        *("export", "generate", "convert"),
    ]
    for made in ("30/report/report.html", "30/dataset/preview.png", "30/photos/preview.png", "latents/contact.png"):
        assert (tmp_path / "mine" / "run" / made).is_file(), f"the tutorial names {made}"
    assert (tmp_path / "mine" / "model.onnx").is_file()


def follow(block: Block) -> list[str]:
    """Do what a block says, and give what was done; what opens a browser is left to the tests of the review page."""
    if block.language == "toml" and "generator" in block.code:
        Path("mine/recipe.toml").write_text(small(block.code), encoding="utf-8")
    if block.language != "shell":
        return []
    done = []
    for words in commands(re.sub(r"^DEMO=.*\n", "", block.code).replace("$DEMO", DEMO.as_posix())):
        match words:
            case ["mkdir", folder]:
                Path(folder).mkdir()
            case ["cp", "-r", source, target]:
                shutil.copytree(source, target)
            case ["cp", source, target]:
                shutil.copyfile(source, target)
            case ["handsoff", "review", *_]:
                continue
            case ["handsoff", verb, *_]:
                assert cli.main([*words[1:], *SMALL.get(verb, [])]) == os.EX_OK, words
            case _:
                pytest.fail(f"the tutorial says what nobody tries: {words}")
        done.append(words[1] if words[0] == "handsoff" else words[0])
    return done
