"""What a verb looks like as a function: its inputs, the folder to write, and its settings as keywords."""

import inspect
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from handsoff.engines.choice import EngineSettings
from handsoff.verbs import Verb

AnyPath = str | os.PathLike[str]
WIDTH = 112
OUT = "The folder to write; the same call again goes on where it was, or does nothing where it is finished."
PROGRESS = "Show how far the work is; unless said, in a terminal and in a notebook."


def fields_of(verb: Verb) -> dict[str, FieldInfo]:
    """What can be set by name: the settings of a verb and, where its work is cut into shards, those of the engine."""
    return {**verb.settings.model_fields, **(EngineSettings.model_fields if verb.shards else {})}


def signature_of(verb: Verb) -> inspect.Signature:
    """Needed inputs and `out` by position or name; optional inputs, `progress` and all settings by name."""
    both, named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    kinds = {given.name: AnyPath | Sequence[AnyPath] if given.several else AnyPath for given in verb.inputs}
    needed = [
        inspect.Parameter(given.name, both, annotation=kinds[given.name]) for given in verb.inputs if not given.optional
    ]
    optional = [
        inspect.Parameter(given.name, named, default=None, annotation=kinds[given.name] | None)
        for given in verb.inputs
        if given.optional
    ]
    settings = [
        inspect.Parameter(
            name,
            named,
            default=inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True),
            annotation=field.annotation,
        )
        for name, field in fields_of(verb).items()
    ]
    out = inspect.Parameter("out", both, annotation=AnyPath)
    progress = inspect.Parameter("progress", named, default=None, annotation=bool | None)
    settings.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)  # needed ones first
    return inspect.Signature([*needed, out, *settings, *optional, progress], return_annotation=Path)


def document(verb: Verb) -> str:
    """The docstring: what the verb does, and every argument."""
    said = [(given.name, given.about) for given in verb.inputs if not given.optional]
    said.append(("out", OUT))
    said += [(name, sentence(field.description)) for name, field in fields_of(verb).items()]
    said += [(given.name, given.about) for given in verb.inputs if given.optional]
    said.append(("progress", PROGRESS))
    lines = [verb.summary, "", f"As `handsoff {verb.name}`.", "", "Args:"]
    for name, text in said:
        lines += textwrap.wrap(f"{name}: {text}", WIDTH, initial_indent="    ", subsequent_indent="        ")
    lines += ["", "Returns:", "    The folder `out`, whose `report.json` says what was done."]
    lines += ["", "Raises:", "    HandsOffError: An input or a setting cannot be used; the message says which and why."]
    return "\n".join([*lines, ""])


def sentence(text: str | None) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def as_text(verb: Verb, values: dict[str, Any]) -> dict[str, Any]:
    """Settings that are text may be given as what they mean: `resolution=64`, `photos=Path("photos")`."""
    fields = fields_of(verb)
    return {
        name: str(value)
        if fields[name].annotation in (str, str | None) and isinstance(value, int | os.PathLike)
        else value
        for name, value in values.items()
    }
