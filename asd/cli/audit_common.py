"""What the commands of `asd audit` share: which run is meant, the filter, how strangers' texts are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asd.cli.output import open_workspace
from asd.errors import ParamsError

if TYPE_CHECKING:
    from pathlib import Path

    from asd.audit.ledger import Ledger
    from asd.audit.queries import SampleFilter
    from asd.audit.runs import Run
    from asd.layout import Layout
    from asd.params import Workspace

CellOption = Annotated[
    str | None,
    typer.Option(
        "--cell", metavar="RUN", help="Which run; needed where several are audited.", show_default=False
    ),
]
VerdictOption = Annotated[
    list[str] | None, typer.Option("--verdict", metavar="V", help="Only this verdict; may be repeated.")
]
ClassOption = Annotated[
    list[str] | None, typer.Option("--class", metavar="C", help="Only this class as given; may be repeated.")
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="S", help="Only from this source, file or folder; may be repeated."),
]
SearchOption = Annotated[
    str, typer.Option("--search", metavar="TEXT", help="Only where key or source contains it.")
]
InPoolOption = Annotated[
    bool | None,
    typer.Option(
        "--in-pool/--not-in-pool", help="Only what is (not) in the clean pool at the end.", show_default=False
    ),
]

_LONG = 1000
_SHOWN = 6


def open_audit(given: Path | None) -> Workspace:
    """Open the workspace and note results that the journal of revisions has not seen."""
    from asd.audit.journal import note_states

    opened = open_workspace(given)
    note_states(opened.layout)
    return opened


@contextmanager
def one_run(workspace: Workspace, cell: str | None) -> Iterator[tuple[Run, Ledger]]:
    """The run that `--cell` names or that is the only one to ask, and a ledger of it.

    Raises:
        ParamsError: no such run, or it is not clear which.
    """
    from asd.audit.ledger import Ledger

    run = find_one(workspace, cell)
    with Ledger(workspace.layout, [run]) as ledger:
        yield run, ledger


def find_one(workspace: Workspace, cell: str | None) -> Run:
    """The run that `--cell` names or that is the only one to ask.

    Raises:
        ParamsError: no such run, or it is not clear which.
    """
    from asd.audit.revisions import find_run

    return find_run(workspace.layout, cell) if cell is not None else only_run(workspace.layout)


def only_run(layout: Layout) -> Run:
    """The one run that judges its samples; says on standard error which were left out.

    Raises:
        ParamsError: there is none, or there are several.
    """
    judging, silent = judging_runs(layout)
    chosen = judging or silent
    if len(chosen) > 1:
        shown = ", ".join(run.name for run in chosen[:_SHOWN]) + (", ..." if len(chosen) > _SHOWN else "")
        raise ParamsError(f"{len(chosen)} cells are audited, say which with --cell: {shown}")
    tell_left_out(silent if judging else [])
    return chosen[0]


def judging_runs(layout: Layout) -> tuple[list[Run], list[Run]]:
    """The audited cells whose run gives verdicts, and those whose run gives none (defense `none`).

    Raises:
        ParamsError: nothing is audited yet.
    """
    from asd import store
    from asd.audit.runs import audited_runs

    found = audited_runs(layout)
    if not found:
        raise ParamsError("no cell is audited yet: `asd run`")
    pools = {run.name: store.read_json(run.pools) if run.pools.is_file() else {} for run in found}
    judging = [run for run in found if pools[run.name].get("verdicts")]
    return judging, [run for run in found if run not in judging]


def tell_left_out(runs: Sequence[Run]) -> None:
    """Name runs that a command left out because they judge nothing."""
    if runs:
        names = ", ".join(run.name for run in runs[:_SHOWN]) + (", ..." if len(runs) > _SHOWN else "")
        typer.echo(f"left out, no verdicts (ask with --cell): {names}", err=True)


def sample_filter(
    verdicts: Sequence[str] | None,
    class_names: Sequence[str] | None,
    sources: Sequence[str] | None,
    search: str,
    in_pool: bool | None,
) -> SampleFilter:
    """The filter that the options give.

    Raises:
        ParamsError: no such verdict; names the nearest.
    """
    from asd.audit.queries import SampleFilter
    from asd.audit.verdict import VERDICTS
    from asd.errors import nearest

    for verdict in verdicts or ():
        if verdict not in VERDICTS:
            raise ParamsError(
                f"no verdict {verdict!r}{nearest(verdict, VERDICTS)} (verdicts: {', '.join(VERDICTS)})"
            )
    return SampleFilter(
        verdicts=tuple(verdicts or ()),
        class_names=tuple(class_names or ()),
        sources=tuple(sources or ()),
        in_pool=in_pool,
        search=search,
    )


# -- showing -------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A fact as text: numbers short, nothing as `–`, a stranger's text without what acts on a terminal."""
    from asd.safe_text import safe_text

    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return str(value)
    return safe_text(value, _LONG)


def pasted(text: str | None) -> str:
    """A stranger's text so that it can be pasted into a shell as one word."""
    import shlex

    return "–" if text is None else shlex.quote(shown(text))


def percent(value: float | None) -> str:
    """A share as `12.3%`."""
    return "–" if value is None else f"{value:.1%}"


def print_table(titles: Sequence[str], rows: Sequence[Sequence[Any]], left: int) -> None:
    """Print aligned columns; the first `left` stand left."""
    from asd.tables.rows import text_table

    typer.echo(text_table(titles, [[shown(value) for value in row] for row in rows], left=left), nl=False)
