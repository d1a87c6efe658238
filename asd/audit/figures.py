"""The figures of the page: which numbers go into which chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from asd.audit import charts
from asd.audit.histograms import Histogram, histogram, span_of
from asd.audit.record import RunRecord
from asd.types import Mask

_GREEN = "#15803d"


@dataclass(frozen=True)
class Figure:
    """A chart and the words below it."""

    svg: str
    caption: str


@dataclass(frozen=True)
class LossPanel:
    """One histogram of losses, before it is drawn; `letter` is that of the paper's Figure 3."""

    letter: str
    bins: Histogram
    x_title: str
    caption: str


def loss_panels(record: RunRecord) -> list[LossPanel]:
    """Losses of clean and poisoned samples around the first meta-split: the paper's Figure 3, a to d.

    Without a meta-split on record there is panel d alone.
    """
    groups = _groups(record)
    meta = record.meta_epochs()
    final = record.final.loss
    if not meta:
        return [LossPanel("d", histogram(final, groups), "loss", "Loss of the final model.")]
    first = meta[0]
    span = span_of(first.loss, first.virtual_loss, final)
    before = f"Loss of the model f at the end of stage 2 (before the first meta-split, epoch {first.epoch})."
    panels = (
        ("a", first.loss, span, "loss", before),
        ("b", first.virtual_loss, span, "loss", "Loss of the virtual model f′ in the same epoch."),
        ("c", first.reduction, None, "loss reduction", "Loss reduction, a minus b: high is learned at once."),
        ("d", final, span, "loss", "Loss of the final model, at the end of stage 3."),
    )
    return [
        LossPanel(letter, histogram(values, groups, limits), title, caption)
        for letter, values, limits, title, caption in panels
    ]


def loss_figures(record: RunRecord) -> list[Figure]:
    """`loss_panels`, drawn."""
    panels = loss_panels(record)
    if len(panels) == 1:
        chart = charts.histogram_chart(panels[0].bins, x_title="loss", name="loss-end")
        return [Figure(chart, panels[0].caption)]
    return [
        Figure(
            charts.histogram_chart(panel.bins, x_title=panel.x_title, name=f"loss-{panel.letter}"),
            f"({panel.letter}) {panel.caption}",
        )
        for panel in panels
    ]


def _groups(record: RunRecord) -> dict[str, Mask]:
    truth = record.truth
    if truth is None or not truth.planted:
        return {"all samples": np.ones(len(record), dtype=np.bool_)}
    rest = "clean" if truth.complete else "not planted"
    return {rest: ~truth.poisoned, "poisoned": truth.poisoned}


def stage_borders(record: RunRecord) -> list[tuple[float, str]]:
    """First recorded epoch of each stage that trained."""
    first: dict[int, int] = {}
    for recorded in record.epochs:
        first.setdefault(recorded.stage, recorded.row.epoch)
    return [(float(epoch), f"stage {stage}") for stage, epoch in first.items()]


def growth_figure(record: RunRecord, epochs: list[Mapping[str, Any]]) -> Figure | None:
    """Size of the clean pool per epoch; `epochs` as in pools.json. None if nothing is on record."""
    if not epochs:
        return None
    rows = _series(epochs, {"samples in the clean pool": "size"})
    svg = charts.line_chart(
        rows,
        {"samples in the clean pool": charts.CLEAN_COLOUR},
        y_title="samples",
        name="pool-size",
        borders=stage_borders(record),
    )
    return Figure(svg, "Size of the clean pool (samples whose label is used) in each epoch.")


def poison_figures(record: RunRecord, epochs: list[Mapping[str, Any]]) -> list[Figure]:
    """Poison in the pool, precision and recall per epoch; empty without truth or recorded epochs."""
    if not epochs or record.truth is None or not record.truth.planted:
        return []
    borders = stage_borders(record)
    counts = charts.line_chart(
        _series(epochs, {"poisoned samples in the pool": "poisoned"}),
        {"poisoned samples in the pool": charts.POISON_COLOUR},
        y_title="samples",
        name="pool-poison",
        borders=borders,
    )
    names = {"precision": "precision", "recall": "recall"}
    shares = charts.line_chart(
        _series(epochs, names),
        {"precision": _GREEN, "recall": charts.PLAIN_COLOUR},
        y_title="share",
        name="pool-purity",
        borders=borders,
        percent=True,
    )
    return [
        Figure(counts, f"Poisoned samples in the clean pool, of {record.truth.planted} planted."),
        Figure(
            shares,
            "Precision: share of the pool that is not poisoned. Recall: share of the rest that is in it.",
        ),
    ]


def curve_figure(record: RunRecord, curves: pa.Table) -> Figure | None:
    """ACC and ASR of the probe set per epoch; None if no epoch is on record."""
    rows = curves.to_pylist()
    if not rows:
        return None
    has_asr = any(row["asr"] is not None for row in rows)
    accuracy = "acc" if "acc" in rows[0] else "acc_untrusted"
    title = "accuracy" if accuracy == "acc" else accuracy
    names = {title: accuracy} | ({"attack success": "asr"} if has_asr else {})
    colours = {title: charts.CLEAN_COLOUR, "attack success": charts.POISON_COLOUR}
    svg = charts.line_chart(
        _series(rows, names),
        {name: colours[name] for name in names},
        y_title="share",
        name="curves",
        borders=stage_borders(record),
        percent=True,
        x_title="finished epochs",
    )
    n_asr = f" and {rows[-1]['n_asr']} triggered" if has_asr else ""
    caption = (
        f"On a fixed probe of {rows[-1]['n_acc']} clean{n_asr} test images; nothing fed back into training."
    )
    return Figure(svg, caption)


def _series(rows: list[Mapping[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"epoch": row["epoch"], "series": name, "value": row[column]}
        for row in rows
        for name, column in names.items()
        if row[column] is not None
    ]
