"""The shell commands of the documentation and of workflows: verbs, options, settings and files that exist."""

import re
import shlex
from typing import Any

from typer.main import get_command

from handsoff.cli.main import app
from pages import ROOT

COMMANDS: Any = get_command(app)
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def without_brackets(code: str) -> str:
    """`handsoff convert PATH [--first N]` without the brackets around what may be left out."""
    return re.sub(r"\[(-[^\[\]]*)\]", lambda found: found[1].removesuffix("..."), code)


def commands(code: str) -> list[list[str]]:
    """The words of every command."""
    found: list[list[str]] = []
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not set(word) <= set("|&;()"):
                words.append(word)
            elif words:
                found.append(words)
                words = []
    return found


def check_command(words: list[str]) -> None:
    """Verb, options and settings of `handsoff`; targets of `make`; scripts of this repository."""
    names = [word.rpartition("/")[2] for word in words]
    if "handsoff" in names[:1] or ["-m", "handsoff"] in [words[i : i + 2] for i in range(len(words))]:
        check_handsoff(words[names.index("handsoff") + 1 :])
    elif words[0] == "make":
        targets = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
        assert targets <= TARGETS, f"the Makefile has no {targets - TARGETS}"
    elif words[0] in {"bash", "python"} and not words[1].startswith("-"):
        assert (ROOT / words[1]).is_file(), f"there is no {words[1]}"


def check_handsoff(words: list[str]) -> None:
    verb, *arguments = words or ["--help"]
    if verb.startswith("-"):
        known = {"--help", *(option for parameter in COMMANDS.params for option in parameter.opts)}
        assert verb in known, f"handsoff has no {verb}"
        return
    assert verb in COMMANDS.commands, f"handsoff has no verb {verb}"
    command = COMMANDS.commands[verb]
    try:
        context = command.make_context(verb, ["1" if word == "N" else word for word in arguments])
    except Exception as error:  # of click's many, which typer does not export
        raise AssertionError(f"handsoff {shlex.join(words)}: {error}") from error
    settings = set(re.findall(r"^  (\w+)", command.epilog or "", re.MULTILINE)) | {"NAME"}
    stated = {assignment.partition("=")[0] for assignment in context.params.get("assignments") or ()}
    assert stated <= settings, f"handsoff {verb} has no setting {stated - settings}"
