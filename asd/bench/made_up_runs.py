"""Made-up runs of any size, written by the real writers: for measuring the audit, not for judging it.

The numbers are drawn, no model is trained: a share of the samples of one class behaves like
poison (the virtual model learns it at once), the rest like ordinary samples.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd import new_workspace, store
from asd.audit.features import NEIGHBOURS, Neighbours
from asd.audit.opinions import Opinions
from asd.audit.purity import pool_figures
from asd.audit.record import RunRecord, join_stages, truth_masks
from asd.audit.samples import neighbour_table, sample_table
from asd.audit.verdict import judge
from asd.layout import Cell, Layout
from asd.pools.history import EpochRow, History, write_history
from asd.rng import numpy_generator
from asd.steps.audit import ROWS
from asd.truth import POISONED, PoisonTruth
from asd.types import Losses, Mask, SampleIndex

CLASSES = 10
SOURCES = 20
POISONED_SHARE = 0.01
_ALPHA, _GAMMA = 0.5, 0.5
_STAGE_ENDS = (0.5, 0.75, 1.0)  # of all epochs, as 60, 90 and 120 in the paper


def write_runs(root: Path, samples: int, epochs: int, trials: int = 2) -> list[Cell]:
    """Make a workspace with `trials` audited runs of `samples` samples and `epochs` epochs.

    Pictures are not made: the audit's tables never need them.
    """
    new_workspace.create(root, "digits")
    layout = Layout(root)
    cells = [Cell("digits", "badnets", "asd", trial) for trial in range(trials)]
    index = _index(samples)
    for cell in cells:
        _write_run(layout, cell, index, epochs)
    return cells


def _index(samples: int) -> SampleIndex:
    labels = np.arange(samples) % CLASSES
    keys = tuple(f"train_{i:08d}" for i in range(samples))
    return SampleIndex(
        keys=keys,
        labels=labels,
        content=tuple(hashlib.sha256(key.encode()).hexdigest() for key in keys),
        sources=tuple(f"vendor_{i % SOURCES:02d}.parquet#{i // SOURCES}" for i in range(samples)),
    )


def _write_run(layout: Layout, cell: Cell, index: SampleIndex, epochs: int) -> None:
    generator = numpy_generator(0, "made-up run", cell.trial)
    n = len(index)
    poisoned = (index.labels == 3) & (generator.random(n) < POISONED_SHARE * CLASSES)
    histories = _histories(generator, index, poisoned, epochs)
    for stage, history in enumerate(histories, 1):
        layout.stage(cell, stage).mkdir(parents=True)
        write_history(layout.stage(cell, stage) / "history.parquet", history.epochs)
    recorded, final = join_stages(histories, n)
    names = tuple(f"class_{label}" for label in range(CLASSES))
    seeds = np.zeros(n, dtype=np.bool_)
    seeds[: 10 * CLASSES] = True
    record = RunRecord(index, names, True, recorded, final, seeds, None)
    judged = judge(record)
    keys = tuple(key for key, planted in zip(index.keys, poisoned.tolist(), strict=True) if planted)
    truth = PoisonTruth(keys, (POISONED,) * len(keys), np.zeros(len(keys), dtype=np.int64))
    record = replace(record, truth=truth_masks(truth, index, trusted=True))
    opinions = Opinions(*(generator.random(n, dtype=np.float32) for _ in range(4)))
    probabilities = generator.dirichlet(np.full(CLASSES, 0.3), n).astype(np.float32)
    for path in (layout.audit_samples(cell), layout.metrics(cell)):
        path.parent.mkdir(parents=True)
    table = sample_table(record, judged, probabilities, opinions)
    store.write_parquet(layout.audit_samples(cell), table, row_group_size=ROWS)
    near, pool = (
        Neighbours(generator.integers(0, n, (n, k)), generator.random((n, k), dtype=np.float32))
        for k in (NEIGHBOURS, 1)
    )
    store.write_parquet(layout.audit_neighbours(cell), neighbour_table(near, pool))
    store.write_json(layout.audit_pools(cell), pool_figures(record, judged, opinions))
    store.write_json(layout.metrics(cell), _metrics(cell))


def _histories(
    generator: np.random.Generator, index: SampleIndex, poisoned: Mask, epochs: int
) -> list[History]:
    """Three stages; losses wander around a level of each sample's own."""
    n = len(index)
    level = generator.gamma(2.0, 1.0, n).astype(np.float32)
    ends = [round(share * epochs) for share in _STAGE_ENDS]
    stages: list[list[EpochRow]] = [[], [], []]
    for epoch in range(epochs):
        stage = next(place for place, end in enumerate(ends) if epoch < end)
        loss = (
            level + generator.random(n, dtype=np.float32) + np.where(poisoned, np.float32(4), np.float32(0))
        )
        stages[stage].append(_row(generator, epoch, stage, loss, poisoned))
    last = stages[-1][-1]
    stages[-1].append(EpochRow(epochs, "final", float("nan"), last.loss, last.in_clean))
    return [History(tuple(rows)) for rows in stages]


def _row(generator: np.random.Generator, epoch: int, stage: int, loss: Losses, poisoned: Mask) -> EpochRow:
    if stage < 2:
        pool, cut = _lowest(loss, _ALPHA)
        return EpochRow(epoch, ("class-aware", "class-agnostic")[stage], cut, loss, pool)
    fall = generator.random(len(loss), dtype=np.float32) + np.where(poisoned, np.float32(6), np.float32(0))
    virtual = np.maximum(loss - fall, np.float32(0))
    pool, cut = _lowest(loss - virtual, _GAMMA)
    return EpochRow(epoch, "meta-split", cut, loss, pool, virtual_loss=virtual)


def _lowest(score: Losses, share: float) -> tuple[NDArray[np.bool_], float]:
    cut = float(np.quantile(score, share))
    return score <= cut, cut


def _metrics(cell: Cell) -> dict[str, object]:
    rates = {"acc": 0.93, "acc_untrusted": None, "asr": 0.02, "asr_base": 0.02, "asr_minus_base": 0.0}
    counts = {"n_acc": 1000, "n_asr": 900, "n_asr_base": 900, "trusted": True, "why_untrusted": None}
    spans = {"acc_interval": [0.91, 0.94], "asr_interval": [0.01, 0.03], "acc_untrusted_interval": None}
    per_class = {f"class_{label}": 0.93 for label in range(CLASSES)}
    names = {"dataset": cell.dataset, "attack": cell.attack, "defense": cell.defense, "trial": cell.trial}
    more = {"per_class_accuracy": per_class, "per_class_acc_untrusted": None, "n_acc_untrusted": 0}
    return {**names, **rates, **counts, **spans, **more}
