"""The server of `handsoff review`: one process, on this machine unless it is told otherwise."""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handsoff.core.errors import HandsOffError, InputError
from handsoff.jobs.lock import locked

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HERE = "127.0.0.1"
ANY_PORT = 0
Announce = Callable[[str], None]  # is told the address


def serve(dataset: Path, labeler: Path | None, announce: Announce, *, host: str = HERE, port: int = ANY_PORT) -> None:
    """Serve the review of a dataset until it is interrupted.

    The lock is taken before anything is read, so that nobody can change what was read.

    Args:
        dataset: folder or zip.
        labeler: the folder of `handsoff fit` that learns from what is corrected.
        announce: is told the address, once it can be opened.
        host: where to listen: 127.0.0.1 is this machine alone.
        port: 0: any that is free.

    Raises:
        HandsOffError: the extra `review` is not installed, the port is in use, or the dataset is under review already.
        InputError: the dataset or the labeler cannot be used.
        MismatchError: they do not belong together.
    """
    uvicorn = require_uvicorn()
    from handsoff.datasets.corrections import corrections_folder  # noqa: PLC0415  # brings torch along
    from handsoff.review.app import create_app  # noqa: PLC0415  # needs FastAPI
    from handsoff.review.desk import open_desk  # noqa: PLC0415  # as above
    from handsoff.review.guard import Guard  # noqa: PLC0415  # as above
    from handsoff.review.session import dataset_folder, open_session  # noqa: PLC0415  # as above

    with alone(corrections_folder(dataset_folder(dataset)), dataset), listening(host, port) as listener:
        desk = open_desk(open_session(dataset), labeler)
        number, token = int(listener.getsockname()[1]), secrets.token_urlsafe(24)
        app: ASGIApp = Guard(create_app(desk), token, host, number)
        config = uvicorn.Config(app, log_level="error", access_log=False, server_header=False, lifespan="off")
        threading.Thread(target=desk.look_at_all, daemon=True).start()
        announce(f"http://{shown(host)}:{number}/?token={token}")
        try:
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            desk.stop()


@contextmanager
def alone(corrections: Path, dataset: Path) -> Iterator[None]:
    """Hold the lock of a dataset's corrections.

    Raises:
        HandsOffError: another process holds it, or nothing can be written there.
    """
    if not os.access(corrections if corrections.is_dir() else corrections.parent, os.W_OK):
        raise HandsOffError(f"{corrections} cannot be written, where corrections go: copy {dataset} to where you may.")
    with ExitStack() as held:
        try:
            held.enter_context(locked(corrections))
        except HandsOffError:
            raise HandsOffError(
                f"{dataset} is under review already: open the address that was printed then, or end that process."
            ) from None
        yield


def require_uvicorn() -> Any:
    """The server's package.

    Raises:
        HandsOffError: the extra is not installed.
    """
    try:
        import fastapi  # noqa: F401, PLC0415  # an extra
        import uvicorn  # noqa: PLC0415  # as above
    except ImportError:
        raise HandsOffError(
            "handsoff review needs FastAPI and uvicorn: pip install 'handsoff-labels[review]'."
        ) from None
    return uvicorn


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        InputError: the address is not one of this machine.
        HandsOffError: the port is in use or cannot be used.
    """
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host} is no address of this machine ({error.strerror}): try 127.0.0.1.") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen()
    except OSError as error:
        listener.close()
        raise HandsOffError(
            f"handsoff review cannot listen on port {port} of {host} ({error.strerror}): choose another with --port, "
            "or leave it away."
        ) from None
    return listener


def shown(host: str) -> str:
    """A host as it stands in an address that can be opened on this machine."""
    return {"0.0.0.0": HERE, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  # not bound here
