"""The review page in a real browser: what a person does with mouse, keyboard and fingers is on the disk, exactly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browsing import Errors, launched, served
from discs import blobs, write_dataset
from handsoff.core.files import png, read_json, write_json
from handsoff.datasets.generated import write_uncertainty
from handsoff.datasets.labelled import open_labelled

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra review is not installed")
pytest.importorskip("playwright", reason="Playwright is not installed: make browser")
from playwright.sync_api import Browser, Page, expect

expect.set_options(timeout=20_000)  # machines of CI are slow
SAVED = "Everything is saved"
POINTS = ["left", "right"]
Screen = tuple[float, float]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@dataclass
class Review:
    """A dataset, and the first window on it."""

    folder: Path
    address: str
    browser: Browser
    page: Page
    closing: list[Callable[[], None]]

    def window(self, **options: Any) -> Page:
        """Another window; its errors fail the test."""
        context = self.browser.new_context(viewport={"width": 1100, "height": 760}, **options)
        page = context.new_page()
        errors = Errors(page)

        def close() -> None:
            context.close()
            assert errors.found == []

        self.closing.append(close)
        page.goto(self.address)
        expect(page.locator(".tile").first).to_have_attribute("data-name", str(self.first))
        return page

    @property
    def first(self) -> str:
        """The most uncertain sample."""
        return sorted(open_labelled(self.folder, corrections="ignore").names)[-1]

    def corrected(self, name: str, task: str = "segmentation") -> np.ndarray:
        return open_labelled(self.folder).label(task, name)

    def original(self, name: str, task: str = "segmentation") -> np.ndarray:
        return open_labelled(self.folder, corrections="ignore").label(task, name)

    def decision(self, name: str) -> str:
        return str(read_json(self.folder / "corrections" / "samples" / f"{name}.json")["decision"])


@pytest.fixture
def start(tmp_path: Path, browser: Browser) -> Iterator[Callable[[Path], Review]]:
    """Opens a review of a dataset; everything is closed afterwards."""
    closing: list[Callable[[], None]] = []

    def begin(folder: Path) -> Review:
        serving = served(folder)
        address = serving.__enter__()
        closing.append(lambda: serving.__exit__(None, None, None))
        review = Review(folder, address, browser, None, closing)  # type: ignore[arg-type]  # comes next
        review.page = review.window()
        return review

    yield begin
    for close in reversed(closing):
        close()


@pytest.fixture
def review(tmp_path: Path, start: Callable[[Path], Review]) -> Review:
    return start(discs(tmp_path / "data"))


def discs(folder: Path) -> Path:
    """Eight discs with masks and uncertainty maps."""
    samples = blobs(8, 0)
    write_dataset(folder, samples)
    for index in range(len(samples)):
        rng = np.random.default_rng(index)
        write_uncertainty(folder, ["segmentation"], "segmentation", f"{index:03d}", rng.random((32, 32), np.float32))
    return folder


def everything(folder: Path) -> Path:
    """Discs with masks, two keypoints, depth and normals."""
    discs(folder)
    names = [f"{index:03d}" for index in range(8)]
    write_json(folder / "keypoints.json", {name: [[10, 12, 2], [20, 12, 2]] for name in names})
    write_json(folder / "points.json", {"names": POINTS})
    write_json(folder / "depth.json", {"unit": "metres"})
    (folder / "depth").mkdir()
    (folder / "normals").mkdir()
    for index, name in enumerate(names):
        rows = np.linspace(1, 2, 32 * 32, dtype=np.float32).reshape(32, 32) + index
        np.savez_compressed(folder / "depth" / f"{name}.npz", depth=rows)
        (folder / "normals" / f"{name}.png").write_bytes(png(np.full((32, 32, 3), (128, 128, 255), np.uint8)))
    manifest = read_json(folder / "manifest.json")
    manifest["tasks"] |= {
        "keypoints": {"names": POINTS, "mirror": None, "scale": None, "sigma": None},
        "depth": {"unit": "metres", "range": None, "scale": 1.0},
        "normals": {"focal": 1.0},
    }
    write_json(folder / "manifest.json", manifest)
    (folder / "uncertainty").rename(folder / "uncertainty-segmentation")
    return folder


def saved(page: Page) -> None:
    expect(page.locator("#status")).to_have_text(SAVED)


def open_first(page: Page, task: str = "") -> None:
    page.locator("#grid").press("Enter")
    if task:
        page.get_by_role("button", name=task, exact=True).click()
    ready(page)


def ready(page: Page) -> None:
    """Wait for the label of the open sample."""
    expect(page.locator(".world .layer, .point").first).to_be_attached()
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")


def on_screen(page: Page, x: float, y: float) -> Screen:
    """Where the place (x, y) of the image is in the window; pixel (i, j) is centred at (i + 0.5, j + 0.5)."""
    box = page.locator(".world img").first.bounding_box()
    assert box
    return box["x"] + x * box["width"] / 32, box["y"] + y * box["height"] / 32


def draw(page: Page, *places: tuple[float, float]) -> None:
    """Press at the first place, draw to the others, let go."""
    page.mouse.move(*on_screen(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*on_screen(page, *place), steps=4)
    page.mouse.up()


def click(page: Page, x: float, y: float) -> None:
    page.mouse.click(*on_screen(page, x, y))


def brush(page: Page, size: int, class_name: str) -> None:
    page.get_by_label("Size of the brush").fill(str(size))
    page.locator(".classes").get_by_label(class_name).check()


def shown_order(page: Page) -> list[str]:
    tiles = page.locator(".tile")
    expect(tiles.first).to_have_attribute("data-name", page.locator(".tile").first.get_attribute("data-name") or "")
    found = page.evaluate("[...document.querySelectorAll('.tile')].map(t => [+t.id.split('-')[1], t.dataset.name])")
    return [name for _, name in sorted(found)]


# --- see


def test_the_most_uncertain_stand_first_and_filters_narrow_them(review: Review) -> None:
    page = review.page
    assert shown_order(page) == [f"{index:03d}" for index in reversed(range(8))]
    page.get_by_label("Order").select_option("name")
    expect(page.locator("#sample-0")).to_have_attribute("data-name", "000")
    page.locator("#grid").press("r")
    expect(page.locator("#sample-0")).to_have_attribute("data-decision", "reject")
    saved(page)
    page.locator("#decision").select_option("reject")
    expect(page.locator(".tile")).to_have_count(1)
    page.locator("#decision").select_option("accept")
    expect(page.locator(".tile")).to_have_count(0)
    page.locator("#decision").select_option("")
    page.get_by_label("Shows").select_option("core")
    expect(page.locator(".tile")).to_have_count(8)
    page.reload()
    expect(page.get_by_label("Order")).to_have_value("name")
    expect(page.get_by_label("Shows")).to_have_value("core")


def test_thumbnails_are_pictures(review: Review) -> None:
    image = review.page.locator("#sample-0 img")
    expect(image).to_have_js_property("complete", value=True)
    expect(image).to_have_js_property("naturalWidth", 32)


def test_a_hundred_thousand_samples_scroll(review: Review) -> None:
    count, asked = 100_000, []

    def samples(route: Any) -> None:
        query = dict(pair.split("=") for pair in route.request.url.partition("?")[2].split("&"))
        start = int(query["from"])
        asked.append(start)
        rows = [
            {"name": f"{index:06d}", "uncertainty": 0.5, "decision": "undecided", "corrected": [], "version": 0}
            for index in range(start, min(count, start + int(query["count"])))
        ]
        route.fulfill(json={"total": count, "samples": rows, "indexed": count})

    page = review.page
    page.route("**/api/samples?*", samples)
    page.route("**/api/thumbnail/**", lambda route: route.fulfill(body=png(np.zeros((8, 8, 3), np.uint8))))
    page.reload()
    expect(page.locator("#sample-0")).to_have_attribute("data-name", "000000")
    for share in (0.2, 0.5, 0.9):
        page.evaluate("share => { const g = document.getElementById('grid'); g.scrollTop = share * g.scrollHeight }", share)
        expect(page.locator(f"#sample-{count - 1}")).to_have_count(0)
    page.locator("#grid").press("End")
    expect(page.locator(f"#sample-{count - 1}")).to_have_attribute("data-name", "099999")
    expect(page.locator(f"#sample-{count - 1}")).to_be_in_viewport()
    assert page.locator(".tile").count() < 150
    assert len(asked) < 20
    page.locator("#grid").press("Home")
    expect(page.locator("#sample-0")).to_be_in_viewport()


# --- decide


def test_keys_decide_and_take_back(review: Review) -> None:
    page, grid = review.page, review.page.locator("#grid")
    grid.press("a")
    expect(page.locator("#sample-0")).to_have_attribute("data-decision", "accept")
    expect(grid).to_have_attribute("aria-activedescendant", "sample-1")
    grid.press("r")
    saved(page)
    assert (review.decision("007"), review.decision("006")) == ("accept", "reject")
    expect(page.locator("#counts")).to_contain_text("1 accepted · 1 rejected")
    grid.press("z")
    expect(page.locator("#sample-1")).to_have_attribute("data-decision", "undecided")
    expect(grid).to_have_attribute("aria-activedescendant", "sample-1")
    assert (review.decision("007"), review.decision("006")) == ("accept", "undecided")
    grid.press("ArrowLeft")
    grid.press("u")
    saved(page)
    assert review.decision("007") == "undecided"


def test_decisions_are_made_and_taken_back_in_the_editor_too(review: Review) -> None:
    page = review.page
    open_first(page)
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
    saved(page)
    assert review.decision("007") == "accept"
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Undecided")).to_have_attribute("aria-pressed", "true")
    assert review.decision("007") == "undecided"
    page.keyboard.press("ArrowRight")
    expect(page.locator("#sample-name")).to_have_text("006")
    page.keyboard.press("Escape")
    expect(page.locator("#grid")).to_be_focused()
    expect(page.locator("#grid")).to_have_attribute("aria-activedescendant", "sample-1")


# --- correct


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
    expect(page.locator("#sample-name")).to_have_text("007")
    expect(page.locator("#sample-place")).to_contain_text("corrected")
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
    write_json(folder / "manifest.json", read_json(folder / "manifest.json") | {"tasks": {"segmentation": {"classes": classes}}})
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
        points = [dict(zip("xy", on_screen(page, *place), strict=True), id=number) for number, place in enumerate(places)]
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


def test_depth_is_nudged_and_marked_as_not_known(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page, expected = review.page, review.original("007", "depth").copy()
    open_first(page, "depth")
    page.keyboard.press("p")
    for corner in ((4, 4), (12, 4), (12, 10), (4, 10)):
        click(page, *corner)
    page.keyboard.press("Enter")
    expect(page.get_by_text("48 pixels chosen")).to_be_visible()
    page.get_by_role("button", name="Farther").click()
    saved(page)
    expected[4:10, 4:12] *= np.float32(1.02)
    assert np.allclose(review.corrected("007", "depth"), expected, rtol=1e-6)
    page.get_by_role("button", name="Not known").click()
    saved(page)
    assert (review.corrected("007", "depth") == 0).sum() == 48


def test_any_other_label_is_replaced_by_a_file(tmp_path: Path, start: Callable[[Path], Review]) -> None:
    review = start(everything(tmp_path / "data"))
    page = review.page
    open_first(page, "normals")
    other = np.full((32, 32, 3), (255, 128, 128), np.uint8)
    file = {"name": "other.png", "mimeType": "image/png", "buffer": png(other)}
    page.get_by_label("Replace the label by a file").set_input_files(file)
    saved(page)
    assert np.array_equal(review.corrected("007", "normals"), other)


@pytest.mark.parametrize("name", ["folder/photo", "Ünï cödé", "50% #1?"])
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
    expect(page.locator("#sample-name")).to_have_text(name)
    assert review.corrected(name)[3, 9] == 1
    assert review.decision(name) == "accept"


# --- nothing is lost


@pytest.mark.parametrize("choice", ["Keep mine", "Take theirs"])
def test_two_windows_that_correct_one_label_are_asked(review: Review, choice: str) -> None:
    one, two = review.page, review.window()
    one.route("**/api/changes?*", lambda route: route.fulfill(json={"now": 0, "names": []}))  # has not heard of it
    for page in (one, two):
        open_first(page)
        brush(page, 1, "core")
    draw(two, (1.5, 1.5), (6.5, 1.5))
    saved(two)
    draw(one, (1.5, 3.5), (6.5, 3.5))
    dialog = one.get_by_role("dialog", name="Two windows, one sample")
    expect(dialog).to_be_visible()
    expect(dialog.locator("canvas")).to_have_count(2)
    dialog.get_by_role("button", name=choice).click()
    expect(dialog).to_be_hidden()
    saved(one)
    ready(one)
    expected = review.original("007").copy()
    expected[3 if choice == "Keep mine" else 1, 1:7] = 2
    assert np.array_equal(review.corrected("007"), expected)
    draw(one, (20.5, 30.5), (25.5, 30.5))
    saved(one)
    expected[30, 20:26] = 2
    assert np.array_equal(review.corrected("007"), expected)


def test_a_decision_of_another_window_appears(review: Review) -> None:
    one, two = review.page, review.window()
    two.locator("#grid").press("a")
    saved(two)
    expect(one.locator("#sample-0")).to_have_attribute("data-decision", "accept")
    one.locator("#grid").press("r")
    saved(one)
    assert review.decision("007") == "reject"


def test_what_cannot_be_sent_is_kept_and_sent_later(review: Review) -> None:
    page = review.page
    open_first(page)
    brush(page, 1, "core")
    page.context.set_offline(offline=True)
    draw(page, (2.5, 5.5), (25.5, 5.5))
    expect(page.locator("#status")).to_contain_text("Not saved: The server does not answer")
    page.keyboard.press("ArrowRight")
    page.context.set_offline(offline=False)
    saved(page)
    assert (review.corrected("007")[5, 2:26] == 2).all()


# --- learn


def test_fitting_again_shows_its_progress_and_sorts_anew(review: Review) -> None:
    page, states = review.page, [
        {"state": "running", "progress": 0.4, "note": "Step 40 of 100", "before": None, "after": None},
        {"state": "done", "progress": 1.0, "note": "", "before": 0.2134, "after": 0.1811},
    ]
    page.route("**/api/dataset", lambda route: route.fulfill(json=route.fetch().json() | {"labeler": True}))
    idle = {"state": "none", "progress": 0.0, "note": "", "before": None, "after": None}
    page.route("**/api/refit", lambda route: route.fulfill(json=idle))
    with page.expect_response("**/api/refit"):
        page.reload()
    expect(page.locator("#refit")).to_be_enabled()
    page.unroute("**/api/refit")
    posted = []

    def refit(route: Any) -> None:
        if route.request.method == "POST":
            posted.append(route.request.post_data_json)
            route.fulfill(json={"job": "1"})
        else:
            route.fulfill(json=states.pop(0) if len(states) > 1 else states[0])

    page.route("**/api/refit", refit)
    with page.expect_request("**/api/samples?*"):
        page.get_by_role("button", name="Fit again").click()
        expect(page.locator("#refit-note")).to_have_text("Step 40 of 100")
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator("#refit-note")).to_have_text("Held-out loss 0.213 before, 0.181 after")
    assert posted == [{"names": [f"{index:03d}" for index in reversed(range(8))]}]


# --- for everyone


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tmp_path: Path, start: Callable[[Path], Review], scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="Playwright is not installed: make browser")
    page = start(everything(tmp_path / "data")).window(color_scheme=scheme)

    def check(where: str) -> None:
        found = [
            f"{where}: {broken['id']}: {node['html']}: {node['failureSummary']}"
            for broken in axe.Axe().run(page).response["violations"]
            for node in broken["nodes"]
        ]
        assert found == []

    page.locator("#grid").press("a")
    saved(page)
    check("grid")
    page.keyboard.press("?")
    check("keys")
    page.keyboard.press("Escape")
    open_first(page)
    for task in ("segmentation", "keypoints", "depth", "normals"):
        page.get_by_role("button", name=task, exact=True).click()
        expect(page.get_by_role("button", name=task, exact=True)).to_have_attribute("aria-pressed", "true")
        check(task)


def test_the_keyboard_reaches_everything_visibly(review: Review) -> None:
    page, met = review.page, []
    page.evaluate("document.activeElement.blur()")
    for _ in range(11):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(({id}, {outlineStyle, outlineWidth}) => [id, outlineStyle, outlineWidth])"
            "(document.activeElement, getComputedStyle(document.activeElement))"
        )
        met.append(found[0])
        assert found[1:] == ["solid", "3px"]
    assert met == ["help", "order", "part", "decision", "overlay", *[""] * 5, "grid"]
    page.locator("#grid").press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("accept")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#grid")).to_be_focused()
