"""How long `handsoff review` takes with many samples: `python benchmarks/scrolling.py`.

A dataset of 100,000 samples of 32 px is made of links to a few images, and the server is asked as the page asks it.
Seconds are those of the processor, so that whatever else the machine does is left out.
Writes benchmarks/results/scrolling.json.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from rich.console import Console

from handsoff.core.files import png, write_bytes, write_json
from handsoff.datasets.generated import write_manifest, write_records
from handsoff.inspection.diagnose import machine
from handsoff.review.app import create_app
from handsoff.review.desk import open_desk
from handsoff.review.session import open_session

RESULTS = Path(__file__).parent / "results"
CLASSES = ["background", "left", "right"]
SIDE, ORIGINALS, PAGE, TILES = 32, 100, 200, 40  # the last two: samples of a page, tiles on a screen


def dataset(folder: Path, count: int) -> Path:
    """A generated dataset whose samples are links to a few files."""
    rng = np.random.default_rng(0)
    for index in range(count):
        name, first = f"{index:08d}.png", f"{index % ORIGINALS:08d}.png"
        for kind in ("images", "masks", "uncertainty"):
            if index >= ORIGINALS:
                os.link(folder / kind / first, folder / kind / name)
                continue
            shape = (SIDE, SIDE, 3) if kind == "images" else (SIDE, SIDE)
            write_bytes(folder / kind / name, png(rng.integers(0, len(CLASSES), shape).astype(np.uint8)))
    write_json(folder / "classes.json", CLASSES)
    numbers = rng.random(count).round(4).tolist()
    write_records(
        folder,
        ({"name": f"{index:08d}", "draw": {"seed": index}, "uncertainty": numbers[index]} for index in range(count)),
    )
    schema = {"segmentation": {"classes": CLASSES}}
    write_manifest(folder, {"tasks": schema, "image_size": [SIDE, SIDE], "framing": "crop", "licence": "CC0-1.0"})
    for file in ("job.json", "report.json"):
        write_json(folder / file, {"verb": "generate", "inputs": {}, "settings": {}})
    (folder / "DONE").touch()
    return folder


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = work()
    return round(time.process_time() - began, 3), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dataset", type=Path, help="where the dataset lies, or is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.dataset or Path(temporary) / "dataset"
        if not (folder / "DONE").is_file():
            dataset(folder, options.count)
        seconds = measured(folder, options.count)
    write_json(RESULTS / "scrolling.json", {"machine": machine(), "samples": options.count, "seconds": seconds})


def measured(folder: Path, count: int) -> dict[str, float]:
    """What is done → seconds."""
    found: dict[str, float] = {}
    found["open the dataset"], desk = timed(lambda: open_desk(open_session(folder)))
    client = TestClient(create_app(desk))

    def ask(what: str, query: str) -> list[str]:
        found[what], answer = timed(lambda: client.get(f"/api/samples?{query}&count={PAGE}").json())
        Console().print(what, found[what])
        return [sample["name"] for sample in answer["samples"]]

    names = ask("first page", "order=uncertainty")
    found["a screen of thumbnails"], _ = timed(
        lambda: [client.get(f"/api/thumbnail/{name}?task=segmentation") for name in names[:TILES]]
    )
    ask("far down", f"order=uncertainty&from={count // 2}")
    ask("another order", "order=name")
    found["look at all labels, beside the page"], _ = timed(desk.look_at_all)
    ask("those that show a part", "order=uncertainty&part=left")
    ask("by the size of a part", "order=smallest&part=left")
    ask("undecided ones", "order=uncertainty&decision=undecided")
    sent = {"decision": "accept", "version": desk.session.record(names[0]).version}
    found["decide"], _ = timed(lambda: client.put(f"/api/decision/{names[0]}", json=sent).raise_for_status())
    ask("the next page after a decision", f"order=uncertainty&decision=undecided&from={PAGE}")
    ask("the page again", f"order=uncertainty&decision=undecided&from={PAGE}")
    return found


if __name__ == "__main__":
    main()
