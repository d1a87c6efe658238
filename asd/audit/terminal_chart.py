"""A sample's trajectory as characters, for a terminal or a file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from asd.audit.queries import Trajectory

_HEIGHT = 12
_FEWEST, _MOST = 40, 120
IN, OUT = "█", "·"


def loss_chart(found: Trajectory, width: int) -> str:
    """Loss per epoch (and of the virtual model, where one was trained), stage borders as lines."""
    loss = found.loss.astype(np.float64)
    lines = [
        (loss, "dot"),
        (found.virtual_loss.astype(np.float64), "x"),
        (np.where(found.in_clean, loss, np.nan), "#"),
    ]
    return _chart(found, lines, "loss: • outside the clean pool, # inside; x of the virtual model", width)


def rank_chart(found: Trajectory, width: int) -> str:
    """Place among all samples per epoch, as a share: 0 is let in first."""
    place = found.rank / np.maximum(found.ranked, 1)
    lines = [(place, "dot"), (np.where(found.in_clean, place, np.nan), "#")]
    return _chart(found, lines, "place among all samples, 0 is let in first; # in the clean pool", width)


def membership_line(found: Trajectory, width: int) -> str:
    """A character an epoch, `█` in the pool and `·` not, `|` where a stage begins.

    Where that is too wide one character stands for several epochs: for the last of them.
    """
    columns = min(len(found.epoch), width_of(width) - 4)
    last = np.linspace(0, len(found.epoch), columns + 1).astype(int)[1:] - 1
    shown, stage = "", found.stage[0] if len(found.stage) else 1
    for i in last:
        shown += "|" if found.stage[i] != stage else ""
        shown += IN if found.in_clean[i] else OUT
        stage = found.stage[i]
    return shown


def width_of(columns: int) -> int:
    """The width of a chart in a terminal of so many columns."""
    return max(_FEWEST, min(columns, _MOST))


def stage_borders(found: Trajectory) -> list[int]:
    """Epochs at which a stage after the first begins."""
    return [int(found.epoch[i]) for i in range(1, len(found.epoch)) if found.stage[i] != found.stage[i - 1]]


def _chart(found: Trajectory, lines: list[tuple[NDArray[np.float64], str]], title: str, width: int) -> str:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width_of(width), _HEIGHT)
    plotext.title(title)
    for values, marker in lines:
        known = np.isfinite(values)
        if known.any():
            draw = plotext.scatter if marker == "#" else plotext.plot
            draw(found.epoch[known].tolist(), values[known].tolist(), marker=marker)
    for border in stage_borders(found):
        plotext.vline(border)
    whole = plotext.uncolorize(plotext.build())
    return "\n".join(_without_empty(whole))


def _without_empty(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip():
            yield line.rstrip()
