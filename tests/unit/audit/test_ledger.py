"""The ledger over the six samples of conftest.py, written with the real writers."""

import json
import re
from dataclasses import replace

import pytest

from asd.audit import ledger as ledger_module
from asd.audit import queries
from asd.audit.ledger import Ledger
from asd.audit.purity import pool_figures
from asd.audit.queries import SampleFilter
from asd.audit.runs import audited_runs
from asd.audit.samples import sample_table
from asd.audit.verdict import judge
from asd.errors import DataError, ParamsError
from asd.layout import Cell, Layout


def files_of(record):
    judged = judge(replace(record, truth=None))
    metrics = {"acc": 0.9, "asr": 0.1, "asr_base": 0.05}
    return sample_table(record, judged), pool_figures(record, judged), metrics


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture
def runs(layout, record, unknown_record, write_run):
    """Trial 0 knows the truth, trial 1 does not."""
    write_run(layout, Cell("pets", "badnets", "asd", 0), *files_of(record))
    write_run(layout, Cell("pets", "badnets", "asd", 1), *files_of(unknown_record))
    return audited_runs(layout)


@pytest.fixture
def ledger(layout, runs):
    with Ledger(layout, runs) as opened:
        yield opened


def test_the_runs_are_the_audited_cells_in_order(runs):
    assert [run.name for run in runs] == ["pets/badnets/asd/0", "pets/badnets/asd/1"]


def test_samples_are_those_of_every_run_with_nulls_where_nothing_is_known(ledger):
    found = ledger.ask(
        "select run, count(*) as n, count(truth_role) as known from samples group by 1 order by 1"
    )
    assert found == [
        {"run": "pets/badnets/asd/0", "n": 6, "known": 6},
        {"run": "pets/badnets/asd/1", "n": 6, "known": 0},
    ]


def test_history_has_a_row_a_sample_and_epoch_with_key_rule_and_reduction(ledger):
    found = ledger.ask(
        "select epoch, stage, rule, loss, loss_reduction, in_clean_pool from history "
        "where run = 'pets/badnets/asd/0' and key = 'k4' order by epoch"
    )
    assert [(row["epoch"], row["stage"], row["rule"], row["in_clean_pool"]) for row in found] == [
        (0, 1, "class-aware", False),
        (1, 1, "class-aware", False),
        (2, 2, "class-agnostic", False),
        (3, 3, "meta-split", False),
        (4, 3, "final", False),
    ]
    assert [row["loss"] for row in found] == [1, 1, 1, 8, 9]
    assert [row["loss_reduction"] for row in found] == [None, None, None, 7, None]


def test_pools_and_runs_are_the_json_files(ledger):
    assert ledger.ask("select epoch, size, poisoned from pools where run like '%/0' order by epoch") == [
        {"epoch": 0, "size": 1, "poisoned": 0},
        {"epoch": 1, "size": 2, "poisoned": 0},
        {"epoch": 2, "size": 2, "poisoned": 0},
        {"epoch": 3, "size": 3, "poisoned": 0},
    ]
    (row,) = ledger.ask("select * from runs where trial = 0")
    assert (row["samples"], row["acc"], row["asr"], row["planted"], row["clean_pool"]) == (6, 0.9, 0.1, 1, 3)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select * from read_text('/etc/passwd')", "function read_text is not allowed"),
        ("select * from read_parquet('x.parquet')", "function read_parquet is not allowed"),
        ("select * from '/etc/passwd'", "there is no view '/etc/passwd'"),
        ("select * from duckdb_settings()", "function duckdb_settings is not allowed"),
        ("select * from information_schema.tables", "there is no view 'tables'"),
        ("select (select count(*) from glob('/*')) from samples", "function glob is not allowed"),
        ("copy samples to '/tmp/out.csv'", "is no SELECT"),
        ("drop view samples", "is no SELECT"),
        ("attach '/tmp/x.db'", "is no SELECT"),
        ("install httpfs", "is no SELECT"),
        ("set threads = 4", "is no SELECT"),
        ("select 1; select 2", "2 statements"),
        ("selct 1", "syntax error"),
        ("", "0 statements"),
        ("select nothing from samples", 'column "nothing" not found'),
        ("select " + "1," * 60_000 + "1", "the most is 100000"),
    ],
)
def test_only_a_select_over_the_views_is_answered(ledger, sql, says):
    with pytest.raises(ParamsError, match=re.escape(says)):
        ledger.ask(sql)


def test_files_are_out_of_reach_even_for_sql_that_is_not_checked(ledger, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for sql in (f"select * from read_csv('{tmp_path}/secret.csv')", f"copy samples to '{tmp_path}/out.csv'"):
        with pytest.raises(Exception, match="file system operations are disabled"):
            ledger.rows(sql)
    assert not (tmp_path / "out.csv").exists()


def test_common_tables_and_generated_rows_are_fine(ledger):
    worst = "with worst as (select key from samples where run like '%/0')"
    sql = f"{worst} select count(*) as n from worst, range(2)"
    assert ledger.ask(sql) == [{"n": 12}]


def test_an_answer_that_is_too_long_is_refused(ledger, monkeypatch):
    monkeypatch.setattr(ledger_module, "MOST_ROWS", 11)
    with pytest.raises(ParamsError, match="more than 11 rows; add a `limit`"):
        ledger.ask("select key from samples")


def test_a_question_that_takes_too_long_is_stopped(ledger, monkeypatch):
    monkeypatch.setattr(ledger_module, "MOST_SECONDS", 0.2)
    with pytest.raises(ParamsError, match="took more than"):
        ledger.ask(
            "select count(*) from range(100000000) a, range(100000000) b where a.range % 7 = b.range % 5"
        )


def test_names_from_strangers_are_values_not_sql(layout, record, write_run):
    cell = Cell("pets", "bad'; drop view samples; --", "asd", 0)
    write_run(layout, cell, *files_of(record))
    (run,) = audited_runs(layout)
    with Ledger(layout, [run]) as opened:
        assert opened.count(run) == 6
        assert queries.sample_page(opened, run, SampleFilter(search="'; --")).total == 0


def test_a_damaged_table_is_one_line(layout, runs):
    runs[0].samples.write_bytes(b"no parquet")
    with pytest.raises(DataError, match="is not a Parquet file"):
        Ledger(layout, runs)


def test_without_runs_the_views_are_empty(layout):
    with Ledger(layout, []) as opened:
        for view in ledger_module.VIEWS:
            assert opened.ask(f"select * from {view}") == []


def test_reviews_are_the_lines_of_the_log(layout):
    layout.reviews.mkdir()
    layout.review_log.write_text(
        json.dumps({"by": "Ada", "as": "clean", "key": "k1", "at": "2026-01-01"}) + "\n"
    )
    with Ledger(layout, []) as opened:
        assert [(r["by"], r["as"], r["key"], r["note"]) for r in opened.ask("select * from reviews")] == [
            ("Ada", "clean", "k1", None)
        ]
