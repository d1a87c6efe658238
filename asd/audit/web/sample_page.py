"""The page of one sample: its picture, its way through the run, why, and what people said of it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pyarrow.parquet as pq
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from asd.audit.ledger import Ledger
from asd.audit.provenance import provenance
from asd.audit.queries import Trajectory, find_sample, sample_at, trajectory
from asd.audit.runs import Run
from asd.audit.web.gallery_page import gallery_path, list_of, sample_path
from asd.audit.web.picture_routes import difference_path, picture_path
from asd.audit.web.pictures import Spot
from asd.audit.web.render import path_of, with_query
from asd.audit.web.reviewing import review, reviews_of
from asd.audit.web.run_charts import borders
from asd.audit.web.run_pages import need_run
from asd.audit.web.site import NotFoundError, Site
from asd.audit.web.svg import Axes, Chart, Series, line_chart, percent, strip_chart
from asd.errors import DataError, ParamsError
from asd.picture_change import Difference, difference

OPINIONS = (
    ("spectral_signature", "Spectral signature", "high is suspicious"),
    ("activation_clustering", "Activation clustering", "high is suspicious"),
    ("neighbour_disagreement", "Neighbour disagreement", "high is suspicious"),
    ("cleanlab_label_quality", "cleanlab label quality", "low is suspicious"),
)


def router(site: Site) -> APIRouter:
    """Route `/run/CELL/sample`."""
    routes = APIRouter()
    path = "/run/{dataset}/{attack}/{defense}/{trial}/sample"

    @routes.get(path)
    def show(request: Request) -> Response:
        run = need_run(site, request)
        ledger = site.data.ledger(run)
        sample = _sample(ledger, run, request)
        view = site.view(request)
        spot = _spot(sample)
        try:
            site.pictures.of_run(run.cell, spot)
            trouble = ""
        except DataError as error:
            trouble = site.shown(error)
        way = site.data.kept(("way", sample["row"]), run, lambda: trajectory(run, sample["row"]))
        near, nearest = _neighbours(ledger, run, sample["row"])
        return site.pages.show(
            "sample",
            view,
            run=run,
            cell=run.cell,
            sample=sample,
            origin=provenance(site.layout, sample["key"], sample["source"]),
            trouble=trouble,
            charts=_charts(way),
            flips=_flips(way),
            near=near,
            nearest=nearest,
            apart=None if trouble or nearest is None else _apart(site, run, spot, _spot(nearest)),
            opinions=OPINIONS,
            reviews=reviews_of(site.layout, sample["content_sha256"]),
            label_before=_label_before(site, ledger, run, sample),
            done=request.query_params.get("done") == "1",
            picture=lambda row, kind: picture_path(
                run.cell, row["row"], row["key"], row["content_sha256"], kind
            ),
            apart_path=lambda row: difference_path(run.cell, spot, _spot(row)),
            sample_link=lambda key: view.link(path_of(run.cell, "sample"), key=key),
            around=_around(site, run, request, sample),
        )

    @routes.post(path)
    async def say(request: Request) -> Response:
        session, form = await site.written(request)

        def write() -> str:
            run = need_run(site, request)
            sample = _sample(site.data.ledger(run), run, request)
            review(site.layout, run, sample, form, session.name)
            return str(sample["key"])

        key = await run_in_threadpool(write)
        query = {name: request.query_params.get(name) for name in ("list", "truth")}
        return RedirectResponse(with_query(request.url.path, {"key": key, **query, "done": 1}), 303)

    return routes


def _sample(ledger: Ledger, run: Run, request: Request) -> dict[str, Any]:
    key = request.query_params.get("key", "")
    if not key or len(key) > 4000:
        raise NotFoundError("Which sample? The address names none.")
    try:
        return find_sample(ledger, run, key)
    except ParamsError as error:
        raise NotFoundError(str(error)) from error


def _label_before(site: Site, ledger: Ledger, run: Run, sample: dict[str, Any]) -> str:
    """Name of the class before anything was planted; "" where it is not known."""

    def names() -> dict[int, str]:
        found = ledger.rows(
            "select label, any_value(class_name) as name from samples where run = ? group by label",
            [run.name],
        )
        return {row["label"]: row["name"] for row in found}

    label = sample["truth_label_before"]
    known: dict[int, str] = site.data.kept("class names", run, names)
    return "" if label is None else known.get(label, f"number {label}")


def _spot(row: dict[str, Any]) -> Spot:
    return Spot(row["row"], row["key"], row["content_sha256"])


def _around(site: Site, run: Run, request: Request, sample: dict[str, Any]) -> dict[str, str]:
    """Links to the list that this page was reached from, and to the samples before and after in it."""
    wish = list_of(request.query_params.get("list"))
    if wish is None:
        return {}
    size = 48
    page = site.data.page(
        run,
        wish.where,
        sort=wish.sort,
        descending=wish.descending,
        limit=size + 2,
        offset=max(0, (wish.page - 1) * size - 1),
    )
    keys = [row["key"] for row in page.rows]
    links = {"list": gallery_path(path_of(run.cell), wish.query())}
    if request.query_params.get("truth") == "0":
        links["list"] += "&truth=0"
    if sample["key"] not in keys:
        return links
    at = keys.index(sample["key"])
    first = 1 if wish.page > 1 else 0
    for name, to in (("previous", at - 1), ("next", at + 1)):
        if 0 <= to < len(keys):
            # a step over the page's edge goes on in the list's next page
            turn = wish.page + (-1 if to < first else 1 if to >= first + size else 0)
            links[name] = sample_path(request, keys[to], wish, turn)
    return links


# -- neighbours --------------------------------------------------------------------------------


def _neighbours(ledger: Ledger, run: Run, row: int) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The nearest samples by features with their distances, and the nearest clean picture by pixels."""
    if not run.neighbours.is_file():
        return [], None
    columns = ["neighbours", "neighbour_distances", "nearest_clean", "nearest_clean_distance"]
    found = _row_of(run, row, columns)
    near = [
        {**sample_at(ledger, run, int(other)), "distance": float(distance)}
        for other, distance in zip(found["neighbours"] or (), found["neighbour_distances"] or (), strict=True)
        if 0 <= other < ledger.count(run)
    ]
    clean = found["nearest_clean"]
    if clean is None or not 0 <= clean < ledger.count(run):
        return near, None
    return near, {**sample_at(ledger, run, int(clean)), "distance": found["nearest_clean_distance"]}


def _row_of(run: Run, row: int, columns: list[str]) -> dict[str, Any]:
    """One row of the table of neighbours; only its row group is read."""
    empty: dict[str, Any] = dict.fromkeys(columns)
    with pq.ParquetFile(run.neighbours) as file:
        start = 0
        known = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if row < start + count:
                table = file.read_row_group(group, columns=known).slice(row - start, 1)
                return empty | (table.to_pylist()[0] if table.num_rows else {})
            start += count
    return empty


def _apart(site: Site, run: Run, one: Spot, other: Spot) -> Difference | None:
    try:
        return difference(site.pictures.of_run(run.cell, one), site.pictures.of_run(run.cell, other))
    except DataError:
        return None


# -- charts ------------------------------------------------------------------------------------


def _charts(way: Trajectory) -> list[Chart]:
    """Loss, rank and membership by epoch."""
    if not len(way.epoch):
        return []
    pairs = list(zip(way.stage.tolist(), way.epoch.tolist(), strict=True))
    trained = [place for place, rule in enumerate(way.rule) if rule != "final"]
    lines = borders([pairs[place] for place in trained])
    epochs = [float(epoch) for epoch in way.epoch]

    def series(name: str, colour: str, values: Any) -> Series:
        return Series(name, colour, tuple(zip(epochs, map(_finite, values), strict=True)))

    losses = [series("loss", "blue", way.loss)]
    if any(math.isfinite(value) for value in way.virtual_loss):
        losses.append(series("loss of the virtual model", "orange", way.virtual_loss))
    ranks = [rank / max(1, of - 1) for rank, of in zip(way.rank, way.ranked, strict=True)]
    rank_axes = Axes(
        "Rank",
        y="place among all",
        format_y=percent,
        span_y=(0.0, 1.0),
        borders=lines,
        note="0% is let in first. By loss; in a meta-split by loss reduction.",
    )
    charts = [
        line_chart(Axes("Loss", y="symmetric cross-entropy", borders=lines), losses),
        line_chart(rank_axes, [series("share of samples before it", "violet", ranks)]),
    ]
    if trained:
        inside = [bool(way.in_clean[place]) for place in trained]
        charts.append(strip_chart("In the clean pool", [epochs[place] for place in trained], inside, lines))
    return charts


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _flips(way: Trajectory) -> int:
    """How often it went in or out, the first entry not counted."""
    inside = [bool(is_in) for is_in, rule in zip(way.in_clean, way.rule, strict=True) if rule != "final"]
    return sum(now != before for before, now in itertools.pairwise(inside))
