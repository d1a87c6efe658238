"""The sensor against a real server: one run for each whole drop, whatever is started again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows import service

pytestmark = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # Prefect's event sockets
]


class Watched:
    """A workspace with its deployments, and a watcher that can be started anew."""

    def __init__(self, root: Path, client: object) -> None:
        self.layout, self.client, self.said = service.workspace(root), client, []
        self.ids = service.deployed(client, self.layout)
        self.start()

    def start(self) -> None:
        from flows.watch import Watcher

        self._watcher = Watcher(self.layout, self.client, self.said.append)

    def turn(self) -> list[str]:
        """One look; the names of all runs that there are then."""
        self._watcher.turn()
        return sorted(run.name for run in self.runs())

    def runs(self) -> list:
        return service.runs_of(self.client, self.ids["on_drop"])


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield Watched(tmp_path / tmp_path.name, client)


def test_whole_drop_starts_one_run_with_its_hash_as_key(watched: Watched) -> None:
    from asd.intake.gate import drop_sha256

    folder = service.put(watched.layout, "acme/one")
    for _ in range(3):
        names = watched.turn()
    sha256 = drop_sha256(folder)
    assert names == [f"acme/one {sha256[:8]}"]
    run = watched.runs()[0]
    assert run.idempotency_key == sha256
    assert run.parameters["place"] == str(folder)
    assert (run.parameters["source"], run.parameters["name"]) == ("acme", "one")


def test_drop_without_a_marker_waits_until_it_is_quiet(watched: Watched) -> None:
    folder = service.put(watched.layout, "acme/two", marked=False)
    assert watched.turn() == []
    journal = json.loads(watched.layout.inbox_journal.read_text())
    for entry in journal.values():
        entry["since"] -= 3601
    watched.layout.inbox_journal.write_text(json.dumps(journal))
    watched.start()
    (folder / "red" / "2.png").write_text("still coming")
    assert watched.turn() == []  # it changed: the quiet time begins anew
    journal = json.loads(watched.layout.inbox_journal.read_text())
    for entry in journal.values():
        entry["since"] -= 3601
    watched.layout.inbox_journal.write_text(json.dumps(journal))
    watched.start()
    assert len(watched.turn()) == 1


def test_lost_journal_starts_nothing_twice(watched: Watched) -> None:
    service.put(watched.layout, "acme/three")
    first = watched.turn()
    watched.layout.inbox_journal.unlink()
    watched.start()
    assert watched.turn() == first
    watched.layout.inbox_journal.write_text('{"cut')
    watched.start()
    assert watched.turn() == first


def test_same_content_under_another_name_has_the_same_run(watched: Watched) -> None:
    service.put(watched.layout, "acme/four")
    (watched.layout.inbox / "bert").mkdir()
    os.rename(watched.layout.inbox / "acme" / "four", watched.layout.inbox / "bert" / "other")
    service.put(watched.layout, "acme/four")
    assert len(watched.turn()) == 1


def test_crashed_run_begins_again_and_a_failed_one_only_when_its_marker_is_written_anew(
    watched: Watched,
) -> None:
    from prefect.client.schemas.objects import StateType

    folder = service.put(watched.layout, "acme/five")
    watched.turn()
    run = watched.runs()[0]
    service.end(watched.client, run.id, StateType.CRASHED)
    watched.turn()
    assert watched.runs()[0].state_name == "AwaitingRetry"
    service.end(watched.client, run.id, StateType.FAILED)
    for _ in range(2):
        watched.turn()
    assert watched.runs()[0].state_name == "Failed"
    assert [line.split(": ")[1] for line in watched.said if line.startswith(f"{run.name}: ")] == ["Failed"]
    os.utime(folder / ".complete", (1, 1))
    watched.turn()
    assert [(one.id, one.state_name) for one in watched.runs()] == [(run.id, "AwaitingRetry")]


def test_source_with_a_hostile_name_and_stray_files_are_named_once(watched: Watched) -> None:
    service.put(watched.layout, "-x y/one")
    (watched.layout.inbox / "stray").write_text("x")
    service.put(watched.layout, "acme/=six\x1b[31m")
    names = watched.turn() + watched.turn()
    assert len(set(names)) == 1
    assert names[0].startswith("acme/six\ufffd[31m ")
    assert sum("stray" in line for line in watched.said) == 1
    assert sum("'-x y'" in line for line in watched.said) == 1


def test_drop_waits_for_a_deployment(watched: Watched) -> None:
    service.put(watched.layout, "acme/seven")
    watched.client.delete_deployment(watched.ids["on_drop"])
    watched.turn()
    assert any("acme/seven waits: the server has no deployment on_drop/" in line for line in watched.said)
    watched.ids = service.deployed(watched.client, watched.layout)
    assert len(watched.turn()) == 1


def test_drop_whose_name_is_not_utf_8_does_not_stop_the_others(watched: Watched) -> None:
    folder = service.put(watched.layout, "acme/nine")
    folder.rename(folder.with_name("\udcff"))
    service.put(watched.layout, "bert/eight")
    for _ in range(2):
        names = watched.turn()
    assert [name.partition(" ")[0] for name in names] == ["bert/eight"]
    assert sum("its name is not UTF-8" in line for line in watched.said) == 1
