"""The whole gate without storing anything: what would become of a drop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from asd.intake.gate import Rules, drop_sha256, found_drop, judge_drop, read_labels_file
from asd.intake.index import ContentIndex
from asd.intake.known import known_contents
from asd.intake.rules import form_of, make_rules
from asd.intake.store import find_same, hold_drops
from asd.intake.tally import Tally, class_notes
from asd.intake.types import Refused
from asd.params import Workspace
from asd.progress import Reporter

MOST_LISTED = 10_000


@dataclass(frozen=True)
class Checked:
    """What the gate said of a drop.

    Attributes:
        sha256: hash (hex) of the whole input as sent.
        same_as: number of the drop with the same content that came before, or None.
        tally: counts.
        refused: (path, reason, message) of the first 10,000 refused files.
        held_because: why a person would have to look at it; empty if it would be accepted.
        notes: what is odd about its classes.
    """

    sha256: str
    same_as: int | None
    tally: Tally
    refused: tuple[tuple[str, str, str], ...]
    held_because: tuple[str, ...]
    notes: tuple[str, ...]


def check_drop(workspace: Workspace | None, path: Path, labels: Path | None, reporter: Reporter) -> Checked:
    """Judge what lies at `path`; stores nothing.

    Args:
        workspace: whose classes, caps and earlier drops count; None: any class, the caps as shipped.
        path: a folder or a file.
        labels: a file `label as sent, class`.
        reporter: hears the progress.

    Raises:
        ParamsError: nothing there, or the workspace has no data set of drops.
        DataError: it cannot be read as a drop.
    """
    path = found_drop(path)
    said = read_labels_file(labels) if labels else {}
    tally = Tally()
    refused: list[tuple[str, str, str]] = []
    with _known(workspace, said, reporter) as (rules, earlier):
        sha256 = drop_sha256(path, rules.intake.most_bytes)
        same = find_same(workspace.layout, sha256) if workspace is not None else None
        for one in tally.over(judge_drop(path, rules, earlier, reporter)):
            if isinstance(one, Refused) and len(refused) < MOST_LISTED:
                refused.append((one.path, one.reason, one.message))
    return Checked(
        sha256,
        None if same is None else same.number,
        tally,
        tuple(refused),
        tuple(tally.why_held(rules.intake)),
        tuple(class_notes(tally.classes, tally.label_flips, rules.class_names)),
    )


@contextlib.contextmanager
def _known(
    workspace: Workspace | None, said: Mapping[str, str], reporter: Reporter
) -> Iterator[tuple[Rules, ContentIndex]]:
    if workspace is None:
        with ContentIndex(None) as nothing:
            yield Rules(labels=said), nothing
        return
    rules = make_rules(workspace, said)
    with hold_drops(workspace), known_contents(workspace, form_of(workspace), reporter) as earlier:
        yield rules, earlier
