"""`models/`: one numbered export per promotion, and `current`, a link to the one to be served.

A reader of `models/current` sees one whole export at any moment: the link is replaced by a
rename. Nothing in the history is ever changed.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asd import store
from asd.errors import DataError, ParamsError
from asd.layout import Layout

PROMOTION_FILE = "promotion.json"
_DIGITS = 4


@dataclass(frozen=True)
class Promotion:
    """Why a model of the history is there.

    Attributes:
        number: place in the history, 1 is the first.
        cell: where it comes from.
        weights_sha256: of its weights.
        data_revision: SHA-256 (hex) of the training set's manifest.
        figures: name -> value (None: not measured) on which it was promoted.
        gates: the gates that held, as text.
        replaces: number of the model that was current before; None if there was none.
    """

    number: int
    cell: str
    weights_sha256: str
    data_revision: str
    figures: dict[str, float | None]
    gates: list[str]
    replaces: int | None

    @property
    def folder(self) -> str:
        """Name of its folder in the history."""
        return f"{self.number:0{_DIGITS}d}"

    def same_model(self, other: Promotion) -> bool:
        """Whether both stand for one model, measured alike and judged alike."""
        left, right = asdict(self), asdict(other)
        for place in ("number", "replaces"):
            del left[place], right[place]
        return left == right


def history(layout: Layout) -> list[Promotion]:
    """Every promotion, the oldest first.

    Raises:
        DataError: an entry is damaged.
    """
    if not layout.model_history.is_dir():
        return []
    folders = sorted(f for f in layout.model_history.iterdir() if f.name.isdigit())
    return [_read(folder) for folder in folders]


def _read(folder: Path) -> Promotion:
    raw: Any = store.read_json(folder / PROMOTION_FILE)
    try:
        return Promotion(**raw)
    except TypeError as error:
        raise DataError(f"{folder / PROMOTION_FILE} is not a promotion: {error}") from error


def current(layout: Layout) -> Promotion | None:
    """The model to be served, or None.

    Raises:
        DataError: `models/current` leads nowhere or is no link of ours.
    """
    link = layout.current_model
    if not link.is_symlink():
        if link.exists():
            raise DataError(f"{link} is not a link that asd made; move it away")
        return None
    folder = link.resolve()
    if folder.parent != layout.model_history.resolve() or not folder.is_dir():
        raise DataError(
            f"{link} leads to {os.readlink(link)}, which is not in {layout.model_history}; "
            "delete it and promote again"
        )
    return _read(folder)


def make_current(layout: Layout, promotion: Promotion) -> None:
    """Point `models/current` at a model of the history; a reader sees the old or the new one."""
    link = layout.current_model
    current(layout)  # refuses to replace what is not ours
    with store.disk_errors(link):
        temporary = link.parent / f".{link.name}.tmp-{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path(layout.model_history.name) / promotion.folder)
        temporary.replace(link)
        store.fsync(link.parent)


def rollback(layout: Layout) -> Promotion:
    """Make current again what the current model replaced.

    Raises:
        ParamsError: there is no current model, or it replaced none.
    """
    now = current(layout)
    if now is None:
        raise ParamsError("no model is current; `asd model promote CELL` makes one so")
    if now.replaces is None:
        raise ParamsError(f"{now.folder} ({now.cell}) is the first current model; there is none before it")
    before = [entry for entry in history(layout) if entry.number == now.replaces]
    if not before:
        raise DataError(
            f"{layout.model_history / f'{now.replaces:0{_DIGITS}d}'} is gone; promote a cell instead"
        )
    make_current(layout, before[0])
    return before[0]
