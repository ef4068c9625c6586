"""Images for people to label: they know their latents, wherever the labels come from."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alike import contents, differences
from handsoff.core.errors import InputError, MismatchError
from handsoff.core.files import read_json, write_json
from handsoff.core.images import to_uint8
from handsoff.datasets.generated import read_records
from handsoff.generators.contract import Generator
from handsoff.generators.stored import load_generator
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit, plan
from handsoff.labeling.labeler import load_labeler
from handsoff.labeling.settings import FitSettings
from handsoff.sampling.draws import Draw, draw_latents
from handsoff.synthesis import sample as module
from handsoff.synthesis.sample import images_of, sample
from handsoff.synthesis.samples import batch_size
from handsoff.synthesis.settings import SampleSettings
from toy import toy_generator

FIT = FitSettings(members=2, hidden=(8, 8), steps=3, images=2, pixels=20, networks=0, features=("generator",))


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Twenty images, more than are drawn together; psi 0.7."""
    toy_generator(tmp_path / "generator")
    run_to_end(sample(tmp_path / "generator", tmp_path / "samples", SampleSettings(n=20, seed=7, psi=0.7)))
    return tmp_path / "samples"


def annotate(folder: Path, names: list[str]) -> None:
    """Masks whose left half is the second class."""
    (folder / "masks").mkdir()
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :8] = 1
    for name in names:
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    write_json(folder / "classes.json", ["right", "left"])


def names_in(samples: Path) -> list[str]:
    return [record["name"] for record in read_records(samples)]


def test_every_image_can_be_drawn_again_from_its_record(samples: Path, tmp_path: Path) -> None:
    net = load_generator(tmp_path / "generator")
    assert names_in(samples) == [f"{seed:08d}" for seed in range(7, 27)]
    for record in read_records(samples)[::6]:
        again = to_uint8(net.synthesize(draw_latents(net, [Draw.of_record(record["draw"])])))[0]
        stored = np.asarray(Image.open(samples / "images" / f"{record['name']}.png"))
        assert np.abs(again.astype(int) - stored).max() <= 1, "rounding, for batches of another size"


def test_what_was_drawn_is_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, settings, drawn = toy_generator(tmp_path / "generator"), SampleSettings(n=40, seed=7), list[int]()
    together = batch_size(net.image_size)

    def counted(generator: Generator, draws: Sequence[Draw]) -> np.ndarray:
        drawn.append(draws[0].seed)
        return images_of(generator, draws)

    monkeypatch.setattr(module, "images_of", counted)
    work = sample(tmp_path / "generator", tmp_path / "cut", settings)
    assert next(work).done == together
    work.close()  # type: ignore[attr-defined]  # a generator
    run_to_end(sample(tmp_path / "generator", tmp_path / "cut", settings))
    assert drawn == [*range(7, 47, together)]
    run_to_end(sample(tmp_path / "generator", tmp_path / "whole", settings))
    assert differences(contents(tmp_path / "cut"), contents(tmp_path / "whole")) == []
    assert read_json(tmp_path / "cut" / "manifest.json")["licence"] == "CC0"


def test_labels_beside_the_images_are_learnt_from_at_their_latents(samples: Path, tmp_path: Path) -> None:
    annotate(samples, names_in(samples))
    run_to_end(fit(tmp_path / "generator", samples, tmp_path / "labeler", FIT))
    assert load_labeler(tmp_path / "labeler").task.parts == ("right", "left")


def test_labels_from_elsewhere_find_their_latents_by_name(samples: Path, tmp_path: Path) -> None:
    export = tmp_path / "export"
    shutil.copytree(samples / "images", export / "images")
    annotate(export, names_in(samples))
    beside = plan(tmp_path / "generator", export, FIT, samples=samples)
    run_to_end(fit(tmp_path / "generator", export, tmp_path / "labeler", FIT, samples=samples))
    assert beside.inputs["samples"]["path"] == str(samples)
    with pytest.raises(InputError, match="knows its latents itself: leave --samples out"):
        plan(tmp_path / "generator", samples, FIT, samples=samples)
    with pytest.raises(InputError, match="the generator's own features are read from latents"):
        plan(tmp_path / "generator", export, FIT)


def test_labels_of_other_images_under_the_same_names_are_refused(samples: Path, tmp_path: Path) -> None:
    export, (first, second, *_) = tmp_path / "export", names_in(samples)
    shutil.copytree(samples / "images", export / "images")
    annotate(export, names_in(samples))
    larger = Image.open(samples / "images" / f"{first}.png").resize((64, 64), Image.Resampling.NEAREST)
    larger.save(export / "images" / f"{first}.png")
    mask = Image.open(export / "masks" / f"{first}.png").resize((64, 64), Image.Resampling.NEAREST)
    mask.save(export / "masks" / f"{first}.png")
    plan(tmp_path / "generator", export, FIT, samples=samples)  # another size is no other image
    shutil.copy(samples / "images" / f"{second}.png", export / "images" / f"{first}.png")
    shutil.copy(export / "masks" / f"{second}.png", export / "masks" / f"{first}.png")
    with pytest.raises(MismatchError, match=f"{first}.png does not show what .* shows: give the folder whose images"):
        plan(tmp_path / "generator", export, FIT, samples=samples)
    shutil.rmtree(samples / "images")  # they were moved away to be labelled
    plan(tmp_path / "generator", export, FIT, samples=samples)


def test_annotations_without_latents_and_of_another_generator_are_refused(samples: Path, tmp_path: Path) -> None:
    annotate(samples, names_in(samples))
    toy_generator(tmp_path / "other", seed=1)
    with pytest.raises(MismatchError, match="was drawn by another generator"):
        plan(tmp_path / "other", samples, FIT)
    shutil.copy(samples / "images" / "00000007.png", samples / "images" / "mine.png")
    shutil.copy(samples / "masks" / "00000007.png", samples / "masks" / "mine.png")
    with pytest.raises(InputError, match="does not say how mine was drawn, so its latents are not known"):
        plan(tmp_path / "generator", samples, FIT)
    (samples / "DONE").unlink()
    with pytest.raises(InputError, match="not finished"):
        plan(tmp_path / "generator", samples, FIT)
