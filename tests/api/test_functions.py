"""The verbs as Python functions: what they take, what they do, and what editors and type checkers know of them."""

import inspect
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import handsoff
from handsoff.api.functions import FUNCTIONS
from handsoff.core.files import read_json
from handsoff.engines.choice import EngineSettings
from handsoff.verbs import VERBS
from pages import ROOT
from toy import toy_generator, toy_labels, write_classes, write_mask


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    for name in ("train/a", "val/b"):
        write_mask(tmp_path / "labelled", name, np.full((8, 8, 3), len(name), np.uint8), np.eye(8, dtype=np.uint8))
    write_classes(tmp_path / "labelled", ["background", "eye"])
    return tmp_path / "labelled"


def test_importing_handsoff_loads_no_torch_and_lists_its_names() -> None:
    code = "import sys, handsoff; dir(handsoff); help(handsoff.fit); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    assert dir(handsoff) == sorted(handsoff.__all__)
    assert all(hasattr(handsoff, name) for name in handsoff.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = handsoff.trian  # type: ignore[attr-defined]  # that is the point


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_every_verb_is_a_function_that_says_what_it_takes(verb: "VERBS") -> None:  # type: ignore[valid-type]  # a Verb
    function = getattr(handsoff, verb.function)
    parameters = inspect.signature(function).parameters
    engine = EngineSettings.model_fields if verb.shards else {}
    names = {entry.name for entry in verb.inputs} | {"out", "progress", *verb.settings.model_fields, *engine}
    assert {*parameters} == names
    assert verb.summary.endswith(".")
    assert all(entry.about.endswith(".") for entry in verb.inputs)
    documented = inspect.getdoc(function)
    assert documented is not None
    assert documented.startswith(verb.summary)
    assert all(f"    {name}: " in documented for name in parameters)
    for name, field in verb.settings.model_fields.items():
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert field.is_required() or parameters[name].default == field.default


def test_no_function_hides_a_room_of_the_package() -> None:
    rooms = {path.stem for path in Path(handsoff.__file__).parent.iterdir()}
    assert not rooms & FUNCTIONS.keys()


def test_the_stub_is_up_to_date() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "write_stub.py"))
    assert tool["STUB"].read_text(encoding="utf-8") == tool["stub"](), "run python tools/write_stub.py"


def test_a_function_does_the_work_of_its_verb(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = handsoff.convert(labelled, str(tmp_path / "out"), split="val", frame="4x4")
    assert out == tmp_path / "out"
    assert handsoff.open_dataset(out).names == ("b",)
    assert read_json(out / "report.json")["settings"]["frame"] == "4x4"
    assert handsoff.convert(dataset=labelled, out=out, split="val", frame="4x4") == out, "done before"
    assert capsys.readouterr() == ("", ""), "a library does not print where nobody looks"
    handsoff.convert(labelled, tmp_path / "other", progress=True)
    assert "converting 100 %" in capsys.readouterr().out


def test_what_cannot_be_is_a_sentence(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(handsoff.HandsOffError, match="nowhere does not exist"):
        handsoff.convert("nowhere", tmp_path / "out")
    with pytest.raises(handsoff.HandsOffError, match="convert: first = 0 cannot be"):
        handsoff.convert(labelled, tmp_path / "out", first=0)
    with pytest.raises(TypeError, match=r"convert\(\) got an unexpected keyword argument 'sprit'. Did you mean split?"):
        handsoff.convert(labelled, tmp_path / "out", sprit="val")  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError, match=r"generate\(\) missing a required.*'n'"):
        handsoff.generate(labelled, tmp_path / "out")  # type: ignore[call-arg]  # as above
    with pytest.raises(handsoff.HandsOffError, match="cannot be reached by doubling"):
        handsoff.train(labelled, tmp_path / "out", resolution=50, kimg=1)  # type: ignore[arg-type]  # a number will do
    with pytest.raises(handsoff.HandsOffError, match="no labeler to label samples with"):
        handsoff.generate([], tmp_path / "out", n=2)
    with pytest.raises(handsoff.HandsOffError, match="nothing to label with"):
        handsoff.label([], labelled, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_device_is_a_sentence() -> None:
    handsoff.use_device("cpu")
    for name, sentence in {"gpu": "is no device", "cuda:77": "does not exist", "cpu:0": "is no device"}.items():
        with pytest.raises(handsoff.HandsOffError, match=sentence):
            handsoff.use_device(name)
    with pytest.raises(handsoff.HandsOffError, match="None is no device"):
        inspect.unwrap(handsoff.use_device)(None)  # type: ignore[arg-type]  # that is the point


@pytest.mark.slow
def test_from_labels_to_a_dataset_in_python(tmp_path: Path) -> None:
    generator = toy_generator(tmp_path / "generator")
    toy_labels(generator, tmp_path / "labelled")
    latents = handsoff.invert(
        tmp_path / "generator", tmp_path / "labelled", tmp_path / "latents", encoder_steps=0, steps=2
    )
    quick = {"members": 2, "steps": 2, "images": 2, "pixels": 20, "networks": 0}
    labeler = handsoff.fit(tmp_path / "generator", latents, tmp_path / "labeler", hidden=(8, 8), **quick)  # type: ignore[arg-type]  # one dict
    dataset = handsoff.Dataset(handsoff.generate([labeler], tmp_path / "dataset", n=10))
    assert len(dataset) == 9
    assert repr(handsoff.load_labeler(labeler)) == "Labeler(segmentation, 3 classes or points, 16x16 pixels, cpu)"
    assert repr(handsoff.load_generator(tmp_path / "generator")).startswith(
        "StyleGAN2(16x16 pixels, 0.0 M parameters, cpu"
    )
    assert repr(generator.draw([1, 2])) == "Latents(ws [2, 6, 16])"
