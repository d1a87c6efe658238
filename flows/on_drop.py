"""The flow `on_drop`: a drop arrived. Fetch it, gate it, version it, run the cells, judge, share.

Safe to run again at any point: `asd drop add` takes the same content in once, finished stages are
DVC's, and the commit and the push do nothing where nothing is new.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.client.schemas.objects import State, StateType
from prefect.logging import get_run_logger

from asd.errors import GateError
from asd.intake.add import checked_drop_name
from asd.intake.arrivals import is_remote
from asd.intake.staging import staged
from asd.layout import Layout
from asd.params import load_workspace
from asd.progress import Reporter
from asd.safe_text import safe_text
from flows import _artifacts, _commands, _run
from flows._artifacts import ProgressArtifact
from flows._commands import CommandError
from flows._lines import Line
from flows._locks import clear_dead_rwlock
from flows._rehearsal import due_after_drop, rehearse_now
from flows._run import NETWORK, ONCE, logged
from flows._share import share


@flow(name="on_drop", persist_result=False, validate_parameters=False)
def on_drop(workspace: str, place: str, source: str, name: str, sha256: str = "") -> State[Any]:
    """Take one drop in and bring the cells up to date.

    Args:
        workspace: its folder.
        place: the drop: a path, or an address such as `s3://bucket/inbox/acme/monday`.
        source: whom it is from.
        name: what to call it.
        sha256: hash (hex) that the watcher found, for the log; what is taken in is hashed again.

    Raises:
        DefendError: a stage failed; with its last lines.
        CommandError: the drop cannot be read at all, or a command failed.
    """
    root = Path(workspace).resolve()
    name = checked_drop_name(None, Path(name))
    shown = f"{safe_text(source)}/{name}"
    with _run.of_the_service():
        get_run_logger().info("drop %s, SHA-256 %s", shown, sha256 or "not known yet")
        local = fetch_drop(root, place) if is_remote(place) else Path(place)
        facts = gate_drop(root, local, source, name)
        if local != Path(place):
            local.unlink(missing_ok=True)
        number = facts["number"]
        if facts["status"] == "held":
            why = "; ".join(facts.get("held_because") or ()) or "see `asd drop show`"
            text = f"drop {number} ({shown}) is held: {safe_text(why, 1000)}"
            text += f"; `asd drop show {number}` has the cures"
            return State(type=StateType.FAILED, name="Held", message=text)
        result = run_and_judge(root, rehearse=due_after_drop(Layout(root)))
        share(root, f"Drop {number} from {shown}\n\n{len(result.ran)} stages ran")
        return result.state(f"drop {number} ({shown})")


def run_and_judge(root: Path, *, rehearse: bool) -> _run.Result:
    """The cells, the audit's pages, the rehearsal where it is due, the gates."""
    result = _run.run_cells(root)
    _run.compare(root, result)
    _run.pools(root, result)
    if rehearse:
        rehearse_now(root)
    return _run.judge(root, result)


@task(name="fetch the drop", **NETWORK)
def fetch_drop(root: Path, address: str) -> Path:
    """Download a drop from an object store to a local file."""
    most = load_workspace(root).params.intake.most_bytes
    bar = ProgressArtifact("download")

    class Shown(Reporter):
        """Sends progress to the server and nothing to standard output."""

        def _emit(self, kind: str, text: str, event: dict[str, object]) -> None:
            bar.show(Line(kind, text, event))

    return staged(Layout(root), address, most, Shown("fetch", "drop"))


@task(name="gate", **ONCE)
def gate_drop(root: Path, place: Path, source: str, name: str) -> dict[str, Any]:
    """Judge the drop and take in what passes (`asd drop add`); the facts that it prints."""
    labels = Layout(root).drop_labels(source)
    words = [
        "drop",
        "add",
        str(place),
        f"--name={name}",
        f"--source={source}",
        "--json",
    ]  # names of strangers
    words += [f"--labels={labels}"] if labels.is_file() else []
    bar = ProgressArtifact("gate")

    def on_line(line: Line) -> None:
        bar.show(line)
        if line.kind != "text":
            logged(line)

    while True:
        with _run.workspace_held(Layout(root)):
            clear_dead_rwlock(root)  # dvc would wait for a process that is dead
        said = _commands.asd(root, words, on_line)
        if "another asd run" not in said.error:
            break
    if said.code not in (0, GateError.exit_code):
        raise CommandError("asd drop add", said)
    facts: dict[str, Any] = said.facts()
    _artifacts.markdown("gate", _summary(facts), f"What the gate let in of drop {facts['number']}")
    return facts


def _summary(facts: dict[str, Any]) -> str:
    lines = [
        f"Drop **{facts['number']}** is {facts['status']}: {facts['accepted']} accepted, "
        f"{facts['quarantined']} quarantined.",
        "",
        *(f"- {code}: {count}" for code, count in sorted((facts.get("reasons") or {}).items())),
        *(f"- flag {code}: {count}" for code, count in sorted((facts.get("flags") or {}).items())),
    ]
    return "\n".join(lines)
