"""The app: every page behind the guard, and every error a page with words."""

from __future__ import annotations

from pathlib import Path

import duckdb
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from asd.audit.web import (
    compare_page,
    drops_page,
    gallery_page,
    login,
    picture_routes,
    run_pages,
    sample_page,
    seeds_page,
)
from asd.audit.web.guard import Guard, TooLargeError
from asd.audit.web.settings import Settings
from asd.audit.web.site import ForbiddenError, NotFoundError, Site
from asd.errors import AsdError, BusyError, ParamsError

_PARTS = (
    *(login, run_pages, drops_page, gallery_page, sample_page, seeds_page, compare_page, picture_routes),
)
_STATIC = Path(__file__).parent / "static"
_FILES = {"audit.css": "text/css", "audit.js": "text/javascript", "icon.svg": "image/svg+xml"}


def create_app(settings: Settings) -> Guard:
    """The audit page of one workspace, as an ASGI app."""
    site = Site(settings)
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for part in _PARTS:
        app.include_router(part.router(site))

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in _FILES:
            raise NotFoundError("There is no such file.")
        return FileResponse(_STATIC / name, media_type=_FILES[name], headers={"Cache-Control": "no-cache"})

    _add_errors(app, site)
    return Guard(app, settings, site.sessions)


def _add_errors(app: FastAPI, site: Site) -> None:
    def page(request: Request, status: int, title: str, text: str) -> Response:
        return site.pages.show("problem", site.view(request), status, title=title, text=text)

    @app.exception_handler(NotFoundError)
    def missing(request: Request, error: NotFoundError) -> Response:
        return page(request, 404, "Not found", str(error))

    @app.exception_handler(ForbiddenError)
    def forbidden(request: Request, error: ForbiddenError) -> Response:
        return page(request, 403, "Not allowed", str(error))

    @app.exception_handler(TooLargeError)
    def too_large(request: Request, error: TooLargeError) -> Response:
        return page(request, 413, "Too much", "More was sent than a form can hold.")

    @app.exception_handler(AsdError)
    def refused(request: Request, error: AsdError) -> Response:
        text = site.shown(error)
        if isinstance(error, BusyError):
            return page(request, 503, "Busy", text)
        if isinstance(error, ParamsError):
            return page(request, 400, "That cannot be done", text)
        return page(request, 503, "The data cannot be read", text)

    @app.exception_handler(duckdb.Error)
    @app.exception_handler(FileNotFoundError)
    def replaced(request: Request, error: Exception) -> Response:
        text = "A file of this run was taken away or replaced while it was read: a run is at work. Try again."
        return page(request, 503, "Not now", text)

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        titles = {404: "Not found", 405: "Not allowed"}
        title = titles.get(error.status_code, "That cannot be done")
        return page(request, error.status_code, title, "There is no such page.")
