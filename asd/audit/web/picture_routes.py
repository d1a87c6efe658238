"""Routes of pictures. The address holds the content hash, so a browser may keep what it got for good."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asd.audit.web.pictures import KINDS, Spot, drawn, placeholder, short_reason
from asd.audit.web.render import Query, path_of, with_query
from asd.audit.web.site import NotFoundError, Site
from asd.errors import DataError
from asd.layout import Cell
from asd.picture_change import difference
from asd.shards.png import encode_png

_KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}
_CONTENT = re.compile(r"[0-9a-f]{64}")
_MOST_DIGITS = 12


def picture_path(cell: Cell, row: int, key: str, content: str, kind: str = "thumb") -> str:
    """Address of a picture of a run."""
    return with_query(path_of(cell, "picture", str(row), content, f"{kind}.png"), {"key": key})


def seed_picture_path(dataset: str, row: int, key: str, content: str, kind: str = "thumb") -> str:
    """Address of a picture of the training data as fetched."""
    return with_query(f"/seeds/{quote(dataset, safe='')}/picture/{row}/{content}/{kind}.png", {"key": key})


def difference_path(cell: Cell, one: Spot, other: Spot) -> str:
    """Address of the difference of two pictures of a run."""
    path = path_of(cell, "picture", str(one.row), one.content, "difference.png")
    query: Query = {"key": one.key, "row2": other.row, "key2": other.key, "content2": other.content}
    return with_query(path, query)


def planted_path(cell: Cell, row: int, key: str, content: str, before: str) -> str:
    """Address of the difference of a poisoned picture and what it was."""
    path = path_of(cell, "picture", str(row), content, "planted.png")
    return with_query(path, {"key": key, "before": before})


def router(site: Site) -> APIRouter:
    """Routes of the pictures of runs and of training data."""
    routes = APIRouter()
    run = "/run/{dataset}/{attack}/{defense}/{trial}/picture/{row}/{content}"

    @routes.get(run + "/difference.png")
    def compared(request: Request, row: str, content: str) -> Response:
        cell, query = site.cell(request), request.query_params
        one = _spot(row, query.get("key"), content)
        other = _spot(query.get("row2", ""), query.get("key2"), query.get("content2", ""))

        def draw() -> bytes:
            apart = difference(site.pictures.of_run(cell, one), site.pictures.of_run(cell, other))
            return encode_png(apart.image)

        return _answer(draw)

    @routes.get(run + "/planted.png")
    def planted(request: Request, row: str, content: str) -> Response:
        cell, query = site.cell(request), request.query_params
        now = _spot(row, query.get("key"), content)
        before = _spot(row, query.get("key"), query.get("before", ""))

        def draw() -> bytes:
            was = site.pictures.of_training_data(cell.dataset, before)
            return drawn(difference(was, site.pictures.of_run(cell, now)).image, "thumb")

        return _answer(draw)

    @routes.get(run + "/{kind}.png")
    def of_run(request: Request, row: str, content: str, kind: str) -> Response:
        cell, spot = site.cell(request), _spot(row, request.query_params.get("key"), content)
        _check_kind(kind)
        return _answer(lambda: drawn(site.pictures.of_run(cell, spot), kind))

    @routes.get("/seeds/{dataset}/picture/{row}/{content}/{kind}.png")
    def of_data(request: Request, dataset: str, row: str, content: str, kind: str) -> Response:
        if dataset not in {cell.dataset for cell in site.cells().values()}:
            raise NotFoundError(f"There is no data set {dataset} in this workspace.")
        spot = _spot(row, request.query_params.get("key"), content)
        _check_kind(kind)
        return _answer(lambda: drawn(site.pictures.of_training_data(dataset, spot), kind))

    return routes


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise NotFoundError("There is no such picture.")


def _spot(row: str, key: str | None, content: str) -> Spot:
    if not row.isascii() or not row.isdigit() or len(row) > _MOST_DIGITS or not _CONTENT.fullmatch(content):
        raise NotFoundError("There is no such picture.")
    return Spot(int(row), key or "", content)


def _answer(draw: Callable[[], bytes]) -> Response:
    """The picture; where it cannot be read a grey one that says why, with status 404."""
    try:
        return Response(draw(), media_type="image/png", headers=_KEPT)
    except DataError as error:
        return Response(placeholder(short_reason(error)), 404, media_type="image/png")
