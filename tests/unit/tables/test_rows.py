import subprocess
import sys
from types import SimpleNamespace

import pytest

from asd import store
from asd.errors import DataError
from asd.layout import Cell, Layout
from asd.tables import rows as table

ASD = Cell("digits", "badnets", "asd", 0)
NONE = Cell("digits", "badnets", "none", 0)
METRICS = {
    "acc": 0.975,
    "n_acc": 360,
    "asr": 0.0123,
    "n_asr": 325,
    "asr_base": 0.003,
    "acc_interval": [0.9, 1.0],
}
POOLS = {"final": {"size": 1000, "poisoned": 12}}


@pytest.fixture
def workspace(tmp_path):
    return SimpleNamespace(layout=Layout(tmp_path))


def put_results(workspace, cell, metrics=METRICS, pools=POOLS, seconds=(10.5, 20.0, 0.25)):
    layout = workspace.layout
    store.write_json(layout.metrics(cell), metrics)
    store.write_json(layout.audit_pools(cell), pools)
    for stage, value in enumerate(seconds, 1):
        store.write_json(layout.timing(cell, stage), {"seconds": value})


def test_a_row_has_exactly_the_agreed_keys_in_order(workspace):
    put_results(workspace, ASD)
    (row,) = table.rows(workspace, [ASD])
    assert list(row.items()) == [
        ("dataset", "digits"),
        ("attack", "badnets"),
        ("defense", "asd"),
        ("trial", 0),
        ("acc", 0.975),
        ("acc_untrusted", None),
        ("n_acc", 360),
        ("asr", 0.0123),
        ("n_asr", 325),
        ("asr_base", 0.003),
        ("clean_pool", 1000),
        ("poison_in_pool", 12),
        ("seconds", 30.75),
    ]


def test_a_cell_that_was_not_run_is_a_row_of_nulls(workspace):
    (row,) = table.rows(workspace, [NONE])
    assert (row["defense"], row["trial"]) == ("none", 0)
    assert {row[name] for name in table.COLUMNS[4:]} == {None}


def test_a_cell_that_stopped_half_way_shows_what_is_there(workspace):
    store.write_json(workspace.layout.timing(ASD, 1), {"seconds": 3.0})
    store.write_json(workspace.layout.metrics(ASD), METRICS)
    (row,) = table.rows(workspace, [ASD])
    assert (row["acc"], row["clean_pool"], row["seconds"]) == (0.975, None, None)


def test_accuracy_on_labels_that_nobody_vouches_for_cannot_be_read_by_mistake(workspace):
    untrusted = {**METRICS, "trusted": False, "acc": None, "acc_untrusted": 0.875}
    store.write_json(workspace.layout.metrics(ASD), untrusted)
    (row,) = table.rows(workspace, [ASD])
    assert (row["acc"], row["acc_untrusted"]) == (None, 0.875)
    head, _, line, why = table.render([row]).splitlines()
    assert head.split()[:3] == ["cell", "acc_untrusted", "n"]
    assert line.split()[1] == "87.5%"
    assert why.startswith("acc_untrusted: nobody vouches for the labels of the test set")


def test_trusted_and_untrusted_figures_stand_in_different_columns(workspace):
    untrusted = {**METRICS, "trusted": False, "acc": None, "acc_untrusted": 0.875}
    store.write_json(workspace.layout.metrics(NONE), untrusted)
    store.write_json(workspace.layout.metrics(ASD), METRICS)
    head, _, none, asd, _ = table.render(table.rows(workspace, [NONE, ASD])).splitlines()
    assert head.split()[1:3] == ["acc", "acc_untrusted"]
    assert (none.split()[1:3], asd.split()[1:3]) == (["–", "87.5%"], ["97.5%", "–"])


def test_rows_keep_the_order_of_the_cells(workspace):
    found = table.rows(workspace, [NONE, ASD])
    assert [row["defense"] for row in found] == ["none", "asd"]


def test_a_broken_result_is_named(workspace):
    put_results(workspace, ASD)
    workspace.layout.metrics(ASD).write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json is not valid JSON"):
        table.rows(workspace, [ASD])


def test_the_text_has_percents_and_names_that_can_be_pasted_back(workspace):
    put_results(workspace, ASD)
    lines = table.render(table.rows(workspace, [NONE, ASD])).splitlines()
    asd = next(line for line in lines if line.startswith(str(ASD)))
    assert asd.split() == [
        "digits/badnets/asd/0",
        "97.5%",
        "360",
        "1.2%",
        "325",
        "0.3%",
        "1,000",
        "12",
        "(1.2%)",
        "30.8",
    ]
    none = next(line for line in lines if line.startswith(str(NONE)))
    assert none.split() == ["digits/badnets/none/0", *["–"] * 8]


def test_a_base_rate_that_nobody_can_know_is_explained(workspace):
    put_results(workspace, ASD, {**METRICS, "asr_base": None})
    put_results(workspace, NONE)
    assert "asr base –: the clean pictures" in table.render(table.rows(workspace, [NONE, ASD]))
    assert "asr base –" not in table.render(table.rows(workspace, [NONE]))


def test_a_long_cell_name_is_neither_wrapped_nor_cut(workspace):
    cell = Cell("d" * 80, "a" * 80, "f" * 80, 12)
    assert any(
        line.startswith(str(cell)) for line in table.render(table.rows(workspace, [cell])).splitlines()
    )


def test_a_name_like_markup_is_printed_as_it_is(workspace):
    cell = Cell("[red]x", "a", "b", 0)
    assert "[red]x/a/b/0" in table.render(table.rows(workspace, [cell]))


def test_the_table_needs_no_torch():
    code = "import sys, asd.tables.rows; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
