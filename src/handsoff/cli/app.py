"""The command line's frame: the application, and the options that every command takes, before or after its name."""

import functools
import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from handsoff.terminal.console import console, give, manner, say, speak

SENTENCE = "A folder of images and a few labels in; a labelled dataset and an honest report out."
Command = Callable[..., None]

app = typer.Typer(rich_markup_mode=None, help=SENTENCE)


def show_version(wanted: bool) -> bool:  # noqa: FBT001  # typer calls it with the flag's value
    if wanted:
        say(f"handsoff {version('handsoff-labels')}")
        give({"version": version("handsoff-labels")})
        raise typer.Exit
    return wanted


def be_quiet(wanted: bool) -> bool:  # noqa: FBT001  # as above
    if wanted:
        speak(quiet=True, verbose=manner.verbose, as_json=manner.json)
    return wanted


def be_verbose(wanted: bool) -> bool:  # noqa: FBT001  # as above
    if wanted:
        speak(quiet=console.quiet, verbose=True, as_json=manner.json)
    return wanted


def speak_json(wanted: bool) -> bool:  # noqa: FBT001  # as above
    if wanted:
        speak(quiet=console.quiet, verbose=manner.verbose, as_json=True)
    return wanted


def compute_on(device: str | None) -> str | None:
    if device is not None:
        from handsoff.core.device import use_device  # noqa: PLC0415  # brings torch along

        use_device(device)
    return device


Flag = functools.partial(typer.Option, is_eager=True)
SHARED = {
    "quiet": (bool, Flag("-q", "--quiet", callback=be_quiet, help="Print nothing but warnings and errors.")),
    "verbose": (
        bool,
        Flag("--verbose", callback=be_verbose, help="Also show inputs, settings, device and the time of every stage."),
    ),
    "as_json": (
        bool,
        Flag("--json", callback=speak_json, help="Print the result as one JSON object; all else goes to stderr."),
    ),
    "device": (
        str | None,
        typer.Option(
            callback=compute_on,
            metavar="cpu|cuda|cuda:N|mps",
            help="Compute there. [the first GPU where there is one, else cpu]",
            show_default=False,
        ),
    ),
}


def shared(function: Command) -> Command:
    """The same command with the options that all commands share; their callbacks do what they say."""
    own = inspect.signature(function, eval_str=True)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if kind is bool else None,
            annotation=Annotated[kind, option],
        )
        for name, (kind, option) in SHARED.items()
    ]

    @functools.wraps(function)
    def command(**given: Any) -> None:
        function(**{name: value for name, value in given.items() if name not in SHARED})

    signature = own.replace(parameters=[*own.parameters.values(), *options])
    command.__signature__ = signature  # type: ignore[attr-defined]  # inspect looks for it
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in signature.parameters.values()}
    return command


def command(
    name: str | None = None, *, about: str | None = None, epilog: str | None = None
) -> Callable[[Command], Command]:
    """Make a function a command of the application; without `about` its docstring is its help."""

    def register(function: Command) -> Command:
        app.command(name, help=about, epilog=epilog)(shared(function))
        return function

    return register


@app.callback()
@shared
def handsoff(
    _version: Annotated[  # noqa: FBT002  # typer makes a flag of it
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A folder of images and a few labels in; a labelled dataset and an honest report out."""
