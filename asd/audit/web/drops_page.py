"""The drops page: what arrived, what was refused and why, and how drops and sources fared in each run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asd.audit.summary import drop_facts
from asd.audit.web.data import read_facts
from asd.audit.web.site import Site
from asd.drop_records import DropRecord, read_records

_DROPS, _REASONS, _RUNS = 200, 100, 20


def router(site: Site) -> APIRouter:
    """Route `/drops`."""
    routes = APIRouter()

    @routes.get("/drops")
    def show(request: Request) -> Response:
        records = read_records(site.layout)[::-1]
        return site.pages.show(
            "drops",
            site.view(request),
            drops=records[:_DROPS],
            count=len(records),
            reasons=_reasons(records),
            runs=_runs(site),
        )

    return routes


def _reasons(records: list[DropRecord]) -> list[dict[str, Any]]:
    """Refused files by reason over all drops, the most first, each with the drops it came from."""
    totals: Counter[str] = Counter()
    for record in records:
        totals.update(record.reasons)
    return [
        {
            "code": code,
            "count": count,
            "drops": [(record.number, record.reasons[code]) for record in records if code in record.reasons],
        }
        for code, count in totals.most_common(_REASONS)
    ]


def _runs(site: Site) -> list[dict[str, Any]]:
    """Runs on drops: clean share, suspects and accuracy of each."""
    found = []
    for run in site.data.runs():
        facts = drop_facts(read_facts(run.pools), read_facts(run.metrics))
        if facts is not None:
            found.append({"cell": run.cell, **facts})
    return found[:_RUNS]
