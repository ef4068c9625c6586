"""Write `src/handsoff/__init__.pyi`: what editors, type checkers and the reference know of the functions made of verbs.

Run it after a change to a verb's inputs or settings: `python tools/write_stub.py`. A test compares.
"""

import inspect
import textwrap
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import handsoff
from handsoff.api.signatures import document, signature_of
from handsoff.verbs import VERBS, Verb

STUB = Path(handsoff.__file__).with_name("__init__.pyi")
HEAD = '''"""Written by tools/write_stub.py from the inputs and settings of the verbs."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

'''


SPECIAL = {None: "None", types.NoneType: "None", Ellipsis: "...", Any: "Any"}


def text_of(annotation: Any) -> str:
    """An annotation as it stands in a file that has the imports of `HEAD`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is None:
        return SPECIAL.get(annotation) or annotation.__name__
    if origin is Annotated:
        return text_of(inner[0])
    if origin in (Union, types.UnionType):
        return " | ".join(map(text_of, inner))
    if origin is Literal:
        return f"Literal[{', '.join(map(quoted, inner))}]"
    if origin is tuple and inner[1:] == (Ellipsis,):
        return f"Sequence[{text_of(inner[0])}]"
    return f"{origin.__name__}[{', '.join(map(text_of, inner))}]"


def quoted(value: Any) -> str:
    """A literal as the formatter writes it."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def default_of(value: Any) -> str:
    """A default as the formatter writes it."""
    if isinstance(value, tuple):
        inner = ", ".join(map(quoted, value))
        return f"({inner}{',' * (len(value) == 1)})"
    return quoted(value)


def function_text(verb: Verb) -> str:
    """The stub of one function, a parameter a line."""
    lines, by_name = [f"def {verb.function}("], False
    for parameter in signature_of(verb).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not by_name:
            lines.append("    *,")
            by_name = True
        has_default = parameter.default is not inspect.Parameter.empty
        default = f" = {default_of(parameter.default)}" if has_default else ""
        lines.append(f"    {parameter.name}: {text_of(parameter.annotation)}{default},")
    return "\n".join([*lines, f') -> Path:\n    """{textwrap.indent(document(verb), "    ").lstrip()}    """\n'])


def stub() -> str:
    """The whole file."""
    homes = sorted((home, name) for name, home in handsoff._HOMES.items())  # noqa: SLF001  # one list for both
    imports = "".join(f"from {home} import {name} as {name}\n" for home, name in homes)
    names = "".join(f'    "{name}",\n' for name in handsoff.__all__)
    functions = "\n".join(function_text(verb) for verb in sorted(VERBS.values(), key=lambda verb: verb.function))
    return f"{HEAD}{imports}\n__all__ = [\n{names}]\n__version__: str\n\n{functions}"


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
