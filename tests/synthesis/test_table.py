"""Columns: what decisions look at takes some bytes per sample, and the records stay in the ledger."""

import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handsoff.datasets.generated import read_records, write_records
from handsoff.engines.local import LOCAL
from handsoff.generators.contract import Conditions
from handsoff.jobs.folder import Job, Plan
from handsoff.jobs.progress import run_to_end
from handsoff.sampling.draws import Draws
from handsoff.synthesis.dataset import Production, make_shards
from handsoff.synthesis.output import FolderOutput
from handsoff.synthesis.select import select
from handsoff.synthesis.shard import SHARD, DrawShard, DrawShards, ShardContext
from handsoff.synthesis.table import SHARE, SHOWN, Samples, Table

PARTS = [("segmentation", part) for part in ("skin", "hair", "hat", "glasses")]
PER_SAMPLE = 40  # bytes: 8 of uncertainty, 4 of parts, 17 of decisions, and room for growth


def records(shard: DrawShard, _: ShardContext) -> list[dict[str, Any]]:
    """Of samples that nobody made, with a text that memory would notice."""
    return [
        {
            "name": name,
            "draw": draw.record(),
            "uncertainties": {"segmentation": draw.seed % 7 / 10},
            "shows": {"segmentation": {"skin": 0.5, **({"hat": 0.1} if draw.seed % 5 == 0 else {})}},
            "rest": {"text": name * 100},
        }
        for name, draw in zip(shard.names, shard.draws, strict=True)
    ]


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    def run(count: int) -> Iterator[int]:
        """What is in memory at the most on every step of a run."""
        out = tmp_path / str(count)
        shards, context = (
            DrawShards(0, (Draws(Conditions(), range(count)),)),
            ShardContext((), out, FolderOutput(out), Plan("generate", {}, {})),
        )
        begin = partial(Table, dict.fromkeys(PARTS, SHOWN))
        made = Production("records", records, shards, context, count, {}, begin)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        table = run_to_end(make_shards(Job(out, Plan("generate", {}, {}), "made"), made, LOCAL))
        samples = Samples(out, shards, table, select(table, 0.9, strata="parts"))
        write_records(out, samples)
        yield tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        list(run(SHARD))
        (few,), (many,) = run(4 * SHARD), run(20 * SHARD)
    finally:
        tracemalloc.stop()
    assert many - few < 16 * SHARD * PER_SAMPLE + 200_000
    told = read_records(tmp_path / str(4 * SHARD))
    assert [record["name"] for record in told] == [f"{number:08d}" for number in range(4 * SHARD)]
    assert sum(record["kept"] for record in told) == round(0.9 * 4 * SHARD)


VALUES = st.none() | st.integers(-5, 5) | st.floats(-1, 1)
WORDS = st.none() | st.sampled_from(["warm", "cold", "7"])


@given(st.lists(st.tuples(VALUES, st.integers(0, 9) | st.none(), WORDS, st.floats(0, 1)), min_size=1, max_size=20))
def test_columns_give_back_what_an_aim_names(rows: list[tuple[Any, ...]]) -> None:
    kinds = ("light", "cluster", "style")
    told = [
        {
            "uncertainties": {"segmentation": 0.5},
            "shows": {"segmentation": {"hat": share}} if share else {},
            "attributes": {name: value for name, value in zip(kinds, values, strict=True) if value is not None},
        }
        for *values, share in rows
    ]
    table = Table({("segmentation", "hat"): SHARE})
    for record in told:
        table.add([record])
    for row, record in enumerate(told):
        found = table.record(row)
        assert found["attributes"] == record["attributes"]
        assert str(found["attributes"].get("cluster")) == str(record["attributes"].get("cluster")), "3 is not 3.0"
        assert found["shows"]["segmentation"]["hat"] == record["shows"].get("segmentation", {}).get("hat", 0.0)
