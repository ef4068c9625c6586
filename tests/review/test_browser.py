"""The review page in a real browser: a person sees, decides, learns, and loses nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browsing import Review, asked, brush, draw, everything, expects, open_first, ready, saved
from handsoff.core.files import png
from handsoff.review.session import open_session

pytestmark = pytest.mark.slow


def shown_order(page: Any) -> list[str]:
    tiles = page.locator(".tile")
    expects(tiles.first).to_have_attribute("data-name", page.locator(".tile").first.get_attribute("data-name") or "")
    found = page.evaluate("[...document.querySelectorAll('.tile')].map(t => [+t.id.split('-')[1], t.dataset.name])")
    return [name for _, name in sorted(found)]


# --- see


def test_the_most_uncertain_stand_first_and_filters_narrow_them(review: Review) -> None:
    page = review.page
    assert shown_order(page) == [f"{index:03d}" for index in reversed(range(8))]
    page.get_by_label("Order").select_option("name")
    expects(page.locator("#sample-0")).to_have_attribute("data-name", "000")
    page.locator("#grid").press("r")
    expects(page.locator("#sample-0")).to_have_attribute("data-decision", "reject")
    saved(page)
    page.locator("#decision").select_option("reject")
    expects(page.locator(".tile")).to_have_count(1)
    page.locator("#decision").select_option("accept")
    expects(page.locator(".tile")).to_have_count(0)
    page.locator("#decision").select_option("")
    page.get_by_label("Shows").select_option("core")
    expects(page.locator(".tile")).to_have_count(8)
    page.reload()
    expects(page.get_by_label("Order")).to_have_value("name")
    expects(page.get_by_label("Shows")).to_have_value("core")


def test_thumbnails_are_pictures(review: Review) -> None:
    image = review.page.locator("#sample-0 img")
    expects(image).to_have_js_property("complete", value=True)
    expects(image).to_have_js_property("naturalWidth", 32)


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
    expects(page.locator("#sample-0")).to_have_attribute("data-name", "000000")
    for share in (0.2, 0.5, 0.9):
        page.evaluate(
            "share => { const g = document.getElementById('grid'); g.scrollTop = share * g.scrollHeight }", share
        )
        expects(page.locator(f"#sample-{count - 1}")).to_have_count(0)
    page.locator("#grid").press("End")
    expects(page.locator(f"#sample-{count - 1}")).to_have_attribute("data-name", "099999")
    expects(page.locator(f"#sample-{count - 1}")).to_be_in_viewport()
    assert page.locator(".tile").count() < 150
    assert len(asked) < 20
    page.locator("#grid").press("Home")
    expects(page.locator("#sample-0")).to_be_in_viewport()


# --- decide


def test_keys_decide_and_take_back(review: Review) -> None:
    page, grid = review.page, review.page.locator("#grid")
    grid.press("a")
    expects(page.locator("#sample-0")).to_have_attribute("data-decision", "accept")
    expects(grid).to_have_attribute("aria-activedescendant", "sample-1")
    grid.press("r")
    saved(page)
    assert (review.decision("007"), review.decision("006")) == ("accept", "reject")
    expects(page.locator("#counts")).to_contain_text("1 accepted · 1 rejected")
    grid.press("z")
    expects(page.locator("#sample-1")).to_have_attribute("data-decision", "undecided")
    expects(grid).to_have_attribute("aria-activedescendant", "sample-1")
    assert (review.decision("007"), review.decision("006")) == ("accept", "undecided")
    grid.press("ArrowLeft")
    grid.press("u")
    saved(page)
    assert review.decision("007") == "undecided"


def test_decisions_are_made_and_taken_back_in_the_editor_too(review: Review) -> None:
    page = review.page
    open_first(page)
    page.get_by_role("button", name="Accept").click()
    expects(page.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
    saved(page)
    assert review.decision("007") == "accept"
    page.keyboard.press("z")
    expects(page.get_by_role("button", name="Undecided")).to_have_attribute("aria-pressed", "true")
    assert review.decision("007") == "undecided"
    page.keyboard.press("ArrowRight")
    expects(page.locator("#sample-name")).to_have_text("006")
    page.keyboard.press("Escape")
    expects(page.locator("#grid")).to_be_focused()
    expects(page.locator("#grid")).to_have_attribute("aria-activedescendant", "sample-1")


# --- nothing is lost


def overtaken(review: Review) -> Any:
    """A window on a sample whose label another one has changed, in row 1, without its hearing of it."""
    one, two = review.page, review.window()
    one.route("**/api/changes?*", lambda route: route.fulfill(json={"now": 0, "names": []}))
    for page in (one, two):
        open_first(page)
        brush(page, 1, "core")
    draw(two, (1.5, 1.5), (6.5, 1.5))
    saved(two)
    return one


@pytest.mark.parametrize("choice", ["Keep mine", "Take theirs"])
def test_two_windows_that_correct_one_label_are_asked(review: Review, choice: str) -> None:
    one = overtaken(review)
    draw(one, (1.5, 3.5), (6.5, 3.5))
    dialog = one.get_by_role("dialog", name="Two windows, one sample")
    expects(dialog).to_be_visible()
    expects(dialog.locator("canvas")).to_have_count(2)
    dialog.get_by_role("button", name=choice).click()
    expects(dialog).to_be_hidden()
    saved(one)
    ready(one)
    expected = review.original("007").copy()
    expected[3 if choice == "Keep mine" else 1, 1:7] = 2
    assert np.array_equal(review.corrected("007"), expected)
    draw(one, (20.5, 30.5), (25.5, 30.5))
    saved(one)
    expected[30, 20:26] = 2
    assert np.array_equal(review.corrected("007"), expected)


def test_what_is_drawn_while_one_is_about_to_be_asked_goes_the_same_way(review: Review) -> None:
    one, held = overtaken(review), list[Any]()
    one.route(
        "**/api/label/**", lambda route: held.append(route) if route.request.method == "GET" else route.continue_()
    )
    draw(one, (1.5, 3.5), (6.5, 3.5))
    request = asked(one, held)  # the pictures of the question
    draw(one, (1.5, 5.5), (6.5, 5.5))
    one.unroute("**/api/label/**")
    request.continue_()
    one.get_by_role("button", name="Take theirs").click()
    saved(one)
    ready(one)
    expected = review.original("007").copy()
    expected[1, 1:7] = 2
    assert np.array_equal(review.corrected("007"), expected)


def test_a_decision_that_stays_does_not_cover_what_another_window_painted(review: Review) -> None:
    one = overtaken(review)
    one.keyboard.press("a")
    one.get_by_role("button", name="Keep mine").click()
    saved(one)
    ready(one)
    draw(one, (20.5, 30.5), (25.5, 30.5))
    saved(one)
    expected = review.original("007").copy()
    expected[1, 1:7] = expected[30, 20:26] = 2
    assert np.array_equal(review.corrected("007"), expected)
    assert review.decision("007") == "accept"


def test_what_is_taken_back_is_the_last_change_though_it_is_not_saved_yet(review: Review) -> None:
    page, held = review.page, list[Any]()
    page.locator("#grid").press("a")
    saved(page)
    page.locator("#grid").press("Enter")
    ready(page)
    brush(page, 1, "core")
    page.route("**/api/label/**", lambda route: held.append(route))  # noqa: PLW0108  # playwright marks it
    draw(page, (1.5, 1.5), (6.5, 1.5))
    page.keyboard.press("r")
    page.keyboard.press("z")
    asked(page, held).continue_()
    expects(page.locator("#status")).to_have_text("Taken back: 006")
    assert (review.decision("007"), review.decision("006")) == ("accept", "undecided")
    assert (review.corrected("006")[1, 1:7] == 2).all()


def test_a_decision_of_another_window_appears(review: Review) -> None:
    one, two = review.page, review.window()
    two.locator("#grid").press("a")
    saved(two)
    expects(one.locator("#sample-0")).to_have_attribute("data-decision", "accept")
    one.locator("#grid").press("r")
    saved(one)
    assert review.decision("007") == "reject"


def test_what_cannot_be_sent_is_kept_and_sent_later(review: Review) -> None:
    page = review.page
    open_first(page)
    brush(page, 1, "core")
    page.context.set_offline(offline=True)
    draw(page, (2.5, 5.5), (25.5, 5.5))
    expects(page.locator("#status")).to_contain_text("Not saved: The server does not answer")
    page.keyboard.press("ArrowRight")
    page.context.set_offline(offline=False)
    saved(page)
    assert (review.corrected("007")[5, 2:26] == 2).all()


def test_a_label_that_the_server_refuses_is_told_kept_and_not_sent_again(review: Review) -> None:
    page, sent = review.page, []

    def spoiled(route: Any) -> None:
        sent.append(route.request.url)
        route.continue_(post_data=b"no image")

    page.route(
        "**/api/label/segmentation/007",
        lambda route: route.continue_() if route.request.method == "GET" else spoiled(route),
    )
    open_first(page)
    brush(page, 1, "core")
    draw(page, (2.5, 5.5), (25.5, 5.5))
    expects(page.locator("#status")).to_contain_text("Not saved, 007: The label that was sent")
    expects(page.locator("#status")).to_contain_text("It is kept here and sent again once you change it")
    page.wait_for_timeout(2500)  # the first two times at which others are sent again
    page.keyboard.press("a")
    page.keyboard.press("ArrowRight")
    ready(page)
    page.keyboard.press("a")
    expects(page.locator("#counts")).to_contain_text("2 accepted")
    assert len(sent) == 1
    assert not (review.corrected("007") == 2)[5, 2:26].all()
    page.keyboard.press("ArrowLeft")
    ready(page)
    page.unroute_all()
    brush(page, 1, "core")
    draw(page, (2.5, 8.5), (25.5, 8.5))
    saved(page)
    assert (review.corrected("007")[[5, 8], 2:26] == 2).all(), "the stroke before was kept"


def test_what_is_meant_for_another_dataset_is_not_sent_again(review: Review) -> None:
    page, sent = review.page, []

    def elsewhere(route: Any) -> None:
        sent.append(route.request.headers["x-dataset"])
        route.continue_(headers={**route.request.headers, "x-dataset": "another"})

    page.route("**/api/decision/**", elsewhere)
    page.locator("#grid").press("a")
    expects(page.locator("#status")).to_have_text(
        "Not saved: The server has another dataset now than this page: reload the page, or review its own dataset on "
        "this port again"
    )
    page.wait_for_timeout(2500)  # the first two times at which others are sent again
    assert sent == [open_session(review.folder).identity]
    page.unroute("**/api/decision/**")
    page.evaluate("dispatchEvent(new Event('online'))")
    saved(page)
    assert review.decision("007") == "accept"


# --- learn


def test_fitting_again_shows_its_progress_and_sorts_anew(review: Review) -> None:
    page, states = (
        review.page,
        [
            {"state": "running", "progress": 0.4, "note": "Step 40 of 100", "before": None, "after": None},
            {"state": "done", "progress": 1.0, "note": "", "before": 0.2134, "after": 0.1811},
        ],
    )
    facts: dict[str, Any] = {"labeler": True, "orders": ["name", "suggested"]}
    page.route("**/api/dataset", lambda route: route.fulfill(json=route.fetch().json() | facts))
    idle = {"state": "none", "progress": 0.0, "note": "", "before": None, "after": None}
    page.route("**/api/refit", lambda route: route.fulfill(json=idle))
    with page.expect_response("**/api/refit"):
        page.reload()
    expects(page.locator("#refit")).to_be_enabled()
    expects(page.locator("#sample-0")).to_contain_text("000")  # else nothing is on the screen yet
    page.unroute("**/api/refit")
    posted = []

    def refit(route: Any) -> None:
        if route.request.method == "POST":
            posted.append(route.request.post_data_json)
            route.fulfill(json={"job": "1"})
        else:
            route.fulfill(json=states.pop(0) if len(states) > 1 else states[0])

    page.route("**/api/refit", refit)
    facts["orders"] = ["uncertainty", "name", "suggested"]
    page.locator("#grid").press("ArrowRight")
    with page.expect_request("**/api/samples?*"):
        page.get_by_role("button", name="Fit again").click()
        expects(page.locator("#refit-note")).to_have_text("Step 40 of 100")
        expects(page.get_by_role("progressbar")).to_be_visible()
        expects(page.locator("#refit-note")).to_have_text("Held-out loss 0.213 before, 0.181 after")
    assert posted == [{"names": [f"{index:03d}" for index in range(8)]}]
    expects(page.get_by_label("Order")).to_have_value("uncertainty")
    expects(page.locator("#sample-0")).to_contain_text("007")
    expects(page.locator("[aria-selected=true]")).to_contain_text("001")  # where the person was


# --- for everyone


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tmp_path: Path, start: Callable[[Path], Review], scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="Playwright is not installed: make browser"
    )
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
        expects(page.get_by_role("button", name=task, exact=True)).to_have_attribute("aria-pressed", "true")
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
    expects(dialog).to_contain_text("accept")
    page.keyboard.press("Escape")
    expects(dialog).to_be_hidden()
    expects(page.locator("#grid")).to_be_focused()
