"""What was asked of a dataset and what came out, as a table."""

from handsoff.report.composition import composition_table

GROUP = {
    "group": "hat",
    "asked": 0.2,
    "reached": 0.031,
    "plain": 0.004,
    "photos": None,
    "of": "samples",
    "proposals": {"plain draws": {"tried": 1000, "confirmed": 4}, "direction": {"tried": 200, "confirmed": 50}},
}


def test_every_group_has_a_row() -> None:
    pixels = {**GROUP, "group": "glasses, share of the pixels", "of": "pixels", "photos": 0.05, "proposals": {}}
    table = composition_table({"kept": 90, "drawn": 1200, "groups": [GROUP, pixels]}, "50 labels")
    assert table.title == "Composition: 50 labels"
    assert "90 samples that stayed of 1,200" in table.reading
    assert table.rows[0] == ("hat", "20.0%", "3.1%", "0.4%", "–", "plain draws 4 of 1,000; direction 50 of 200")
    assert table.rows[1][1:5] == tuple(f"{share}% of the pixels" for share in (20.0, 3.1, 0.4, 5.0))
    assert all(len(row) == len(table.header) for row in table.rows)
