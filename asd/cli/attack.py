"""`asd attack`: look at what an attack does before it is planted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from asd.cli.forms import CellsArgument, Format, FormatOption, refuse_two_forms, written
from asd.cli.output import JsonOption, WorkspaceOption, new_app, open_workspace, print_json, refuse_out
from asd.errors import ParamsError

HELP = "Look at attacks, which we plant to test a defense; `asd list attacks` prints them."


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app(HELP)
    group.command("preview", epilog="Example: asd attack preview badnets --dataset digits --out badnets.png")(
        preview
    )
    group.command("table", epilog="Example: asd attack table 'cifar10/*' --format md")(strength)
    app.add_typer(group, name="attack")


def strength(
    cells: CellsArgument = None,
    form: FormatOption = Format.text,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print how strong each attack is, and what each defense makes of it.

    Poisoned training samples, PSNR (dB) and SSIM of the changed pictures, seconds of the
    steps prepare and poison, then accuracy, attack success, its base rate (the same test
    pictures without the trigger) and poison in the final pool: means over trials.
    """
    from asd.cells import select_cells
    from asd.tables import attacks

    refuse_two_forms(form, as_json)
    opened = open_workspace(workspace)
    facts = attacks.rows(opened, select_cells(opened.cells(), cells or []))
    if as_json:
        print_json(facts)
    else:
        typer.echo(written(form, facts, attacks.sheet(facts), 1), nl=form is Format.text)


def preview(
    attack: Annotated[
        str, typer.Argument(metavar="ATTACK", help="A variant of params.yaml, or a plug-in as it comes.")
    ],
    dataset: Annotated[str, typer.Option("--dataset", metavar="D", help="A data set that is fetched.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A name that ends in .png.")],
    count: Annotated[int, typer.Option(min=1, max=32, metavar="N", help="Pictures in a row.")] = 8,
    train: Annotated[
        bool,
        typer.Option("--train", help="Let an attack draw or train what it needs, in a temporary folder."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw rows of clean pictures, what the attack makes of them, and the difference, magnified.

    PSNR and SSIM are means over at least 64 pictures. An attack that draws or trains
    something first needs a current data/prepared, or --train. Nothing in the workspace changes.
    """
    if out.suffix.lower() != ".png":
        raise ParamsError(f"--out {out}: wanted is a name that ends in .png")
    refuse_out(out, force)
    opened = open_workspace(workspace)
    from asd.attack_preview import draw
    from asd.attack_preview import preview as make
    from asd.progress import Reporter
    from asd.store import atomic_file

    reporter = Reporter("preview", f"{dataset}/{attack}", sys.stderr)
    found = make(opened, dataset, attack, count, reporter, train=train)
    with atomic_file(out) as temporary:
        draw(found).save(temporary, "PNG")
    if as_json:
        print_json(found.as_json() | {"file": str(out)})
        return
    for part in found.parts:
        apart = "" if part.apart is None else f", difference x {part.apart.factor:.1f}"
        typer.echo(f"{found.name} on {dataset}: {part.line()}{apart}")
    typer.echo(out)
