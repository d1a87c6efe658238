"""A run of six samples, small enough to know every figure by hand.

epoch   stage rule            pool
0       1     class-aware     0
1       1     class-aware     0 2
2       2     class-agnostic  2 3
3       3     meta-split      0 2 3
4             final           0 2 3
"""

from dataclasses import replace

import numpy as np
import pytest

from asd import store
from asd.audit.record import RunRecord, join_stages, truth_masks
from asd.pools.history import EpochRow, History, write_history
from asd.truth import PoisonTruth
from asd.types import SampleIndex

LABELS = np.array([0, 0, 1, 1, 1, 0])
FINAL_LOSS = np.array([0.1, 0.5, 0.2, 0.2, 9.0, 0.05], dtype=np.float32)
META_LOSS = np.array([0.25, 6.0, 0.5, 0.5, 8.0, 1.0], dtype=np.float32)
VIRTUAL_LOSS = np.array([0.25, 5.5, 0.5, 0.25, 1.0, 0.5], dtype=np.float32)
POOLS = ([0], [0, 2], [2, 3], [0, 2, 3], [0, 2, 3])
NOTHING_PLANTED = PoisonTruth((), (), np.zeros(0, dtype=np.int64))
PLANTED = PoisonTruth(("k4",), ("poisoned",), np.array([0]))


def mask(rows, count=6):
    found = np.zeros(count, dtype=bool)
    found[rows] = True
    return found


def histories():
    even = np.full(6, 1.0, dtype=np.float32)
    rules = ("class-aware", "class-aware", "class-agnostic", "meta-split", "final")
    losses = (even, even, even, META_LOSS, FINAL_LOSS)
    rows = [
        EpochRow(epoch, rule, float("nan"), loss, mask(pool))
        for epoch, (rule, loss, pool) in enumerate(zip(rules, losses, POOLS, strict=True))
    ]
    rows[1] = replace(rows[1], warnings=("epoch 1: dog is starved",))
    rows[3] = replace(rows[3], virtual_loss=VIRTUAL_LOSS, cut=0.25, notes={"virtual": [{"steps": 9}]})
    return [History(tuple(rows[:2])), History(tuple(rows[2:3])), History(tuple(rows[3:]))]


def undefended():
    final = EpochRow(20, "final", float("nan"), FINAL_LOSS, mask(range(6)))
    return [History((final,)), History(()), History(())]


def make_index(labels=LABELS, sources=None):
    n = len(labels)
    return SampleIndex(
        keys=tuple(f"k{i}" for i in range(n)),
        labels=np.asarray(labels),
        content=tuple(f"{i:064x}" for i in range(n)),
        sources=tuple(sources or (f"pets.bin#{i}" for i in range(n))),
    )


def build(*, planted=PLANTED, trusted=True, runs=None, index=None, seeds=(0,), class_names=("cat", "dog")):
    index = index or make_index()
    epochs, final = join_stages(runs or histories(), len(index))
    return RunRecord(
        index=index,
        class_names=class_names,
        trusted=trusted,
        epochs=epochs,
        final=final,
        seeds=mask(list(seeds), len(index)),
        truth=truth_masks(planted, index, trusted=trusted),
    )


@pytest.fixture(scope="session")
def make_record():
    return build


@pytest.fixture
def record():
    return build()


@pytest.fixture
def suspicious_record():
    """The virtual model learns sample 4 as it learns a trigger."""
    *earlier, last = histories()
    fell = VIRTUAL_LOSS.copy()
    fell[4] = 0.01
    meta = replace(last.epochs[0], virtual_loss=fell)
    return build(runs=[*earlier, History((meta, *last.epochs[1:]))])


@pytest.fixture
def undefended_record():
    return build(runs=undefended(), seeds=())


@pytest.fixture
def unknown_record():
    """Nothing planted, nobody vouches for the labels."""
    return build(planted=NOTHING_PLANTED, trusted=False)


@pytest.fixture
def nothing_planted():
    return NOTHING_PLANTED


@pytest.fixture
def six_histories():
    return histories()


@pytest.fixture
def write_run(six_histories):
    """A function that writes the files of one cell as the stages and `audit` leave them."""

    def write(layout, cell, table, pools=None, metrics=None):
        for path in (layout.audit_samples(cell), layout.metrics(cell)):
            path.parent.mkdir(parents=True, exist_ok=True)
        for stage, history in enumerate(six_histories, 1):
            layout.stage(cell, stage).mkdir(parents=True)
            write_history(layout.stage(cell, stage) / "history.parquet", history.epochs)
        store.write_parquet(layout.audit_samples(cell), table)
        if pools is not None:
            store.write_json(layout.audit_pools(cell), pools)
        if metrics is not None:
            store.write_json(layout.metrics(cell), metrics)

    return write
