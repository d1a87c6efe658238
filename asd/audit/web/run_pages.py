"""The list of runs, and the page of one run: also of one that is not finished."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asd.audit.ledger import Ledger
from asd.audit.ledger_sql import SOURCE_FOLDER
from asd.audit.limits import NOT_STOPPED
from asd.audit.runs import Run, current_run
from asd.audit.verdict import VERDICTS
from asd.audit.web import run_charts, run_facts
from asd.audit.web.data import read_facts
from asd.audit.web.picture_routes import picture_path, planted_path, seed_picture_path
from asd.audit.web.render import View
from asd.audit.web.reviewing import latest_reviews
from asd.audit.web.site import NotFoundError, Site
from asd.audit.web.standing import Standing, standing
from asd.errors import ParamsError
from asd.layout import Cell
from asd.params import Workspace
from asd.source_groups import source_group

_WARNINGS, _ROWS = 50, 200


def need_run(site: Site, request: Request) -> Run:
    """The audited run that a path names.

    Raises:
        NotFoundError: there is no such cell, or it is not audited yet.
    """
    cell = site.cell(request)
    run = site.data.run(cell)
    if run is None:
        raise NotFoundError(f"{cell} is not audited yet; its page says how far it is.")
    return run


def router(site: Site) -> APIRouter:
    """Routes `/` and `/run/CELL`."""
    routes = APIRouter()

    @routes.get("/")
    def runs(request: Request) -> Response:
        live = site.settings.live()
        rows = [
            _row(site, cell, standing(site.layout, cell, live.get(name)))
            for name, cell in site.cells().items()
        ]
        moves = any(row["standing"].moves for row in rows)
        reviewed = len(latest_reviews(site.layout))
        return site.pages.show("runs", site.view(request), rows=rows, refresh=moves, reviewed=reviewed)

    @routes.get("/run/{dataset}/{attack}/{defense}/{trial}")
    def one(request: Request) -> Response:
        cell = site.cell(request)
        where = standing(site.layout, cell, site.settings.live().get(str(cell)))
        run, view = site.data.run(cell), site.view(request)
        if run is None:
            growth = run_charts.growth_chart(run_charts.epochs_of(current_run(site.layout, cell)))
            metrics = read_facts(site.layout.metrics(cell))
            return site.pages.show(
                "unfinished",
                view,
                cell=cell,
                standing=where,
                refresh=where.moves,
                growth=growth,
                metrics=metrics,
            )
        return site.pages.show("run", view, **_facts(site, view, run, where))

    return routes


def _row(site: Site, cell: Cell, where: Standing) -> dict[str, Any]:
    metrics = read_facts(site.layout.metrics(cell))
    pools = read_facts(site.layout.audit_pools(cell))
    return {
        "cell": cell,
        "standing": where,
        "metrics": metrics,
        "pools": pools,
        "final": pools.get("final") or {},
    }


def _facts(site: Site, view: View, run: Run, where: Standing) -> dict[str, Any]:
    """Everything that the template of a run's page asks for."""
    cell, layout = run.cell, site.layout
    pools, metrics = read_facts(run.pools), read_facts(run.metrics)
    workspace = _workspace(site)
    ledger = site.data.ledger(run)
    splits = site.data.kept("splits", run, lambda: run_charts.splits(run))
    epochs = run_charts.epochs_of(run)
    outcomes, no_gates = run_facts.outcomes(workspace, cell)
    curves = run_charts.curve_charts(layout, run)
    times = run_facts.timings(layout, cell)
    seconds = [float(t["seconds"]) for _, t in times if t.get("seconds") is not None]
    charts = [*curves, run_charts.growth_chart(epochs), *run_charts.purity_charts(pools)]
    return {
        "cell": cell,
        "run": run,
        "standing": where,
        "refresh": where.moves,
        "metrics": metrics,
        "pools": pools,
        "final": pools.get("final") or {},
        "samples": ledger.count(run),
        "charts": [c for c in charts if c is not None and (view.truth or not c.truth)],
        "histograms": [run_charts.split_chart(s, truth=view.truth) for s in splits],
        "verdicts": _verdicts(site, run),
        "share": pools.get("estimated_poisoned_share"),
        "per_class": site.data.kept("per class", run, lambda: _groups(ledger, run, "class_name"))[:_ROWS],
        "per_source": site.data.kept("per source", run, lambda: _sources(ledger, run))[:_ROWS],
        "outcomes": outcomes,
        "no_gates": no_gates,
        "timings": times,
        "seconds": sum(seconds) if seconds else None,
        "reproduce": run_facts.reproduce(site, workspace, cell, run),
        "warnings": (pools.get("warnings") or [])[:_WARNINGS],
        "examples": _examples(run) if view.truth else None,
        "rehearsal": run_facts.rehearsal(workspace, cell),
        "not_stopped": NOT_STOPPED,
    }


def _examples(run: Run) -> dict[str, Any] | None:
    """Poisoned pictures beside what they were, as the report has them; None if it has none."""
    found: dict[str, Any] | None = read_facts(run.report_facts).get("planted_pictures")
    if not found:
        return None
    rows: dict[str, list[tuple[str, str]]] = {"clean": [], "poisoned": [], "difference": []}
    for one in found["samples"]:
        at, key, now, before = one["row"], one["key"], one["content"], one["content_before"]
        rows["poisoned"].append((picture_path(run.cell, at, key, now), f"given as {one['class_given']}"))
        if before is not None:
            rows["clean"].append((seed_picture_path(run.cell.dataset, at, key, before), one["class_before"]))
            rows["difference"].append((planted_path(run.cell, at, key, now, before), ""))
    return found | {"rows": {name: cells for name, cells in rows.items() if cells}}


def _workspace(site: Site) -> Workspace | None:
    try:
        return site.workspace()
    except ParamsError:
        return None


def _verdicts(site: Site, run: Run) -> list[tuple[str, int]]:
    counts = site.data.facets(run).verdicts
    return [(name, counts.get(name, 0)) for name in VERDICTS] if counts else []


_COUNTS = (
    "count(*) as samples, count(*) filter (where in_pool_at_end) as inside, "
    "count(*) filter (where verdict = 'suspect') as suspects, "
    "count(*) filter (where verdict in ('seed', 'clean', 'hard-clean')) as clean"
)


def _groups(ledger: Ledger, run: Run, column: str) -> list[dict[str, Any]]:
    sql = f"select {column} as name, {_COUNTS} from samples where run = ? group by 1 order by 2 desc, 1"  # noqa: S608
    return ledger.rows(sql, [run.name])


def _sources(ledger: Ledger, run: Run) -> list[dict[str, Any]]:
    """Counts by whom a sample came from; the folder of its class is not part of that."""
    folders = ledger.rows(
        f"select {SOURCE_FOLDER} as name, class_name, {_COUNTS} from samples "  # noqa: S608
        "where run = ? group by all",
        [run.name],
    )
    names = ("samples", "inside", "suspects", "clean")
    found: dict[str, dict[str, Any]] = {}
    for row in folders:
        name = source_group(row["name"], row["class_name"])
        total = found.setdefault(name, {"name": name, **dict.fromkeys(names, 0)})
        for word in names:
            total[word] += row[word]
    return sorted(found.values(), key=lambda row: (-row["samples"], row["name"]))
