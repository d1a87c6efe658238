"""When a rehearsal is due again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from asd.cli import main
from asd.operations.rehearsal.due import due
from tests.unit.rehearsing import NOW, Kennel
from tests.unit.ship.conftest import CLEAN


@pytest.mark.parametrize(
    ("when", "days", "same_data", "is_due"),
    [
        ("never", 99, False, False),
        ("first", 99, False, False),
        ("monthly", 29, False, False),
        ("monthly", 30, True, True),
        ("each_drop", 99, True, False),
        ("each_drop", 0, False, True),
    ],
)
def test_when_a_rehearsal_is_due_again(
    kennel: Kennel, when: str, days: int, same_data: bool, is_due: bool
) -> None:
    opened = kennel.change(service={"rehearse": when})
    other = {} if same_data else {"data": "0" * 64}
    kennel.rehearsed(at=(NOW - timedelta(days=days)).isoformat(), **other)
    assert bool(due(opened.layout, opened.params, NOW, CLEAN)) is is_due


@pytest.mark.parametrize(
    ("when", "is_due"), [("never", False), ("first", True), ("monthly", True), ("each_drop", True)]
)
def test_an_attack_that_was_never_rehearsed_is_due_unless_never(
    kennel: Kennel, when: str, is_due: bool
) -> None:
    opened = kennel.change(service={"rehearse": when, "rehearse_attacks": ["badnets", "blend"]})
    kennel.rehearsed(at=NOW.isoformat())
    found = due(opened.layout, opened.params, NOW, CLEAN)
    assert found.attacks == (("blend",) if is_due else ())
    kennel.rehearsed(at=NOW.isoformat(), defense="nad", attack="blend")  # of another defense
    assert bool(due(opened.layout, opened.params, NOW, CLEAN)) is is_due


def test_if_due_says_why_and_ends_with_0(kennel: Kennel, capsys: pytest.CaptureFixture[str]) -> None:
    kennel.rehearsed()
    assert main(["rehearse", "--if-due", "--workspace", str(kennel.root)]) == 0
    assert capsys.readouterr().out == (
        "no rehearsal is due: service.rehearse is first, and the last rehearsal is of 2026-11-22\n"
    )
    kennel.set(attacks=["badnets"])  # nothing could be rehearsed
    kennel.change(service={"rehearse": "never"})
    assert main(["rehearse", "--if-due", "--json", "--workspace", str(kennel.root)]) == 0
    assert json.loads(capsys.readouterr().out) == {"rehearsals": []}
