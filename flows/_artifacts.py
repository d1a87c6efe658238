"""What a flow run shows on the server. A server that is away for a moment never ends a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_logger

from asd.layout import Cell, Layout
from flows import _report
from flows._lines import Line
from flows._service import page_address

_EVERY = 5.0  # seconds between two updates of a bar


@contextlib.contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Let what cannot be shown be logged and not end the run."""
    try:
        yield
    except Exception as error:  # of the client, of the network, of the server
        get_logger("asd").warning("%s could not be shown: %s", what, error)


class ProgressArtifact:
    """The bar of one task on the server, written at most every few seconds."""

    def __init__(self, name: str) -> None:
        self._key = _report.slug(name)
        self._id: object = None
        self._next = 0.0

    def show(self, line: Line) -> None:
        """Take a line in; all but progress is left aside."""
        total = line.event.get("total") or 0
        if line.kind != "progress" or not total or time.monotonic() < self._next:
            return
        percent = min(100.0, 100.0 * float(line.event.get("done", 0)) / float(total))
        self._next = time.monotonic() + _EVERY
        with best_effort("progress"):
            if self._id is None:
                self._id = create_progress_artifact(
                    percent, key=self._key, description=str(line.event.get("label", ""))
                )
            else:
                update_progress_artifact(self._id, percent)  # type: ignore[arg-type]


def publish(root: Path, cells: Sequence[Cell], failures: Mapping[str, str]) -> None:
    """The table of results, how the run went, and where the reports are."""
    with best_effort("the table"):
        create_table_artifact(_report.rows(root, cells), key="results", description="One row per cell")
    markdown("summary", _report.summary(root, cells, failures), "How the run went")
    address = page_address(Layout(root))
    for cell in cells:
        report = Layout(root).audit_report(cell)
        if report.is_file():
            link = f"{address}run/{cell}" if address else report.as_uri()
            with best_effort("the link to the report"):
                create_link_artifact(link=link, link_text=str(cell), key=_report.slug(f"report-{cell}"))


def markdown(key: str, text: str, description: str) -> None:
    """A page of text."""
    with best_effort(key):
        create_markdown_artifact(text, key=key, description=description)


def table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    """A table; nothing where it has no rows."""
    if rows:
        with best_effort(key):
            create_table_artifact(rows, key=key, description=description)
