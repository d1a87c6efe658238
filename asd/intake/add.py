"""`asd drop add`: the gate, the store and what is known from before, put together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asd.drop_records import DropRecord
from asd.errors import DataError, ParamsError
from asd.intake.gate import Rules, drop_sha256, found_drop, judge_drop, read_labels_file
from asd.intake.known import known_contents
from asd.intake.rules import form_of, make_rules
from asd.intake.store import Arrival, Track, find_same, hold_drops, store_drop
from asd.intake.types import Judged
from asd.params import Workspace
from asd.progress import Reporter
from asd.safe_text import safe_text

_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LONGEST_NAME = 120


@dataclass(frozen=True)
class Added:
    """A drop, and whether anything changed: the same content was there before if not."""

    record: DropRecord
    new: bool


def add_drop(
    workspace: Workspace,
    path: Path,
    name: str | None,
    source: str,
    labels: Path | None,
    reporter: Reporter,
    track: Track,
) -> Added:
    """Judge what lies at `path` and take it in, accepted or held.

    Args:
        name: what to call it; None: the name of the file or folder.
        source: whom it came from.
        labels: a file `label as sent, class`.
        track: puts a folder under DVC.

    Raises:
        ParamsError: nothing there, or a bad name or source.
        DataError: it cannot be read as a drop, changed meanwhile, or the disk is full.
    """
    path = found_drop(path)
    arrival_name, source = checked_drop_name(name, path), checked_source(source)
    rules = make_rules(workspace, read_labels_file(labels) if labels else None)
    with hold_drops(workspace):
        sha256 = drop_sha256(path, rules.intake.most_bytes)
        same = find_same(workspace.layout, sha256)
        if same is not None and same.status != "held":
            return Added(same, new=False)
        form = form_of(workspace)
        with known_contents(workspace, form, reporter) as earlier:
            judged = _unchanged(path, sha256, rules, judge_drop(path, rules, earlier, reporter))
            arrival = Arrival(arrival_name, source, sha256)
            record = store_drop(workspace.layout, arrival, judged, form, rules.intake, track)
    return Added(record, new=True)


def _unchanged(path: Path, sha256: str, rules: Rules, judged: Iterator[Judged]) -> Iterator[Judged]:
    """Pass on what the gate says; at the end the drop must be what it was."""
    yield from judged
    if drop_sha256(path, rules.intake.most_bytes) != sha256:
        raise DataError(f"{path} changed while it was judged; wait until it is whole, and add it again")


def checked_source(source: str) -> str:
    """Whom a drop came from, fit for paths and tables.

    Raises:
        ParamsError: other characters than letters, digits, `.`, `_`, `-`, or more than 64.
    """
    if not _SOURCE.fullmatch(source):
        raise ParamsError(
            f"--source {source!r}: wanted 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first"
        )
    return source


def checked_drop_name(name: str | None, path: Path) -> str:
    """What a drop is called; taken from its file name where nobody said.

    Raises:
        ParamsError: a name that is empty, long, more than a line or taken for a formula.
    """
    if name is None:
        text = safe_text(path.name.encode(errors="replace").decode(), _LONGEST_NAME).strip()
        return text.lstrip("=+-@ ") or "drop"
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or name[0] in "=+-@":
        raise ParamsError(f"--name {name!r}: wanted one line of 1 to {_LONGEST_NAME} letters")
    return name
