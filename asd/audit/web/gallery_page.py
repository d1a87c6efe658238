"""The gallery: the samples of a run by filter and order; the address holds all of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from asd.audit.queries import SORTS, Facets, SampleFilter
from asd.audit.verdict import VERDICTS
from asd.audit.web.picture_routes import picture_path
from asd.audit.web.pictures import Spot
from asd.audit.web.render import with_query
from asd.audit.web.reviewing import latest_reviews
from asd.audit.web.run_pages import need_run
from asd.audit.web.site import Site
from asd.errors import ParamsError

PER_PAGE = 48
_MOST_SEARCH = 200
_IN_POOL = {"yes": True, "no": False}
SORT_WORDS = {
    "suspicion": "suspicion",
    "final_loss": "final loss",
    "loss_reduction": "loss reduction",
    "rank_in_class": "rank in class",
    "rank_overall": "rank overall",
    "epochs_in": "epochs in pool",
    "spectral_signature": "spectral signature",
    "activation_clustering": "activation clustering",
    "neighbour_disagreement": "neighbour disagreement",
    "cleanlab_label_quality": "cleanlab label quality",
    "predicted_confidence": "confidence",
    "key": "key",
    "row": "order of the data",
}
_CAPTIONS = ("suspicion", "final_loss", "loss_reduction")


@dataclass(frozen=True)
class Wish:
    """What a gallery's address asks for; `page` counts from 1."""

    where: SampleFilter
    sort: str
    descending: bool
    page: int

    def query(self, page: int | None = None) -> list[tuple[str, str]]:
        """The address's words again, for another page."""
        where = self.where
        pairs = [("verdict", v) for v in where.verdicts] + [("class", c) for c in where.class_names]
        pairs += [("source", s) for s in where.sources] + [("role", r) for r in where.truth_roles]
        if where.in_pool is not None:
            pairs.append(("pool", "yes" if where.in_pool else "no"))
        if where.search:
            pairs.append(("q", where.search))
        pairs += [("sort", self.sort), ("order", "down" if self.descending else "up")]
        number = self.page if page is None else page
        return [*pairs, ("page", str(number))] if number > 1 else pairs


def wish_of(query: QueryParams) -> Wish:
    """Read an address.

    Raises:
        ParamsError: a word that it cannot hold.
    """
    verdicts = tuple(filter(None, query.getlist("verdict")))
    unknown = [v for v in verdicts if v not in VERDICTS]
    if unknown:
        raise ParamsError(f"no verdict {unknown[0][:60]!r} (verdicts: {', '.join(VERDICTS)})")
    sort = query.get("sort") or "suspicion"
    if sort not in SORTS:
        raise ParamsError(f"samples cannot be sorted by {sort[:60]!r}")
    pool, page = query.get("pool") or "", query.get("page") or "1"
    if pool not in ("", *_IN_POOL):
        raise ParamsError(f"pool is yes or no, not {pool[:60]!r}")
    if not page.isascii() or not page.isdigit() or not 0 < len(page) < 8:
        raise ParamsError(f"no page {page[:60]!r}")
    search = query.get("q", "").strip()
    if len(search) > _MOST_SEARCH:
        raise ParamsError(f"search for {_MOST_SEARCH} letters at most")
    where = SampleFilter(
        verdicts=verdicts,
        class_names=tuple(filter(None, query.getlist("class"))),
        sources=tuple(filter(None, query.getlist("source"))),
        in_pool=_IN_POOL.get(pool),
        search=search,
        truth_roles=() if query.get("truth") == "0" else tuple(filter(None, query.getlist("role"))),
    )
    return Wish(where, sort, query.get("order") != "up", max(1, int(page)))


def router(site: Site) -> APIRouter:
    """Route `/run/CELL/samples`."""
    routes = APIRouter()

    @routes.get("/run/{dataset}/{attack}/{defense}/{trial}/samples")
    def gallery(request: Request) -> Response:
        run = need_run(site, request)
        view, wish = site.view(request), wish_of(request.query_params)
        offset = (wish.page - 1) * PER_PAGE
        found = site.data.page(
            run, wish.where, sort=wish.sort, descending=wish.descending, limit=PER_PAGE, offset=offset
        )
        pages = max(1, -(-found.total // PER_PAGE))
        reviews = latest_reviews(site.layout)
        shots = [
            {
                **row,
                "picture": picture_path(run.cell, row["row"], row["key"], row["content_sha256"]),
                "trouble": site.pictures.trouble(
                    run.cell, Spot(row["row"], row["key"], row["content_sha256"])
                ),
                "review": reviews.get(row["content_sha256"]),
                "to": sample_path(request, row["key"], wish),
            }
            for row in found.rows
        ]
        return site.pages.show(
            "gallery",
            view,
            run=run,
            cell=run.cell,
            wish=wish,
            shots=shots,
            found=found,
            first=offset + 1 if shots else 0,
            pages=pages,
            facets=_with_chosen(site.data.facets(run), wish.where),
            sorts=SORT_WORDS,
            verdicts=VERDICTS,
            caption=wish.sort if wish.sort not in ("row", "key", *_CAPTIONS[:1]) else None,
            page_link=lambda number: _link(request, wish.query(number)),
        )

    return routes


def _link(request: Request, pairs: list[tuple[str, str]]) -> str:
    keep = [("truth", "0")] if request.query_params.get("truth") == "0" else []
    return f"{request.url.path}?{urlencode([*pairs, *keep])}"


def sample_path(request: Request, key: str, wish: Wish, page: int | None = None) -> str:
    """A sample's page, which knows the list (and its page) that it was reached from."""
    truth = "0" if request.query_params.get("truth") == "0" else None
    path = request.url.path.rpartition("/")[0] + "/sample"
    return with_query(path, {"key": key, "list": urlencode(wish.query(page)), "truth": truth})


def list_of(text: str | None) -> Wish | None:
    """The list that a sample's page was reached from; None if there is none or it makes no sense."""
    if not text or len(text) > 4000:
        return None
    try:
        return wish_of(QueryParams(parse_qsl(text, max_num_fields=100)))
    except (ParamsError, ValueError):
        return None


def _with_chosen(facets: Facets, where: SampleFilter) -> Facets:
    """The values to filter by with those that the address names, even if no sample has them."""
    return Facets(
        facets.verdicts,
        facets.class_names | {name: 0 for name in where.class_names if name not in facets.class_names},
        facets.sources | {name: 0 for name in where.sources if name not in facets.sources},
        facets.truth_roles,
        facets.total,
    )


def gallery_path(run_path: str, pairs: list[tuple[str, str]]) -> str:
    """Address of a gallery below a run's page."""
    return f"{run_path}/samples?{urlencode(pairs)}"
