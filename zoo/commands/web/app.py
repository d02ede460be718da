"""The web application: its addresses, and what is answered there."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from zoo import __version__
from zoo._utils.workers import cores
from zoo.commands.web.answers import Failure, Rejected, Structure
from zoo.commands.web.guard import Guard, error
from zoo.commands.web.openapi import document
from zoo.commands.web.uploads import LIMITS, read_uploads
from zoo.errors import InputError, ZooError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from pydantic import BaseModel
    from starlette.datastructures import FormData

    from zoo.commands.web.service import Service

PAGE = Path(__file__).parent / "page"
"""Folder of the page."""

_CUT = "the request ended before it was complete"


def create_app(service: Service, hosts: Collection[str] | None = None) -> Starlette:
    """Return the application for some models.

    Parameters
    ----------
    service : Service
    hosts : collection of str, optional
        See :class:`~zoo.commands.web.guard.Guard`.
    """
    pool = ThreadPoolExecutor(min(4, cores()), thread_name_prefix="zoo-serve")

    async def run(function: Callable[..., BaseModel], *arguments: Any) -> BaseModel:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)
        except asyncio.CancelledError:
            raise HTTPException(503, "the server is stopping") from None

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        pool.shutdown(wait=False, cancel_futures=True)

    async def health(_request: Request) -> Response:
        names = [each.name for each in service.models]
        return JSONResponse({"status": "ok", "version": __version__, "models": names})

    async def models(_request: Request) -> Response:
        return _json(service.described())

    async def description(_request: Request) -> Response:
        return JSONResponse(document())

    async def page(_request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def documentation(_request: Request) -> Response:
        return FileResponse(PAGE / "docs.html")

    async def predict(request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return error(415, "send structure files as multipart/form-data, in fields called files")
        async with _form(request) as form:
            sent = [each for each in form.getlist("files") if isinstance(each, UploadFile) and each.filename]
            if not sent:
                return error(400, "there is no file; send structure files in fields called files")

            def answer() -> BaseModel:
                upload = read_uploads([(each.filename or "", each.file) for each in sent])
                if upload.records:
                    return service.predict(upload)
                return _nothing_usable(upload.rejected)

            found = await run(answer)
        return _json(found, 422 if isinstance(found, Failure) else 200)

    async def contributions(request: Request) -> Response:
        body = await request.body()
        return _json(await run(lambda: service.contributions(_structure(body))))

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/api/models", models),
            Route("/api/predict", predict, methods=["POST"]),
            Route("/api/contributions", contributions, methods=["POST"]),
            Route("/openapi.json", description),
            Route("/docs", documentation),
            Route("/", page),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={
            HTTPException: _refused,
            InputError: _unusable,
            ZooError: _unusable,
            ClientDisconnect: _gone,
            Exception: _broken,
        },
        lifespan=lifespan,
    )


class _Parts(MultiPartParser):
    """The parts of a form, of which it is known whether the last one has come."""

    complete = False

    def on_end(self) -> None:
        self.complete = True


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    """Give the form in a request, whose files are closed afterwards."""
    parts = _Parts(request.headers, request.stream(), max_files=LIMITS.files, max_fields=10, max_part_size=10_000)
    try:
        form = await parts.parse()
    except MultiPartException as wrong:
        raise HTTPException(400, wrong.message) from None
    except FormParserError:  # which earlier releases of starlette pass on
        raise HTTPException(400, "the request is not valid multipart/form-data") from None
    try:
        if not parts.complete:
            raise HTTPException(400, _CUT)
        yield form
    finally:
        await form.close()


def _structure(body: bytes) -> Structure:
    try:
        return Structure.model_validate_json(body)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"not a structure: {place and f'{place}: '}{first['msg']}") from None


def _json(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status, media_type="application/json")


def _nothing_usable(rejected: list[Rejected]) -> Failure:
    first, count = rejected[0], len(rejected)
    before = f"none of {count} crystals can be used; the first: " if count > 1 else ""
    return Failure(error=f"{before}{first.file}: {first.reason}", rejected=rejected)


async def _refused(request: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, HTTPException)
    message = wrong.detail
    if wrong.status_code == 404:
        message = f"there is no {request.url.path} here; /docs lists what there is"
    elif wrong.status_code == 405:
        allowed = ", ".join(sorted((wrong.headers or {}).get("Allow", "GET").split(", ")))
        message = f"{request.url.path} takes {allowed} and not {request.method}; /docs says what is sent there"
    return error(wrong.status_code, message, dict(wrong.headers or {}))


async def _unusable(_request: Request, wrong: Exception) -> Response:
    return error(422, str(wrong))


async def _gone(_request: Request, _wrong: Exception) -> Response:
    """Answer a client that is gone; nobody reads it."""
    return error(400, _CUT)


async def _broken(_request: Request, _wrong: Exception) -> Response:
    """Answer with nothing about the inside; the traceback is in the log."""
    return error(500, "an error in zoo; the server's log has it")
