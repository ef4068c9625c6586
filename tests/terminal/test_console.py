"""Whatever is printed is one harmless line."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsoff.terminal.console import finite, give, speak, visible


@given(st.text())
def test_visible_text_is_one_harmless_line(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert visible(shown) == shown
    shown.encode()


def test_json_has_no_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert finite({"a": [float("nan"), 1.5, "x"]}) == {"a": [None, 1.5, "x"]}
    speak(as_json=True)
    give({"a": float("inf"), "b": "\x1b\udcff"})
    speak()
    give({"not": "asked for"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": "\x1b\udcff"}
