"""Pages of samples, one sample and two runs, on the six samples of conftest.py."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from asd.audit import queries
from asd.audit.ledger import Ledger
from asd.audit.queries import SampleFilter
from asd.audit.runs import audited_runs
from asd.audit.samples import sample_table
from asd.audit.verdict import judge
from asd.errors import ParamsError
from asd.layout import Cell, Layout


@pytest.fixture
def opened(tmp_path, record, write_run):
    """Run 0 as recorded; run 1 with another verdict, a new sample and a new source."""
    layout = Layout(tmp_path)
    table = sample_table(record, judge(replace(record, truth=None)))
    later = table.set_column(
        table.column_names.index("verdict"),
        "verdict",
        pc.if_else(pc.equal(table["key"], "k3"), "suspect", table["verdict"]),
    )
    later = later.set_column(0, "key", pc.replace_substring(later["key"], "k5", "k9"))
    later = later.set_column(2, "source", pc.replace_substring(later["source"], "pets.bin#5", "new/a.png"))
    for trial, rows in ((0, table), (1, later)):
        write_run(layout, Cell("pets", "badnets", "asd", trial), rows)
    runs = audited_runs(layout)
    with Ledger(layout, runs) as ledger:
        yield ledger, *runs


def keys(page):
    return [row["key"] for row in page.rows]


def test_a_page_is_sorted_with_equal_ones_in_view_order(opened):
    ledger, run, _ = opened
    page = queries.sample_page(ledger, run, SampleFilter(), sort="final_loss", descending=False, limit=3)
    assert (keys(page), page.total) == (["k5", "k0", "k2"], 6)
    more = queries.sample_page(
        ledger, run, SampleFilter(), sort="final_loss", descending=False, limit=3, offset=3
    )
    assert keys(more) == ["k3", "k1", "k4"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (SampleFilter(class_names=("dog",)), ["k2", "k3", "k4"]),
        (SampleFilter(class_names=("dog", "cat"), in_pool=False), ["k1", "k4", "k5"]),
        (SampleFilter(verdicts=("seed",)), ["k0"]),
        (SampleFilter(search="K3"), ["k3"]),
        (SampleFilter(search="BIN#4"), ["k4"]),
        (SampleFilter(sources=("pets.bin",)), ["k0", "k1", "k2", "k3", "k4", "k5"]),
        (SampleFilter(sources=("pets.bin#2", "pets")), ["k2"]),
        (SampleFilter(truth_roles=("poisoned",)), ["k4"]),
        (SampleFilter(class_names=("cat' or true --",)), []),
    ],
)
def test_filters(opened, where, expected):
    ledger, run, _ = opened
    assert keys(queries.sample_page(ledger, run, where, sort="row", descending=False)) == expected


def test_a_wrong_sort_names_the_right_ones(opened):
    with pytest.raises(ParamsError, match="cannot be sorted by 'size'; by row, suspicion"):
        queries.sample_page(opened[0], opened[1], SampleFilter(), sort="size")


def test_facets_count_the_values(opened):
    found = queries.facets(opened[0], opened[2])
    assert found.class_names == {"cat": 3, "dog": 3}
    assert found.sources == {"pets.bin": 5, "new": 1}
    assert found.truth_roles == {"clean": 5, "poisoned": 1}
    assert (sum(found.verdicts.values()), found.total) == (6, 6)


def test_a_sample_is_found_by_key_hash_source_or_unique_beginning(opened):
    ledger, run, later = opened
    assert queries.find_sample(ledger, run, "k3")["row"] == 3
    assert queries.find_sample(ledger, run, "pets.bin#2")["key"] == "k2"
    assert queries.find_sample(ledger, later, "new/a.png")["key"] == "k9"
    assert queries.find_sample(ledger, run, f"{4:064x}")["key"] == "k4"
    with pytest.raises(ParamsError, match=r"'k' fits several samples of pets/badnets/asd/0: k0, k1, k2"):
        queries.find_sample(ledger, run, "k")
    with pytest.raises(ParamsError, match="no sample of pets/badnets/asd/0 has the key"):
        queries.find_sample(ledger, run, "nothing")


def test_a_trajectory_follows_loss_rank_and_membership(opened):
    found = queries.trajectory(opened[1], 4)
    assert found.epoch.tolist() == [0, 1, 2, 3, 4]
    assert found.stage.tolist() == [1, 1, 2, 3, 3]
    assert found.rule == ("class-aware", "class-aware", "class-agnostic", "meta-split", "final")
    assert found.loss.tolist() == [1, 1, 1, 8, 9]
    assert found.reduction[3] == 7
    assert np.isnan(found.virtual_loss).tolist() == [True, True, True, False, True]
    assert found.in_clean.tolist() == [False] * 5
    assert found.rank.tolist() == [0, 0, 0, 5, 5]  # in epoch 3 of the falls 0, 0.5, 0, 0.25, 7, 0.5
    assert found.cut[3] == 0.25


def test_two_runs_are_compared_sample_by_sample(opened):
    ledger, before, after = opened
    found = queries.compare(ledger, before, after)
    old = queries.find_sample(ledger, before, "k3")["verdict"]
    assert found.changed == {(old, "suspect"): 1}
    assert (found.same, found.new, found.gone, found.new_sources) == (4, 1, 1, {"new": 1})
    assert [row["key"] for row in queries.changed_samples(ledger, before, after)] == ["k3"]
