"""A diffusion model with conditions is asked for words, with guidance, by `generate`, `sample` and an aim."""

from pathlib import Path

import numpy as np
import pytest

from handsoff.core.errors import InputError
from handsoff.core.files import read_json
from handsoff.datasets.generated import open_generated, read_records
from handsoff.generators.stored import save_generator
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit
from handsoff.labeling.labeler import load_labeler
from handsoff.sampling.draws import Draw
from handsoff.synthesis.generate import generate, plan
from handsoff.synthesis.sample import plan as plan_sample
from handsoff.synthesis.sample import sample
from handsoff.synthesis.samples import label_draws
from handsoff.synthesis.settings import GenerateSettings, SampleSettings
from toy import FIT, toy_generator, toy_labels
from toy_generators import POSED, toy_unet

CAP = 2.0  # its place among the words


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labeler that reads photos through a diffusion model which is asked for a yaw and a hat."""
    root = tmp_path_factory.mktemp("asked")
    toy_labels(toy_generator(root / "gan"), root / "labelled")
    save_generator(toy_unet(conditions=POSED), root / "generator")
    settings = FIT.model_copy(update={"features": ("diffusion",), "sigmas": (0.3,), "steps": 5, "members": 2})
    run_to_end(fit(root / "generator", root / "labelled", root / "labeler", settings))
    return root / "labeler"


def test_a_word_is_asked_for_and_samples_are_made_again_from_their_records(asked: Path, tmp_path: Path) -> None:
    wanted = {"condition": {"hat": "cap"}, "guidance": 3.0}
    run_to_end(generate([asked], tmp_path / "out", GenerateSettings(n=6, keep=1, **wanted)))
    data = open_generated(tmp_path / "out")
    records = list(data.records())
    assert {(record["draw"]["condition"][1], record["draw"]["guidance"]) for record in records} == {(CAP, 3.0)}
    assert data.manifest["guidance"] == 3.0
    assert "psi = 1 and guidance 3." in (tmp_path / "out" / "README.md").read_text()
    labeler, draws = load_labeler(asked), [Draw.of_record(record["draw"]) for record in records[::-2]]
    for draw, remade in zip(draws, label_draws([labeler], draws), strict=True):
        image = data.labelled("segmentation").image(f"{draw.seed:08d}")
        assert np.array_equal(remade.image, image)
    for strength, same in ((3.0, True), (None, False)):
        drawn = labeler.sample([draws[-1].seed], draws[-1].condition, guidance=strength)[0][0]
        assert (np.abs(drawn.astype(int) - image).max() <= 1) == same
    run_to_end(sample(asked / "generator", tmp_path / "samples", SampleSettings(n=2, **wanted)))
    assert [record["draw"] for record in read_records(tmp_path / "samples")] == [
        record["draw"] for record in records[:2]
    ]


def test_an_aim_asks_for_words_with_the_guidance_that_is_said(asked: Path, tmp_path: Path) -> None:
    settings = GenerateSettings(n=8, keep=1, draws_limit=40, aim={"hat": {"cap": 0.8}}, guidance=2.0)
    run_to_end(generate([asked], tmp_path / "out", settings))
    (group,) = read_json(tmp_path / "out" / "aim.json")["groups"]
    assert group["reached"] > group["plain"]
    assert group["proposals"]["condition"]["tried"] == group["proposals"]["condition"]["confirmed"] > 0
    records = open_generated(tmp_path / "out").records()
    assert {record["draw"]["guidance"] for record in records} == {2.0}


def test_guidance_is_said_only_of_what_can_be_guided(asked: Path, tmp_path: Path) -> None:
    run_to_end(generate([asked], tmp_path / "out", GenerateSettings(n=2, keep=1, condition="none")))
    data = open_generated(tmp_path / "out")
    assert all("guidance" not in record["draw"] for record in data.records())
    assert "guidance" not in data.manifest
    with pytest.raises(InputError, match="condition = none asks for nothing"):
        plan([asked], GenerateSettings(n=2, condition="none", guidance=2.0))
    toy_generator(tmp_path / "gan")
    with pytest.raises(InputError, match="can be guided: leave guidance out"):
        plan_sample(tmp_path / "gan", SampleSettings(n=1, guidance=2.0))
