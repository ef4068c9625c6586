"""Painting in a review: the image follows, and becomes a sample of a dataset of its own."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from browsing import Review, brush, draw, expects, open_first, ready, saved
from handsoff.core.errors import HandsOffError, InputError, MismatchError
from handsoff.core.files import png, read_json
from handsoff.core.tensors import read_tensors
from handsoff.datasets.generated import open_generated
from handsoff.datasets.hub import check_pushable
from handsoff.datasets.labelled import open_labelled
from handsoff.editing.settings import PaintSettings
from handsoff.formats.convert import convert
from handsoff.formats.settings import ConvertSettings
from handsoff.inspection.inspect import describe
from handsoff.inversion.invert import invert
from handsoff.inversion.settings import InvertSettings
from handsoff.jobs.progress import run_to_end
from handsoff.labeling.fit import fit, plan
from handsoff.labeling.labeler import load_labeler
from handsoff.review import desk as desks
from handsoff.review import painted
from handsoff.review.app import create_app
from handsoff.review.desk import Desk, open_desk
from handsoff.review.painting import open_painting
from handsoff.review.session import open_session
from handsoff.sampling.draws import Draw
from handsoff.sampling.edits import VECTORS, read_materials
from handsoff.synthesis.generate import generate
from handsoff.synthesis.samples import label_draws
from handsoff.synthesis.settings import GenerateSettings
from toy import FIT, toy_generator, toy_labels

QUICK = PaintSettings(steps=12, refine_steps=1, lr=0.1, pull=0.0, outside=0.0)


@pytest.fixture(scope="session")
def painting_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with generator, labelled, latents, labeler and drawn."""
    root = tmp_path_factory.mktemp("painting")
    toy_labels(toy_generator(root / "generator"), root / "labelled")
    run_to_end(
        invert(root / "generator", root / "labelled", root / "latents", InvertSettings(encoder_steps=0, steps=2))
    )
    settings = FIT.model_copy(update={"members": 2, "steps": 40, "features": ("generator",)})
    run_to_end(fit(root / "generator", root / "latents", root / "labeler", settings))
    run_to_end(generate([root / "labeler"], root / "drawn", GenerateSettings(n=4, keep=1)))
    return root


@pytest.fixture
def world(painting_world: Path, tmp_path: Path) -> Path:
    shutil.copytree(painting_world / "drawn", tmp_path / "drawn")
    return painting_world


def desk_of(dataset: Path, labeler: Path) -> Desk:
    desk = open_desk(open_session(dataset), labeler)
    assert desk.painting is not None
    desk.painting.settings = QUICK
    return desk


def picture(client: TestClient, address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(client.get(f"/api/{address}").content)))


def follow(client: TestClient, desk: Desk, name: str) -> tuple[int, np.ndarray]:
    """Paint the upper half of a sample, and wait; the job and the painted mask."""
    mask = picture(client, f"label/segmentation/{name}").copy()
    mask[:8] = 2
    job = client.post(f"/api/paint/{name}", content=png(mask)).json()["job"]
    assert desk.painting is not None
    assert desk.painting.thread is not None
    desk.painting.thread.join()
    return job, mask


def test_an_image_follows_and_is_kept_as_a_sample_of_a_dataset_of_its_own(world: Path, tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "drawn", world / "labeler")
    client = TestClient(create_app(desk))
    assert client.get("/api/dataset").json()["tasks"]["segmentation"]["follows"] is True
    untouched = {file: file.read_bytes() for file in (tmp_path / "drawn").rglob("*") if file.is_file()}
    name = desk.session.dataset.names[1]
    before = picture(client, f"label/segmentation/{name}")
    assert client.post(f"/api/paint/{name}", content=png(before)).json()["error"].endswith("paint something else.")
    for number in (1, 2):
        job, mask = follow(client, desk, name)
        state = client.get("/api/paint").json()
        assert (state["state"], state["job"], state["name"]) == ("done", number, name), state
        label = picture(client, f"painted/{job}/after/label")
        assert state["reached"] == pytest.approx((label == mask)[mask != before].mean())
        assert np.array_equal(picture(client, f"painted/{job}/before/image"), desk.session.dataset.image(name))
        kept = client.post(f"/api/painted/{job}").json()
        assert kept == {"name": f"{name}+{number}", "dataset": "drawn.painted"}
        assert client.post(f"/api/painted/{job}").status_code == 404
    assert {file: file.read_bytes() for file in (tmp_path / "drawn").rglob("*") if file.is_file()} == untouched
    out = tmp_path / "drawn.painted"
    data = open_generated(out)
    assert (data.manifest["kept"], data.manifest["painted_on"]) == (2, "drawn")
    record = data.records()[1]
    assert record["painted"]["from"] == name
    assert np.array_equal(data.labelled("segmentation").label("segmentation", f"{name}+2"), label)
    labeler, materials = load_labeler(world / "labeler"), read_materials(out)
    (again,) = label_draws([labeler], [Draw.of_record(record["draw"])], materials)
    assert np.array_equal(again.image, data.labelled("segmentation").image(f"{name}+2"))
    assert np.array_equal(again.labels["segmentation"], label), "the label is what the labeler sees"
    assert describe(out)[0] == "made by handsoff review, finished"
    check_pushable(out)
    lines = [json.loads(line) for line in (out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["file_name"] for line in lines] == [f"images/{name}+{number}.png" for number in (1, 2)]
    assert all((out / line["mask_file_name"]).is_file() for line in lines)
    assert "2 generated images with labels (segmentation)" in (out / "README.md").read_text(encoding="utf-8")
    run_to_end(convert(out, tmp_path / "coco", ConvertSettings(format="coco")))
    further = desk_of(out, world / "labeler")  # is a dataset like others: reviewed, learnt from, painted on
    further.session.decide(f"{name}+1", "accept", 0)
    assert plan(world / "generator", world / "latents", FIT, out).inputs["corrected"]
    assert follow(TestClient(create_app(further)), further, f"{name}+1")[0] == 1
    assert further.painting is not None
    assert further.painting.state.state == "done", further.painting.state


def test_what_is_given_up_or_killed_leaves_nothing_half_kept(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, out = desk_of(tmp_path / "drawn", world / "labeler"), tmp_path / "drawn.painted"
    client = TestClient(create_app(desk))
    one, two = desk.session.dataset.names[:2]
    job, _ = follow(client, desk, one)
    assert client.delete(f"/api/painted/{job}").json()["state"] == "none"
    assert client.get(f"/api/painted/{job}/after/image").status_code == 404
    assert not out.exists()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    def kept(name: str) -> None:
        job, _ = follow(client, desk, name)
        assert desk.painting is not None
        desk.painting.keep(job)

    for names in ((), (f"{one}+1",)):
        with monkeypatch.context() as patch:
            patch.setattr(painted, "write_records", killed)
            with pytest.raises(KeyboardInterrupt):
                kept(two)
        assert (out / "images" / f"{two}+1.png").is_file()
        with pytest.raises(InputError, match="is not finished: run handsoff review again"):
            open_generated(out)
        open_desk(open_session(tmp_path / "drawn"), world / "labeler")
        assert out.exists() == bool(names)
        if names:
            assert open_labelled(out).names == names
            assert open_generated(out).manifest["kept"] == 1
            assert "\n1 generated images" in (out / "README.md").read_text(encoding="utf-8")
        else:
            kept(one)
    assert {record["name"] for record in open_generated(out).records()} == {f"{one}+1"}
    assert f"painted/{one}+1" in read_tensors(out / VECTORS)
    manifest = read_json(out / "manifest.json") | {"generator": "another"}
    assert desk.painting is not None
    job, _ = follow(client, desk, two)
    with pytest.raises(MismatchError, match="another generator"):
        painted.keep(
            tmp_path / "drawn", manifest, desk.session.tasks["segmentation"], desk.painting.finished(job).painted
        )


def test_it_is_not_offered_where_images_cannot_follow(world: Path, tmp_path: Path) -> None:
    desk = open_desk(open_session(tmp_path / "drawn"))
    client = TestClient(create_app(desk))
    assert client.get("/api/dataset").json()["tasks"]["segmentation"]["follows"] is False
    answer = client.post(f"/api/paint/{desk.session.dataset.names[0]}", content=b"")
    assert (answer.status_code, answer.json()["error"][:27]) == (400, "Images follow painted masks")
    assert open_desk(open_session(world / "labelled"), world / "labeler").painting is None
    with pytest.raises(HandsOffError, match="generate drew them"):
        desk.painter()


@pytest.mark.slow
def test_painting_in_the_browser(
    world: Path, tmp_path: Path, start: Callable[..., Review], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(*opened: Any) -> Any:
        painting = open_painting(*opened)
        return painting and replace(painting, settings=QUICK)

    monkeypatch.setattr(desks, "open_painting", quick)
    review = start(tmp_path / "drawn", world / "labeler")
    page, name = review.page, review.first
    follows, dialog = (
        page.get_by_role("button", name="Image follows"),
        page.get_by_role("dialog", name="The image followed"),
    )
    open_first(page)
    brush(page, 4, "bright")
    page.keyboard.press("g")
    expects(follows).to_have_attribute("aria-pressed", "true")
    draw(page, (4, 6), (28, 6))
    page.keyboard.press("Escape")  # gives up what was painted, and what is corrected next is that alone
    expects(follows).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("z")
    brush(page, 1, "dark")
    draw(page, (1, 31), (1, 31))
    saved(page)
    expected = review.original(name).copy()
    expected[15, 0] = 0
    assert np.array_equal(review.corrected(name), expected)
    for answer, kept in (("Discard", False), ("Keep as new sample", True)):
        follows.click()
        brush(page, 4, "bright")
        draw(page, (4, 6), (28, 6))
        page.keyboard.press("g")
        expects(dialog).to_be_visible()
        expects(dialog).to_contain_text("of what you painted is seen by the labeler")
        expects(dialog.locator("canvas, img")).to_have_count(4)
        dialog.get_by_role("button", name=answer).click()
        expects(dialog).to_be_hidden()
        expects(follows).to_have_attribute("aria-pressed", "false")
        assert (tmp_path / "drawn.painted").exists() == kept
    expects(page.locator("#status")).to_have_text(f"Kept as {name}+1 in drawn.painted")
    assert np.array_equal(review.corrected(name), expected), "the label of the sample itself stays as it was"
    follows.click()
    page.keyboard.press("ArrowRight")
    ready(page)
    expects(follows).to_have_attribute("aria-pressed", "false")
    new = start(tmp_path / "drawn.painted", world / "labeler")
    expects(new.page.locator(".tile")).to_have_count(1)
    open_first(new.page)
    expects(new.page.locator("#sample-name")).to_have_text(f"{name}+1")
