"""A headless Chromium, and datasets under review in it."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
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
def served(folder: Path) -> Iterator[str]:
    """The review of a dataset; gives its address."""
    import uvicorn  # noqa: PLC0415  # an extra

    from handsoff.review.app import create_app  # noqa: PLC0415  # as above
    from handsoff.review.desk import open_desk  # noqa: PLC0415  # as above
    from handsoff.review.guard import Guard  # noqa: PLC0415  # as above
    from handsoff.review.serve import HERE, listening  # noqa: PLC0415  # as above
    from handsoff.review.session import open_session  # noqa: PLC0415  # as above

    desk = open_desk(open_session(folder), None)
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
