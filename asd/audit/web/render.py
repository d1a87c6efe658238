"""From facts to HTML: the templates, and what every page has around it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from asd.audit.limits import NO_PROOF
from asd.audit.report import count, number, page_environment, percent, points
from asd.audit.web.sessions import Session
from asd.layout import Cell
from asd.safe_text import safe_text

_TEMPLATES = Path(__file__).parent / "templates"
THEMES = ("light", "dark")
THEME_COOKIE = "asd-audit-theme"

Query = Mapping[str, str | int | None]


def environment() -> Environment:
    """Jinja with the words for values that the report uses, too."""
    made = page_environment(_TEMPLATES)
    made.filters |= {
        "percent": percent,
        "points": points,
        "count": count,
        "number": number,
        "safe": _refuse_safe,
        "safe_text": safe_text,
        "mib": lambda size: "–" if size is None else f"{size / 2**20:,.0f} MiB",
    }
    return made


def _refuse_safe(_value: object) -> str:
    raise TypeError("no template of these pages marks a text as safe")


def path_of(cell: Cell, *more: str) -> str:
    """Path of a run's page, or of one below it."""
    words = ("run", cell.dataset, cell.attack, cell.defense, str(cell.trial), *more)
    return "/" + "/".join(quote(word, safe="") for word in words)


def with_query(path: str, query: Query) -> str:
    """A path with those words of `query` that say something."""
    said = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(said)}" if said else path


class View:
    """What the templates know about one request.

    Attributes:
        session: of the reviewer who asks; None if nobody is signed in.
        truth: whether to show what is known only because it was planted.
        theme: `light`, `dark`, or "" for that of the machine.
        renews: whether a page about something at work loads itself again.
        here: path and query of this page.
    """

    def __init__(self, request: Request, session: Session | None) -> None:
        self.session = session
        self.truth = request.query_params.get("truth") != "0"
        theme = request.cookies.get(THEME_COOKIE, "")
        self.theme = theme if theme in THEMES else ""
        self.renews = request.query_params.get("renew") != "0"
        self.path = request.url.path
        self._query = dict(request.query_params)
        self.here = with_query(self.path, self._query)

    def link(self, path: str, **query: str | int | None) -> str:
        """A link to another page that keeps the choice to hide the truth."""
        return with_query(path, {**query, "truth": None if self.truth else "0"})

    def this(self, **changes: str | int | None) -> str:
        """This page with other words in its query."""
        return with_query(self.path, {**self._query, **changes})


class Pages:
    """Renders templates."""

    def __init__(self, workspace: str) -> None:
        self._environment = environment()
        self._workspace = workspace

    def show(self, template: str, view: View, status: int = 200, **facts: Any) -> HTMLResponse:
        """One page."""
        page = self._environment.get_template(f"{template}.html.j2")
        common = {"view": view, "workspace": self._workspace, "path_of": path_of, "no_proof": NO_PROOF}
        return HTMLResponse(page.render(**common, **facts), status)
