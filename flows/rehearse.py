"""The flow `rehearse`: `asd rehearse`, by hand or once a month."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows import _run
from flows._missed import drop_missed
from flows._rehearsal import rehearse_now
from flows._share import share


@flow(name="rehearse", persist_result=False, validate_parameters=False)
def rehearse(workspace: str, attacks: list[str] | None = None, fraction: float | None = None) -> None:
    """Plant known triggers in a copy of the data and run the defense on it.

    Args:
        workspace: its folder.
        attacks: as `service.rehearse_attacks`, which is the default.
        fraction: as `service.rehearse_fraction`, which is the default.

    Raises:
        CommandError: it failed.
    """
    root = Path(workspace).resolve()
    with _run.of_the_service():
        drop_missed()
        rehearse_now(root, attacks, fraction)
        share(root, "Rehearsal")
