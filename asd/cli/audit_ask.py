"""`asd audit sample|pool|sql`: questions about single samples."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated, Any

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
    pasted,
    print_table,
    sample_filter,
    shown,
)
from asd.cli.output import JsonOption, WorkspaceOption, print_json

if TYPE_CHECKING:
    from asd.audit.queries import Trajectory

_FACTS = (
    *("class_name", "content_sha256", "source", "is_seed", "in_pool_at_end", "first_epoch_in", "epochs_in"),
    *("entries", "exits", "final_loss", "rank_in_class", "rank_overall", "loss_reduction"),
    *("predicted_class", "predicted_confidence"),
)
_JUDGED = ("decided_by", "decided_epoch", "decided_rank", "decided_of", "decided_score", "decided_cut")
OPINIONS = {
    "spectral_signature": "high is suspicious",
    "activation_clustering": "high is suspicious",
    "neighbour_disagreement": "high is suspicious",
    "cleanlab_label_quality": "low is suspicious",
}
_NEAR = ("verdict", "suspicion", "distance")
_PASTED = ("class_name", "source")
_COLUMNS = ("key", "class_name", "verdict", "suspicion", "in_pool_at_end", "final_loss", "rank_overall")


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("sample", epilog="Example: asd audit sample train_000017 --cell digits/badnets/asd/0")(
        sample
    )
    group.command("pool", epilog="Example: asd audit pool --verdict suspect --class cat --limit 50")(pool)
    group.command(
        "sql", epilog='Example: asd audit sql "select verdict, count(*) from samples group by all" --json'
    )(sql)


def sample(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key, unique beginning, content hash or source.")],
    cell: CellOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say all that is on record of one sample, with its way through the epochs as a chart.

    Second opinions stand in lines of their own and play no part in the verdict.
    """
    from asd.audit.exporting import plain
    from asd.audit.history_of_sample import neighbours, over_revisions
    from asd.audit.limits import NO_PROOF
    from asd.audit.provenance import provenance
    from asd.audit.queries import find_sample, trajectory
    from asd.audit.reviews import read_reviews

    layout = (opened := open_audit(workspace)).layout
    with one_run(opened, cell) as (run, ledger):
        row = find_sample(ledger, run, key)
        path = trajectory(run, row["row"])
        near = neighbours(ledger, run, row["row"])
        # a picture has its history and its reviews by content, under whatever key
        before = over_revisions(layout, run, row["content_sha256"])
        said = [r for r in read_reviews(layout.review_log) if r.content_sha256 == row["content_sha256"]]
        facts = {
            "run": run.name,
            "sample": row,
            "provenance": provenance(layout, row["key"], row["source"]),
            "second_opinions": {name: row[name] for name in OPINIONS},
            "trajectory": _points(path),
            "neighbours": near,
            "revisions": before,
            "reviews": [
                {"at": r.at, "by": r.by, "as": r.verdict, "key": r.key, "run": r.run, "note": r.note}
                for r in said
            ],
            "note": NO_PROOF,
        }
    if as_json:
        print_json(plain(facts))
        return
    _print_sample(facts)
    _print_trajectory(path)
    _print_around(facts)
    typer.echo(f"\n{NO_PROOF}")


def _print_sample(facts: dict[str, Any]) -> None:
    row = facts["sample"]
    typer.echo(f"{row['key']} in {facts['run']}")
    for name in _FACTS:
        typer.echo(f"  {name:22} {pasted(row[name]) if name in _PASTED else shown(row[name])}")
    for name, value in (facts["provenance"] or {}).items():
        if value:
            said = pasted(value) if name == "path" else shown(value)
            typer.echo(f"  {'as sent' if name == 'path' else name:22} {said}")
    verdict = row["verdict"]
    typer.echo(f"verdict: {shown(verdict)}   suspicion: {shown(row['suspicion'])} (1 is worst)")
    if row["reason"]:
        typer.echo(f"  because: {shown(row['reason'])}")
    if row["decided_by"]:
        typer.echo("  " + ", ".join(f"{name[8:]} {shown(row[name])}" for name in _JUDGED))
    typer.echo("second opinions (no part of the verdict):")
    for name, meaning in OPINIONS.items():
        typer.echo(f"  {name:22} {shown(row[name])}  ({meaning})")
    if row["truth_role"] is not None:
        typer.echo(f"what we planted (no run knew it): {shown(row['truth_role'])}")


def _points(path: Trajectory) -> list[dict[str, Any]]:
    columns = (
        path.epoch,
        path.stage,
        path.loss,
        path.virtual_loss,
        path.in_clean,
        path.rank,
        path.ranked,
        path.cut,
    )
    names = ("epoch", "stage", "loss", "virtual_loss", "in_clean_pool", "rank", "ranked", "cut")
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [
        dict(zip(names, point, strict=True)) | {"rule": rule}
        for point, rule in zip(values, path.rule, strict=True)
    ]


def _print_trajectory(path: Trajectory) -> None:
    from asd.audit.terminal_chart import loss_chart, membership_line, rank_chart, stage_borders

    if len(path.epoch) < 2:
        typer.echo("no trajectory: this run recorded a final scoring alone")
        return
    width = shutil.get_terminal_size().columns
    typer.echo(f"\n{loss_chart(path, width)}\n{rank_chart(path, width)}")
    borders = ", ".join(map(str, stage_borders(path))) or "none"
    typer.echo(f"clean pool, epoch {path.epoch[0]} to {path.epoch[-1]} (stages begin at {borders}):")
    typer.echo(f"  {membership_line(path, width)}")


def _print_around(facts: dict[str, Any]) -> None:
    near, before, said = facts["neighbours"], facts["revisions"], facts["reviews"]
    if near is not None:
        clean = near["nearest_clean"]
        rows = [("features", one) for one in near["by_features"]]
        rows += [("clean pool, pixels", clean)] if clean else []
        typer.echo("\nneighbours:")
        print_table(
            ("nearest by", "key", "class", "verdict", "suspicion", "distance", "source"),
            [
                (by, o["key"], pasted(o["class_name"]), *(o[name] for name in _NEAR), pasted(o["source"]))
                for by, o in rows
            ],
            left=4,
        )
    typer.echo(
        "\nearlier revisions of the cell:" if before else "\nno earlier revision of the cell is on record"
    )
    for one in before:
        what = {
            None: "its files are no longer in the cache (`asd clean --all` removes them)",
            False: "not in the data",
        }
        told = what.get(one["found"]) or (
            f"{shown(one['verdict'])}, suspicion {shown(one['suspicion'])}, as {one['key']}"
        )
        typer.echo(f"  {one['revision']}  {told}")
    for one in said:
        note = f": {shown(one['note'])}" if one["note"] else ""
        typer.echo(f"reviewed as {one['as']} by {shown(one['by'])}, {one['at']}{note}")
    if not said:
        typer.echo("not reviewed; `asd audit confirm KEY --as clean|poisoned --by NAME --note TEXT`")


def pool(
    verdict: VerdictOption = None,
    class_name: ClassOption = None,
    source: SourceOption = None,
    search: SearchOption = "",
    in_pool: InPoolOption = None,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="suspicion, final_loss, rank_overall, key, row, ...")
    ] = "suspicion",
    ascending: Annotated[bool, typer.Option("--ascending", help="The smallest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="Rows, at most.")] = 20,
    offset: Annotated[int, typer.Option(min=0, metavar="N", help="Skip so many.")] = 0,
    cell: CellOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List samples, the most suspicious first."""
    from asd.audit.exporting import plain
    from asd.audit.queries import sample_page

    where = sample_filter(verdict, class_name, source, search, in_pool)
    opened = open_audit(workspace)
    with one_run(opened, cell) as (run, ledger):
        page = sample_page(
            ledger, run, where, sort=sort, descending=not ascending, limit=limit, offset=offset
        )
    if as_json:
        print_json(plain({"run": run.name, "total": page.total, "offset": offset, "samples": page.rows}))
        return
    if page.rows:
        print_table(
            ("key", "class", "verdict", "suspicion", "in pool", "loss", "rank", "source"),
            [_row(row) for row in page.rows],
            left=3,
        )
    last = offset + len(page.rows)
    typer.echo(f"{offset + 1 if page.rows else 0} to {last} of {page.total} samples of {run.name}, by {sort}")
    if page.rows:
        typer.echo(f"next: asd audit sample {page.rows[0]['key']} --cell {run.name}")


def _row(row: dict[str, Any]) -> list[Any]:
    """What can be pasted back is quoted where a shell needs it."""
    return [pasted(row[name]) if name in _PASTED else row[name] for name in (*_COLUMNS, "source")]


def sql(
    question: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT over the views.")],
    cell: Annotated[
        list[str] | None,
        typer.Option("--cell", metavar="RUN", help="Only this run, or an earlier one; may be repeated."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask in SQL (DuckDB) over the views samples, history, pools, runs and reviews.

    Each view has a column `run`. Read only: no functions on files or the network, at most
    100,000 rows.
    """
    from asd.audit.exporting import plain
    from asd.audit.ledger import Ledger
    from asd.audit.revisions import find_run
    from asd.audit.runs import audited_runs

    layout = open_audit(workspace).layout
    runs = {run.name: run for run in (find_run(layout, one) for one in cell)} if cell else {}
    with Ledger(layout, list(runs.values()) if cell else audited_runs(layout)) as ledger:
        rows = ledger.ask(question)
    if as_json:
        print_json(plain(rows))
        return
    if rows:
        titles = list(rows[0])
        numbers = [isinstance(value, (int, float)) for value in rows[0].values()]
        left = numbers.index(True) if True in numbers else len(numbers)
        print_table([shown(title) for title in titles], [list(row.values()) for row in rows], left=left)
    typer.echo(f"{len(rows)} rows")
