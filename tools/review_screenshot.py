"""Draw `docs/review.png`: the page of `handsoff review`, its grid above its editor.

Needs Playwright and Chromium (`make browser`), and a dataset, for the documentation that of `handsoff demo`:
`python tools/review_screenshot.py demo/50/dataset docs/review.png`. Nothing is corrected: it works on a copy.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SIZE = {"width": 1080, "height": 560}
COLOURS = 256  # of the picture's palette


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(given.dataset, Path(folder) / given.dataset.name)
        command = [sys.executable, "-m", "handsoff", "review", str(copy), "--no-browser"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # this Python, our own code
            try:
                pictures = photographed(address_of(server))
            finally:
                server.terminate()
    sheet = Image.new("RGB", (SIZE["width"], 2 * SIZE["height"]))
    for row, picture in enumerate(pictures):
        sheet.paste(picture, (0, row * SIZE["height"]))
    sheet.quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG).save(given.out, optimize=True)


def address_of(server: "subprocess.Popen[str]") -> str:
    """What the server says first that is an address."""
    for line in server.stdout or ():
        for word in line.split():
            if word.startswith("http://"):
                return word
    sys.exit("handsoff review has ended.")


def photographed(address: str) -> list[Image.Image]:
    """The grid with some decisions, and the editor with a label under way."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(address)
        page.locator("#sample-0[data-name]").wait_for()
        for key in "aara":
            page.locator("#grid").press(key)
        grid = taken(page)
        page.locator("#grid").press("Enter")
        page.locator("#stage[aria-busy=false] .layer.label").wait_for()
        page.keyboard.press("i")
        page.locator(".layer.doubt").wait_for()
        editor = taken(page)
        browser.close()
    return [grid, editor]


def taken(page: Page) -> Image.Image:
    """The page, once its pictures are there."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    main()
