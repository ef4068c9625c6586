"""The editors in a real browser: what a person draws with mouse, keyboard and fingers is on the disk, exactly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browsing import Review, asked, brush, click, discs, draw, everything, expects, on_screen, open_first, ready, saved
from handsoff.core.files import png, read_json, write_json

pytestmark = pytest.mark.slow


def test_a_stroke_is_on_the_disk_pixel_by_pixel(review: Review) -> None:
    page, before = review.page, review.original("007")
    stored = (review.folder / "masks" / "007.png").read_bytes()
    open_first(page)
    brush(page, 1, "core")
    draw(page, (2.5, 5.5), (25.5, 5.5))
    saved(page)
    expected = before.copy()
    expected[5, 2:26] = 2
    assert np.array_equal(review.corrected("007"), expected)
    assert (review.folder / "masks" / "007.png").read_bytes() == stored
    page.reload()
    ready(page)
    expects(page.locator("#sample-name")).to_have_text("007")
    expects(page.locator("#sample-place")).to_contain_text("corrected")
    colour = "c => [...c.getContext('2d').getImageData(10, 5, 1, 1).data]"
    core = "[...document.querySelectorAll('.class')].at(2).querySelector('.swatch').style.backgroundColor"
    red, green, blue, _ = page.locator(".layer.label").evaluate(colour)
    assert page.evaluate(core) == f"rgb({red}, {green}, {blue})"


def test_every_id_stays_what_it_is(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    folder = discs(tmp_path / "data")
    classes = [f"class {index}" for index in range(255)]
    ids = np.random.default_rng(0).permutation(np.arange(1024) % 256).reshape(32, 32).astype(np.uint8)
    for mask in (folder / "masks").iterdir():
        Image.fromarray(ids).save(mask)
    write_json(folder / "classes.json", classes)
    write_json(
        folder / "manifest.json",
        read_json(folder / "manifest.json") | {"tasks": {"segmentation": {"classes": classes}}},
    )
    review = start(folder)
    open_first(review.page)
    brush(review.page, 1, "class 200")
    click(review.page, 3.5, 4.5)
    saved(review.page)
    ids[4, 3] = 200
    assert np.array_equal(review.corrected("007"), ids)


def test_polygon_fill_eraser_and_undo(review: Review) -> None:
    page, expected = review.page, review.original("007").copy()
    open_first(page)
    brush(page, 1, "core")
    page.keyboard.press("p")
    for corner in ((4, 4), (12, 4), (12, 10), (4, 10)):
        click(page, *corner)
    page.keyboard.press("Enter")
    saved(page)
    expected[4:10, 4:12] = 2
    assert np.array_equal(review.corrected("007"), expected)

    page.locator(".classes").get_by_label("blob").check()
    page.keyboard.press("f")
    click(page, 5.5, 5.5)
    saved(page)
    filled = connected(expected, (5, 5))
    assert np.array_equal(review.corrected("007"), np.where(filled, 1, expected))

    page.keyboard.press("z")
    saved(page)
    assert np.array_equal(review.corrected("007"), expected)
    page.keyboard.press("y")
    saved(page)
    page.keyboard.press("z")
    page.keyboard.press("e")
    draw(page, (4.5, 4.5), (11.5, 4.5))
    saved(page)
    expected[4, 4:12] = 0
    assert np.array_equal(review.corrected("007"), expected)
    page.keyboard.press("x")
    page.keyboard.press("b")
    click(page, 31.5, 31.5)
    saved(page)
    expected[31, 31] = 255
    assert np.array_equal(review.corrected("007"), expected)


def connected(mask: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """The pixels of one value around one of them, four neighbours each."""
    same, found = mask == mask[seed], np.zeros(mask.shape, bool)
    found[seed] = True
    while True:
        grown = found.copy()
        grown[1:] |= found[:-1]
        grown[:-1] |= found[1:]
        grown[:, 1:] |= found[:, :-1]
        grown[:, :-1] |= found[:, 1:]
        grown &= same
        if (grown == found).all():
            return found
        found = grown


def test_a_click_gives_a_region_a_class(review: Review) -> None:
    page, before = review.page, review.original("007")
    open_first(page)
    answer = page.request.get(page.url.partition("#")[0] + "api/regions/segmentation/007")
    regions = np.frombuffer(answer.body(), "<u2").reshape(32, 32)
    with page.expect_response("**/api/regions/**"):
        page.keyboard.press("s")
    page.locator(".classes").get_by_label("core").check()
    page.wait_for_timeout(100)
    click(page, 3.5, 20.5)
    saved(page)
    assert np.array_equal(review.corrected("007"), np.where(regions == regions[20, 3], 2, before))


@pytest.mark.parametrize("tool", ["Brush", "Region"])
def test_a_stroke_ends_with_its_sample(review: Review, tool: str) -> None:
    """The pointer is still down when the next sample is opened."""
    page, before = review.page, review.original("007")
    open_first(page)
    brush(page, 1, "core")
    page.get_by_role("button", name=tool).click()
    page.wait_for_timeout(300)  # for the regions
    page.mouse.move(*on_screen(page, 4.5, 5.5))
    page.mouse.down()
    page.mouse.move(*on_screen(page, 9.5, 5.5), steps=3)
    page.keyboard.press("ArrowRight")
    expects(page.locator("#sample-name")).to_have_text("006")
    ready(page)
    page.mouse.move(*on_screen(page, 20.5, 20.5), steps=3)
    page.mouse.up()
    saved(page)
    assert not np.array_equal(review.corrected("007"), before)
    assert not (review.folder / "corrections" / "samples" / "006.json").exists()


def test_strokes_are_exact_under_zoom_and_after_panning(review: Review) -> None:
    page, expected = review.page, review.original("007").copy()
    open_first(page)
    brush(page, 1, "core")
    page.mouse.move(*on_screen(page, 8, 8))
    page.mouse.wheel(0, -300)
    page.keyboard.down(" ")
    draw(page, (8, 8), (10, 9))
    page.keyboard.up(" ")
    draw(page, (8.5, 8.5), (8.5, 12.5))
    saved(page)
    expected[8:13, 8] = 2
    assert np.array_equal(review.corrected("007"), expected)


def test_a_finger_paints_and_two_fingers_zoom(review: Review) -> None:
    page, expected = review.window(has_touch=True), review.original("007").copy()
    open_first(page)
    brush(page, 1, "core")
    width = page.locator(".world img").bounding_box()["width"]  # type: ignore[index]  # it is visible
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [
            dict(zip("xy", on_screen(page, *place), strict=True), id=number) for number, place in enumerate(places)
        ]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (10, 16))
    touch("touchStart", (10, 16), (20, 16))
    touch("touchMove", (6, 16), (24, 16))
    touch("touchEnd")
    assert page.locator(".world img").bounding_box()["width"] > 1.2 * width  # type: ignore[index]  # as above
    page.touchscreen.tap(*on_screen(page, 15.5, 16.5))
    saved(page)
    expected[16, 15] = 2
    assert np.array_equal(review.corrected("007"), expected)


def test_points_are_dragged_nudged_hidden_and_taken_away(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page = review.page
    open_first(page, "keypoints")
    draw(page, (10.5, 12.5), (15.5, 20.5))
    saved(page)
    assert np.allclose(review.corrected("007", "keypoints"), [[15, 20, 2], [20, 12, 2]], atol=0.1)
    right = page.get_by_role("button", name="right, seen")
    right.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    saved(page)
    assert np.allclose(review.corrected("007", "keypoints")[1], [21, 22, 2])
    page.keyboard.press("v")
    saved(page)
    assert review.corrected("007", "keypoints")[1, 2] == 1
    page.get_by_label("Is left there?").select_option("not there")
    saved(page)
    assert review.corrected("007", "keypoints")[:, 2].tolist() == [0, 1]
    page.get_by_role("button", name="left", exact=True).click()
    click(page, 3.5, 4.5)
    saved(page)
    assert np.allclose(review.corrected("007", "keypoints")[0], [3, 4, 2], atol=0.1)
    page.get_by_role("button", name="Undo").click()
    saved(page)
    assert review.corrected("007", "keypoints")[0, 2] == 0


def test_a_dragged_point_stays_where_it_was_when_the_next_sample_is_opened(
    tmp_path: Path, start: Callable[[Path], Review]
) -> None:
    review = start(everything(tmp_path / "data"))
    page = review.page
    open_first(page, "keypoints")
    page.mouse.move(*on_screen(page, 10.5, 12.5))
    page.mouse.down()
    page.mouse.move(*on_screen(page, 15.5, 20.5), steps=4)
    page.evaluate("document.getElementById('next').click()")
    expects(page.locator("#sample-name")).to_have_text("006")
    page.mouse.up()
    saved(page)
    assert np.allclose(review.corrected("007", "keypoints"), [[15, 20, 2], [20, 12, 2]], atol=0.1)
    assert not (review.folder / "corrections" / "samples" / "006.json").exists()


def test_another_task_is_opened_while_the_image_is_on_its_way(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page, held = review.page, list[Any]()
    page.route("**/image/007*", lambda route: held.append(route))  # noqa: PLW0108  # playwright marks it
    page.locator("#grid").press("Enter")
    page.get_by_role("button", name="keypoints", exact=True).click()
    page.wait_for_timeout(300)  # the labels are quicker
    asked(page, held).continue_()
    ready(page)
    expects(page.locator("#stage .layer")).to_have_count(0)  # those of the masks
    draw(page, (10.5, 12.5), (15.5, 20.5))
    saved(page)
    assert np.allclose(review.corrected("007", "keypoints"), [[15, 20, 2], [20, 12, 2]], atol=0.1)


def test_depth_is_nudged_and_marked_as_not_known(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page, expected = review.page, review.original("007", "depth").copy()
    open_first(page, "depth")
    page.keyboard.press("p")
    for corner in ((4, 4), (12, 4), (12, 10), (4, 10)):
        click(page, *corner)
    page.keyboard.press("Enter")
    expects(page.get_by_text("48 pixels chosen")).to_be_visible()
    page.get_by_role("button", name="Farther").click()
    saved(page)
    expected[4:10, 4:12] *= np.float32(1.02)
    assert np.allclose(review.corrected("007", "depth"), expected, rtol=1e-6)
    page.get_by_role("button", name="Not known").click()
    saved(page)
    assert (review.corrected("007", "depth") == 0).sum() == 48


def test_depth_stays_positive_and_finite_whatever_is_typed(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page, expected = review.page, review.original("007", "depth").copy()
    open_first(page, "depth")
    page.keyboard.press("p")
    for corner in ((4, 4), (12, 4), (12, 10), (4, 10)):
        click(page, *corner)
    page.keyboard.press("Enter")
    page.get_by_label("Nearer and farther by").fill("150")
    page.get_by_role("button", name="Nearer", exact=False).click()
    saved(page)
    expected[4:10, 4:12] *= np.float32(0.5)
    assert np.allclose(review.corrected("007", "depth"), expected, rtol=1e-6)
    expects(page.get_by_label("Nearer and farther by")).to_have_value("50")


def test_a_file_that_the_server_would_not_take_is_refused_here(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page, sent = review.page, []
    page.on("request", lambda request: request.method == "PUT" and sent.append(request.url))
    page.route("**/api/dataset", lambda route: route.fulfill(json={**route.fetch().json(), "most_bytes": 9000}))
    page.reload()
    expects(page.locator(".tile").first).to_have_attribute("data-name", "007")
    open_first(page, "normals")
    file = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(9001)}
    page.get_by_label("Replace the label by a file").set_input_files(file)
    expects(page.locator("#status")).to_contain_text("Not saved, 007: This label is too large to be sent")
    assert sent == []


def test_any_other_label_is_replaced_by_a_file(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page = review.page
    open_first(page, "normals")
    other = np.full((32, 32, 3), (255, 128, 128), np.uint8)
    file = {"name": "other.png", "mimeType": "image/png", "buffer": png(other)}
    page.get_by_label("Replace the label by a file").set_input_files(file)
    saved(page)
    assert np.array_equal(review.corrected("007", "normals"), other)


@pytest.mark.parametrize("name", ["folder/photo", "Ünï cödé", "50% #1?", "two\nlines"])
def test_names_of_all_kinds(tmp_path: Path, start: Callable[[Path], Review], name: str) -> None:
    folder = tmp_path / "data"
    for kind, picture in (("images", np.zeros((32, 32, 3), np.uint8)), ("masks", np.eye(32, dtype=np.uint8))):
        (folder / kind / name).parent.mkdir(parents=True)
        (folder / kind / f"{name}.png").write_bytes(png(picture))
    write_json(folder / "classes.json", ["background", "line"])
    review = start(folder)
    page = review.page
    open_first(page)
    brush(page, 1, "line")
    click(page, 9.5, 3.5)
    page.keyboard.press("a")
    saved(page)
    page.reload()
    expects(page.locator("#sample-name")).to_have_text(name)
    assert review.corrected(name)[3, 9] == 1
    assert review.decision(name) == "accept"
