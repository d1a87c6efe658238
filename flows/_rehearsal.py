"""When a rehearsal is due, and running it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from asd.layout import Layout
from flows import _artifacts, _commands
from flows._artifacts import ProgressArtifact
from flows._lines import Line
from flows._markdown import fenced
from flows._run import ONCE, logged
from flows._service import service_params


def due_after_drop(layout: Layout) -> bool:
    """Whether a run that a drop started should rehearse."""
    when = service_params(layout).rehearse
    if when == "each_drop":
        return True
    if when == "first":
        return last(layout) is None
    return when == "monthly" and _month(last(layout)) != _month(datetime.now(UTC))


def last(layout: Layout) -> datetime | None:
    """When the last recorded rehearsal was; None where there is none."""
    try:
        lines = layout.rehearsals.read_text().splitlines()
        return max((datetime.fromisoformat(json.loads(line)["at"]) for line in lines if line), default=None)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # `asd rehearse` itself says what is wrong with the file


def _month(moment: datetime | None) -> tuple[int, int] | None:
    return (moment.year, moment.month) if moment else None


@task(name="rehearsal", **ONCE)
def rehearse_now(root: Path, attacks: list[str] | None = None, fraction: float | None = None) -> str:
    """Plant known triggers in a copy of the data and run the defense on it; its sentences.

    Raises:
        CommandError: it failed.
    """
    params = service_params(Layout(root))
    chosen = ",".join(attacks or params.rehearse_attacks)
    share = params.rehearse_fraction if fraction is None else fraction
    bar = ProgressArtifact("rehearsal")

    def on_line(line: Line) -> None:
        bar.show(line)
        logged(line)

    said = _commands.checked(root, ["rehearse", "--attacks", chosen, "--fraction", f"{share}"], on_line)
    text = said.text.strip()
    _artifacts.markdown("rehearsal", fenced(text), "With a trigger that we planted")
    get_run_logger().info(text)
    return text
