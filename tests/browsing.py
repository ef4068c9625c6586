"""A headless Chromium, and datasets under review in it."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discs import blobs, write_dataset
from handsoff.core.files import png, read_json, write_json
from handsoff.datasets.generated import write_uncertainty
from handsoff.datasets.labelled import open_labelled

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SAVED = "Everything is saved"
SLOW = 20_000  # milliseconds that a busy machine may take
POINTS = ["left", "right"]
Screen = tuple[float, float]
TOKEN = "token"  # noqa: S105  # of a server that lives for one test


def chromium() -> str:
    """The browser of this machine; without one the test is skipped."""
    pytest.importorskip("playwright", reason="Playwright is not installed: make browser")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    return found


@contextmanager
def launched() -> Iterator[Any]:
    """A browser without a window."""
    executable = chromium()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # an extra

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def served(folder: Path, labeler: Path | None = None) -> Iterator[str]:
    """The review of a dataset; gives its address."""
    import uvicorn  # noqa: PLC0415  # an extra

    from handsoff.review.app import create_app  # noqa: PLC0415  # as above
    from handsoff.review.desk import open_desk  # noqa: PLC0415  # as above
    from handsoff.review.guard import Guard  # noqa: PLC0415  # as above
    from handsoff.review.serve import HERE, listening  # noqa: PLC0415  # as above
    from handsoff.review.session import open_session  # noqa: PLC0415  # as above

    desk = open_desk(open_session(folder), labeler)
    desk.look_at_all()
    listener = listening(HERE, 0)
    port = listener.getsockname()[1]
    guard = Guard(create_app(desk), TOKEN, HERE, port)
    server = uvicorn.Server(uvicorn.Config(guard, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://{HERE}:{port}/?token={TOKEN}"
    finally:
        desk.stop()
        server.should_exit = True
        thread.join()
        listener.close()


class Errors:
    """What went wrong in a page, but for refused requests that the page is expected to handle."""

    def __init__(self, page: Any) -> None:
        self.found: list[str] = []
        page.on("pageerror", lambda error: self.found.append(f"{error}\n{error.stack}"))
        page.on("console", self.listen)

    def listen(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.found.append(message.text)


def expects(found: Any) -> Any:
    """Playwright's `expect`, with patience."""
    from playwright.sync_api import expect  # noqa: PLC0415  # an extra

    expect.set_options(timeout=SLOW)
    return expect(found)


@dataclass
class Review:
    """A dataset, and the first window on it."""

    folder: Path
    address: str
    browser: Any
    page: Any
    closing: ExitStack

    def window(self, **options: Any) -> Any:
        """Another window; its errors fail the test."""
        context = self.browser.new_context(viewport={"width": 1100, "height": 760}, **options)
        page = context.new_page()
        errors = Errors(page)

        def close() -> None:
            context.close()
            assert errors.found == []

        self.closing.callback(close)
        page.goto(self.address)
        expects(page.locator(".tile").first).to_have_attribute("data-name", self.first)
        return page

    @property
    def first(self) -> str:
        """The most uncertain sample."""
        from handsoff.review.queue import Filter, open_queue  # noqa: PLC0415  # an extra
        from handsoff.review.session import open_session  # noqa: PLC0415  # as above

        queue = open_queue(open_session(self.folder))
        return queue.names(queue.orders()[0], Filter())[0]

    def corrected(self, name: str, task: str = "segmentation") -> np.ndarray:
        return open_labelled(self.folder).label(task, name)

    def original(self, name: str, task: str = "segmentation") -> np.ndarray:
        return open_labelled(self.folder, corrections="ignore").label(task, name)

    def decision(self, name: str) -> str:
        return str(read_json(self.folder / "corrections" / "samples" / f"{name}.json")["decision"])


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


def asked(page: Any, held: list[Any]) -> Any:
    """The first of the requests that a route holds back, once the page has sent it."""
    for _ in range(SLOW // 50):
        if held:
            return held[0]
        page.wait_for_timeout(50)
    raise AssertionError("The page has asked for nothing.")


def saved(page: Any) -> None:
    expects(page.locator("#status")).to_have_text(SAVED)


def open_first(page: Any, task: str = "") -> None:
    page.locator("#grid").press("Enter")
    if task:
        page.get_by_role("button", name=task, exact=True).click()
    ready(page)


def ready(page: Any) -> None:
    """Wait for the label of the open sample."""
    expects(page.locator(".world .layer, .point").first).to_be_attached()
    expects(page.locator("#stage")).to_have_attribute("aria-busy", "false")


def on_screen(page: Any, x: float, y: float) -> Screen:
    """Where the place (x, y) of the image is in the window; pixel (i, j) is centred at (i + 0.5, j + 0.5)."""
    box = page.locator(".world img").first.bounding_box()
    assert box
    return box["x"] + x * box["width"] / 32, box["y"] + y * box["height"] / 32


def draw(page: Any, *places: tuple[float, float]) -> None:
    """Press at the first place, draw to the others, let go."""
    page.mouse.move(*on_screen(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*on_screen(page, *place), steps=4)
    page.mouse.up()


def click(page: Any, x: float, y: float) -> None:
    page.mouse.click(*on_screen(page, x, y))


def brush(page: Any, size: int, class_name: str) -> None:
    page.get_by_label("Size of the brush").fill(str(size))
    page.locator(".classes").get_by_label(class_name).check()
