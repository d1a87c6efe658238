"""`asd audit summary`: what a reviewer reads first of a run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from asd import store
from asd.audit.ledger import Ledger
from asd.audit.limits import NO_PROOF
from asd.audit.queries import source_counts
from asd.audit.reviews import latest_by_content, read_reviews
from asd.audit.runs import CURRENT, Run
from asd.audit.verdict import VERDICTS
from asd.errors import DataError
from asd.exclusions import excluded, read_exclusions
from asd.layout import Layout
from asd.params import Workspace
from asd.rehearsals import rehearsal_facts
from asd.seeds.seed_set import read_seed_set
from asd.ship.gates import judge_run


def summary(workspace: Workspace, ledger: Ledger, run: Run) -> dict[str, Any]:
    """The facts of one run as JSON; null where a run has none of them.

    Raises:
        DataError: a file of the run or of the reviews is damaged.
    """
    layout, cell = workspace.layout, run.cell
    pools = store.read_json(run.pools) if run.pools.is_file() else {}
    row = ledger.rows("select * from runs where run = ?", [run.name])[0]
    final = pools.get("final") or {}
    return {
        "run": run.name,
        "samples": row["samples"],
        **{name: row[name] for name in ("acc", "acc_untrusted", "asr", "asr_base", "planted")},
        "pool": {name: final.get(name) for name in ("size", "poisoned", "precision", "recall")},
        "verdicts": verdict_counts(ledger, run),
        "not_judged": pools.get("not_judged") or [],
        "estimated_poisoned_share": pools.get("estimated_poisoned_share"),
        "suspects_by_class": _by_class(ledger, run),
        "suspects_by_source": source_counts(ledger, run, "suspect"),
        "drops": drop_facts(pools, store.read_json(run.metrics) if run.metrics.is_file() else {}),
        "exclusions": exclusion_facts(layout, cell.dataset),
        "seeds": _seeds(layout, run),
        "reviews": review_facts(ledger, layout, run),
        "gates": _gates(workspace, run),
        "rehearsals": rehearsal_facts(workspace, cell) if run.revision == CURRENT else [],
        "warnings": [str(one.get("text")) for one in pools.get("warnings") or ()],
        "note": NO_PROOF,
    }


WHY_NO_DROP_ACC = "the test set comes from no drop, so there is no accuracy by drop or by source"


def drop_facts(pools: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Clean share, suspects and accuracy of each drop and of each source; None without drops."""
    shares = pools.get("drops")
    if not shares:
        return None
    by_drop, by_source = metrics.get("per_drop"), metrics.get("per_source")
    return {
        "per_drop": [one | {"test": (by_drop or {}).get(str(one["drop"]))} for one in shares["per_drop"]],
        "per_source": [one | {"test": (by_source or {}).get(one["source"])} for one in shares["per_source"]],
        "why_no_accuracy": None if by_drop else WHY_NO_DROP_ACC,
    }


def verdict_counts(ledger: Ledger, run: Run) -> dict[str, int] | None:
    """Samples by verdict; None where the run judges nothing."""
    sql = "select verdict, count(*) as n from samples where run = ? and verdict is not null group by 1"
    found = {row["verdict"]: row["n"] for row in ledger.rows(sql, [run.name])}
    return {name: found.get(name, 0) for name in VERDICTS} if found else None


def _by_class(ledger: Ledger, run: Run) -> dict[str, int]:
    sql = (
        "select class_name, count(*) as n from samples where run = ? and verdict = 'suspect' "
        "group by 1 order by n desc, 1"
    )
    return {row["class_name"]: row["n"] for row in ledger.rows(sql, [run.name])}


def exclusion_facts(layout: Layout, dataset: str) -> dict[str, Any]:
    """Lines of `reviews/exclusions.csv` for a data set, and what its last `fetch` left out.

    `waiting` are lines that took nothing out: the next run does, unless no training picture has
    that content (it left the source, or the step poison made it).
    """
    lines = [line for line in read_exclusions(layout.exclusions) if line.dataset == dataset]
    try:
        gone = excluded(layout, dataset)
    except DataError:  # not fetched here, as in a fresh clone
        gone = []
    contents = {one.content_sha256 for one in gone}
    return {
        "listed": len(lines),
        "left_out": [{"key": one.key, "source": one.source, "class": one.class_name} for one in gone],
        "waiting": [line.content_sha256 for line in lines if line.content_sha256 not in contents],
    }


def _seeds(layout: Layout, run: Run) -> dict[str, Any] | None:
    """How many samples of the run the defense was given as trusted, and where they come from."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    used = pc.sum(pq.read_table(run.samples, columns=["is_seed"])["is_seed"]).as_py() or 0
    facts: dict[str, Any] = {"used": used, "origin": None, "note": None}
    place = layout.seed_set(run.cell.dataset, run.cell.attack, run.cell.trial)
    if run.revision == CURRENT and place.is_dir():
        found = read_seed_set(place)
        facts |= {"origin": found.origin, "note": found.note}
    return facts


def review_facts(ledger: Ledger, layout: Layout, run: Run) -> dict[str, Any]:
    """The last word on each reviewed picture of the run's data set.

    `not_excluded` are pictures confirmed as poisoned that no line of exclusions.csv names.
    """
    reviews = [r for r in read_reviews(layout.review_log) if r.dataset == run.cell.dataset]
    last = latest_by_content(reviews)
    poisoned = {content for content, one in last.items() if one.verdict == "poisoned"}
    lines = {line.content_sha256 for line in read_exclusions(layout.exclusions)}
    here = ledger.rows(
        "select verdict, content_sha256 from samples where run = ? and list_contains(?, content_sha256)",
        [run.name, list(last)],
    )
    agreed = Counter((row["verdict"], last[row["content_sha256"]].verdict) for row in here)
    return {
        "reviews": len(reviews),
        "pictures": len(last),
        "poisoned": len(poisoned),
        "clean": len(last) - len(poisoned),
        "by": sorted({review.by for review in reviews}),
        "not_excluded": sorted(poisoned - lines),
        "verdicts": [
            {"verdict": verdict, "as": word, "samples": count}
            for (verdict, word), count in sorted(agreed.items(), key=str)
        ],
    }


def _gates(workspace: Workspace, run: Run) -> list[dict[str, Any]] | None:
    """Gates that are set, held against the current figures; None for an earlier revision."""
    if run.revision != CURRENT or run.cell not in workspace.cells():
        return None
    outcomes = judge_run(workspace, [run.cell])
    return [{"gate": o.gate, "limit": o.limit, "holds": o.holds, "text": o.told()} for o in outcomes]
