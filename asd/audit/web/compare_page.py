"""Two runs side by side: verdicts that changed, new sources, accuracy and attack success."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asd.audit.queries import changed_samples, compare
from asd.audit.runs import Run
from asd.audit.web.picture_routes import picture_path
from asd.audit.web.site import NotFoundError, Site

_SHOWN = 48


def router(site: Site) -> APIRouter:
    """Route `/compare`."""
    routes = APIRouter()

    @routes.get("/compare")
    def show(request: Request) -> Response:
        runs = {run.name: run for run in site.data.runs()}
        first, second = request.query_params.get("a") or "", request.query_params.get("b") or ""
        one, other = _named(runs, first), _named(runs, second)
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


def _named(runs: dict[str, Run], name: str) -> Run | None:
    if name and name not in runs:
        raise NotFoundError(f"There is no audited run {name[:200]} in this workspace.")
    return runs.get(name)
