"""What tests of `asd init --data` share."""

import pytest

from asd.own_data import workspace
from asd.own_data.facts import Machine


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, and without the seconds that asking torch takes."""
    monkeypatch.setattr(workspace, "look_at_machine", lambda: Machine(cuda=False, bf16=False))
