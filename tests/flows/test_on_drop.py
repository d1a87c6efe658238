"""The flow `on_drop` against a real server; the commands that it starts are played by the test."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from asd.layout import Layout
from asd.run_lock import hold_workspace
from flows import _commands, _dvc, _process
from flows._commands import Said
from flows._dvc import Outcome, PlannedStage
from flows._lines import Line
from flows._rehearsal import due_after_drop
from tests.flows import service

pytestmark = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # Prefect's event sockets
]
STAGE = "audit@drops-none-asd-0"
DROP = {"number": 2, "status": "accepted", "accepted": 90, "quarantined": 10, "reasons": {"bomb": 10}}
GATES = {"lines": ["gates.least_acc holds"], "failed": [], "cause": ""}


class Played:
    """Answers the commands of a flow; `words` are those that were started."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, more: str = "") -> None:
        self.layout = service.workspace(root, more)
        self.words: list[str] = []
        self.drop: dict[str, Any] = dict(DROP)
        self.gates: dict[str, Any] = dict(GATES)
        self.stage = Outcome(0)
        self.held = False  # whether the workspace was held while the stage ran
        patch.setattr(_commands, "run", self.run)
        patch.setattr(_dvc, "stale_stages", lambda root, cells: [PlannedStage(STAGE, (), True, "new")])
        patch.setattr(_dvc, "repro", self.repro)
        patch.setattr("flows._run._ready", self._ready)
        patch.setattr(_process, "_stopping", threading.Event())  # a flow that fails stops its process

    def _ready(self, root: Path) -> Any:
        from asd.params import load_workspace

        return load_workspace(root)

    def run(self, root: Path, words: Sequence[str], on_line: Callable[[Line], None] = print) -> Said:
        text = " ".join(words[2:])
        self.words.append(text.removesuffix(f" --workspace {root}"))
        if text.startswith("drop add"):
            return Said(4 if self.drop["status"] == "held" else 0, json.dumps(self.drop), "")
        if "after_run" in words[1]:
            return Said(4 if self.gates["failed"] else 0, json.dumps(self.gates), "")
        return Said(0, '{"runs": []}', "")

    def repro(self, root: Path, stage: str, on_line: Callable[[Line], None]) -> Outcome:
        from asd.run_lock import holder

        self.held = holder(self.layout) is not None
        return self.stage

    def on_drop(self, name: str = "monday", **more: Any) -> Any:
        """The state in which the flow ends."""
        from flows.on_drop import on_drop

        place = str(self.layout.inbox / "acme" / name)
        return on_drop(str(self.layout.root), place, "acme", name, return_state=True, **more)


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    yield Played(tmp_path / "w", monkeypatch)
    gc.collect()  # Prefect drops sockets unclosed; they must not warn in another test


def test_accepted_drop_goes_through_every_part_in_order(played: Played) -> None:
    state = played.on_drop()
    assert state.is_completed()
    assert state.message == "drop 2 (acme/monday): 1 stages ran. gates.least_acc holds"
    place = played.layout.inbox / "acme" / "monday"
    assert played.words == [
        f"drop add {place} --name=monday --source=acme --json",
        "audit diff drops/none/asd/0@previous drops/none/asd/0",
        "audit summary --json",
        f"{played.layout.root} drops/none/asd/0",
    ]
    assert played.held


def test_held_drop_waits_for_a_person_and_runs_nothing(played: Played) -> None:
    played.drop |= {"status": "held", "held_because": ["12% were refused\x1b[2J"]}
    state = played.on_drop()
    assert (state.name, state.is_failed()) == ("Held", True)
    assert state.message == (
        "drop 2 (acme/monday) is held: 12% were refused\ufffd[2J; `asd drop show 2` has the cures"
    )
    assert len(played.words) == 1


def test_drop_that_cannot_be_read_fails_in_the_words_of_the_gate(played: Played) -> None:
    played.run = lambda *words: Said(3, "", "/x is no drop")  # type: ignore[method-assign,assignment]
    _commands.run = played.run  # type: ignore[assignment]
    state = played.on_drop()
    assert state.is_failed()
    assert "asd drop add: /x is no drop" in state.message


def test_failed_stage_ends_the_flow_with_its_last_lines_and_judges_nothing(played: Played) -> None:
    played.stage = Outcome(1, "Traceback\nCUDA out of memory")
    state = played.on_drop()
    assert state.is_failed()
    assert "CUDA out of memory" in state.message
    assert len(played.words) == 1


def test_failed_gate_names_the_likely_cause(played: Played) -> None:
    played.gates |= {"lines": [], "failed": ["gates.least_acc fails"], "cause": "likely cause: drop 2"}
    state = played.on_drop()
    assert (state.name, state.is_failed()) == ("GateFailed", True)
    assert state.message == "drop 2 (acme/monday): gates.least_acc fails; likely cause: drop 2"


def test_artifacts_say_what_the_gate_let_in_and_how_the_run_went(played: Played) -> None:
    from prefect.artifacts import Artifact

    played.on_drop()
    gate, gates, summary = (Artifact.get(key) for key in ("gate", "gates", "summary"))
    assert gate is not None
    assert str(gate.data) == ("Drop **2** is accepted: 90 accepted, 10 quarantined.\n\n- bomb: 10")
    assert gates is not None
    assert "gates.least_acc holds" in str(gates.data)
    assert summary is not None
    assert "0 failed stages" in str(summary.data)


def test_label_file_of_the_source_is_given_to_the_gate(played: Played) -> None:
    labels = played.layout.drop_labels("acme")
    labels.parent.mkdir(parents=True)
    labels.write_text("katze,cat\n")
    played.on_drop()
    assert played.words[0].endswith(f"--json --labels={labels}")


@pytest.mark.parametrize(
    ("when", "last", "wanted"),
    [
        *(("first", None, True), ("first", "2026-01-31T12:00:00Z", False)),
        *(("each_drop", "2026-01-31T12:00:00Z", True), ("never", None, False)),
        *(("monthly", None, True), ("monthly", "2026-01-31T12:00:00Z", True), ("monthly", "now", False)),
    ],
)
def test_when_a_rehearsal_is_due(tmp_path: Path, when: str, last: str | None, wanted: bool) -> None:
    layout = rehearsing(service.workspace(tmp_path / "w"), when)
    if last:
        moment = datetime.now(UTC).isoformat() if last == "now" else last
        layout.rehearsals.parent.mkdir(parents=True)
        layout.rehearsals.write_text(json.dumps({"at": moment}) + "\n")
    assert due_after_drop(layout) == wanted


def rehearsing(layout: Layout, when: str) -> Layout:
    text = layout.params.read_text()
    layout.params.write_text(text.replace("rehearse: never", f"rehearse: {when}"))
    return layout


def test_rehearsal_comes_before_the_gates(played: Played) -> None:
    rehearsing(played.layout, "first")
    assert played.on_drop().is_completed()
    assert played.words[-2] == "rehearse --attacks badnets --fraction 0.05"


def test_flow_waits_while_another_run_has_the_workspace(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import _run

    other = hold_workspace(Layout(played.layout.root))
    other.__enter__()
    waited = []

    def pause() -> None:
        waited.append(1)
        if len(waited) == 3:
            other.__exit__(None, None, None)

    monkeypatch.setattr(_run, "pause", pause)
    assert played.on_drop().is_completed()
    assert len(waited) == 3


def test_run_on_a_gpu_takes_a_slot_of_the_limit_while_its_stages_run(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client

    from flows._setup import ensure_gpu_limit

    def slots() -> int:
        with get_client(sync_client=True) as client:
            return client.read_global_concurrency_limit_by_name("gpu").active_slots

    with get_client(sync_client=True) as client:
        ensure_gpu_limit(client, "gpu", 1)
    seen, repro = [], played.repro

    def watching(*words: Any) -> Outcome:
        seen.append(slots())
        return repro(*words)

    monkeypatch.setattr(_dvc, "repro", watching)
    monkeypatch.setenv("ASD_DEVICE", "cuda")
    assert played.on_drop().is_completed()
    monkeypatch.setenv("ASD_DEVICE", "cpu")
    assert played.on_drop("tuesday").is_completed()
    assert (seen, slots()) == ([1, 0], 0)


def test_server_that_cannot_take_artifacts_ends_no_run(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import _artifacts

    def away(*words: Any, **more: Any) -> None:
        raise ConnectionError("the server is away")

    for name in ("create_markdown_artifact", "create_table_artifact", "create_progress_artifact"):
        monkeypatch.setattr(_artifacts, name, away)
    assert played.on_drop().is_completed()
