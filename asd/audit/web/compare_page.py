"""Two runs side by side: verdicts that changed, new sources, accuracy and attack success."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asd.audit.queries import changed_samples, compare
from asd.audit.revisions import find_run
from asd.audit.runs import Run
from asd.audit.web.picture_routes import picture_path
from asd.audit.web.site import NotFoundError, Site
from asd.errors import ParamsError

_SHOWN = 48
_LONGEST_NAME = 400


def router(site: Site) -> APIRouter:
    """Route `/compare`."""
    routes = APIRouter()

    @routes.get("/compare")
    def show(request: Request) -> Response:
        runs = {run.name: run for run in site.data.runs()}
        first, second = request.query_params.get("a") or "", request.query_params.get("b") or ""
        one, other = _named(site, runs, first), _named(site, runs, second)
        view = site.view(request)
        if one is None or other is None:
            return site.pages.show("compare", view, runs=list(runs), a=first, b=second, found=None)
        # the same run twice is allowed: nothing changed
        ledger = site.data.ledger(*dict.fromkeys((one, other)))
        changed = changed_samples(ledger, one, other, limit=_SHOWN)
        return site.pages.show(
            "compare",
            view,
            runs=list(runs),
            a=first,
            b=second,
            found=compare(ledger, one, other),
            cell=other.cell,
            changed=changed,
            picture=lambda row: picture_path(other.cell, row["row"], row["key"], row["content_sha256"]),
        )

    return routes


def _named(site: Site, runs: dict[str, Run], name: str) -> Run | None:
    """A run by its name, or by that of an earlier revision such as `CELL@previous`."""
    if not name or name in runs:
        return runs.get(name)
    try:
        return find_run(site.layout, name[:_LONGEST_NAME])
    except ParamsError as error:
        raise NotFoundError(str(error)) from error
