"""The server's side of `handsoff review`: the API that docs/corrections.md lists, and the files of the page."""

from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException

from handsoff.core.errors import HandsOffError, InputError, MismatchError, UnknownNameError
from handsoff.core.files import png
from handsoff.core.images import decode_image
from handsoff.datasets.corrections import Correction, Decision
from handsoff.review.desk import Desk
from handsoff.review.labels import BYTES, PNG, from_browser, to_browser
from handsoff.review.queue import Filter
from handsoff.review.session import ConflictError, NoSuchSampleError, Session
from handsoff.review.thumbnails import SIDE

STATIC = Path(str(files("handsoff.review"))) / "static"
BAD, NOT_FOUND, NOT_MODIFIED, CONFLICT, ELSEWHERE, INVALID, PRECONDITION = 400, 404, 304, 409, 412, 422, 428
UNAVAILABLE = 503  # such as a full disk: the same request may be taken later
MOST_ROWS, DIGITS = 1000, 18  # rows of one answer; of a version, so that it is a number of 64 bits
Window = Annotated[str, Header(alias="X-Window", max_length=64)]


class SampleName(PathConvertor):
    """Anything, as a file may be called: also with folders and line ends."""

    regex = "(?s:.*)"


register_url_convertor("sample", SampleName())


class DecisionSent(BaseModel):
    """A decision, and the version of the sample that it was made on."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    decision: Decision
    version: int


class RefitSent(BaseModel):
    """What to do first after fitting again: the samples on the screen."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    names: list[str] = []


def create_app(desk: Desk) -> FastAPI:
    """The application; `review.guard` stands before it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for routes in (see, decide, learn, paint):
        app.include_router(routes(desk), dependencies=[Depends(refuse_others(desk.session))])
    app.add_exception_handler(HandsOffError, explain)
    app.add_exception_handler(HTTPException, explain_http)
    app.add_exception_handler(RequestValidationError, explain_invalid)
    if STATIC.is_dir():
        app.mount("/static", StaticFiles(directory=STATIC))

    @app.get("/")
    def page() -> Response:
        if not (STATIC / "index.html").is_file():
            return JSONResponse({"error": "This installation of HandsOff lacks the files of the page."}, NOT_FOUND)
        return FileResponse(STATIC / "index.html")

    return app


def refuse_others(session: Session) -> Callable[[str], None]:
    """What refuses the requests of a page that was opened for another dataset, which this port served before."""

    def check(dataset: Annotated[str, Header(alias="X-Dataset", max_length=64)] = "") -> None:
        if dataset not in {"", session.identity}:
            raise HTTPException(
                ELSEWHERE,
                "The server has another dataset now than this page: reload the page, or review its own dataset on this "
                "port again.",
            )

    return check


async def body(request: Request) -> bytes:
    """What was sent, as it is: a label may be JSON."""
    return await request.body()


def explain(_request: Request, error: Exception) -> Response:
    """One sentence about what a request did wrong."""
    content: dict[str, Any] = {"error": str(error)}
    if isinstance(error, ConflictError):
        content["current"] = state(error.current, error.corrected)
        return JSONResponse(content, CONFLICT)
    if isinstance(error, NoSuchSampleError):
        return JSONResponse(content, NOT_FOUND)
    wrong = isinstance(error, InputError | MismatchError | UnknownNameError)
    return JSONResponse(content, BAD if wrong else UNAVAILABLE)


def explain_http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else BAD
    return JSONResponse({"error": str(getattr(error, "detail", error))}, status)


def explain_invalid(_request: Request, error: Exception) -> Response:
    """Of all that is wrong with what was sent, the first."""
    first = cast("RequestValidationError", error).errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "What was sent"
    return JSONResponse({"error": f"{where}: {first['msg']}."}, INVALID)


def state(record: Correction, corrected: Iterable[str]) -> dict[str, Any]:
    """What was said about a sample, and the tasks whose label is corrected."""
    return {"version": record.version, "decision": record.decision, "corrected": sorted(corrected)}


def see(desk: Desk) -> APIRouter:
    """What there is to look at."""
    router, session, queue = APIRouter(prefix="/api"), desk.session, desk.queue

    @router.get("/dataset")
    def dataset() -> dict[str, Any]:
        return desk.facts()

    @router.get("/samples")
    def samples(
        order: str = "",
        part: str = "",
        decision: Decision | None = None,
        corrected: bool | None = None,  # noqa: FBT001  # a field of a query
        start: Annotated[int, Query(alias="from", ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 200,
        begun: Annotated[str, Query(alias="list", max_length=64)] = "",
    ) -> dict[str, Any]:
        token, names = queue.begun(begun, order or queue.orders()[0], Filter(part, decision, corrected))
        rows = [queue.row(name) for name in names[start : start + count]]
        return {"total": len(names), "samples": rows, "indexed": len(queue.shows), "list": token}

    @router.get("/image/{name:sample}")
    def image(name: str) -> Response:
        data = session.image_file(name)
        return Response(png(decode_image(data, name)), media_type=PNG)

    @router.get("/thumbnail/{name:sample}")
    def thumbnail(name: str, request: Request, task: str = "", size: int = SIDE) -> Response:
        data, tag = desk.thumbnails.get(name, task, size)
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=NOT_MODIFIED, headers=headers)
        return Response(data, media_type="image/jpeg", headers=headers)

    @router.get("/uncertainty/{task}/{name:sample}")
    def uncertainty(task: str, name: str) -> Response:
        values = desk.uncertainty(task, name)
        if values is None:
            raise NoSuchSampleError(f"There is no uncertainty map of {name!r} for {task}.")
        return Response(png(np.rint(values * 255).astype(np.uint8)), media_type=PNG)

    @router.get("/regions/{task}/{name:sample}")
    def regions(task: str, name: str) -> Response:
        return Response(desk.regions(task, name), media_type=BYTES)

    @router.get("/label/{task}/{name:sample}")
    def label(task: str, name: str) -> Response:
        with session.lock:
            found, record = session.label(task, name), session.record(name)
        data, media = to_browser(session.tasks[task], found)
        return Response(
            data, media_type=media, headers={"x-version": str(record.version), "etag": f'"{record.version}"'}
        )

    return router


def decide(desk: Desk) -> APIRouter:
    """What a person changes."""
    router, session = APIRouter(prefix="/api"), desk.session

    @router.put("/label/{task}/{name:sample}")
    def put_label(
        task: str,
        name: str,
        data: Annotated[bytes, Depends(body)],
        if_match: Annotated[str, Header()] = "",
        window: Window = "",
    ) -> dict[str, Any]:
        version = if_match.strip().strip('"')
        if not version.isdecimal() or len(version) > DIGITS:
            raise HTTPException(PRECONDITION, "Say with If-Match which version of the sample was corrected.")
        found = from_browser(session, task, name, data)
        record = session.correct(task, name, found, int(version), window)
        desk.look_at(name)
        return {"name": name, **state(record, session.corrections_of(name))}

    @router.put("/decision/{name:sample}")
    def put_decision(name: str, sent: DecisionSent, window: Window = "") -> dict[str, Any]:
        record = session.decide(name, sent.decision, sent.version, window)
        return {"name": name, **state(record, session.corrections_of(name))}

    @router.post("/undo")
    def undo(window: Window = "") -> dict[str, Any]:
        name, record = session.undo(window)
        desk.look_at(name)
        return {"name": name, **state(record, session.corrections_of(name))}

    @router.get("/changes")
    def changes(since: int = 0, window: Window = "") -> dict[str, Any]:
        clock, names = session.changes_since(since, window)
        return {"now": clock, "names": names}

    return router


def learn(desk: Desk) -> APIRouter:
    """What follows from it."""
    router = APIRouter(prefix="/api")

    @router.get("/suggest")
    def suggest(count: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20) -> dict[Literal["names"], list[str]]:
        return {"names": desk.suggest(count)}

    @router.post("/refit")
    def refit(sent: RefitSent | None = None) -> dict[str, Any]:
        return {"job": desk.start_refit(sent.names if sent else [])}

    @router.get("/refit")
    def refit_state() -> dict[str, Any]:
        return desk.refit_state()

    return router


def paint(desk: Desk) -> APIRouter:
    """Images that follow painted masks."""
    router = APIRouter(prefix="/api")

    @router.post("/paint/{name:sample}")
    def start(name: str, data: Annotated[bytes, Depends(body)]) -> dict[str, int]:
        painter = desk.painter()
        return {"job": painter.start(name, from_browser(desk.session, painter.task, name, data))}

    @router.get("/paint")
    def paint_state() -> dict[str, Any]:
        return desk.painter().state.record()

    @router.get("/painted/{job}/{side}/{what}")
    def picture(job: int, side: str, what: str) -> Response:
        return Response(png(desk.painter().picture(job, side, what)), media_type=PNG)

    @router.post("/painted/{job}")
    def keep(job: int) -> dict[str, str]:
        return desk.painter().keep(job)

    @router.delete("/painted/{job}")
    def drop(job: int) -> dict[str, Any]:
        desk.painter().drop(job)
        return desk.painter().state.record()

    return router
