"""`asd reproduce`: the paper's tables and figures, measured here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json
from asd.cli.run import Engine, EngineOption, JobsOption, VerboseOption, note_revisions, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asd.layout import Cell
    from asd.reproduce.targets import Result

_EXAMPLE = "Example: asd reproduce fig6 --jobs 2   (in a workspace of `asd init DIR --preset reproduce-cpu`)"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce", epilog=_EXAMPLE)(reproduce)


def reproduce(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...", help="table1 table4 table5 table6 fig2 fig3 fig4 fig6 fig7, or all."
        ),
    ],
    run: Annotated[
        bool,
        typer.Option("--run/--no-run", help="Run missing and stale cells first, or write what is there."),
    ] = True,
    engine: EngineOption = Engine.prefect,
    jobs: JobsOption = 1,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to write; default: results/ here.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what is stale, why, and about how long it takes; run and write no result."
        ),
    ] = False,
    verbose: VerboseOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the cells that a table or figure of the paper needs, and write it beside the paper's numbers.

    Which cells these are stands in the section `reproduce` of params.yaml. Cells that are up to
    date are not run again, so a campaign that was stopped goes on. Each target becomes a
    Markdown page, with a chart where the paper has one, and a JSON file; each claim of the paper
    is said to hold, not to hold, or not to be decidable.
    """
    from asd.layout import Layout
    from asd.operations.start import STOPPED
    from asd.params import load_workspace
    from asd.reproduce.targets import chosen, needed, produce
    from asd.run_lock import hold_workspace

    root = find_workspace(workspace)
    place = root / "results" if out is None else out
    _refuse_place(place)
    opened = load_workspace(root)
    names = chosen(opened, targets)
    cells = needed(opened, names)
    if dry_run:
        _plan(root, cells, jobs, as_json=as_json, verbose=verbose)
        return
    code = 0
    if run and cells:
        options = [f"--engine={engine}", f"--jobs={jobs}", *(["--verbose"] if verbose else [])]
        with hold_workspace(Layout(root)):
            code = _run(root, [*options, *map(str, cells)], quiet=as_json)
    if code in STOPPED:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(code)
    opened = load_workspace(root)
    _show([produce(opened, name) for name in names], place, as_json=as_json)
    raise typer.Exit(code)


def _show(results: Sequence[Result], place: Path, *, as_json: bool) -> None:
    """Write what was made, and print it."""
    files = [file for result in results for file in _write(result, place)]
    if as_json:
        print_json([result.facts for result in results])
    else:
        typer.echo("\n".join(result.text for result in results))
        typer.echo("\n".join(str(file) for file in files))


def _plan(root: Path, cells: Sequence[Cell], jobs: int, *, as_json: bool, verbose: bool) -> None:
    from asd.cli import dry_run
    from asd.layout import Layout
    from asd.run_lock import hold_workspace

    if not cells:
        dry_run.show_nothing(as_json=as_json)
        return
    with hold_workspace(Layout(root)):
        dry_run.show(prepare(root, [], quiet=as_json), cells, jobs, as_json=as_json, verbose=verbose)


def _refuse_place(place: Path) -> None:
    """Refuse, before anything runs, a folder that cannot be: it, or one above it, is a file."""
    from asd.errors import ParamsError

    there = next((folder for folder in (place, *place.absolute().parents) if folder.exists()), place)
    if there.exists() and not there.is_dir():
        raise ParamsError(f"--out {place}: {there} is a file; wanted is a folder")


def _run(root: Path, arguments: list[str], *, quiet: bool) -> int:
    from asd.operations.start import run_flows

    ready = prepare(root, [], quiet=quiet)
    code = run_flows(root, arguments, quiet=quiet)
    note_revisions(ready.layout)
    return code


def _write(result: Result, place: Path) -> list[Path]:
    """The page, the facts and the pictures of one target; an older version of them is replaced."""
    from asd import store
    from asd.errors import DiskError

    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # whatever a file system says to a folder that it will not have
        raise DiskError(f"may not make the folder {place}: {error.strerror}") from error
    page, facts = place / f"{result.target}.md", place / f"{result.target}.json"
    pictures = {place / name: svg for name, svg in result.pictures.items()}
    for file, text in {page: result.text, **pictures}.items():
        with store.atomic_file(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    store.write_json(facts, result.facts)
    return [page, facts, *pictures]
