"""Runs: where every step stands, what is skipped, what goes on, and what is made again only when that is asked for."""

import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

import handsoff
from handsoff import methods, verbs
from handsoff.cli import main as cli
from handsoff.core.errors import HandsOffError, InputError
from handsoff.core.files import read_json, write_bytes
from handsoff.datasets.labelled import open_labelled
from handsoff.jobs.folder import Job, Plan, open_job
from handsoff.jobs.progress import Outcome, Part, Progress, Work, run_to_end
from handsoff.recipes.load import load_recipe
from handsoff.recipes.schema import Recipe
from handsoff.recipes.steps import Step
from handsoff.runner import check as checks
from handsoff.runner import compare as compares
from handsoff.runner import run as runs
from handsoff.runner.check import check, prepared
from handsoff.runner.graph import Node, graph
from handsoff.runner.rehearsal import rehearse
from handsoff.runner.run import run
from handsoff.verbs import Input, Verb
from toy import toy_generator, write_classes, write_mask

DATA = 'images = "photos.zip"\nlabelled = "labelled"\noutput = "out"\n'
Log = list[str]


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def scene(seed: int) -> np.ndarray:
    """An image that no other one looks like."""
    return np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)


@pytest.fixture
def folder(tmp_path: Path, photos: Callable[..., Path]) -> Path:
    """Twelve labelled samples and a few photos."""
    for index in range(12):
        write_mask(tmp_path / "labelled", f"{index:02d}", scene(index), np.eye(16, dtype=np.uint8))
    write_classes(tmp_path / "labelled", ["background", "eye"])
    photos(height=72, width=70).rename(tmp_path / "photos.zip")
    return tmp_path


# --- a verb of three units of work, whose result says what it was made from ----------------------------------------


class FakeSettings(BaseModel):
    """What the fake verb is told: `word` goes into its result, `length` says how long it goes on."""

    word: str = "a"
    length: int = 1


class FakeVerb(ModuleType):
    """Its module: `source` is a folder with a file `result`, or a file."""

    def __init__(self, log: Log) -> None:
        super().__init__("fake_verb")
        self.log = log
        self.fails: dict[str, BaseException] = {}  # folder → what its work raises after the first unit

    def plan(self, source: Path, settings: FakeSettings) -> Plan:
        mark = hashlib.sha256(content(source)).hexdigest()
        return Plan("fake", {"source": {"path": str(source), "fingerprint": mark}}, {"word": settings.word})

    def finished(self, out: Path, settings: FakeSettings) -> bool:
        return int((out / "length").read_text()) >= settings.length

    def work(self, source: Path, out: Path, settings: FakeSettings) -> Work:
        with open_job(out, self.plan(source, settings)) as job:
            if not (job.done and self.finished(out, settings)):
                yield from self.units(job, source, settings)
        return job.outcome

    def units(self, job: Job, source: Path, settings: FakeSettings) -> Part:
        job.reopen()
        for unit in range(3):
            self.log.append(f"{job.out.name} {unit}")
            yield Progress("working", unit + 1, 3)
            if job.out.name in self.fails:
                raise self.fails.pop(job.out.name)
        write_bytes(job.out / "result", content(source) + settings.word.encode() * settings.length)
        write_bytes(job.out / "length", str(settings.length).encode())
        job.finish()


def content(source: Path) -> bytes:
    return (source / "result" if source.is_dir() else source).read_bytes()


class World:
    """A recipe with a fake method: a generator from the photos, and per budget a labeler and a report."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.out, self.log = folder, folder / "out", Log()
        self.module = FakeVerb(self.log)
        monkeypatch.setitem(sys.modules, "fake_verb", self.module)
        verb = Verb("fake", "fake_verb", "work", FakeSettings, (Input("source"),), extends=True)
        monkeypatch.setitem(verbs.VERBS, "fake", verb)
        monkeypatch.setitem(methods.METHODS, "fake", self.steps)
        self.words: dict[str, str] = {}
        self.length = 1

    def steps(self, recipe: Recipe) -> Iterator[Step]:
        generator, source = recipe.output / "generator", recipe.images or Path()
        yield Step("fake", generator, {"source": source}, self.settings("generator", self.length))
        for budget in recipe.budgets:
            labeler, report = (recipe.output / str(budget) / name for name in ("labeler", "report"))
            yield Step("fake", labeler, {"source": generator}, self.settings("labeler"))
            yield Step("fake", report, {"source": labeler}, self.settings("report"))

    def settings(self, name: str, length: int = 1) -> FakeSettings:
        return FakeSettings(word=self.words.get(name, "a"), length=length)

    def recipe(self, text: str = "budget = 4") -> Recipe:
        path = write(self.folder, f'{DATA}method = "fake"\nvalidation = 2\n{text}')
        return load_recipe(path, self.out)

    def states(self, text: str = "budget = 4") -> dict[str, str]:
        return {node.name: node.state for node in graph(self.recipe(text))}

    def run(self, text: str = "budget = 4", *, redo: bool = False) -> tuple[list[Progress], Log, Outcome]:
        """What was shown, which units were worked on, and the outcome."""
        self.log.clear()
        shown: list[Progress] = []

        def watched() -> Iterator[None]:
            outcome: Outcome = yield from seen(run(self.recipe(text), redo=redo), shown)
            outcomes.append(outcome)

        outcomes: list[Outcome] = []
        list(watched())
        return shown, list(self.log), outcomes[0]


def seen(work: Work, shown: list[Progress]) -> Any:
    while True:
        try:
            shown.append(next(work))
        except StopIteration as end:
            return end.value
        yield


@pytest.fixture
def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(folder, monkeypatch)


ALL = [f"{name} {unit}" for name in ("generator", "labeler", "report") for unit in range(3)]
NAMES = ["generator", "4/labeler", "4/report"]


# --- doing, skipping, going on -------------------------------------------------------------------------------------


def test_a_finished_run_does_nothing_again(world: World) -> None:
    assert list(world.states().items()) == [(name, "to do") for name in NAMES]
    assert not world.out.exists(), "looking writes nothing"
    shown, log, outcome = world.run()
    assert (log, outcome) == (ALL, "made")
    assert {progress.stage for progress in shown} == {f"{name}: working" for name in NAMES}
    assert set(world.states().values()) == {"done"}
    finished = (world.out / "DONE").stat().st_mtime_ns
    shown, log, outcome = world.run()
    assert (log, outcome) == ([], "done")
    assert [(progress.stage, progress.note) for progress in shown] == [(name, "done before, skipped") for name in NAMES]
    assert (world.out / "DONE").stat().st_mtime_ns == finished


def test_the_report_says_what_every_step_was_made_from(world: World) -> None:
    world.run()
    report = read_json(world.out / "report.json")
    assert list(report["steps"]) == NAMES
    assert report["steps"]["4/report"]["inputs"] == {"source": "4/labeler"}
    assert report["steps"]["generator"]["inputs"] == {"source": str((world.folder / "photos.zip").resolve())}
    assert all(step["verb"] == "fake" and step["outcome"] == "made" for step in report["steps"].values())
    assert all(step["seconds"] >= 0 for step in report["steps"].values())
    assert (report["recipe"]["budgets"], report["results"]) == ([4], {})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupted_run_goes_on_and_adds_up_its_time(world: World, error: BaseException) -> None:
    world.module.fails["labeler"] = error
    with pytest.raises(type(error)):
        world.run()
    assert not (world.out / "DONE").exists()
    assert set(read_json(world.out / "costs.json")) == {"generator", "4/labeler"}
    assert world.states() == {"generator": "done", "4/labeler": "begun", "4/report": "to do"}
    shown, log, outcome = world.run()
    assert log == ALL[3:]
    assert shown[0] == Progress("generator", 1, 1, "done before, skipped")
    assert outcome == "continued"
    steps = read_json(world.out / "report.json")["steps"]
    assert [step["outcome"] for step in steps.values()] == ["done", "continued", "made"]


def test_a_work_that_is_closed_closes_the_step(world: World) -> None:
    work = run(world.recipe())
    next(work)
    work.close()
    assert world.states()["generator"] == "begun"
    assert "generator" in read_json(world.out / "costs.json")


def test_a_budget_can_be_added_later(world: World) -> None:
    world.run()
    _, log, outcome = world.run("budgets = [4, 6]")
    assert (log, outcome) == (ALL[3:], "continued")
    assert list(read_json(world.out / "report.json")["steps"]) == [*NAMES, "6/labeler", "6/report"]


# --- what became stale ---------------------------------------------------------------------------------------------


def test_a_changed_setting_makes_a_step_and_what_depends_on_it_stale(world: World) -> None:
    world.run("budgets = [4, 6]")
    world.words["labeler"] = "b"
    why = {node.name: (node.state, node.why) for node in graph(world.recipe("budgets = [4, 6]"))}
    changed, dependent = "it was begun with word = a instead of b", "4/labeler is out of date"
    assert why["generator"] == ("done", "")
    assert why["4/labeler"] == ("stale", changed)
    assert why["4/report"] == ("stale", dependent)
    assert why["6/labeler"] == ("stale", changed)


def test_stale_steps_are_named_in_one_sentence_before_any_work(world: World) -> None:
    world.run()
    world.words["labeler"] = "b"
    before = snapshot(world.out)
    sentence = (
        r"out/4/labeler is out of date: it was begun with word = a instead of b \(and 4/report\); run again with "
        r"--redo to make them again, or choose another output folder with -o\.$"
    )
    with pytest.raises(InputError, match=sentence) as caught:
        world.run("budgets = [4, 6]")
    assert "\n" not in str(caught.value)
    assert world.log == []
    assert snapshot(world.out) == before


def test_redo_makes_stale_steps_again_and_nothing_else(world: World) -> None:
    world.run()
    world.words["labeler"] = "b"
    _, log, outcome = world.run(redo=True)
    assert (log, outcome) == (ALL[3:], "continued")
    assert (world.out / "4" / "report" / "result").read_bytes().endswith(b"aba")
    steps = read_json(world.out / "report.json")["steps"]
    assert [step["outcome"] for step in steps.values()] == ["done", "made", "made"]
    assert set(world.states().values()) == {"done"}
    assert world.run(redo=True)[1:] == ([], "done"), "and only once"


@pytest.mark.parametrize("place", [".", "labels"])
def test_redo_removes_nothing_that_a_person_corrected(world: World, place: str) -> None:
    """The corrections of inverted photos lie one folder deeper than those of a dataset."""
    world.run()
    corrections = world.out / "4" / "labeler" / place / "corrections"
    write_bytes(corrections / "corrections.json", b"{}")
    world.words["labeler"] = "b"
    with pytest.raises(InputError, match=r"corrections holds what a person corrected, .*: move that folder away first"):
        world.run(redo=True)
    assert (corrections / "corrections.json").is_file()


def test_other_data_makes_everything_stale(world: World) -> None:
    world.run()
    (world.folder / "photos.zip").write_bytes((world.folder / "photos.zip").read_bytes() + b"\0")
    assert list(world.states().values()) == ["stale"] * 3
    with pytest.raises(InputError, match=r"out/generator is out of date: it was begun with another source"):
        world.run()
    assert world.run(redo=True)[1] == ALL


def test_a_step_that_goes_on_makes_what_depends_on_it_stale(world: World) -> None:
    """As when more minutes of training are asked for: the generator goes on, everything after it is made again."""
    world.run()
    world.length = 2
    assert world.states() == {"generator": "begun", "4/labeler": "stale", "4/report": "stale"}
    with pytest.raises(InputError, match=r"labeler is out of date: generator goes on \(and 4/report\)"):
        world.run()
    _, log, _ = world.run(redo=True)
    assert log == ALL
    assert read_json(world.out / "report.json")["steps"]["generator"]["outcome"] == "continued"
    assert (world.out / "4" / "report" / "result").read_bytes().endswith(b"aaaa")


def test_a_step_that_somebody_deleted_makes_what_depends_on_it_stale(world: World) -> None:
    world.run()
    shutil.rmtree(world.out / "4" / "labeler")
    assert world.states() == {"generator": "done", "4/labeler": "to do", "4/report": "stale"}
    with pytest.raises(InputError, match=r"4/report is out of date: 4/labeler is to be made; .*to make it again"):
        world.run()
    assert world.run(redo=True)[1] == ALL[3:]


def test_an_interrupted_redo_goes_on_without_being_asked_again(world: World) -> None:
    world.run()
    world.words["generator"] = "b"
    world.module.fails["labeler"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        world.run(redo=True)
    assert world.states() == {"generator": "done", "4/labeler": "begun", "4/report": "to do"}
    assert world.run()[1] == ALL[3:]
    assert (world.out / "4" / "report" / "result").read_bytes().endswith(b"baa")


class Edited(World):
    """As the user changes the photos while one of the steps works; with `reread` every step reads them."""

    reread = False

    def steps(self, recipe: Recipe) -> Iterator[Step]:
        for step in super().steps(recipe):
            source = recipe.images if self.reread else step.inputs["source"]
            yield replace(step, inputs={"source": source})

    def edited_in(self, name: str) -> None:
        """Run, and change them when this step begins."""
        work = run(self.recipe())
        while not next(work).stage.startswith(name):
            pass
        photos = self.folder / "photos.zip"
        photos.write_bytes(photos.read_bytes() + b"\0")
        run_to_end(work)


def test_an_input_that_changes_while_the_run_works_ends_it_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose steps were made from different data is not done."""
    world = Edited(folder, monkeypatch)
    sentence = (
        r"An input was changed while the run worked: \S+out/generator is out of date: it was begun with another "
        r"source .*\(and 4/labeler, 4/report\); run again with --redo"
    )
    with pytest.raises(InputError, match=sentence):
        world.edited_in("4/report")
    assert not (world.out / "DONE").exists()
    with pytest.raises(InputError, match="out/generator is out of date"):
        world.run()
    assert world.run(redo=True)[1] == ALL


def test_a_step_that_reads_what_changed_does_not_begin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Edited(folder, monkeypatch)
    world.reread = True
    with pytest.raises(InputError, match="An input was changed while the run worked"):
        world.edited_in("generator")
    assert world.log == ALL[:3]


def test_a_comparison_whose_input_changes_while_it_works_is_not_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Edited(folder, monkeypatch)
    nodes, plan = compares.graph(world.recipe(), ["fake"])
    work = compares.carry_out(world.recipe(), nodes, plan)
    while not next(work).stage.startswith("fake/4/report"):
        pass
    (folder / "photos.zip").write_bytes(b"other photos")
    with pytest.raises(InputError, match="An input was changed while the run worked"):
        run_to_end(work)
    assert not (world.out / "DONE").exists()


def test_a_folder_that_is_removed_while_the_run_works_is_missed(world: World) -> None:
    work = run(world.recipe())
    while not next(work).stage.startswith("4/report"):
        pass
    shutil.rmtree(world.out / "4" / "report")
    with pytest.raises(HandsOffError):
        run_to_end(work)
    assert not (world.out / "DONE").exists()


# --- what it cost --------------------------------------------------------------------------------------------------


def test_what_a_step_costs_is_noted_while_it_works(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves no time to write it."""
    monkeypatch.setattr(runs, "NOTED_SECONDS", 0.0)
    work = run(world.recipe())
    next(work)
    next(work)
    assert set(read_json(world.out / "costs.json")) == {"generator"}
    work.close()


def test_a_step_that_somebody_deleted_costs_only_what_it_costs_anew(world: World) -> None:
    world.run()
    costs = read_json(world.out / "costs.json")
    (world.out / "costs.json").write_text(json.dumps({name: {"seconds": 1000.0} for name in costs}))
    shutil.rmtree(world.out / "4" / "report")
    world.run()
    steps = read_json(world.out / "report.json")["steps"]
    assert [step["seconds"] >= 1000 for step in steps.values()] == [True, True, False]


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        file.relative_to(folder).as_posix(): (file.stat().st_mtime_ns, file.read_bytes())
        for file in folder.rglob("*")
        if file.is_file()
    }


# --- from the command line and from Python -------------------------------------------------------------------------


def test_dry_run_shows_every_step_and_does_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.recipe()
    words = ["run", str(world.folder / "recipe.toml"), "-o", str(world.out), "--dry-run"]
    assert cli.main(words) == 0
    assert [line.split()[-2:] for line in capsys.readouterr().out.splitlines()[1:]] == [["to", "do"]] * 3
    assert not world.out.exists()
    assert cli.main([*words, "--json", "-q"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [step["name"] for step in steps] == NAMES
    assert {step["state"] for step in steps} == {"to do"}
    world.run()
    world.words["report"] = "b"
    before = snapshot(world.out)
    assert cli.main(words) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["generator", "fake", "done"],
        ["4/labeler", "fake", "done"],
        [
            "4/report",
            "fake",
            *["out", "of", "date", "it", "was", "begun", "with", "word", "=", "a", "instead", "of", "b"],
        ],
    ]
    assert snapshot(world.out) == before


def test_the_command_line_redoes_only_when_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.run()
    world.words["report"] = "b"
    words = ["run", str(world.folder / "recipe.toml"), "-o", str(world.out)]
    assert cli.main(words) == 2
    assert "run again with --redo" in capsys.readouterr().err
    assert cli.main([*words, "--redo"]) == 0
    assert "4/report" in capsys.readouterr().out
    assert cli.main(words) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_recipe_can_be_run_from_python(world: World) -> None:
    world.recipe()
    report = handsoff.run(str(world.folder / "recipe.toml"), world.out)
    assert list(report["steps"]) == NAMES
    world.words["report"] = "b"
    with pytest.raises(InputError, match="out of date"):
        handsoff.run(world.folder / "recipe.toml", world.out)
    assert handsoff.run(world.folder / "recipe.toml", world.out, redo=True)["steps"]["4/report"]["outcome"] == "made"


# --- before any work -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "budget = 10",
            "holds 12 labelled samples, too few for 10 labels, 2 for validation and at least one for the test",
        ),
        (
            "budget = 4\nreserve = 6",
            "too few for 4 labels, 2 for validation, 6 in reserve and at least one for the test: lower budgets, v",
        ),
        ("budget = 3", "too small: use at least 4"),
        ('budget = 4\n[classes]\nskin = "face"', "the class 'skin'"),
        ('budget = 4\ntasks = "smell"', "Unknown task 'smell'"),
        ('budget = 4\ntasks = ["segmentation", "keypoints"]', "has no labels for keypoints: add keypoints.json"),
        ('budget = 4\ntest = "nowhere"', "nowhere does not exist"),
        ("budget = 4\n[fit]\nsteps = 3", r"settings for \[fit\], and no step of that kind"),
    ],
)
def test_what_a_late_step_would_refuse_is_refused_first(world: World, text: str, sentence: str) -> None:
    with pytest.raises(HandsOffError, match=sentence):
        world.run(text)
    assert world.log == []
    assert not world.out.exists()


def other_classes(folder: Path) -> None:
    write_classes(folder / "other", ["background", "nose"])


def half_a_mask(folder: Path) -> None:
    file = folder / "other" / "masks" / "03.png"
    file.write_bytes(file.read_bytes()[:-30])


def the_labels_again(folder: Path) -> None:
    for kind in ("images", "masks"):
        for file in (folder / "other" / kind).iterdir():
            if int(file.stem) >= 4:  # the budget
                file.unlink()


def as_it_is(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "text", "sentence"),
    [
        (other_classes, "", "has the classes background, nose, the dataset has background, eye"),
        (half_a_mask, "", r"03\.png"),
        (the_labels_again, "", "No test samples are left"),
        (as_it_is, "[evaluate]\ngroup = '0'", "No validation samples are left .*groups"),
    ],
)
def test_a_test_that_the_last_step_would_refuse_is_refused_first(
    change: Callable[[Path], None], text: str, sentence: str, folder: Path
) -> None:
    shutil.copytree(folder / "labelled", folder / "other")
    change(folder)
    recipe = load_recipe(write(folder, f'{DATA}budget = 4\nvalidation = 2\ntest = "other"\n{text}'), folder / "out")
    with pytest.raises(HandsOffError, match=sentence):
        run_to_end(run(recipe))
    assert not (folder / "out").exists()


def test_a_test_without_a_card_of_its_own_is_read_like_the_labels(folder: Path) -> None:
    for name in ("labelled", "other"):
        for index in range(8):
            image = scene(index + 10 * (name == "other"))
            write_mask(folder / "points" / name, f"{index}", image, np.zeros((16, 16), np.uint8))
        points = {f"{index}": [[2 + index, 3, 2], [9, 10, 2]] for index in range(8)}
        (folder / "points" / name / "keypoints.json").write_text(json.dumps(points))
    (folder / "points" / "labelled" / "points.json").write_text(json.dumps({"names": ["a", "b"]}))
    text = 'images = "photos.zip"\nlabelled = "points/labelled"\ntest = "points/other"\ntasks = "keypoints"\n'
    recipe = load_recipe(write(folder, f"{text}budget = 4\nvalidation = 2"), folder / "out")
    assert [*rehearse(recipe, [node.step for node in graph(recipe)])]


@pytest.mark.parametrize("samples", [3, 12])
def test_a_converted_test_is_read_whole(samples: int, folder: Path) -> None:
    """The parts of the labelled data are none of the test's."""
    for name, count in (("train", 12), ("val", samples)):
        for index in range(count):
            image = scene(index + 20 * (name == "val"))
            write_mask(folder / "splits" / name, f"{index:02d}", image, np.eye(16, dtype=np.uint8))
    write_classes(folder / "splits", ["background", "eye"])
    text = 'images = "photos.zip"\nlabelled = "splits"\nsplit = { labelled = "train", test = "val" }\n'
    recipe = load_recipe(write(folder, f"{text}budget = 4\nvalidation = 2"), folder / "out")
    steps = [node.step for node in graph(recipe)]
    for step in steps:
        if step.verb == "convert":
            run_to_end(step.work())
    shown = [*rehearse(recipe, [step for step in steps if step.verb != "convert"])]
    assert max(progress.total for progress in shown if progress.stage == "reading test samples") == samples


def test_converted_data_is_read_before_anything_learns_from_it(folder: Path) -> None:
    text = "budget = 4\nvalidation = 2\n[convert]\nframing = 'letterbox'\n[evaluate]\ngroup = '0'"
    recipe = load_recipe(write(folder, DATA + text), folder / "out")
    with pytest.raises(InputError, match=r"No validation samples are left .*groups"):
        run_to_end(run(recipe))
    assert (folder / "out" / "labelled" / "DONE").is_file()
    assert not (folder / "out" / "generator").exists()


@pytest.mark.parametrize("read", ["images", "photos", "labelled", "[invert]"])
def test_an_output_among_the_data_is_refused_first(read: str, folder: Path) -> None:
    """The steps of a run would read each other's images as photos, or as further labelled data."""
    (folder / "data").mkdir()
    shutil.move(folder / "labelled", folder / "data")
    shutil.move(folder / "photos.zip", folder / "data")
    named = {"images": "data/photos.zip", "labelled": "data/labelled"}
    named |= {read: "data"} if read in {"images", "photos"} else {}
    table = '[invert]\nphotos = "data"' if read == "[invert]" else ""
    text = "".join(f'{name} = "{path}"\n' for name, path in named.items())
    out = folder / ("data/labelled/images/out" if read == "labelled" else "data/out")
    recipe = load_recipe(write(folder, f"{text}budget = 4\nvalidation = 2\n{table}"), out)
    with pytest.raises(InputError, match=r"lies inside .*, which is read"):
        run_to_end(run(recipe))
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[evaluate]\narms = ["real_only", "real_plus_dreams"]', "Unknown arm 'real_plus_dreams'"),
        ("[evaluate.arms.mine]\nreal = 0.5\ndreams = 0.5", "The arm mine has no pool 'dreams'"),
        ('[evaluate]\nmodel = "lite9"', "Unknown predictor 'lite9'"),
        ('[fit]\nfeatures = ["generator", "lite9"]', "Unknown features 'lite9'"),
        ("[generate.aim]\nhat = 0.3", "The aim names 'hat', which is no class, point or attribute here"),
        ('[generate.aim]\nmatch = "nowhere"', "nowhere, which does not exist"),
        ('[generate]\naim = "match=nowhere"', "nowhere, which does not exist"),
        ('[train]\nconditions = "no.json"', r"\[train\] conditions = \S+no\.json does not exist"),
        ('[train]\nconditions = "labelled/classes.json"', r"classes\.json"),
        ('[invert]\nencoder = "nowhere"', r"\[invert\] encoder = \S+nowhere does not exist"),
        ('[invert]\nphotos = "nowhere"', r"\[invert\] photos = \S+nowhere does not exist"),
        ('[invert]\nencoder = "labelled"', "labelled has no encoder.safetensors: name a folder of handsoff invert"),
        ('[invert]\nphotos = "labelled"', "None of the photos in .*labelled that were looked at can be used"),
        (
            'budgets = [4, 5]\n[generate]\noutput = "webdataset"\nurl = "memory://there"',
            "4/dataset and 5/dataset would",
        ),
        (
            'rounds = 2\n[label]\noutput = "webdataset"\nurl = "memory://there"',
            "round-1/photos and 4/photos would both",
        ),
        ('method = "editgan"\n[edit]\nparts = "eyes"', "parts names 'eyes': did you mean eye"),
        ('[convert]\nframing = "pad"\n[classes]\nskin = "face"', "the class 'skin'"),
        ('[convert]\nframing = "pad"\n[labels.smell]\nkind = "sweet"', "Unknown task 'smell'"),
    ],
)
def test_a_name_that_a_late_step_would_not_know_is_refused_first(folder: Path, text: str, sentence: str) -> None:
    budget = "" if "budgets" in text else "budget = 4\n"
    recipe = load_recipe(write(folder, f"{DATA}{budget}validation = 2\n{text}"), folder / "out")
    with pytest.raises(HandsOffError, match=sentence):
        graph(recipe)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[generate]\nignore_pixels = 0.1", "ignore_pixels is for labels that are maps"),
        ("[label]\nignore_pixels = 0.1", "ignore_pixels is for labels that are maps"),
        ("[evaluate]\npaste = 0.5", "paste is about the classes of masks, not about keypoints"),
        ("[evaluate]\nconfidence = 0.5", "confidence is about the pixels of labels, and keypoints are points"),
    ],
)
def test_what_points_do_not_have_is_refused_first(folder: Path, text: str, sentence: str) -> None:
    points = {f"{index:02d}": [[2 + index, 3, 2], [9, 10, 2]] for index in range(12)}
    (folder / "labelled" / "keypoints.json").write_text(json.dumps(points))
    (folder / "labelled" / "points.json").write_text(json.dumps({"names": ["a", "b"]}))
    stated = f'{DATA}budget = 4\nvalidation = 2\ntasks = "keypoints"\n{text}'
    with pytest.raises(InputError, match=sentence):
        graph(load_recipe(write(folder, stated), folder / "out"))


def test_a_model_that_cannot_be_used_is_refused_before_long_work(folder: Path) -> None:
    """The method evaluates last."""
    text = f'method = "handsoff-paper"\nbudget = 4\nvalidation = 2\n[evaluate]\nmodel = "hf:{folder}"'
    recipe = load_recipe(write(folder, f"{DATA}{text}"), folder / "out")
    with pytest.raises(HandsOffError, match=r"hf:|transformers|config"):
        list(rehearse(recipe, [node.step for node in graph(recipe)]))


@pytest.mark.parametrize(
    "text",
    [
        '[evaluate]\narms = ["real_only", "real_plus_photos", "real_plus_synthetic", "online_only"]',
        '[evaluate]\nmodel = "hf:some/model"',
        "[evaluate.arms.mine]\nreal = 0.5\nphotos = 0.25\nsynthetic = 0.25",
        "[generate.aim]\neye = 0.3\nbrightness = [0.1, 0.5]",
        '[train]\nconditions = "attributes.json"\n[generate.aim]\nhat = 0.3',
    ],
)
def test_names_that_are_known_are_not(folder: Path, text: str) -> None:
    with zipfile.ZipFile(folder / "photos.zip") as photos:
        told = {name: {"hat": index % 2} for index, name in enumerate(photos.namelist())}
    (folder / "attributes.json").write_text(json.dumps(told))
    recipe = load_recipe(write(folder, f"{DATA}budget = 4\nvalidation = 2\n{text}"), folder / "out")
    assert {node.state for node in graph(recipe)} == {"to do"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[fit]\nnetwork_steps = 7", r"\[fit\] network_steps says nothing.*: set steps there"),
        ("[fit]\nnetworks = 4\n[evaluate]\nseeds = 2", r"\[fit\] networks asks for 4.*, 2: raise seeds there"),
        ("rounds = 2", r"rounds says how often photos are labelled, and there are none: give photos = "),
        (
            'method = "gan-ddpm"\ndiffusion = "generator"',
            "generator is a stylegan2: give what handsoff train",
        ),
    ],
)
def test_what_would_do_nothing_is_refused(folder: Path, text: str, sentence: str) -> None:
    toy_generator(folder / "generator")
    data = 'generator = "generator"\nlabelled = "labelled"\noutput = "out"\nbudget = 4\nvalidation = 2'
    with pytest.raises(InputError, match=sentence):
        graph(load_recipe(write(folder, f"{data}\n{text}")))


def test_files_in_tables_lie_beside_the_recipe(folder: Path) -> None:
    """A recipe may begin with the mark that Windows' editors write."""
    aimed = '[generate]\nattributes = "attributes.json"\naim.age = "uniform"'
    for name, where in (("photos", "more"), ("encoder", "latents")):
        path = write(folder, f'\ufeff{DATA}budget = 4\n[invert]\n{name} = "{where}"\n{aimed}')
        tables = load_recipe(path).tables
        assert tables["invert"] == {name: str(folder / where)}
        assert tables["generate"]["attributes"] == str(folder / "attributes.json")


@pytest.mark.parametrize(
    ("text", "asked", "left"),
    [("", 8, 4), ("reserve = 3", 8, 7), ('test = "other"', 11, 10), ('test = "other"\nreserve = 3', 8, 7)],
)
def test_a_curve_beyond_the_labels_is_refused_first(folder: Path, text: str, asked: int, left: int) -> None:
    shutil.copytree(folder / "labelled", folder / "other")

    def nodes(curve: list[int]) -> list[Node]:
        stated = f"{DATA}budget = 4\nvalidation = 2\n{text}\n[evaluate]\ncurve = {curve}"
        return graph(load_recipe(write(folder, stated), folder / "out"))

    sentence = (
        rf"curve asks for {asked} labels, and the recipe leaves {left} for it: lower that point, or raise reserve"
    )
    with pytest.raises(InputError, match=sentence):
        nodes([4, asked])
    assert nodes([2, left])


@pytest.mark.parametrize(("budgets", "reserve"), [("4", 5), ("[4, 5]", 4)])
def test_a_curve_whose_labels_show_what_the_test_shows_is_refused_first(
    folder: Path, budgets: str, reserve: int
) -> None:
    """A label in reserve is a copy of a test photo, which only pixels tell."""
    (name,) = (file.name for file in (folder / "labelled" / "images").iterdir() if file.stem == "08")
    shutil.copy(folder / "labelled" / "images" / name, folder / "labelled" / "images" / name.replace("08", "11"))
    text = f"budgets = {budgets}\nvalidation = 2\nreserve = {reserve}\n"
    recipe = load_recipe(write(folder, f"{DATA}{text}[evaluate]\ncurve = [2, 9]"), folder / "out")
    steps = [node.step for node in graph(recipe)]
    with pytest.raises(InputError, match="has 8 labels for the curve and none for its point 9"):
        list(rehearse(recipe, steps))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ("", r"No class is shown by fewer than 25% of the labelled photos: name some with parts"),
        ('parts = "ear"', "None of the labelled photos shows ear"),
        ('parts = "eye"', ""),
    ],
)
def test_edits_that_no_mask_serves_are_refused_first(folder: Path, parts: str, sentence: str) -> None:
    write_classes(folder / "labelled", ["background", "eye", "ear"])
    text = f'{DATA}method = "editgan"\nbudget = 4\nvalidation = 2\n[train]\nresolution = 16\n[edit]\n{parts}'
    recipe = load_recipe(write(folder, text), folder / "out")
    steps = [node.step for node in graph(recipe)]
    with pytest.raises(InputError, match=sentence) if sentence else nullcontext():
        list(rehearse(recipe, steps))


def test_an_unknown_method_is_refused(folder: Path) -> None:
    recipe = load_recipe(write(folder, DATA + 'method = "magic"'), folder / "out")
    with pytest.raises(HandsOffError, match="Unknown method 'magic': choose one of bigdatasetgan, "):
        graph(recipe)


@pytest.mark.parametrize("place", [".", "4/report"])
def test_foreign_folders_in_the_way_are_refused_before_any_work(world: World, place: str) -> None:
    (world.out / place).mkdir(parents=True)
    (world.out / place / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and was not made by handsoff"):
        world.run(redo=True)
    assert world.log == []
    assert (world.out / place / "thesis.tex").is_file()


def test_a_refused_first_step_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    text = f"{DATA}budget = 4\nvalidation = 2\n[train]\nresolution = 4096"
    recipe = load_recipe(write(folder, text), tmp_path / "new" / "out")
    with pytest.raises(InputError, match="smaller than the resolution"):
        run_to_end(run(recipe))
    assert not (tmp_path / "new" / "out").exists()


def test_the_formats_of_the_data_are_looked_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    look = checks.format_of
    monkeypatch.setattr(checks, "format_of", lambda source: asked.append(source.path) or look(source))
    world.run()
    assert asked == [world.folder / "labelled"]


def test_data_is_converted_where_that_is_asked_for(folder: Path) -> None:
    def conversions(text: str) -> tuple[list[str], Recipe]:
        recipe = load_recipe(write(folder, DATA + text), folder / "out")
        steps, ready = prepared(recipe)
        return [step.folder.name for step in steps], ready

    assert conversions("")[0] == []
    shutil.copytree(folder / "labelled", folder / "splits" / "train")
    shutil.copytree(folder / "labelled", folder / "splits" / "val")
    write_classes(folder / "splits", ["background", "eye"])
    names, ready = conversions('split = { labelled = "train", test = "val" }')
    assert names == ["labelled", "test"]
    assert (ready.labelled, ready.test) == (folder / "out" / "labelled", folder / "out" / "test")
    names, ready = conversions('test = "labelled"\n[convert]\nframing = "letterbox"')
    assert names == ["labelled", "test"]


def test_one_split_holds_the_labels_and_another_the_test(folder: Path) -> None:
    for name in ("train", "val"):
        for index in range(6):
            write_mask(
                folder / "labelled" / name, f"{index}", scene(index + 9 * (name == "val")), np.eye(16, dtype=np.uint8)
            )
    shutil.rmtree(folder / "labelled" / "images")
    shutil.rmtree(folder / "labelled" / "masks")
    text = 'split = { labelled = "train", test = "val" }\nbudget = 4\nvalidation = 2'

    def checked(text: str) -> list[Step]:
        recipe = load_recipe(write(folder, DATA + text), folder / "out")
        steps, ready = prepared(recipe)
        check(recipe, ready, {step.folder for step in steps}, steps)
        return steps

    for step in checked(text):
        run_to_end(step.work())
    assert open_labelled(folder / "out" / "labelled").names == tuple("012345")
    with pytest.raises(InputError, match="holds 6 labelled samples, too few for 5 labels, 2 for validation: lower"):
        checked(text.replace("budget = 4", "budget = 5"))


def test_the_report_tells_of_the_recipe_as_it_is_now(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe that was edited is summed up again, also where no step is left to do."""
    monkeypatch.setattr(runs, "graph", lambda _: [])
    recipe = load_recipe(write(folder, DATA)).model_copy(update={"output": folder / "out"})
    assert [run_to_end(run(recipe)), run_to_end(run(recipe))] == ["made", "done"]
    edited = recipe.model_copy(update={"budgets": (2,)})
    assert run_to_end(run(edited)) == "continued"
    assert read_json(folder / "out" / "report.json")["recipe"] == edited.model_dump(mode="json")
    assert run_to_end(run(edited)) == "done"
