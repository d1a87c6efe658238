"""Questions that commands and pages ask of the ledger: pages of samples, one sample, two runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from asd.audit.ledger import Ledger, history_facts
from asd.audit.ledger_sql import SOURCE_FOLDER
from asd.audit.ledger_tables import LIGHT_COLUMNS
from asd.audit.record import STAGES
from asd.audit.runs import Run
from asd.errors import ParamsError
from asd.source_groups import source_group
from asd.types import Losses, Mask

SORTS = (
    "row",
    "suspicion",
    "final_loss",
    "loss_reduction",
    "rank_in_class",
    "rank_overall",
    "epochs_in",
    "spectral_signature",
    "activation_clustering",
    "neighbour_disagreement",
    "cleanlab_label_quality",
    "predicted_confidence",
    "key",
)
"""Columns by which samples can be ordered."""

MOST_FACETS = 1000
"""Classes and sources that `facets` lists, the largest first."""

_MOST_MATCHES = 5
_VIRTUAL = 2  # place of virtual_loss in history.parquet
_SHORTEST_HASH = 8


@dataclass(frozen=True)
class SampleFilter:
    """Which samples; an empty tuple or None asks for nothing in particular.

    Attributes:
        verdicts: one of these.
        class_names: label as given, one of these.
        sources: one of these sources, or from this folder or file: `a` also finds `a/1.png` and `a#7`.
        in_pool: in the clean pool at the end.
        search: a part of the key or the source, letter case aside.
        truth_roles: one of these; finds nothing where nothing is known.
    """

    verdicts: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    in_pool: bool | None = None
    search: str = ""
    truth_roles: tuple[str, ...] = ()

    def where(self, run: Run) -> tuple[str, list[Any]]:
        """The condition as SQL with its values."""
        parts, values = ["run = ?"], [run.name]
        for column, wanted in (
            ("verdict", self.verdicts),
            ("class_name", self.class_names),
            ("truth_role", self.truth_roles),
        ):
            if wanted:
                parts.append(f"{column} in ({', '.join('?' for _ in wanted)})")
                values += wanted
        if self.sources:
            one = "(source = ? or starts_with(source, ? || '/') or starts_with(source, ? || '#'))"
            parts.append(f"({' or '.join(one for _ in self.sources)})")
            values += [source for source in self.sources for _ in range(3)]
        if self.in_pool is not None:
            parts.append(f"in_pool_at_end = {str(self.in_pool).lower()}")
        if self.search:
            parts.append("(contains(lower(key), lower(?)) or contains(lower(source), lower(?)))")
            values += [self.search, self.search]
        return " and ".join(parts), values


@dataclass(frozen=True)
class SamplePage:
    """Some rows of `samples`, and how many there are in all."""

    rows: list[dict[str, Any]]
    total: int


def sample_page(
    ledger: Ledger,
    run: Run,
    where: SampleFilter,
    *,
    sort: str = "suspicion",
    descending: bool = True,
    limit: int = 48,
    offset: int = 0,
) -> SamplePage:
    """A page of the samples that a filter finds, with `row` and `LIGHT_COLUMNS`.

    Equal ones come in view order, unknown values last. Fast on runs that are loaded (`Ledger.load`).

    Raises:
        ParamsError: there is no such sort.
    """
    if sort not in SORTS:
        raise ParamsError(f"samples cannot be sorted by {sort!r}; by {', '.join(SORTS)}")
    condition, values = where.where(run)
    relation = ledger.light(run)
    total = ledger.rows(f"select count(*) as n from {relation} where {condition}", values)[0]["n"]
    order = f"{sort} {'desc' if descending else 'asc'} nulls last, row"
    chosen = f"select row from {relation} where {condition} order by {order} limit ? offset ?"
    places = [found["row"] for found in ledger.rows(chosen, [*values, limit, offset])]
    found = ledger.rows(
        f"select row, {', '.join(LIGHT_COLUMNS)} from {relation} where run = ? and row in (select unnest(?))",
        [run.name, places],
    )
    by_place = {row["row"]: row for row in found}
    return SamplePage([by_place[place] for place in places], total)


@dataclass(frozen=True)
class Facets:
    """How many samples of a run have each value, the most frequent first (verdicts in no order)."""

    verdicts: dict[str, int]
    class_names: dict[str, int]
    sources: dict[str, int]
    truth_roles: dict[str, int]
    total: int


def facets(ledger: Ledger, run: Run) -> Facets:
    """Count the values to filter by; sources by file or folder (`asd.source_groups`)."""

    def counts(column: str) -> dict[str, int]:
        found = ledger.rows(
            f"select {column} as name, count(*) as n from samples where run = ? and {column} is not null "
            f"group by 1 order by n desc, name limit {MOST_FACETS}",
            [run.name],
        )
        return {row["name"]: row["n"] for row in found}

    return Facets(
        counts("verdict"),
        counts("class_name"),
        source_counts(ledger, run),
        counts("truth_role"),
        ledger.count(run),
    )


def source_counts(ledger: Ledger, run: Run, verdict: str | None = None) -> dict[str, int]:
    """Samples by file or folder they came from, the most first; only those of `verdict` if given."""
    folders = ledger.rows(
        f"select {SOURCE_FOLDER} as name, class_name, count(*) as n "
        f"from {ledger.light(run)} where run = $run and ($verdict is null or verdict = $verdict) "
        "group by all order by n desc limit $most",
        {"run": run.name, "verdict": verdict, "most": MOST_FACETS},
    )
    sources: dict[str, int] = defaultdict(int)
    for row in folders:
        sources[source_group(row["name"], row["class_name"])] += row["n"]
    return dict(sorted(sources.items(), key=lambda item: -item[1]))


def find_sample(ledger: Ledger, run: Run, key: str) -> dict[str, Any]:
    """One row of `samples`: by key, unique beginning of a key, content hash (or 8 digits of it) or source.

    Raises:
        ParamsError: none has it, or several have.
    """
    ways = [("key = ?", key), ("source = ?", key), ("starts_with(key, ?)", key)]
    if len(key) >= _SHORTEST_HASH:
        ways.insert(1, ("starts_with(content_sha256, ?)", key.lower()))
    for condition, value in ways:
        found = ledger.rows(
            f"select * from samples where run = ? and {condition} order by row limit ?",
            [run.name, value, _MOST_MATCHES + 1],
        )
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(row["key"] for row in found[:_MOST_MATCHES])
            more = ", ..." if len(found) > _MOST_MATCHES else ""
            raise ParamsError(f"{key!r} fits several samples of {run.name}: {names}{more}")
    raise ParamsError(
        f"no sample of {run.name} has the key, the content hash or the source {key!r}; "
        "`asd audit pool --search TEXT` finds parts of them"
    )


def sample_at(ledger: Ledger, run: Run, row: int) -> dict[str, Any]:
    """The sample at a place in the order of the run.

    Raises:
        ParamsError: the run has no such row.
    """
    found = ledger.rows("select * from samples where run = ? and row = ?", [run.name, row])
    if not found:
        raise ParamsError(f"{run.name} has no row {row}; it has {ledger.count(run)} samples")
    return found[0]


@dataclass(frozen=True)
class Trajectory:
    """One sample over the E recorded epochs of all stages, the final scoring last.

    Attributes:
        epoch: int (E,).
        stage: 1 to 3, int (E,).
        rule: how the pool was chosen, E words.
        loss: float32 (E,).
        virtual_loss: nan where no virtual model was trained, float32 (E,).
        in_clean: membership, bool (E,).
        rank: samples with a lower score, int (E,): of the loss, in a meta-split of the loss reduction.
        ranked: how many samples the rank is among, int (E,).
        cut: highest score let in, nan where nothing was ranked, float (E,).
    """

    epoch: NDArray[np.int64]
    stage: NDArray[np.int64]
    rule: tuple[str, ...]
    loss: Losses
    virtual_loss: Losses
    in_clean: Mask
    rank: NDArray[np.int64]
    ranked: NDArray[np.int64]
    cut: NDArray[np.float64]

    @property
    def reduction(self) -> Losses:
        """Loss minus virtual loss, nan where there is none."""
        return self.loss - self.virtual_loss


@dataclass
class _Points:
    epoch: list[int] = field(default_factory=list)
    stage: list[int] = field(default_factory=list)
    rule: list[str] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    virtual: list[float] = field(default_factory=list)
    in_clean: list[bool] = field(default_factory=list)
    rank: list[int] = field(default_factory=list)
    ranked: list[int] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)


def trajectory(run: Run, row: int) -> Trajectory:
    """Follow one sample through the history, one epoch in memory at a time."""
    points = _Points()
    for stage, file in zip(STAGES, run.histories, strict=True):
        facts = history_facts(file)
        if not facts:
            continue
        with pq.ParquetFile(file) as history:
            for place, fact in enumerate(facts):
                columns = ["loss", "in_clean"]
                if history.metadata.row_group(place).column(_VIRTUAL).statistics.null_count == 0:
                    columns.append("virtual_loss")
                _add_point(points, stage, fact, history.read_row_group(place, columns), row)
    return Trajectory(
        epoch=np.array(points.epoch, dtype=np.int64),
        stage=np.array(points.stage, dtype=np.int64),
        rule=tuple(points.rule),
        loss=np.array(points.loss, dtype=np.float32),
        virtual_loss=np.array(points.virtual, dtype=np.float32),
        in_clean=np.array(points.in_clean, dtype=np.bool_),
        rank=np.array(points.rank, dtype=np.int64),
        ranked=np.array(points.ranked, dtype=np.int64),
        cut=np.array(points.cut, dtype=np.float64),
    )


def _add_point(points: _Points, stage: int, fact: dict[str, Any], table: Any, row: int) -> None:
    loss = table["loss"].to_numpy()
    virtual = table["virtual_loss"].to_numpy() if "virtual_loss" in table.column_names else None
    score = loss if virtual is None or fact["rule"] != "meta-split" else loss - virtual
    points.epoch.append(fact["epoch"])
    points.stage.append(stage)
    points.rule.append(fact["rule"])
    points.loss.append(float(loss[row]))
    points.virtual.append(float("nan") if virtual is None else float(virtual[row]))
    points.in_clean.append(bool(table["in_clean"][row].as_py()))
    points.rank.append(int((score < score[row]).sum()))
    points.ranked.append(len(score))
    points.cut.append(float("nan") if fact["cut"] is None else float(fact["cut"]))


@dataclass(frozen=True)
class Comparison:
    """What changed between two runs; samples are matched by key.

    Attributes:
        changed: (verdict before, verdict after) -> number of samples, the most first; equal pairs left out.
        same: samples with the same verdict in both.
        new: samples that only the later has; `gone` only the earlier.
        new_sources: source group -> samples of it in the later run, where the earlier had none of it;
            `gone_sources` the other way round.
        before: row of the view `runs`; `after` likewise.
    """

    changed: dict[tuple[str | None, str | None], int]
    same: int
    new: int
    gone: int
    new_sources: dict[str, int]
    gone_sources: dict[str, int]
    before: dict[str, Any]
    after: dict[str, Any]


_JOINED = (
    "(select key, verdict, source, class_name from samples where run = $a) a full join "
    "(select key, verdict, source, class_name from samples where run = $b) b using (key)"
)


def compare(ledger: Ledger, a: Run, b: Run) -> Comparison:
    """Compare an earlier run with a later one."""
    names = {"a": a.name, "b": b.name}
    pairs = ledger.rows(
        "select a.verdict as before, b.verdict as after, "
        "a.source is null as is_new, b.source is null as is_gone, "
        f"count(*) as n from {_JOINED} group by all order by n desc, before, after",
        names,
    )
    kept = [pair for pair in pairs if not pair["is_new"] and not pair["is_gone"]]
    before, after = (ledger.rows("select * from runs where run = ?", [run.name])[0] for run in (a, b))
    old_sources, later_sources = source_counts(ledger, a), source_counts(ledger, b)
    return Comparison(
        changed={(p["before"], p["after"]): p["n"] for p in kept if p["before"] != p["after"]},
        same=sum(p["n"] for p in kept if p["before"] == p["after"]),
        new=sum(p["n"] for p in pairs if p["is_new"]),
        gone=sum(p["n"] for p in pairs if p["is_gone"]),
        new_sources={name: n for name, n in later_sources.items() if name not in old_sources},
        gone_sources={name: n for name, n in old_sources.items() if name not in later_sources},
        before=before,
        after=after,
    )


def changed_samples(ledger: Ledger, a: Run, b: Run, limit: int = 50) -> list[dict[str, Any]]:
    """Samples with another verdict: before and after, and what the later run says; worst first."""
    return ledger.rows(
        "select b.row, b.key, b.content_sha256, a.verdict as before, b.verdict as after, b.class_name, "
        "b.source, b.suspicion "
        "from samples a join samples b using (key) where a.run = $a and b.run = $b "
        "and a.verdict is distinct from b.verdict order by b.suspicion desc nulls last, b.row limit $limit",
        {"a": a.name, "b": b.name, "limit": limit},
    )


def only_in(ledger: Ledger, one: Run, other: Run, limit: int = 50) -> list[str]:
    """Keys of samples that one run has and the other has not, in the order of the data."""
    rows = ledger.rows(
        "select key from samples where run = $one and key not in "
        "(select key from samples where run = $other) order by row limit $limit",
        {"one": one.name, "other": other.name, "limit": limit},
    )
    return [row["key"] for row in rows]
