"""Dataset cards: a YAML head that the hub accepts, and text that nothing in a name can break."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from handsoff.datasets.card import Card, account_in, cell, size_category
from handsoff.tasks.depth import Depth
from handsoff.tasks.segmentation import Segmentation

TASKS = {"segmentation": Segmentation({"classes": ["background", "eye"]}), "depth": Depth({"unit": "metres"})}
NAMES = st.text(st.characters(codec="utf-8"), min_size=1)


def head_of(text: str) -> dict[str, object]:
    start, head, _ = text.split("---\n", 2)
    assert start == ""
    found: dict[str, object] = yaml.safe_load(head)
    return found


def test_a_card_says_what_the_hub_asks_for() -> None:
    text = Card("Faces", 1200, "CC BY 4.0", TASKS, {"train": ["a/*", "b/*"], "val": ["c"]}, synthetic=True).text()
    assert head_of(text) == {
        "pretty_name": "Faces",
        "license": "cc-by-4.0",
        "task_categories": ["image-segmentation", "depth-estimation"],
        "size_categories": ["1K<n<10K"],
        "tags": ["handsoff", "synthetic", "segmentation", "depth"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": ["a/*", "b/*"]}, {"split": "val", "path": "c"}],
            }
        ],
    }
    assert "1,200 generated images with labels (segmentation, depth)" in text
    assert text.endswith("## Licence\n\nCC BY 4.0\n")


@given(NAMES, NAMES)
def test_no_licence_and_no_title_breaks_the_head(title: str, licence: str) -> None:
    head = head_of(Card(title, 5, licence, {}, {"train": ["x"]}).text())
    assert head["pretty_name"] == title
    assert head.get("license_name", licence) == licence or head["license"] != "other"


def test_how_a_dataset_was_made_is_found_again() -> None:
    assert account_in(Card("t", 1, "", {}, {}, about="## How\n\nSo.").text()) == "## How\n\nSo."
    assert account_in(Card("t", 1, "", {}, {}).text()) == account_in("another card") == ""


def test_sizes_and_cells() -> None:
    assert [size_category(count) for count in (0, 999, 1000, 10**6, 10**9)] == [
        "n<1K",
        "n<1K",
        "1K<n<10K",
        "1M<n<10M",
        "10M<n<100M",
    ]
    assert cell("a|b\nc") == "a\\|b c"
