"""`asd seeds`: pick trusted pictures, record who vouches for them, and see what is missing."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, new_app, open_workspace, print_json
from asd.errors import DataError, ParamsError, nearest

if TYPE_CHECKING:
    from asd.params import Workspace
    from asd.seeds.standing import Standing
    from asd.shards.manifest import Manifest
    from asd.types import SampleIndex

HELP = (
    "Pick trusted pictures. Seeds are about 10 images per class whose picture and label you vouch for; "
    "best are pictures that you made or collected yourself, because a trigger can be invisible.\n\n"
    "A wrong seed is worse than a missing one. The paper put poisoned pictures among the seeds of CIFAR-10: "
    "with 1 to 3 of them the defense held against all four attacks; with 4 it broke under Blend (attack "
    "success 99.9%) and CLB (98.9%).\n\n"
    "Pictures from outside the training data: `asd source set seeds PATH`, then "
    "`asd run -S seeds.use=folder`."
)
DatasetOption = Annotated[
    str | None,
    typer.Option("--dataset", metavar="D", help="Needed if params.yaml lists several.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app(HELP)
    group.command("sheet", epilog="Example: asd seeds sheet --per-class 40")(sheet)
    group.command("add", epilog="Example: asd seeds add --class cat 3,7,12 --by Ada")(add)
    group.command("candidates", epilog="Example: asd seeds candidates --json")(candidates)
    group.command("list", epilog="Example: asd seeds list --json")(list_seeds)
    group.command("check", epilog="Example: asd seeds check && asd run -S seeds.use=keys")(check)
    app.add_typer(group, name="seeds")


def sheet(
    dataset: DatasetOption = None,
    per_class: Annotated[
        int, typer.Option("--per-class", metavar="N", min=1, max=10_000, help="Pictures a class, at most.")
    ] = 40,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="Only from this file or folder; globs, may be repeated."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw numbered sheets of candidates, class by class.

    Drawn at random from the training data, spread over its sources, never chosen by a model.
    The same data gives the same numbers. Fetches the data first where that is not done yet.
    """
    from asd.cli.fetching import ensure_fetched
    from asd.seeds.sheets import write_sheets

    opened = open_workspace(workspace)
    name = _one_dataset(opened, dataset)
    ensure_fetched(opened.layout, name, quiet=as_json)
    folder = opened.layout.seed_sheets(name)
    made = write_sheets(opened.layout.fetched(name, "train"), folder, per_class, source or ())
    if as_json:
        pages = [
            {"class": made.class_names[p.label], "file": p.file, "pictures": len(p.pictures)}
            for p in made.pages
        ]
        print_json({"folder": str(folder), "sheets": pages})
        return
    shown = sum(len(page.pictures) for page in made.pages)
    typer.echo(f"{shown} pictures of {len(made.class_names)} classes: open {folder / 'index.html'}")
    typer.echo(
        "next: asd seeds add --class CLASS 3,7,12 --by NAME, about 10 a class, only those you are sure of"
    )
    _tell_candidates(opened, name)


def _tell_candidates(workspace: Workspace, dataset: str) -> None:
    from asd.seeds.reviewed import candidates as confirmed
    from asd.seeds.trusted import read_trusted

    index, manifest = _training_data(workspace, dataset)
    rows = read_trusted(workspace.layout.trusted_seeds)
    found = confirmed(workspace.layout, dataset, index, manifest.class_names, rows)
    if found:
        typer.echo(
            f"{len(found)} pictures were confirmed as clean and are no seeds yet: asd seeds candidates"
        )


def add(
    class_name: Annotated[str, typer.Option("--class", metavar="CLASS", help="The class of the pictures.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who vouches for them.")],
    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="[NUMBERS]...", help="From the sheet: 3,7,12 or 3-9.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="A sample by its key; may be repeated.")
    ] = None,
    dataset: DatasetOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Vouch for pictures of one class: picture and label are right.

    Written to seeds/trusted.csv with the hash of each picture, your name and the day (UTC);
    commit it to git. Take a line out of it to withdraw. Adding twice changes nothing.
    """
    from asd.seeds.recording import record

    opened = open_workspace(workspace)
    name = _one_dataset(opened, dataset)
    index, manifest = _training_data(opened, name)
    added = record(opened.layout, name, manifest.class_names, index, class_name, numbers or (), key or (), by)
    have = sum(row.dataset == name and row.label == class_name for row in added.rows)
    if as_json:
        print_json({"class": class_name, "new": added.new, "already": added.already, "have": have})
        return
    for word, keys in (("new", added.new), ("already there", added.already)):
        if keys:
            more = f" and {len(keys) - 2} more" if len(keys) > 3 else ""
            typer.echo(f"{len(keys)} {word}: {', '.join(keys[: 2 if more else 3])}{more}")
    typer.echo(f"{class_name!r} has {have} seeds; next: another class, or `asd seeds check`")


def candidates(
    dataset: DatasetOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Print pictures confirmed as clean (`asd audit confirm`) that are no seeds yet.

    Each class with the command that adds them; NAME is whoever vouches for picture and label.
    """
    from asd.audit.confirming import seed_command
    from asd.seeds.reviewed import candidates as confirmed
    from asd.seeds.trusted import read_trusted

    opened = open_workspace(workspace)
    name = _one_dataset(opened, dataset)
    index, manifest = _training_data(opened, name)
    rows = read_trusted(opened.layout.trusted_seeds)
    found = confirmed(opened.layout, name, index, manifest.class_names, rows)
    if as_json:
        print_json({"dataset": name, "candidates": [asdict(one) for one in found]})
        return
    for label in dict.fromkeys(one.label for one in found):
        typer.echo(seed_command(name, label, [one.key for one in found if one.label == label]))
    if not found:
        typer.echo(
            "no candidates; `asd audit confirm KEY --as clean --by NAME` makes one, or: asd seeds sheet"
        )


def list_seeds(
    dataset: DatasetOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Print every seed: class, key, who vouches for it and since when."""
    from asd.seeds.trusted import read_trusted

    opened = open_workspace(workspace)
    rows = [row for row in read_trusted(opened.layout.trusted_seeds) if dataset in (None, row.dataset)]
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        typer.echo(f"{row.dataset}  {row.label!r}  {row.key}  {row.by}  {row.day}")
    if not rows:
        typer.echo("no seeds yet; next: asd seeds sheet")


def check(
    dataset: DatasetOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Say what each class has and needs, and stop (exit 3) on what is wrong.

    Wrong: a changed picture, a sample that is gone, another label, the same picture twice, a
    picture that was confirmed as poisoned, a class without a seed. Fewer than needed is a warning.
    """
    from asd.seeds.reviewed import poisoned_seeds
    from asd.seeds.standing import seeds_needed, standing, unused
    from asd.seeds.trusted import read_trusted

    opened = open_workspace(workspace)
    rows, need = read_trusted(opened.layout.trusted_seeds), seeds_needed(opened)
    found = []
    for name in [_one_dataset(opened, dataset)] if dataset else opened.params.cells.datasets:
        index, manifest = _training_data(opened, name)
        one = standing(rows, name, index, manifest.class_names, need)
        said = tuple(poisoned_seeds(opened.layout, name, rows))
        found.append(replace(one, problems=(*said, *one.problems)))
    hint = unused(opened)
    if as_json:
        print_json({"datasets": [asdict(one) for one in found], "hint": hint})
    else:
        _show(found)
    wrong = [problem for one in found for problem in one.problems]
    if wrong:
        more = f" (and {len(wrong) - 1} more problems)" if len(wrong) > 1 else ""
        raise DataError(f"seeds: {wrong[0]}{more}")
    if not as_json:
        typer.echo(f"next: {hint or 'asd run'}")


def _show(found: list[Standing]) -> None:
    for one in found:
        typer.echo(f"{one.dataset}: seeds a class, have of need {one.need}")
        for name, have in one.have.items():
            typer.echo(f"  {have:4} of {one.need}  {name!r}")
        for text in one.problems[1:]:
            typer.echo(f"  wrong: {text}")
        for text in one.warnings:
            typer.echo(f"  warning: {text}")


def _one_dataset(workspace: Workspace, given: str | None) -> str:
    listed = workspace.params.cells.datasets
    if given is None and len(listed) > 1:
        raise ParamsError(
            f"params.yaml lists several data sets: say --dataset {' or --dataset '.join(listed)}"
        )
    if given is not None and given not in listed:
        raise ParamsError(
            f"params.yaml lists no data set {given!r}{nearest(given, listed)} ({', '.join(listed)})"
        )
    return given or listed[0]


def _training_data(workspace: Workspace, dataset: str) -> tuple[SampleIndex, Manifest]:
    from asd.cli.fetching import is_fetched
    from asd.shards.manifest import read_index, read_manifest

    folder = workspace.layout.fetched(dataset, "train")
    if not is_fetched(workspace.layout, dataset):
        raise ParamsError(
            f"data set {dataset} is not fetched yet: `asd seeds sheet` fetches it and shows candidates"
        )
    return read_index(folder), read_manifest(folder)
