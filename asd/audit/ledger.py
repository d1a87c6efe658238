"""The ledger: every sample, epoch, pool, run and review of a workspace as views of one database.

DuckDB reads the Parquet files where they lie and only what a question needs; nothing is copied.
Views: `samples` (a row a sample), `history` (a row a sample and epoch), `pools` (a row an
epoch), `runs` and `reviews`; each has a column `run`, the name of the run. `drops` has a row a data
drop, and `provenance` says of every sample of a drop which one, whose, under what name and when.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from asd.audit.ledger_sql import DROP_PATTERN, check_question, quoted
from asd.audit.ledger_tables import (
    DROPS,
    LIGHT_COLUMNS,
    POOLS,
    REVIEWS,
    RUNS,
    SAMPLES,
    drop_rows,
    pool_rows,
    review_rows,
    run_row,
)
from asd.audit.record import STAGES
from asd.audit.runs import Run
from asd.errors import DataError, ParamsError
from asd.layout import Layout

VIEWS = ("samples", "history", "pools", "runs", "reviews", "drops", "provenance")

MEMORY_LIMIT_MB = 1300
THREADS = 2
MOST_ROWS = 100_000
MOST_SECONDS = 120
"""Limits of a person's question."""

MOST_LOADED = 2
"""Runs whose `LIGHT_COLUMNS` are kept in memory."""


_PROVENANCE = f"""create view provenance as
select s.run, s.row, s.key, s.content_sha256, s."drop", s.source, s.path, d.arrived from (
  select run, row, key, content_sha256, regexp_extract(source, '{DROP_PATTERN}', 1) as source,
    try_cast(regexp_extract(source, '{DROP_PATTERN}', 2) as integer) as "drop",
    regexp_replace(source, '{DROP_PATTERN}', '') as path
  from samples where regexp_matches(source, '{DROP_PATTERN}')
) s left join drops d on d."drop" = s."drop"
"""


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
        self._loaded: OrderedDict[str, str] = OrderedDict()
        self._next_table = 0
        self._loading = threading.Lock()
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
            self._add_table("pools", POOLS, [row for run in runs for row in pool_rows(run)])
            self._add_table("runs", RUNS, [run_row(run, self._counts[run.name]) for run in runs])
            self._add_table("reviews", REVIEWS, review_rows(layout.review_log))
            self._add_table("drops", DROPS, drop_rows(layout))
            self._database.execute(_PROVENANCE)
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

    def load(self, run: Run) -> None:
        """Bring what galleries filter and sort by into memory, about 250 MiB a million samples.

        Questions about pages of samples are then answered in a fraction of the time. The runs
        loaded last stay, at most `MOST_LOADED`.
        """
        with self._loading:
            if run.name in self._loaded:
                self._loaded.move_to_end(run.name)
                return
            while len(self._loaded) >= MOST_LOADED:
                _, oldest = self._loaded.popitem(last=False)
                self.rows(f"drop table {oldest}")
            table = f"loaded_{self._next_table}"
            self._next_table += 1
            columns = ", ".join(LIGHT_COLUMNS)
            self.rows(
                f"create table {table} as select run, row, {columns} from samples where run = ?", [run.name]
            )
            self._loaded[run.name] = table

    def light(self, run: Run) -> str:
        """The relation with `run`, `row` and `LIGHT_COLUMNS` of a run: in memory if it is loaded."""
        return self._loaded.get(run.name, "samples")

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
            yield from cursor.sql(sql, params=parameters).to_arrow_reader(rows)

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
                (name if name in names else f"null::{kind} as {name}") for name, kind in SAMPLES.items()
            )
            parts.append(
                f"select {quoted(run.name)} as run, {columns}, file_row_number as row "
                f"from read_parquet({quoted(run.samples)}, file_row_number = true)"
            )
            self._counts[run.name] = pq.read_metadata(run.samples).num_rows
        nothing = ", ".join(f"null::{kind} as {name}" for name, kind in SAMPLES.items())
        empty = f"select null::varchar as run, {nothing}, null::bigint as row where false"
        self._database.execute("create view samples as " + " union all ".join(parts or [empty]))

    def _add_history(self) -> None:
        parts = [part for run in self.runs.values() if (part := self._history_part(run))]
        columns = {"run": "varchar", "stage": "integer", "epoch": "integer", "key": "varchar"}
        columns |= {"loss": "float", "virtual_loss": "float", "loss_reduction": "float"}
        columns |= {"in_clean_pool": "boolean", "rule": "varchar", "cut": "double", "row": "bigint"}
        nothing = ", ".join(f"null::{kind} as {name}" for name, kind in columns.items())
        self._database.execute(
            "create view history as " + " union all ".join(parts or [f"select {nothing} where false"])
        )

    def _history_part(self, run: Run) -> str | None:
        """The epochs of all stages; the rows of each are those of the samples.

        Rule and cut are picked from a list by the place of the epoch: a second join would make
        DuckDB build its table on the long side.
        """
        count = self._counts[run.name]
        stages = []
        for stage, file in zip(STAGES, run.histories, strict=True):
            if facts := history_facts(file):
                rules = ", ".join(quoted(fact["rule"]) for fact in facts)
                cuts = ", ".join(f"{_number(fact['cut'])}::double" for fact in facts)
                place = f"file_row_number // {count} + 1"
                stages.append(
                    f"select {stage}::integer as stage, epoch, loss, virtual_loss, in_clean, "
                    f"[{rules}][{place}] as rule, [{cuts}][{place}] as cut, file_row_number % {count} as row "
                    f"from read_parquet({quoted(file)}, file_row_number = true)"
                )
        if not stages:
            return None
        return (
            f"select {quoted(run.name)} as run, h.stage, h.epoch, s.key, h.loss, h.virtual_loss, "
            "h.loss - h.virtual_loss as loss_reduction, h.in_clean as in_clean_pool, h.rule, h.cut, s.row "
            f"from ({' union all '.join(stages)}) h "
            "join (select key, file_row_number as row "
            f"from read_parquet({quoted(run.samples)}, file_row_number = true)) s using (row)"
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
