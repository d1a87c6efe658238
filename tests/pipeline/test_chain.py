"""The nine steps in order on tiny digits, for a defense and its undefended twin."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from asd.layout import Cell
from asd.params import load_workspace
from asd.pools.history import read_history
from asd.seeds.seed_set import read_seed_set
from asd.shards.manifest import read_index
from asd.tables import rows as table

ASD, NONE = (Cell("digits", "badnets", defense, 0) for defense in ("asd", "none"))
N, W, CLASSES = 200, 5, 10


def histories(finished: Any, cell: Cell) -> list[Any]:
    return [read_history(finished.layout.stage(cell, n) / "history.parquet").epochs for n in (1, 2, 3)]


def test_stage_1_holds_all_seeds_and_grows_by_n_a_class(finished: Any) -> None:
    layout = finished.layout
    seeds = read_seed_set(layout.seed_set("digits", "badnets", 0)).first(W)
    keys = read_index(layout.fetched("digits", "train")).keys
    is_seed = np.array([key in seeds for key in keys])
    assert is_seed.sum() == W * CLASSES
    rows = histories(finished, ASD)[0]
    assert [row.epoch for row in rows] == [0, 1, 2]
    for row in rows:
        assert row.in_clean[is_seed].all()
        # the class-aware pool: the seeds, and n = 2 more of every class in each epoch after the first
        assert row.in_clean.sum() == W * CLASSES + 2 * row.epoch * CLASSES


def test_stages_2_and_3_keep_their_share_and_stage_3_ends_with_a_final_scoring(finished: Any) -> None:
    _, second, third = histories(finished, ASD)
    assert [row.rule for row in second] == ["class-agnostic"] * 3
    assert [row.rule for row in third] == ["meta-split", "kept", "meta-split", "final"]
    for row in (*second, *third):
        assert row.in_clean.sum() == N // 2
    assert np.array_equal(third[-1].in_clean, third[-2].in_clean)


def test_the_undefended_twin_trusts_all_and_hands_on(finished: Any) -> None:
    first, second, third = histories(finished, NONE)
    assert [(row.rule, row.epoch, row.in_clean.all()) for row in first] == [("final", 4, True)]
    assert (second, third) == ((), ())
    states = [json.loads((finished.layout.stage(NONE, n) / "state.json").read_bytes()) for n in (1, 2, 3)]
    assert [state["hand_on"] for state in states] == [False, True, True]


@pytest.mark.parametrize(("cell", "pool"), [(ASD, N // 2), (NONE, N)], ids=["asd", "none"])
def test_every_sample_has_a_row_in_the_audit(finished: Any, cell: Cell, pool: int) -> None:
    samples = pq.read_table(finished.layout.audit_samples(cell)).to_pydict()
    assert tuple(samples["key"]) == read_index(finished.layout.fetched("digits", "train")).keys
    assert samples["truth_role"].count("poisoned") == N // 10
    pools = json.loads(finished.layout.audit_pools(cell).read_bytes())
    assert pools["final"]["size"] == pool
    assert 0 < finished.layout.audit_report(cell).stat().st_size < 5_000_000


@pytest.mark.parametrize("cell", [ASD, NONE], ids=["asd", "none"])
def test_the_table_has_no_gaps(finished: Any, cell: Cell) -> None:
    [row] = table.rows(load_workspace(finished.root), [cell])
    assert [name for name, value in row.items() if value is None] == ["acc_untrusted"]
    assert (row["n_acc"], row["n_asr"]) == (100, 90)  # a tenth of the test images are of the target class


def test_no_checkpoint_and_no_temporary_file_is_left(finished: Any) -> None:
    assert not [path for path in finished.layout.scratch.rglob("*") if path.is_file()]
    assert not [path for path in finished.root.rglob("*") if ".tmp-" in path.name]


def test_the_same_params_give_the_same_bytes_elsewhere(
    finished: Any, make_pipeline: Callable[..., Any]
) -> None:
    again = make_pipeline("elsewhere")
    again.steps()
    assert again.contents() == finished.contents()
