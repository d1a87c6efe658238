"""`asd drop accept|withdraw|restore|readmit|report`: what people decide about a drop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, open_workspace, print_json, refuse_out
from asd.errors import ParamsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asd.drop_records import DropRecord

NumberArgument = Annotated[int, typer.Argument(metavar="N", min=1, help="Number of the drop.")]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides it.")]
NoteOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, one line.", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("report", epilog="Example: asd drop report 2 --out acme.html")(report)
    group.command("readmit", epilog="Example: asd drop readmit 2 d0002_0123456789abcdef --by Ada")(readmit)
    group.command("accept", epilog="Example: asd drop accept 2 --by Ada --note 'asked acme'")(accept)
    group.command("withdraw", epilog="Example: asd drop withdraw 2 --by Ada")(withdraw)
    group.command("restore", epilog="Example: asd drop restore 2 --by Ada")(restore)


def accept(
    number: NumberArgument,
    by: ByOption,
    note: NoteOption = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a held drop into the data set; what was refused stays out."""
    from asd.intake.decisions import accept as decide

    _decide(decide, number, by, note, workspace, as_json)


def withdraw(
    number: NumberArgument,
    by: ByOption,
    note: NoteOption = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a whole drop out of the next run; its files stay, and `restore` puts it back."""
    from asd.intake.decisions import withdraw as decide

    _decide(decide, number, by, note, workspace, as_json)


def restore(
    number: NumberArgument,
    by: ByOption,
    note: NoteOption = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a withdrawn drop back to what it was."""
    from asd.intake.decisions import restore as decide

    _decide(decide, number, by, note, workspace, as_json)


def _decide(
    decide: Callable[..., DropRecord], number: int, by: str, note: str, workspace: Path | None, as_json: bool
) -> None:
    from asd.cli.drop import facts, next_step

    record = decide(open_workspace(workspace), number, by, note)
    if as_json:
        print_json(facts(record))
        return
    if record.status == "held":  # put back to that
        typer.echo(f"drop {number} is held")
        typer.echo(next_step(record, new=True))
        return
    typer.echo(f"drop {number} is {record.status}; next: asd run")


def readmit(
    number: NumberArgument,
    by: ByOption,
    key: Annotated[
        str | None,
        typer.Argument(metavar="[KEY]", help="Its name as sent, its key (`asd drop report`) or its hash."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="CODE", help="All that were refused for this reason.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class, where the label as sent is none.")
    ] = None,
    note: NoteOption = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let in what the gate refused: one file, or all of a reason. Recorded with your name.

    The picture is decoded and cleaned as every other; one that is broken cannot be readmitted. It
    comes back as it was kept in the quarantine of this machine.
    """
    from asd.cli.drop import facts, next_step
    from asd.intake.readmit import readmit as let_in
    from asd.operations.drop_tracking import track
    from asd.safe_text import safe_text

    if (key is None) == (reason is None):
        raise ParamsError("give KEY or --reason CODE, one of both; `asd drop show N` prints the reasons")
    opened = open_workspace(workspace)
    root = opened.layout.root
    done = let_in(opened, number, key, reason, label, by, note, lambda folder: track(root, folder))
    if as_json:
        print_json(facts(done.record) | {"new": done.new, "left": done.left})
        return
    typer.echo(f"{done.new} readmitted into drop {number}, which is {done.record.status}")
    for path, why in list(done.left.items())[:10]:
        typer.echo(f"  not readmitted: {safe_text(path)}: {why}")
    if len(done.left) > 10:
        typer.echo(f"  and {len(done.left) - 10} more (--json names all)")
    typer.echo(next_step(done.record, new=True))


def report(
    number: NumberArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help="An .html or .csv file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write for the vendor what was refused: file, reason, how to mend it."""
    from asd.intake.report import write_report

    refuse_out(out, force)
    layout = open_workspace(workspace).layout
    count = write_report(layout, number, out)
    typer.echo(f"{out}: {count} refused files of drop {number}")
