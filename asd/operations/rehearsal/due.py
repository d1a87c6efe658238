"""When a rehearsal is due: `service.rehearse` of `params.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asd.layout import Cell, Layout
from asd.params import WorkspaceParams
from asd.rehearsals import Rehearsal, data_of, days_since, latest, read_rehearsals

A_MONTH = 30
"""Days."""


@dataclass(frozen=True)
class Due:
    """Which attacks are to be rehearsed now, and why, or why none is."""

    attacks: tuple[str, ...]
    reason: str

    def __bool__(self) -> bool:
        return bool(self.attacks)


def due(
    layout: Layout,
    params: WorkspaceParams,
    now: datetime,
    cell: Cell,
    attacks: Sequence[str] | None = None,
) -> Due:
    """Which attacks (None: those of `service.rehearse_attacks`) are due for a production cell.

    `first`: those never rehearsed with this data set and defense. `monthly`: also those whose last
    rehearsal is 30 days old. `each_drop`: also those rehearsed on other data than are fetched now.
    A rehearsal whose inputs are the same does nothing, so an old one of unchanged data costs little.

    Raises:
        DataError: the file of rehearsals is damaged.
    """
    when, wanted = params.service.rehearse, attacks or params.service.rehearse_attacks
    if when == "never":
        return Due((), "service.rehearse is never")
    last = {one.attack: one for one in latest(read_rehearsals(layout), cell)}
    data = data_of(layout, cell.dataset)
    found = tuple(name for name in wanted if name not in last or _again(when, last[name], data, now))
    if found:
        return Due(found, f"service.rehearse is {when}")
    oldest = min(one.at for one in last.values() if one.attack in wanted)
    return Due((), f"service.rehearse is {when}, and the last rehearsal is of {oldest[:10]}")


def _again(when: str, one: Rehearsal, data: str | None, now: datetime) -> bool:
    if when == "monthly":
        return days_since(one.at, now) >= A_MONTH
    return when == "each_drop" and one.data != data
