"""`progress.html` in the folder of a generator: what a run looks like now, for a browser that is left open.

It is made of the files beside it (`log.jsonl`, `grids/`, `nearest.png`) and reloads itself until the run is finished.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handsoff.core.files import write_bytes
from handsoff.pages.lines import Line, LineChart, Tick, line_chart
from handsoff.pages.render import render

PAGE, LOG, GRIDS, NEAREST = "progress.html", "log.jsonl", "grids", "nearest.png"
RELOAD_SECONDS = 30
EARLIER = 10  # grids that are shown beside the newest
COLUMNS = {
    "kimg": "kimg", "seconds": "minutes", "images_per_second": "images/s", "loss_d": "loss D", "loss_g": "loss G",
    "loss_denoising": "loss",
    "fd_lite0": "FD-lite0", "kd_lite0": "KD-lite0", "copies": "copies",
}  # fmt: skip
Entry = Mapping[str, Any]  # a line of the log


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        images: shown so far.
        seconds: spent so far.
        rate: images per second; None where nothing was timed yet.
        left: seconds that it will still take, about; None where nobody knows.
        nearness: what is said of the stored generator, "" where nothing is.
    """

    images: int
    seconds: float
    rate: float | None
    left: float | None
    best_fd: float
    nearness: str = ""
    finished: bool = False


def write_progress(out: Path, standing: Standing) -> None:
    """Write `progress.html`, atomically."""
    log = read_log(out / LOG)
    grids = [
        {"file": f"{GRIDS}/{file.name}", "kimg": f"{int(file.stem):,}"}
        for file in sorted(out.glob(f"{GRIDS}/*.png"))
        if file.stem.isdecimal()  # others are not of this run
        and 1000 * int(file.stem) <= standing.images + 500  # later ones are of a run that was lost
    ]
    facts = facts_of(standing)
    page = render(
        "handsoff.training", "progress.html",
        page_title=f"{headline(standing)} – {out.resolve().name} – HandsOff training", name=out.resolve().name,
        headline=headline(standing), tone="good" if standing.finished else "", finished=standing.finished,
        written=f"{datetime.now(UTC).astimezone():%Y-%m-%d at %H:%M}", seconds=RELOAD_SECONDS,
        warnings=log[-1].get("warnings", []) if log else [], facts=facts,
        charts=charts(log), minutes=minutes_below(log),
        columns=[COLUMNS[name] for name in columns(log)], rows=rows(log),
        grid=grids[-1] if grids else None, earlier=spread(grids[:-1]),
        nearest=NEAREST if (out / NEAREST).is_file() else None, nearness=standing.nearness,
    )  # fmt: skip
    write_bytes(out / PAGE, page)


def read_log(path: Path) -> list[Entry]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def headline(standing: Standing) -> str:
    """How far it is, in a few words.

    >>> headline(Standing(23_400, 600.0, 40.0, 4_500.0, 61.0))
    '23.4 kimg, about 1 h 15 min left'
    """
    shown = f"{standing.images / 1000:,.1f} kimg"
    if standing.finished:
        return f"Finished after {shown}"
    return shown if standing.left is None else f"{shown}, about {spoken(standing.left)} left"


def spoken(seconds: float) -> str:
    """A time, rounded up to minutes.

    >>> spoken(40), spoken(4_500), spoken(200_000)
    ('1 min', '1 h 15 min', '55 h 34 min')
    """
    hours, minutes = divmod(max(math.ceil(seconds / 60), 1), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def facts_of(standing: Standing) -> list[tuple[str, str]]:
    best = f"{standing.best_fd:.2f}" if math.isfinite(standing.best_fd) else "not yet measured"
    return [
        ("images shown", f"{standing.images:,}"),
        ("time spent", spoken(standing.seconds)),
        ("images/s", "not yet measured" if standing.rate is None else f"{standing.rate:.1f}"),
        ("lowest FD-lite0", best),
    ]


def charts(log: Sequence[Entry]) -> list[LineChart]:
    """Losses and distances over kimg."""

    def line(name: str, colour: str) -> Line:
        points = [(entry["kimg"], entry[name]) for entry in log if entry.get(name) is not None]
        return Line(COLUMNS.get(name, "photos"), f"var(--{colour})", points)

    drawn = (
        line_chart(
            "Losses", [line("loss_d", "both"), line("loss_g", "synthetic"), line("loss_denoising", "both")], "kimg"
        ),
        line_chart("FD-lite0", [line("fd_lite0", "both"), line("fd_photos", "real")], "kimg"),
        line_chart("KD-lite0", [line("kd_lite0", "both")], "kimg"),
    )
    return [chart for chart in drawn if chart is not None]


def minutes_below(log: Sequence[Entry]) -> list[Tick]:
    """The minutes at every tick of kimg, between two snapshots by their share; beyond the last one nothing is known."""
    known = [(0.0, 0.0), *((entry["kimg"], entry["seconds"] / 60) for entry in log)]
    chart = line_chart("", [Line("", "", known)], "")
    if chart is None:
        return []
    written: list[Tick] = []
    for place, tick in chart.across:
        after = next((index for index, (kimg, _) in enumerate(known) if kimg >= float(tick)), None)
        if after is None:
            continue
        (kimg, minutes), (before, earlier) = known[after], known[max(after - 1, 0)]
        share = (float(tick) - before) / (kimg - before) if kimg > before else 0.0
        written.append((place, f"{earlier + share * (minutes - earlier):,.0f}"))
    return written


def rows(log: Sequence[Entry]) -> list[list[str]]:
    """The log as a table, the newest line first."""

    def cell(entry: Entry, name: str) -> str:
        value = entry.get(name)
        if value is None:
            return "–"
        if name == "copies":
            return f"{100 * value:.1f} %"
        return f"{value / 60:,.1f}" if name == "seconds" else f"{value:,.4g}"

    return [[cell(entry, name) for name in columns(log)] for entry in reversed(log)]


def columns(log: Sequence[Entry]) -> list[str]:
    """Of `COLUMNS` those that this log has: a GAN has other losses than a diffusion model."""
    return [name for name in COLUMNS if any(name in entry for entry in log)]


def spread(grids: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """At most `EARLIER` grids, spread evenly from the first to the last."""
    if len(grids) <= EARLIER:
        return list(grids)
    return [grids[round(index * (len(grids) - 1) / (EARLIER - 1))] for index in range(EARLIER)]
