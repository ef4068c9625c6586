"""Who may ask the server: the browser with the token, from its own page, on this machine."""

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from handsoff.core.errors import HandsOffError, InputError
from handsoff.review.guard import MOST_BYTES, Guard
from handsoff.review.serve import listening, shown

BASE = "http://127.0.0.1:8000"


def client(host: str = "127.0.0.1", base: str = BASE) -> TestClient:
    app = FastAPI()

    @app.get("/")
    def page() -> str:
        return "page"

    @app.put("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    return TestClient(Guard(app, "secret", host, 8000), base_url=base, follow_redirects=False)


def test_the_token_becomes_a_cookie_and_leaves_the_address() -> None:
    browser = client()
    assert browser.get("/").status_code == 403
    assert browser.get("/?token=guess").status_code == 403
    answer = browser.get("/?token=secret")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    page = browser.get("/")
    assert page.json() == "page"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": BASE}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9000"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example:8000"}, 403),
        ({"host": "127.0.0.1:9000"}, 403),
        ({"host": "192.168.0.7:8000"}, 403),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "127.0.0.1:nonsense"}, 403),
    ],
)
def test_other_sites_and_other_names_are_refused(headers: dict[str, str], status: int) -> None:
    browser = client()
    assert browser.get("/", headers={"cookie": "handsoff-8000=secret", **headers}).status_code == status


def test_a_server_for_others_is_known_by_any_address_but_by_no_strange_name() -> None:
    browser = client("0.0.0.0")  # noqa: S104  # nothing listens
    cookie = {"cookie": "handsoff-8000=secret"}
    assert browser.get("/", headers={**cookie, "host": "192.168.0.7:8000"}).status_code == 200
    assert browser.get("/", headers={**cookie, "host": "evil.example:8000"}).status_code == 403


def test_large_requests_are_refused_whether_they_say_so_or_not() -> None:
    browser, cookie = client(), {"cookie": "handsoff-8000=secret"}
    assert browser.put("/body", content=b"x" * 1000, headers=cookie).json() == 1000
    assert browser.put("/body", content=b"x" * (MOST_BYTES + 1), headers=cookie).status_code == 413
    pieces = (b"x" * 2**20 for _ in range(MOST_BYTES // 2**20 + 1))
    assert browser.put("/body", content=pieces, headers=cookie).status_code == 413


def test_a_port_in_use_is_said() -> None:
    with listening("127.0.0.1", 0) as taken, pytest.raises(HandsOffError, match="choose another with --port"):
        listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError, match="no address of this machine"):
        listening("nowhere.invalid", 0)


def test_addresses_can_be_opened() -> None:
    assert [shown(host) for host in ("127.0.0.1", "0.0.0.0", "::1")] == ["127.0.0.1", "127.0.0.1", "[::1]"]  # noqa: S104
