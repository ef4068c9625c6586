"""Settings on the command line."""

from pathlib import Path

import pytest

from handsoff.cli.options import about, listing, literals, meaning, parsed, settings_of
from handsoff.core.errors import InputError
from handsoff.formats.exchange import WRITERS
from handsoff.formats.settings import WRITTEN
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


def test_text_of_any_form_is_no_toml() -> None:
    """A regular expression may begin with a bracket."""
    assert settings_of("evaluate", ["group=[a-z]+"]).group == "[a-z]+"
    with pytest.raises(InputError, match="group = "):
        settings_of("evaluate", ["group=[a-z"])


def test_a_value_with_further_lines_is_refused() -> None:
    assert parsed("[1,\n2]") == [1, 2]
    for text in ("[1]\nseeds = 9", "{}\n[table]"):
        with pytest.raises(InputError, match="says more than one value") as caught:
            settings_of("evaluate", [f"curve={text}"])
        assert "\n" not in str(caught.value)


BESIDE = {"margin": ["around=labels"]}  # settings that say nothing alone → what is said with them


@pytest.mark.parametrize("verb", VERBS)
def test_help_lists_every_setting_as_it_can_be_given(verb: str) -> None:
    lines = listing(verb).splitlines()
    needed = {"n": 5} if verb in {"generate", "sample"} else {}
    for name, field in VERBS[verb].settings.model_fields.items():
        (index,) = [
            index for index, line in enumerate(lines) if line.split()[0] == name and line.startswith("  " + name)
        ]
        said, explained = lines[index], lines[index + 1]
        assert explained.startswith("      "), f"{name} is not explained"
        assert explained.strip()[0] == explained.strip()[0].upper()
        if field.is_required():
            assert said.endswith("(needed)")
        elif field.default is not None:
            stated = [said.strip(), *BESIDE.get(name, ())]
            assert getattr(settings_of(verb, stated, **needed), name) == field.default


@pytest.mark.parametrize("verb", VERBS)
def test_help_names_the_choices(verb: str) -> None:
    for field in VERBS[verb].settings.model_fields.values():
        assert all(choice in meaning(field) for choice in literals(field))


def test_help_names_the_formats_that_can_be_written() -> None:
    assert set(WRITTEN) == set(WRITERS)
    assert all(name in about("convert", "format") for name in WRITERS)


@pytest.mark.parametrize(
    ("verb", "assignment", "sentence"),
    [
        ("fit", "hidden=(128, 32)", "fit: hidden = (128, 32) cannot be: write a list in brackets"),
        ("fit", "hidden=128", "write a list in brackets"),
        ("fit", "steps=3.5", "steps = 3.5 cannot be: write a whole number"),
        ("fit", "lr=fast", "lr = fast cannot be: write a number"),
        ("train", "mirror=perhaps", "write true or false"),
        ("train", "discriminator=projectd", "did you mean projected? choose one of projected, stylegan2"),
        ("train", "discriminator=word", "cannot be: choose one of projected, stylegan2"),
        ("train", "framing=letter", "choose one of crop, letterbox, pad, stretch"),
        ("train", "minuets=5", "train has no setting 'minuets': did you mean minutes? choose one of augment"),
        ("convert", "classes=eye", "write a table in braces"),
        ("generate", "drop=some", "choose one of any, all"),
        ("train", f"batch={'9' * 5000}", "batch = 9999"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_what_can(verb: str, assignment: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        settings_of(verb, [assignment], **({"n": 5} if verb == "generate" else {}))
    assert sentence in str(error.value)
    assert len(str(error.value)) < 600


def test_an_unusable_file_is_no_setting() -> None:
    with pytest.raises(InputError, match="import: framing = cut cannot be"):
        settings_of("import", None, framing="cut", licence=str(Path("CC0")))
