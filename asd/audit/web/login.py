"""Signing in with a token, signing out, and the choice of light or dark."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from asd.audit.web.forms import local_path, read_form
from asd.audit.web.render import THEME_COOKIE, THEMES
from asd.audit.web.sessions import HOURS
from asd.audit.web.site import NotFoundError, Site

_LONGEST_TOKEN = 200


def router(site: Site) -> APIRouter:
    """Routes `/login`, `/logout`, `/theme`."""
    routes = APIRouter()

    @routes.get("/login")
    def ask(request: Request) -> Response:
        back = local_path(request.query_params.get("back"))
        return site.pages.show("login", site.view(request), back=back, problem="")

    @routes.post("/login")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        back = local_path(form.get("back"))
        address = request.client.host if request.client else ""
        wait = site.failures.wait(address)
        if wait:
            problem = f"Too many wrong tokens. Try again in {wait} seconds."
            answer = site.pages.show("login", site.view(request), 429, back=back, problem=problem)
            answer.headers["Retry-After"] = str(wait)
            return answer
        token = form.get("token", "").strip()[:_LONGEST_TOKEN]
        cookie = await run_in_threadpool(site.sessions.sign_in, token)
        if cookie is None:
            site.failures.note(address)
            problem = "Nobody has this token. `asd audit token NAME` makes one."
            return site.pages.show("login", site.view(request), 403, back=back, problem=problem)
        return _with_cookie(site, RedirectResponse(back, 303), cookie)

    @routes.post("/logout")
    async def sign_out(request: Request) -> Response:
        await site.written(request)
        site.sessions.sign_out(request.cookies.get(site.settings.cookie))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(site.settings.cookie, path="/")
        return answer

    @routes.get("/theme/{theme}")
    def choose(request: Request, theme: str) -> Response:
        if theme not in (*THEMES, "auto"):
            raise NotFoundError(f"There is no theme {theme!r}.")
        answer = RedirectResponse(local_path(request.query_params.get("back")), 303)
        answer.set_cookie(
            THEME_COOKIE, theme, max_age=365 * 86400, path="/", samesite="strict", secure=site.settings.secure
        )
        return answer

    return routes


def _with_cookie(site: Site, answer: Response, cookie: str) -> Response:
    answer.set_cookie(
        site.settings.cookie,
        cookie,
        max_age=HOURS * 3600,
        path="/",
        httponly=True,
        samesite="strict",
        secure=site.settings.secure,
    )
    return answer
