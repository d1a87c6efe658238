"""The charts of a run's page: curves and pools by epoch, and histograms with the cut drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from asd import store
from asd.audit.histograms import Histogram, histogram
from asd.audit.ledger import history_facts
from asd.audit.record import STAGES
from asd.audit.runs import Run
from asd.audit.web.svg import Axes, Bars, Chart, Series, histogram_chart, line_chart, percent
from asd.layout import Layout
from asd.truth import POISONED
from asd.types import Losses, Mask

IN, OUT = "let in", "kept out"
_COLOURS = {IN: "blue", OUT: "grey", POISONED: "orange"}


@dataclass(frozen=True)
class Epoch:
    """What holds for one recorded epoch; `place` is its row group in its stage's history."""

    stage: int
    place: int
    epoch: int
    rule: str
    cut: float
    size: int


def epochs_of(run: Run) -> list[Epoch]:
    """The recorded epochs of the stages that have run so far, the final scoring left out.

    Raises:
        DataError: a history is damaged.
    """
    return [
        Epoch(stage, place, fact["epoch"], fact["rule"], _cut(fact["cut"]), fact["size"])
        for stage, file in zip(STAGES, run.histories, strict=True)
        for place, fact in enumerate(history_facts(file))
        if fact["rule"] != "final"
    ]


def _cut(value: float | None) -> float:
    return math.nan if value is None else float(value)


def borders(pairs: Iterable[tuple[int, int]]) -> tuple[tuple[float, str], ...]:
    """First epoch of each stage, from (stage, epoch)."""
    first: dict[int, int] = {}
    for stage, epoch in pairs:
        first.setdefault(stage, epoch)
    return tuple((float(epoch), f"stage {stage}") for stage, epoch in first.items())


def growth_chart(epochs: Sequence[Epoch]) -> Chart | None:
    """Size of the clean pool; None if no pool is on record."""
    if not epochs:
        return None
    axes = Axes(
        "Growth of the clean pool",
        y="samples",
        borders=borders((e.stage, e.epoch) for e in epochs),
        note="Samples whose label is used. Dashed: where a stage begins.",
    )
    return line_chart(
        axes, [_series("samples in the pool", "blue", [(e.epoch, float(e.size)) for e in epochs])]
    )


def purity_charts(pools: Mapping[str, Any]) -> list[Chart]:
    """Poison in the pool, precision and recall; nothing where nothing was planted."""
    epochs = pools.get("epochs") or []
    if not epochs or not pools.get("planted"):
        return []
    lines = borders((e["stage"], e["epoch"]) for e in epochs)

    def series(name: str, key: str, colour: str) -> Series:
        return _series(name, colour, [(e["epoch"], e[key]) for e in epochs])

    count = Axes(
        "Poison in the clean pool",
        y="samples",
        borders=lines,
        truth=True,
        note=f"Of {pools['planted']:,} planted. A few can be enough for a backdoor.",
    )
    shares = Axes(
        "Purity of the clean pool",
        y="share",
        format_y=percent,
        span_y=(0.0, 1.0),
        borders=lines,
        truth=True,
        note="Precision: share of the pool that is not poisoned. Recall: share of the rest that is in it.",
    )
    return [
        line_chart(count, [series("poisoned samples in the pool", "poisoned", "orange")]),
        line_chart(shares, [series("precision", "precision", "green"), series("recall", "recall", "violet")]),
    ]


def curve_charts(layout: Layout, run: Run) -> list[Chart]:
    """Accuracy, and attack success where an attack was planted; nothing without curves."""
    file = layout.curves(run.cell)
    if not file.is_file():
        return []
    rows = store.read_parquet(file).to_pylist()
    if not rows:
        return []
    word = "acc" if "acc" in rows[0] else "acc_untrusted"
    pairs = [(row["epoch"], row[word]) for row in rows]
    lines = borders((e.stage, e.epoch) for e in epochs_of(run))
    axes = Axes(
        "Accuracy by epoch" if word == "acc" else "acc_untrusted by epoch",
        x="finished epochs",
        y=word.upper(),
        format_y=percent,
        span_y=(0.0, 1.0),
        borders=lines,
        note=f"On {rows[-1]['n_acc']:,} images of the probe set.",
    )
    charts = [line_chart(axes, [_series("accuracy", "blue", pairs)])]
    if any(row["asr"] is not None for row in rows):
        axes = Axes(
            "Attack success by epoch",
            x="finished epochs",
            y="ASR",
            format_y=percent,
            span_y=(0.0, 1.0),
            borders=lines,
            truth=True,
            note=f"On {rows[-1]['n_asr']:,} triggered images of the probe set.",
        )
        charts.append(
            line_chart(axes, [_series("attack success", "orange", [(r["epoch"], r["asr"]) for r in rows])])
        )
    return charts


def _series(name: str, colour: str, points: Iterable[tuple[int, float | None]]) -> Series:
    return Series(name, colour, tuple((float(x), None if y is None else float(y)) for x, y in points))


# -- histograms --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """Scores of one epoch in bins, by whether the sample was let in, and apart for the poisoned ones."""

    title: str
    x: str
    bins: Histogram
    cut: float
    note: str


def splits(run: Run) -> list[Split]:
    """The last epoch of each stage that ranked samples, and the final scoring."""
    poisoned = _poisoned(run)
    found = []
    epochs = epochs_of(run)
    for stage in STAGES:
        ranked = [e for e in epochs if e.stage == stage and not math.isnan(e.cut)]
        if ranked:
            found.append(_split(run, ranked[-1], poisoned))
    table = pq.read_table(run.samples, columns=["final_loss", "in_pool_at_end"], partitioning=None)
    inside = table["in_pool_at_end"].to_numpy()
    bins = _binned(table["final_loss"].to_numpy(), inside, poisoned)
    note = "Loss of the final model; in or out is the pool at the end."
    return [*found, Split("Loss at the end", "loss", bins, math.nan, note)]


def _split(run: Run, epoch: Epoch, poisoned: Mask | None) -> Split:
    with pq.ParquetFile(run.histories[epoch.stage - 1]) as history:
        columns = ["loss", "virtual_loss", "in_clean"]
        table = history.read_row_group(epoch.place, columns=columns)
    score, word = table["loss"].to_numpy(), "loss"
    if epoch.rule == "meta-split":
        score, word = score - table["virtual_loss"].to_numpy(), "loss reduction"
    title = f"Stage {epoch.stage}, epoch {epoch.epoch}: {epoch.rule}"
    per_class = ", over all classes" if epoch.rule == "class-aware" else ""
    note = f"The cut is the highest {word} let in{per_class}."
    return Split(title, word, _binned(score, table["in_clean"].to_numpy(), poisoned), epoch.cut, note)


def _binned(score: Losses, inside: Mask, poisoned: Mask | None) -> Histogram:
    known = np.isfinite(score)
    groups: dict[str, Mask] = {OUT: ~inside & known, IN: inside & known}
    if poisoned is not None:
        groups[POISONED] = poisoned & known
    finite = score[known]
    span = None if len(finite) else (0.0, 1.0)
    return histogram(np.where(known, score, 0), groups, span)


def _poisoned(run: Run) -> Mask | None:
    """Which samples are poisoned; None where that is not known or none is."""
    if "truth_role" not in pq.read_schema(run.samples).names:
        return None
    roles = pq.read_table(run.samples, columns=["truth_role"], partitioning=None)["truth_role"]
    mask: Mask = pc.fill_null(pc.equal(roles, POISONED), False).to_numpy()
    return mask if mask.any() else None


def split_chart(split: Split, *, truth: bool) -> Chart:
    """Draw a split, with the poisoned samples over it if the truth may be shown."""
    counts = {name: n for name, n in split.bins.counts.items() if truth or name != POISONED}
    cut = None if math.isnan(split.cut) else (split.cut, f"cut {split.cut:.3g}")
    axes = Axes(split.title, x=split.x, y="samples (log)", truth=POISONED in counts, note=split.note)
    return histogram_chart(axes, Bars(split.bins.edges, counts, {n: _COLOURS[n] for n in counts}, cut))
