"""`asd audit export|confirm`: samples leave the audit, and people's word comes in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asd.cli.audit_common import (
    CellOption,
    ClassOption,
    InPoolOption,
    SearchOption,
    SourceOption,
    VerdictOption,
    one_run,
    open_audit,
    sample_filter,
)
from asd.cli.output import JsonOption, WorkspaceOption, print_json


class Word(StrEnum):
    """What a person says of a picture."""

    clean = "clean"
    poisoned = "poisoned"


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("export", epilog="Example: asd audit export suspects.csv --verdict suspect")(export)
    group.command(
        "confirm",
        epilog="Example: asd audit confirm train_000017 --as poisoned --by Ada --note 'white square'",
    )(confirm)


def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Ends with .parquet, .csv, .jsonl or .txt (keys).")
    ],
    verdict: VerdictOption = None,
    class_name: ClassOption = None,
    source: SourceOption = None,
    search: SearchOption = "",
    in_pool: InPoolOption = None,
    keys_only: Annotated[
        bool, typer.Option("--keys-only", help="One key a line, into a .txt that `seeds: keys` reads.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    cell: CellOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write samples of a run with all columns, in the order of the data.

    In a .csv a text that a spreadsheet would run as a formula gets an apostrophe in front;
    .parquet and .jsonl have every text as it is. Columns named truth_ say what we planted.
    """
    from asd.audit.exporting import check_target
    from asd.audit.exporting import export as write
    from asd.audit.limits import NO_PROOF

    where = sample_filter(verdict, class_name, source, search, in_pool)
    opened = open_audit(workspace)
    check_target(opened.layout, file, keys_only=keys_only, overwrite=overwrite)
    with one_run(opened, cell) as (run, ledger):
        count = write(ledger, run, where, file)
    if as_json:
        print_json({"run": run.name, "file": str(file), "samples": count})
        return
    typer.echo(f"{count} samples of {run.name}: {file}")
    seeds = opened.layout.seeds_by_people.resolve()
    if file.suffix == ".txt" and file.resolve().is_relative_to(seeds):
        name = file.resolve().relative_to(seeds)
        typer.echo(
            f"{NO_PROOF} Somebody must look at every picture before it is a seed; then "
            f"`asd run -S seeds.use=keys -S seeds.keys_file={name}`"
        )


def confirm(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key, unique beginning, content hash or source.")],
    verdict: Annotated[Word, typer.Option("--as", help="What you saw.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who looked.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, in one line.")] = "",
    cell: CellOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what a person says of one picture, in reviews/log.jsonl; commit it to git.

    Bound to the picture's content, so a renamed copy is the same picture. `poisoned`: the next
    run leaves the picture out (reviews/exclusions.csv). `clean`: takes that back, and the picture
    can be made a seed. Nothing is ever taken out of the log: say the other word instead.
    """
    from asd.audit.confirming import confirm as record
    from asd.audit.confirming import find_picture

    opened = open_audit(workspace)
    with one_run(opened, cell) as (run, ledger):
        picture = find_picture(opened.layout, ledger, run, key)
    review, told = record(opened.layout, run, picture, verdict.value, by, note)
    if as_json:
        facts = {
            "key": review.key, "content_sha256": review.content_sha256, "as": review.verdict,
            "by": review.by, "at": review.at, "run": review.run, "note": review.note, "told": told,
        }  # fmt: skip
        print_json(facts)
        return
    typer.echo(f"{review.key} is {review.verdict}, says {review.by} (content {review.content_sha256[:12]})")
    for text in told:
        typer.echo(f"next: {text}" if text.startswith("asd ") else text)
