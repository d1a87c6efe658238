"""The seeds page: one class at a time, accept, reject or relabel, by key or by button."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from asd.audit.web.candidates import Candidates, label_of
from asd.audit.web.picture_routes import seed_picture_path
from asd.audit.web.render import with_query
from asd.audit.web.site import Site
from asd.errors import ParamsError
from asd.seeds.adding import check_class
from asd.seeds.rejecting import Training, accept, reject, withdraw

PER_PAGE = 24
_DONE = {"accepted": "is a seed now", "rejected": "was rejected", "withdrawn": "is open again"}


def router(site: Site) -> APIRouter:
    """Routes `/seeds` and `/seeds/DATASET`."""
    routes = APIRouter()
    candidates = Candidates(site)

    @routes.get("/seeds")
    def first(request: Request) -> Response:
        view = site.view(request)
        return RedirectResponse(view.link(seeds_path(candidates.datasets()[0])), 303)

    @routes.get("/seeds/{dataset}")
    def show(request: Request, dataset: str) -> Response:
        pool = candidates.pool(dataset)
        query = request.query_params
        label = label_of(query.get("label"), pool)
        found = candidates.of_class(pool, label)
        at = min(max(1, _number(query.get("at"))), max(1, len(found)))
        start = (at - 1) // PER_PAGE * PER_PAGE
        said = _DONE.get(query.get("done", ""), "")
        return site.pages.show(
            "seeds",
            site.view(request),
            datasets=candidates.datasets(),
            dataset=dataset,
            label=label,
            class_name=pool.class_names[label],
            class_names=pool.class_names,
            at=at,
            total=len(found),
            now=found[at - 1] if found else None,
            shown=found[start : start + PER_PAGE],
            progress=candidates.progress(pool),
            done=(query.get("key", ""), said) if said else None,
            seeds_path=seeds_path,
            picture=seed_picture_path,
        )

    @routes.post("/seeds/{dataset}")
    async def decide(request: Request, dataset: str) -> Response:
        session, form = await site.written(request)

        def write() -> str:
            pool = candidates.pool(dataset)
            training = Training(dataset, pool.class_names, pool.index, session.name)
            return _decide(site, training, form)

        done = await run_in_threadpool(write)
        label, at = form.get("label", ""), _number(form.get("at"))
        query = {
            "label": label if label.isdigit() else None,
            "at": at if done == "withdrawn" else at + 1,
            "done": done,
            "key": form.get("key"),
            "truth": "0" if request.query_params.get("truth") == "0" else None,
        }
        return RedirectResponse(with_query(seeds_path(dataset), query), 303)

    return routes


def seeds_path(dataset: str) -> str:
    """Path of a data set's page."""
    return f"/seeds/{quote(dataset, safe='')}"


def _decide(site: Site, training: Training, form: dict[str, str]) -> str:
    key, content, action = form.get("key", ""), form.get("content", ""), form.get("action", "")
    match action:
        case "accept":
            accept(site.layout, training, key, content)
            return "accepted"
        case "reject":
            reject(site.layout, training, key, content, note=form.get("note", ""))
            return "rejected"
        case "relabel":
            right = _class_named(form.get("right_class", ""), training.class_names)
            reject(site.layout, training, key, content, right_class=right, note=form.get("note", ""))
            return "rejected"
        case "withdraw":
            withdraw(site.layout, training, key, content)
            return "withdrawn"
        case _:
            raise ParamsError("accept, reject, relabel or withdraw?")


def _class_named(text: str, class_names: Sequence[str]) -> str:
    """A class by its name, or by its number as the page offers it (`3 cat`).

    Raises:
        ParamsError: it is neither.
    """
    number = text.partition(" ")[0]
    if text not in class_names and number.isascii() and number.isdigit() and len(number) < 9:
        return class_names[int(number)] if int(number) < len(class_names) else text
    if not text:
        raise ParamsError("which class is the right one?")
    check_class(text, class_names)
    return text


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 1
