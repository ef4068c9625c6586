"""Who may ask: only a browser that was given the address with the token, only from pages of this server."""

import secrets
import socket
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 128 * 2**20  # of a request: a map of 33 million pixels, float32
LARGE = "The request is larger than 128 MiB."
FORBIDDEN, TOO_LARGE, SEE_OTHER = 403, 413, 303
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Checks every request before the application sees it.

    The token of the address is exchanged for a cookie that scripts cannot read and other sites cannot send. `Host` must
    name this machine, so that no other name can be pointed at it, and `Origin`, where it is sent, must be this server.
    """

    def __init__(self, app: ASGIApp, token: str, host: str, port: int) -> None:
        self.app, self.token, self.host, self.port = app, token, host, port
        self.cookie = f"handsoff-{port}"  # cookies do not tell ports apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = self.refusal(scope, headers)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self.app(scope, Counted(receive), with_headers(send))

    def refusal(self, scope: Scope, headers: dict[str, str]) -> Any:
        """The answer to a request that goes no further, None to one that does."""
        if not self.is_here(headers.get("host", "")):
            return said("This server has another name: use the address that handsoff review printed.", FORBIDDEN)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return said("Requests of other sites are refused.", FORBIDDEN)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return said(LARGE, TOO_LARGE)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET" and self.fits(given):
            answer = RedirectResponse("/", SEE_OTHER)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
            return answer
        if not self.fits(cookies(headers.get("cookie", "")).get(self.cookie, "")):
            return said("Open the address that handsoff review printed: it holds the token.", FORBIDDEN)
        return None

    def fits(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())

    def is_here(self, host: str) -> bool:
        """Whether a `Host` names this server: an address, `localhost`, this machine's name, or what was given."""
        try:
            name, port = urlsplit(f"//{host}").hostname or "", urlsplit(f"//{host}").port or 80
        except ValueError:
            return False
        if port != self.port:
            return False
        try:
            address = ip_address(name)
        except ValueError:
            return name in {"localhost", self.host.lower(), *self.names()}
        return address.is_loopback or self.is_open()

    def is_open(self) -> bool:
        """Whether other machines can ask."""
        return self.host not in {"127.0.0.1", "localhost", "::1"}

    def names(self) -> set[str]:
        return {socket.gethostname().lower(), socket.getfqdn().lower()} if self.is_open() else set()


class Counted:
    """The body of a request, until it has become too large."""

    def __init__(self, receive: Receive) -> None:
        self.receive, self.bytes = receive, 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.bytes += len(message.get("body", b""))
        if self.bytes > MOST_BYTES:
            raise HTTPException(TOO_LARGE, LARGE)
        return message


def with_headers(send: Send) -> Send:
    """The same answers, which browsers may use for nothing but this page."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message["headers"]}
            added = {**HEADERS, "cache-control": "no-store"}
            message["headers"] = [
                *message["headers"],
                *((name.encode(), value.encode()) for name, value in added.items() if name.encode() not in known),
            ]
        await send(message)

    return sending


def cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}


def said(sentence: str, status: int) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)
