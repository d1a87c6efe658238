"""What every request must pass before a page sees it, and the headers that every answer carries.

A page is asked for by its own name only (another name that leads here is a rebinding attack), a
write comes from our own page, nothing large comes in, and where the server can be reached from
other machines every page needs a session.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asd.audit.web.sessions import Sessions
from asd.audit.web.settings import Settings

MOST_BODY = 16 * 2**10
"""Bytes of a form; the longest has a note of 2,000 letters."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self'",
        "style-src 'self'",
        "script-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not no-referrer: with it a browser sends the origin of our own forms as null
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HOST = re.compile(r"(\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(:[0-9]{1,5})?", re.ASCII)
_WITHOUT_SESSION = ("/login", "/static/", "/theme/")


class TooLargeError(Exception):
    """More came in than a form can hold."""


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal(scope)
        if answer is None:
            await self._app(scope, _capped(receive), send_with_headers)
        else:
            await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """What to answer instead of a page; None if the request may pass."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        if not self._host_is_ours(headers):
            return _refuse(421, "this server does not go by that name")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY:
            return _refuse(413, "too much was sent")
        if method not in ("GET", "HEAD") and not _from_our_page(headers):
            return _refuse(403, "a write must come from a page of this server")
        if self._settings.open_to_read or path.startswith(_WITHOUT_SESSION):
            return None
        if self._sessions.find(HTTPConnection(scope).cookies.get(self._settings.cookie)) is not None:
            return None
        if method != "GET":
            return _refuse(401, "sign in first")
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"/login?back={quote(path + ('?' + query if query else ''))}", 303)

    def _host_is_ours(self, headers: Headers) -> bool:
        found = headers.getlist("host")
        return len(found) == 1 and _name_of(found[0]) in self._settings.hosts


def _name_of(host: str) -> str:
    """`Localhost:8765` -> `localhost`, `[::1]:8765` -> `::1`; "" for what is no address."""
    found = _HOST.fullmatch(host.lower())
    return "" if found is None else (found["name"] or found["six"]).rstrip(".")


def _from_our_page(headers: Headers) -> bool:
    """Whether the browser says so: by our own address as origin, or as a request of the same origin."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and site is None:
        return False
    if site not in (None, "same-origin"):
        return False
    return origin is None or (
        origin.startswith(("http://", "https://")) and origin.partition("://")[2] == headers.get("host")
    )


def _capped(receive: Receive) -> Receive:
    held = 0

    async def counted() -> Message:
        nonlocal held
        message = await receive()
        if message["type"] == "http.request":
            held += len(message.get("body", b""))
            if held > MOST_BODY:
                raise TooLargeError
        return message

    return counted


def _refuse(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)
