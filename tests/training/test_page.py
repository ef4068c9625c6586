import json
import re
from pathlib import Path
from typing import Any

import pytest

from handsoff.core.files import write_bytes
from handsoff.training.page import Standing, charts, minutes_below, read_log, spread, write_progress

LINES: list[dict[str, Any]] = [
    {"kimg": 20.0, "seconds": 600.0, "images_per_second": 33.3, "loss_d": 6.1, "loss_g": 0.4, "fd_lite0": 240.0,
     "kd_lite0": 9.0, "copies": 0.0, "nearest": 1.1, "warnings": []},
    {"kimg": 40.0, "seconds": 1200.0, "images_per_second": 33.3, "loss_d": 5.2, "loss_g": 0.9, "fd_lite0": 120.0,
     "kd_lite0": 5.0, "copies": 0.031, "nearest": 0.9, "warnings": ["Something <is> wrong."]},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bytes(tmp_path / "log.jsonl", "".join(json.dumps(line) + "\n" for line in LINES).encode())
    for kimg in (20, 40):
        write_bytes(tmp_path / "grids" / f"{kimg:06d}.png", b"")
    write_bytes(tmp_path / "nearest.png", b"")
    return tmp_path


def written(folder: Path, **changes: Any) -> str:
    values = {"images": 40_000, "seconds": 1200.0, "rate": 33.3, "left": 4500.0, "best_fd": 120.0, **changes}
    write_progress(folder, Standing(**values))
    return (folder / "progress.html").read_text()


def test_a_running_page_reloads_itself_and_a_finished_one_does_not(folder: Path) -> None:
    page = written(folder)
    assert "40.0 kimg, about 1 h 15 min left" in page
    assert "location.reload()" in page
    page = written(folder, finished=True)
    assert "Finished after 40.0 kimg" in page
    assert "<script" not in page
    assert "http-equiv" not in page


def test_all_it_loads_lies_beside_it(folder: Path) -> None:
    page = written(folder)
    links = [link for link in re.findall(r'(?:src|href)="([^"]+)"', page) if not link.startswith("#")]
    assert links
    assert all((folder / link).is_file() for link in links)
    assert "//" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_it_shows_curves_grids_warnings_and_numbers(folder: Path) -> None:
    page = written(folder)
    assert "Something &lt;is&gt; wrong." in page
    assert page.index("grids/000040.png") < page.index("grids/000020.png")
    assert "FD-lite0: 240 at 20 kimg, 120 at 40 kimg, lowest 120 at 40 kimg." in page
    assert "<td>3.1 %</td>" in page
    assert "nearest.png" in page


def test_grids_of_a_run_that_was_lost_are_not_shown(folder: Path) -> None:
    page = written(folder, images=20_300)
    assert "grids/000020.png" in page
    assert "grids/000040.png" not in page


def test_other_pictures_beside_the_grids_are_none(folder: Path) -> None:
    for name in ("best.png", "._000020.png", "²0.png"):
        write_bytes(folder / "grids" / name, b"")
    page = written(folder)
    assert "best.png" not in page
    assert "grids/000040.png" in page


def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    page = written(tmp_path, images=0, seconds=0.0, rate=None, left=None, best_fd=float("inf"))
    assert "0.0 kimg" in page
    assert "not yet measured" in page
    assert "<svg" not in page


def test_a_log_of_a_version_before_is_shown(folder: Path) -> None:
    line = {name: LINES[0][name] for name in ("kimg", "seconds", "images_per_second", "fd_lite0", "kd_lite0")}
    write_bytes(folder / "log.jsonl", (json.dumps(line | {"loss_d": None, "loss_g": None}) + "\n").encode())
    assert "FD-lite0" in written(folder)
    assert [chart.title for chart in charts(read_log(folder / "log.jsonl"))] == ["FD-lite0", "KD-lite0"]


def test_minutes_stand_at_the_ticks_of_kimg() -> None:
    slower = [{"kimg": 20.0, "seconds": 600.0}, {"kimg": 40.0, "seconds": 1800.0}]
    assert minutes_below(slower) == [(0.0, "0"), (25.0, "5"), (50.0, "10"), (75.0, "20"), (100.0, "30")]
    assert minutes_below([]) == [(0.0, "0")]


def test_earlier_grids_are_spread_over_the_run() -> None:
    grids = [{"kimg": str(index)} for index in range(100)]
    assert [grid["kimg"] for grid in spread(grids)] == ["0", "11", "22", "33", "44", "55", "66", "77", "88", "99"]
    assert spread(grids[:3]) == grids[:3]
