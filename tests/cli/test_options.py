"""Settings on the command line."""

from pathlib import Path

import pytest

from handsoff.cli.options import listing, parsed, settings_of
from handsoff.core.errors import InputError
from handsoff.verbs import VERBS


def test_any_setting_can_be_set() -> None:
    settings = settings_of("train", ["mixing=0.5", "mirror=false", "resolution=32x16", "seed = 7"], seed=3, kimg=None)
    assert (settings.mixing, settings.mirror, settings.resolution, settings.seed, settings.kimg) == (
        0.5,
        False,
        "32x16",
        7,
        None,
    )
    with pytest.raises(InputError, match=r"train has no setting 'nothing': choose one of"):
        settings_of("train", ["nothing=1"])
    with pytest.raises(InputError, match="lacks a value"):
        settings_of("train", ["seed"])


def test_tables_and_lists_are_toml_and_all_else_is_text() -> None:
    assert parsed("{merge = {'a,b' = 'c'}}") == {"merge": {"a,b": "c"}}
    assert parsed("[1, 2]") == [1, 2]
    assert parsed("3") == "3"
    with pytest.raises(InputError, match="is not valid TOML"):
        parsed("[1")
    assert settings_of("convert", ["tasks=['depth']"]).tasks == ("depth",)


@pytest.mark.parametrize("verb", VERBS)
def test_help_lists_every_setting_with_its_default(verb: str) -> None:
    lines = listing(verb).splitlines()
    for name, field in VERBS[verb].settings.model_fields.items():
        (line,) = [line for line in lines if line.split()[0].rstrip(":") == name]
        assert field.default is None or field.is_required() or f"[{field.default}]" in line


def test_an_unusable_file_is_no_setting() -> None:
    with pytest.raises(InputError, match="import: framing = cut cannot be"):
        settings_of("import", None, framing="cut", licence=str(Path("CC0")))
