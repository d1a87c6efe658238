"""`asd new` and `asd check`: a plug-in of one's own, from a skeleton that works to one that is proven."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json, workspace_above
from asd.errors import GateError

if TYPE_CHECKING:
    from asd.plugin_checks import Outcome


class Kind(StrEnum):
    """Of plug-ins."""

    attack = "attack"
    defense = "defense"
    semisup = "semisup"
    model = "model"
    dataset = "dataset"


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command("new", epilog="Example: asd new attack my_frame")(new)
    app.command("check", epilog="Example: asd check my_frame")(check)


def new(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="attack, defense, semisup, model or dataset")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and '_'.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a plug-in that works and its tests into the workspace's plugins/, to be changed.

    docs/extend.md goes through one attack from start to finish.
    """
    from asd.layout import Layout
    from asd.plugin_skeletons import create

    root = find_workspace(workspace)
    made = create(Layout(root), kind, name)
    if as_json:
        print_json({key: str(file) for key, file in asdict(made).items()})
        return
    for file in (made.plugin, made.test):
        typer.echo(_shown(file))
    typer.echo(f"next: change them, then `asd check {name}`")


def _shown(file: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(file.relative_to(here) if file.is_relative_to(here) else file))


def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A plug-in, or a variant of params.yaml.")],
    kind: Annotated[
        Kind | None, typer.Option(help="Needed if several kinds have this name.", show_default=False)
    ] = None,
    no_cell: Annotated[bool, typer.Option("--no-cell", help="Leave out the cell that is run.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold a plug-in against what its kind promises, and run a small cell through it.

    A plug-in is taken with its defaults, a variant with its params. The cell is of digits, in a
    temporary workspace; it takes from a few seconds to a few minutes. Exit code 4 if anything fails.
    """
    from asd.plugin_checks import whole

    root = find_workspace(workspace) if workspace else workspace_above(Path.cwd())
    subject = whole.find_subject(root, name, kind)
    outcomes = whole.promises(subject)
    if not any(one.problem for one in outcomes):
        outcomes += whole.imports(subject)
    if not as_json:
        for one in outcomes:
            _print(one)
    if not no_cell and not any(one.problem for one in outcomes):
        outcomes.append(whole.cell(subject))
        if not as_json:
            _print(outcomes[-1])
    broken = [one for one in outcomes if one.problem]
    if as_json:
        print_json(
            {
                "kind": subject.kind,
                "name": name,
                "plugin": subject.plugin,
                "holds": not broken,
                "checks": [asdict(one) for one in outcomes],
            }
        )
    if broken:
        raise GateError(f"{subject.kind} {name}: {len(broken)} of {len(outcomes)} checks failed")
    if not as_json:
        typer.echo(f"{subject.kind} {name}: all {len(outcomes)} checks hold")


def _print(one: Outcome) -> None:
    typer.echo(f"{'FAILS' if one.problem else 'ok':6} {one.promise}")
    if one.problem:
        typer.echo(f"{'':6} {one.problem}")
