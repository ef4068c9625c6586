"""The command line: every command parses its options, does the work with a progress bar, and prints one table."""

import errno
import os
import sys

import typer

from handsoff.cli import steps as steps  # noqa: PLC0414  # importing them makes them commands
from handsoff.cli import whole as whole  # noqa: PLC0414  # as above
from handsoff.cli.app import app
from handsoff.core.errors import HandsOffError
from handsoff.terminal.console import complaints, give, say, speak

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]  # typer's UsageError, which it does not export
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0, 2 for what the user can mend, 130 when interrupted. A bug shows its traceback.
    """
    arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    speak(as_json="--json" in arguments)  # before they are parsed, as they may be wrong
    try:
        return run(arguments)
    finally:
        speak()  # whatever this process does next is not asked for with the command's options


def run(arguments: list[str]) -> int:
    """The same, once it is known how to speak."""
    try:
        code = app(args=arguments, prog_name="handsoff", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except HandsOffError as error:
        return complain(str(error))
    except USAGE_ERROR as error:
        sentence = " ".join(error.format_message().split()).rstrip(".?")  # type: ignore[attr-defined]  # UsageError has it
        return complain(f"{sentence}. See handsoff --help.")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, RuntimeError) as error:
        wrong = wrong_path(error)
        if wrong is None:
            raise
        return complain(str(wrong))
    if code == INTERRUPTED:  # newer typer turns the interrupt into this itself
        say("stopped; run the same command again to continue", complaints)
        give({"error": "interrupted"})
    return int(code or 0)


def wrong_path(error: OSError | RuntimeError) -> HandsOffError | None:
    """What is wrong with a path or its disk; None: the error may be a bug."""
    from handsoff.core.files import path_error  # noqa: PLC0415  # brings torch along

    cause = error if isinstance(error, OSError) else error.__context__
    circle = isinstance(cause, OSError) and cause.errno == errno.ELOOP  # of which Path.resolve makes a RuntimeError
    return path_error(cause) if isinstance(cause, OSError) and (cause is error or circle) else None


def complain(sentence: str) -> int:
    say(f"handsoff: {sentence}", complaints)
    give({"error": sentence})
    return 2
