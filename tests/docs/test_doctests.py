"""Examples in docstrings say the truth."""

import ast
import doctest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import handsoff

PACKAGE = Path(handsoff.__file__).parent


def examples() -> Iterator[doctest.DocTest]:
    """One per docstring with an example, without importing modules that have none."""
    parser = doctest.DocTestParser()
    for file in sorted(PACKAGE.rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(source)) if ">>> " in source else ():
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                name = f"{module}.{node.name}" if not isinstance(node, ast.Module) else module
                line = node.body[0].lineno - 1 if text else 0
                test = parser.get_doctest(text or "", {"__name__": module}, name, str(file), line)
                if test.examples:
                    yield test


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_an_example_gives_what_it_says(example: doctest.DocTest) -> None:
    example.globs.update(vars(import_module(example.globs["__name__"])))
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert result.failed == 0, "".join(report)
