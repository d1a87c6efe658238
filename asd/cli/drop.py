"""`asd drop`: data that arrives in drops: take one in, look at what became of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asd.cli.output import JsonOption, WorkspaceOption, new_app, open_workspace, print_json
from asd.errors import GateError

if TYPE_CHECKING:
    from asd.drop_records import DropRecord
    from asd.intake.tally import Tally
    from asd.params import Workspace

HELP = (
    "Take in data that arrives in drops. A drop is pictures from one source at one time; nobody vouches "
    "for it. Every file passes the gate or is quarantined with its reason; all accepted drops together "
    "are the data set `drops`."
)
NumberArgument = Annotated[int, typer.Argument(metavar="N", min=1, help="Number of the drop.")]
_MOST_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the group."""
    from asd.cli import drop_check, drop_people

    group = new_app(HELP)
    group.command("add", epilog="Example: asd drop add ~/from-acme/july --source acme")(add)
    group.command("list", epilog="Example: asd drop list --json")(list_drops)
    group.command("show", epilog="Example: asd drop show 2")(show)
    drop_check.register(group)
    drop_people.register(group)
    app.add_typer(group, name="drop")


def add(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A folder, archive or table of pictures; see docs/data.md.")
    ],
    source: Annotated[str, typer.Option(metavar="S", help="Whom it came from, such as a vendor's name.")],
    name: Annotated[
        str | None, typer.Option(metavar="N", help="What to call it; default: its file name.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV, JSON or YAML: label as sent, your class.", show_default=False
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a drop and take in what passes; exit code 4 if it waits for a person.

    Nothing is taken in by halves, and the same drop again changes nothing. One that waits is judged
    anew: after a change of params, or with --labels.
    """
    from asd.intake.add import add_drop
    from asd.operations.drop_tracking import track
    from asd.progress import Reporter
    from asd.safe_text import safe_text

    opened = open_workspace(workspace)
    root = opened.layout.root
    reporter = Reporter("drop", safe_text(path.name or str(path)), sys.stderr)
    done = add_drop(opened, path, name, source, labels, reporter, lambda folder: track(root, folder))
    record = done.record
    if as_json:
        print_json(facts(record) | {"new": done.new})
    else:
        _print_record(opened, record)
        typer.echo(next_step(record, new=done.new))
    if record.status == "held":
        raise GateError(f"drop {record.number} is held: {'; '.join(record.held_because)}")


def list_drops(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Print every drop: what it is called, whom it came from, its status, how many passed."""
    from asd.cli.audit_common import print_table
    from asd.drop_records import read_records
    from asd.safe_text import safe_text

    records = read_records(open_workspace(workspace).layout)
    if as_json:
        print_json([facts(record) for record in records])
        return
    if not records:
        typer.echo("no drops yet; next: asd drop add PATH --source NAME")
        return
    print_table(
        ("drop", "name", "source", "arrived", "status", "accepted", "quarantined", "readmitted"),
        [
            (
                *(r.number, safe_text(r.name), r.source, r.arrived, r.status),
                *(r.accepted, r.quarantined, r.readmitted),
            )
            for r in records
        ],
        left=5,
    )


def show(number: NumberArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Print what became of a drop: counts by reason, flags, classes, decisions."""
    from asd.drop_records import read_record

    opened = open_workspace(workspace)
    record = read_record(opened.layout, number)
    if as_json:
        print_json(facts(record))
        return
    _print_record(opened, record)
    typer.echo(next_step(record, new=True))


def facts(record: DropRecord) -> dict[str, Any]:
    """A drop's record for programs."""
    return asdict(record) | {"readmitted": record.readmitted, "manifest_sha256": record.manifest_sha256}


def _print_record(workspace: Workspace, record: DropRecord) -> None:
    from asd.intake.tally import class_notes
    from asd.safe_text import safe_text

    typer.echo(f"drop {record.number} {safe_text(record.name)!r} from {record.source}: {record.status}")
    typer.echo(f"  arrived {record.arrived}, sha256 {record.sha256}")
    again = f", {record.readmitted} of them readmitted" if record.readmitted else ""
    typer.echo(f"  {record.files} files: {record.accepted} accepted, {record.quarantined} quarantined{again}")
    print_counts(record)
    datasets = workspace.drop_datasets()
    names = workspace.variant("datasets", datasets[0]).params.class_names if datasets else None
    for note in class_notes(record.classes, record.label_flips, names):
        typer.echo(f"  note: {note}")
    for text in record.held_because:
        typer.echo(f"  held because {safe_text(text, 500)}")
    for one in record.decisions:
        key = f" {safe_text(one.key)}" if one.key else ""
        note = f": {one.note}" if one.note else ""
        typer.echo(f"  {one.at} {one.by}: {one.what}{key}{note}")


def print_counts(found: DropRecord | Tally) -> None:
    """Print refused files by reason, flags, and pictures by class."""
    from asd.intake.reasons import REASONS

    for code, count in sorted(found.reasons.items(), key=lambda item: (-item[1], item[0])):
        meaning = REASONS[code].meaning if code in REASONS else ""
        typer.echo(f"    {count:6} {code}: {meaning}")
    for title, counts in (
        ("flags", found.flags),
        ("classes", found.classes),
        ("unknown classes", found.unknown_classes),
    ):
        if counts:
            typer.echo(f"  {title}: {_counted(counts)}")


def _counted(counts: dict[str, int]) -> str:
    from asd.safe_text import safe_text

    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{safe_text(name)} {count}" for name, count in largest[:_MOST_SHOWN]]
    more = len(counts) - _MOST_SHOWN
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def next_step(record: DropRecord, *, new: bool) -> str:
    """What a person may do now, to be typed."""
    number = record.number
    again = "" if new else f"nothing changed: this is drop {number}, which came before\n"
    if record.status == "held":
        cures = [
            (f"asd drop report {number} --out FILE.html", "for the vendor: file, reason, how to mend it")
        ]
        if record.unknown_classes:
            cures.append(
                (
                    f"asd drop add PATH --source {record.source} --labels FILE",
                    "FILE has `sent,class` for labels that are no class",
                )
            )
        if record.pictures:
            cures.append((f"asd drop accept {number} --by NAME", "take in what passed"))
        cures.append((f"asd drop withdraw {number} --by NAME", "refuse all of it"))
        width = max(len(what) for what, _ in cures)
        return again + "next, one of:\n" + "\n".join(f"  {what:{width}} # {why}" for what, why in cures)
    if record.status == "withdrawn":
        return f"{again}next: asd drop restore {number} --by NAME puts it back"
    return f"{again}next: asd run"
