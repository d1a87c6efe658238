"""`asd drop check`: the whole gate without storing anything."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json, workspace_above
from asd.errors import GateError

if TYPE_CHECKING:
    from asd.intake.check_drop import Checked

_MOST_SHOWN = 20


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("check", epilog="Example: asd drop check ~/from-acme/july.zip --labels acme.csv")(check)


def check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A folder, archive or table of pictures; see docs/data.md.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV, JSON or YAML: label as sent, your class.", show_default=False
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would become of a drop; nothing is stored. Exit code 4 if it would wait for a person.

    In a workspace its classes, caps, earlier drops and test set count. Outside of one any class will
    do: a vendor can check a drop before sending it.
    """
    from asd.intake.check_drop import check_drop
    from asd.progress import Reporter
    from asd.safe_text import safe_text

    is_in_one = workspace is not None or workspace_above(Path.cwd()) is not None
    opened = open_workspace(workspace) if is_in_one else None
    reporter = Reporter("drop", safe_text(path.name or str(path)), sys.stderr)
    found = check_drop(opened, path, labels, reporter)
    if as_json:
        print_json(_facts(found))
    else:
        _print(found)
    if found.held_because:
        raise GateError(f"this drop would be held: {'; '.join(found.held_because)}")
    if not as_json:
        where = shlex.quote(safe_text(str(path), 4096))
        typer.echo(f"this drop would be accepted; next: asd drop add {where} --source NAME")


def _facts(found: Checked) -> dict[str, Any]:
    tally = found.tally
    return {
        "sha256": found.sha256,
        "same_as": found.same_as,
        "would_be": "held" if found.held_because else "accepted",
        "held_because": list(found.held_because),
        "notes": list(found.notes),
        "files": tally.files,
        "accepted": tally.count,
        "quarantined": tally.reasons.total(),
        "reasons": dict(tally.reasons),
        "flags": dict(tally.flags),
        "classes": dict(tally.classes),
        "unknown_classes": dict(tally.unknown_classes),
        "label_flips": tally.label_flips,
        "refused": [{"path": p, "reason": r, "message": m} for p, r, m in found.refused],
    }


def _print(found: Checked) -> None:
    from asd.cli.drop import print_counts
    from asd.intake.reasons import REASONS
    from asd.safe_text import safe_text

    tally = found.tally
    if found.same_as is not None:
        typer.echo(f"this is drop {found.same_as}, which came before")
    typer.echo(f"{tally.files} files: {tally.count} accepted, {tally.reasons.total()} quarantined")
    print_counts(tally)
    for path, reason, message in found.refused[:_MOST_SHOWN]:
        typer.echo(f"  {safe_text(path)}: {reason}: {safe_text(message)}; {REASONS[reason].cure}")
    more = tally.reasons.total() - _MOST_SHOWN
    if more > 0:
        typer.echo(f"  and {more} more: --json lists them")
    for note in found.notes:
        typer.echo(f"  note: {note}")
