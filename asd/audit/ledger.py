"""The ledger: every sample, epoch, pool, run and review of a workspace as views of one database.

DuckDB reads the Parquet files where they lie and only what a question needs; nothing is copied.
Views: `samples` (a row a sample), `history` (a row a sample and epoch), `pools` (a row an
epoch), `runs` and `reviews`. Each has a column `run`, the name of the run.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from asd import store
from asd.audit.ledger_sql import check_question, quoted
from asd.audit.record import STAGES
from asd.audit.runs import Run
from asd.errors import DataError, ParamsError
from asd.layout import Layout

VIEWS = ("samples", "history", "pools", "runs", "reviews")

MEMORY_LIMIT_MB = 1000
THREADS = 2
MOST_ROWS = 100_000
MOST_SECONDS = 120
"""Limits of a person's question."""

_SAMPLES = {
    "key": "varchar",
    "content_sha256": "varchar",
    "source": "varchar",
    "label": "integer",
    "class_name": "varchar",
    "in_pool_at_end": "boolean",
    "first_epoch_in": "integer",
    "epochs_in": "integer",
    "entries": "integer",
    "exits": "integer",
    "final_loss": "float",
    "rank_in_class": "bigint",
    "rank_overall": "bigint",
    "loss_reduction": "float",
    "is_seed": "boolean",
    "verdict": "varchar",
    "suspicion": "float",
    "decided_by": "varchar",
    "decided_epoch": "integer",
    "decided_rank": "bigint",
    "decided_of": "bigint",
    "decided_score": "float",
    "decided_cut": "float",
    "reason": "varchar",
    "predicted_class": "varchar",
    "predicted_confidence": "float",
    "spectral_signature": "float",
    "activation_clustering": "float",
    "neighbour_disagreement": "float",
    "cleanlab_label_quality": "float",
    "truth_role": "varchar",
    "truth_label_before": "integer",
}
"""Columns of `samples`, null where a run's table lacks one (an earlier version of asd, no truth)."""

_POOLS = {
    "run": "varchar",
    "epoch": "integer",
    "stage": "integer",
    "rule": "varchar",
    "cut": "double",
    "size": "bigint",
    "poisoned": "bigint",
    "precision": "double",
    "recall": "double",
    "auroc_loss": "double",
    "auroc_reduction": "double",
}

_RUNS = {
    "run": "varchar",
    "dataset": "varchar",
    "attack": "varchar",
    "defense": "varchar",
    "trial": "integer",
    "revision": "varchar",
    "samples": "bigint",
    "acc": "double",
    "acc_untrusted": "double",
    "asr": "double",
    "asr_base": "double",
    "clean_pool": "bigint",
    "poison_in_pool": "bigint",
    "planted": "bigint",
    "estimated_poisoned_share": "double",
    "estimate_low": "double",
    "estimate_high": "double",
    "suspects": "bigint",
}

_REVIEWS = {
    "at": "varchar",
    "by": "varchar",
    "as": "varchar",
    "dataset": "varchar",
    "key": "varchar",
    "content_sha256": "varchar",
    "label": "varchar",
    "run": "varchar",
    "note": "varchar",
}


class Ledger:
    """A database over the files of some runs; use as a context manager. Methods may be called from threads.

    Args:
        layout: of the workspace.
        runs: which runs the views hold.

    Raises:
        DataError: a file of a run is not what it should be.
    """

    def __init__(self, layout: Layout, runs: Sequence[Run]) -> None:
        self.runs = {run.name: run for run in runs}
        self._counts: dict[str, int] = {}
        self._database = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{MEMORY_LIMIT_MB}MB",
                "threads": THREADS,
                "temp_directory": "",
                "python_enable_replacements": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            self._add_samples()
            self._add_history()
            self._add_table("pools", _POOLS, [row for run in runs for row in _pool_rows(run)])
            self._add_table("runs", _RUNS, [_run_row(run, self._counts[run.name]) for run in runs])
            self._add_table("reviews", _REVIEWS, _review_rows(layout.review_log))
            self._lock_down()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()

    def count(self, run: Run) -> int:
        """Samples of a run."""
        return self._counts[run.name]

    def rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """Answer a question of our own, with `?` or `$name` for values; a dict a row."""
        with self._database.cursor() as cursor:
            answer = cursor.execute(sql, parameters)
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def batches(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any] = (), rows: int = 50_000
    ) -> Iterator[pa.RecordBatch]:
        """The answer to a question of our own, a part at a time in memory."""
        with self._database.cursor() as cursor:
            yield from cursor.execute(sql, parameters).to_arrow_reader(rows)

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Answer a person's question: one SELECT over the views, without functions on files or the net.

        Raises:
            ParamsError: it is something else, or is wrong, or has more than `MOST_ROWS` rows, or
                needs more than `MEMORY_LIMIT_MB` or `MOST_SECONDS`.
        """
        with self._database.cursor() as cursor:
            check_question(cursor, sql, VIEWS)
            timer = threading.Timer(MOST_SECONDS, cursor.interrupt)
            timer.start()
            try:
                answer = cursor.execute(sql)
                rows = answer.fetchmany(MOST_ROWS + 1)
            except duckdb.InterruptException as error:
                raise ParamsError(
                    f"SQL: stopped, it took more than {MOST_SECONDS} s; ask for less"
                ) from error
            except duckdb.OutOfMemoryException as error:
                raise ParamsError(f"SQL: it needs more than {MEMORY_LIMIT_MB} MB; ask for less") from error
            except duckdb.Error as error:
                raise ParamsError(f"SQL: {error}") from error
            finally:
                timer.cancel()
            if len(rows) > MOST_ROWS:
                raise ParamsError(
                    f"SQL: more than {MOST_ROWS} rows; add a `limit`, or use `asd audit export`"
                )
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in rows]

    # -- views -------------------------------------------------------------------------------

    def _add_samples(self) -> None:
        parts = []
        for run in self.runs.values():
            names = _column_names(run.samples)
            columns = ", ".join(
                (name if name in names else f"null::{kind} as {name}") for name, kind in _SAMPLES.items()
            )
            parts.append(
                f"select {quoted(run.name)} as run, {columns}, file_row_number as row "
                f"from read_parquet({quoted(run.samples)}, file_row_number = true)"
            )
            self._counts[run.name] = pq.read_metadata(run.samples).num_rows
        nothing = ", ".join(f"null::{kind} as {name}" for name, kind in _SAMPLES.items())
        empty = f"select null::varchar as run, {nothing}, null::bigint as row where false"
        self._database.execute("create view samples as " + " union all ".join(parts or [empty]))

    def _add_history(self) -> None:
        parts = [
            part
            for run in self.runs.values()
            for stage, file in zip(STAGES, run.histories, strict=True)
            if (part := self._history_part(run, stage, file))
        ]
        columns = "null::varchar as run, null::integer as stage, null::integer as epoch, null::varchar as key"
        columns += ", null::float as loss, null::float as virtual_loss, null::float as loss_reduction"
        columns += ", null::boolean as in_clean_pool, null::varchar as rule, null::double as cut"
        columns += ", null::bigint as row"
        parts = parts or [f"select {columns} where false"]
        self._database.execute("create view history as " + " union all ".join(parts))

    def _history_part(self, run: Run, stage: int, file: Path) -> str | None:
        """One stage's epochs; its rows are those of the samples, epoch after epoch."""
        facts = history_facts(file)
        if not facts:
            return None
        count = self._counts[run.name]
        epochs = ", ".join(
            f"({place}, {quoted(fact['rule'])}, {_number(fact['cut'])}::double)"
            for place, fact in enumerate(facts)
        )
        return (
            f"select {quoted(run.name)} as run, {stage}::integer as stage, h.epoch, s.key, h.loss, "
            "h.virtual_loss, h.loss - h.virtual_loss as loss_reduction, h.in_clean as in_clean_pool, "
            "e.rule, e.cut, s.row "
            f"from read_parquet({quoted(file)}, file_row_number = true) h "
            f"join (select key, file_row_number as row from read_parquet({quoted(run.samples)}, "
            f"file_row_number = true)) s on s.row = h.file_row_number % {count} "
            f"join (values {epochs}) e(place, rule, cut) on e.place = h.file_row_number // {count}"
        )

    def _add_table(self, name: str, columns: dict[str, str], rows: list[dict[str, Any]]) -> None:
        declared = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        self._database.execute(f"create table {name} ({declared})")
        if rows:
            values = [[row.get(column) for column in columns] for row in rows]
            places = ", ".join("?" for _ in columns)
            self._database.executemany(f"insert into {name} values ({places})", values)

    def _lock_down(self) -> None:
        """From here on only the files of the runs can be read, and nothing can be written or set."""
        files = [
            str(file)
            for run in self.runs.values()
            for file in (run.samples, run.neighbours, *run.histories)
            if file.is_file()
        ]
        for setting in (
            f"allowed_paths = [{', '.join(map(quoted, files))}]",
            "enable_external_access = false",
        ):
            self._database.execute(f"set {setting}")
        self._database.execute("set lock_configuration = true")


def _number(value: float | None) -> str:
    return "null" if value is None else repr(float(value))


def history_facts(file: Path) -> list[dict[str, Any]]:
    """What holds for a whole epoch (epoch, rule, cut, size, warnings, notes), in order; [] without a file.

    Raises:
        DataError: it is not a history.
    """
    if not file.is_file():
        return []
    metadata = _read_metadata(file).metadata or {}
    try:
        return list(json.loads(metadata.get(b"asd", b'{"epochs": []}'))["epochs"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is not a history: {error}") from error


def _column_names(file: Path) -> set[str]:
    return {field.name for field in _read_metadata(file).schema.to_arrow_schema()}


def _read_metadata(file: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(file)
    except FileNotFoundError as error:
        raise DataError(f"missing file {file}") from error
    except Exception as error:
        raise DataError(f"{file} is not a Parquet file: {error}") from error


def _pool_rows(run: Run) -> list[dict[str, Any]]:
    if not run.pools.is_file():
        return []
    return [{"run": run.name} | epoch for epoch in store.read_json(run.pools)["epochs"]]


def _run_row(run: Run, count: int) -> dict[str, Any]:
    cell = run.cell
    pools = store.read_json(run.pools) if run.pools.is_file() else {}
    metrics = store.read_json(run.metrics) if run.metrics.is_file() else {}
    final, share = pools.get("final") or {}, pools.get("estimated_poisoned_share") or {}
    low, high = share.get("interval") or (None, None)
    return {
        "run": run.name,
        "dataset": cell.dataset,
        "attack": cell.attack,
        "defense": cell.defense,
        "trial": cell.trial,
        "revision": run.revision,
        "samples": count,
        **{name: metrics.get(name) for name in ("acc", "acc_untrusted", "asr", "asr_base")},
        "clean_pool": final.get("size"),
        "poison_in_pool": final.get("poisoned"),
        "planted": pools.get("planted"),
        "estimated_poisoned_share": share.get("value"),
        "estimate_low": low,
        "estimate_high": high,
        "suspects": (pools.get("verdicts") or {}).get("suspect"),
    }


def _review_rows(log: Path) -> list[dict[str, Any]]:
    if not log.is_file():
        return []
    try:
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line]
    except ValueError as error:
        raise DataError(f"{log} is damaged: {error}") from error
