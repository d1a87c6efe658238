"""`asd audit summary|diff`: whole runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asd.cli.audit_common import judging_runs, open_audit, pasted, percent, print_table, shown, tell_left_out
from asd.cli.output import JsonOption, WorkspaceOption, print_json
from asd.errors import ParamsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asd.audit.runs import Run
    from asd.layout import Layout

_MOST_NAMES = 10
_PER_DROP = ("samples", "in_pool", "suspects")


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("summary", epilog="Example: asd audit summary 'digits/*/asd'")(summary)
    group.command(
        "diff", epilog="Example: asd audit diff digits/badnets/asd/0@previous digits/badnets/asd/0"
    )(diff)


def summary(
    cells: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Globs allowed, a missing tail means all. Default: all."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a reviewer reads first: figures, verdicts, suspects, exclusions, seeds, reviews, gates."""
    from asd.audit.exporting import plain
    from asd.audit.ledger import Ledger
    from asd.audit.limits import NO_PROOF, NOT_STOPPED
    from asd.audit.summary import summary as facts_of

    opened = open_audit(workspace)
    runs, left = _chosen(opened.layout, cells or [])
    with Ledger(opened.layout, runs) as ledger:
        found = [facts_of(opened, ledger, run) for run in runs]
    if as_json:
        print_json(
            plain(
                {
                    "runs": found,
                    "left_out": [run.name for run in left],
                    "not_stopped": [asdict(one) for one in NOT_STOPPED],
                    "note": NO_PROOF,
                }
            )
        )
        return
    for facts in found:
        _print_summary(facts)
        typer.echo("")
    tell_left_out(left)
    for one in NOT_STOPPED:
        typer.echo(f"measured here as not stopped: {one.attack}; {one.where} ({one.measured})")
    typer.echo(NO_PROOF)


def _chosen(layout: Layout, names: Sequence[str]) -> tuple[list[Run], list[Run]]:
    from asd.audit.revisions import run_at, split_run
    from asd.cells import select_cells

    judging, silent = judging_runs(layout)
    if not names:
        return (judging, silent) if judging else (silent, [])
    chosen: dict[str, Run] = {}
    for name in names:
        pattern, revision = split_run(name)
        cells = [run.cell for run in (*judging, *silent)]
        for cell in select_cells(cells, [pattern], where="the audit knows"):
            run = run_at(layout, cell, revision)
            chosen[run.name] = run
    return list(chosen.values()), []


def _print_summary(facts: dict[str, Any]) -> None:
    typer.echo(f"{facts['run']}: {facts['samples']} samples")
    pool, share = facts["pool"], facts["estimated_poisoned_share"]
    accuracy = "acc_untrusted" if facts["acc"] is None else "acc"
    asr = (
        "not known"
        if facts["asr"] is None
        else f"{percent(facts['asr'])} (without attack {_base(facts['asr_base'])})"
    )
    typer.echo(f"  {accuracy} {percent(facts[accuracy])}, asr {asr}")
    known = "" if pool["poisoned"] is None else f", {pool['poisoned']} planted among them"
    typer.echo(f"  clean pool: {shown(pool['size'])} samples{known}")
    verdicts = facts["verdicts"]
    if verdicts is None:
        typer.echo("  verdicts: none, this run judges nothing")
    else:
        typer.echo("  verdicts: " + ", ".join(f"{count} {name}" for name, count in verdicts.items()))
    if facts["not_judged"]:
        names = ", ".join(map(pasted, facts["not_judged"][:_MOST_NAMES]))
        typer.echo(f"  not judged, too few ordinary samples to compare with: {names}")
    if share:
        low, high = share["interval"]
        typer.echo(
            f"  estimated poisoned share: {percent(share['value'])} (95% {percent(low)} to {percent(high)})"
        )
    for per in ("class", "source"):
        counts = facts[f"suspects_by_{per}"]
        if counts:
            typer.echo(f"  suspects per {per}: {_most(counts)}")
    if facts["drops"]:
        _print_drops(facts["drops"])
    _print_people(facts)
    for text in facts["warnings"][:_MOST_NAMES]:
        typer.echo(f"  warning: {shown(text)}")


def _base(share: float | None) -> str:
    """An imported triggered set may come without its clean pictures."""
    return "not known" if share is None else percent(share)


def _print_drops(drops: dict[str, Any]) -> None:
    """Clean share, suspects and accuracy by source and by drop."""
    for kind in ("source", "drop"):
        for one in drops[f"per_{kind}"][:_MOST_NAMES]:
            name = one["source"] if kind == "source" else f"{one['drop']} of {one['source']}"
            suspects = "" if one["suspects"] is None else f", {one['suspects']} suspects"
            test = one["test"] or {}
            words = [name for name in ("acc", "acc_untrusted") if name in test]
            acc = f", {words[0]} {percent(test[words[0]])} of {test['n']}" if words else ""
            typer.echo(
                f"  {kind} {name}: {one['samples']} samples, {percent(one['clean_share'])} in the clean pool"
                f"{suspects}{acc}"
            )
        if (more := len(drops[f"per_{kind}"]) - _MOST_NAMES) > 0:
            typer.echo(f"  and {more} more {kind}s (--json names all)")
    if drops["why_no_accuracy"]:
        typer.echo(f"  {drops['why_no_accuracy']}")


def _most(counts: dict[str, int]) -> str:
    words = [f"{pasted(name)}: {count}" for name, count in list(counts.items())[:_MOST_NAMES]]
    return ", ".join(words) + (f" and {len(counts) - _MOST_NAMES} more" if len(counts) > _MOST_NAMES else "")


def _print_people(facts: dict[str, Any]) -> None:
    """What people said and asked for: seeds, reviews, exclusions, gates."""
    out, seeds, said = facts["exclusions"], facts["seeds"], facts["reviews"]
    origin = f" ({seeds['origin']}: {seeds['note']})" if seeds["origin"] else ""
    typer.echo(f"  seeds: {seeds['used']}{origin}")
    by = f" by {', '.join(map(shown, said['by']))}" if said["by"] else ""
    typer.echo(
        f"  reviews: {said['reviews']}{by}; confirmed clean {said['clean']}, poisoned {said['poisoned']}"
    )
    for content in said["not_excluded"][:_MOST_NAMES]:
        typer.echo(f"  warning: {content} is confirmed as poisoned but not in reviews/exclusions.csv")
    names = ", ".join(one["key"] for one in out["left_out"][:_MOST_NAMES])
    more = len(out["left_out"]) - _MOST_NAMES
    typer.echo(
        f"  exclusions: {out['listed']} listed, {len(out['left_out'])} left out by the last fetch"
        + (f": {names}" if names else "")
        + (f" and {more} more" if more > 0 else "")
    )
    if out["waiting"]:
        count = len(out["waiting"])
        typer.echo(
            f"  {count} listed take nothing out yet: `asd run`, unless no training picture has that content"
        )
    for gate in facts["gates"] or ():
        typer.echo(f"  {shown(gate['text'])}")
    if facts["gates"] == []:
        typer.echo("  gates: none set")
    for one in facts["rehearsals"]:
        when = f"{one['day']} ({one['age']}; {one['changes']})"
        typer.echo(
            f"  rehearsal with {shown(one['attack'])}, {when}, not about these samples: {one['sentence']}"
        )


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN", help="The earlier run.")],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The later run.")],
    limit: Annotated[
        int, typer.Option(min=0, max=100_000, metavar="N", help="Samples to name, at most.")
    ] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: verdicts that changed, new and gone samples and sources, ACC and ASR.

    Of data that came in drops also how each drop fared, before and after.
    """
    from asd.audit.exporting import plain
    from asd.audit.ledger import Ledger
    from asd.audit.provenance import compare_drops
    from asd.audit.queries import changed_samples, compare, only_in
    from asd.audit.revisions import find_run

    layout = open_audit(workspace).layout
    a, b = find_run(layout, before), find_run(layout, after)
    if a.name == b.name:
        raise ParamsError(f"{before} and {after} are the same run; give two")
    if a.cell.dataset != b.cell.dataset:
        raise ParamsError(
            f"{a.name} and {b.name} are of different data sets; their samples have nothing in common"
        )
    with Ledger(layout, [a, b]) as ledger:
        found = compare(ledger, a, b)
        facts = {
            "before": found.before,
            "after": found.after,
            "same": found.same,
            "changed": [{"from": old, "to": new, "samples": n} for (old, new), n in found.changed.items()],
            "samples": changed_samples(ledger, a, b, limit),
            "new": {"samples": found.new, "keys": only_in(ledger, b, a, limit)},
            "gone": {"samples": found.gone, "keys": only_in(ledger, a, b, limit)},
            "new_sources": found.new_sources,
            "gone_sources": found.gone_sources,
            "drops": compare_drops(ledger, a, b),
        }
    if as_json:
        print_json(plain(facts))
        return
    _print_diff(facts)


def _print_diff(facts: dict[str, Any]) -> None:
    old, new = facts["before"], facts["after"]
    print_table(
        ("run", "samples", "acc", "asr", "clean pool", "suspects", "estimate"),
        [
            (
                *(one["run"], one["samples"]),
                percent(one["acc"] if one["acc"] is not None else one["acc_untrusted"]),
                *(percent(one["asr"]), one["clean_pool"], one["suspects"]),
                percent(one["estimated_poisoned_share"]),
            )
            for one in (old, new)
        ],
        left=1,
    )
    changed = sum(one["samples"] for one in facts["changed"])
    typer.echo(f"\nverdicts: {facts['same']} the same, {changed} changed")
    if facts["changed"]:
        print_table(
            ("from", "to", "samples"), [(o["from"], o["to"], o["samples"]) for o in facts["changed"]], left=2
        )
    if facts["samples"]:
        typer.echo("")
        print_table(
            ("key", "from", "to", "class", "suspicion", "source"),
            [
                (
                    *(o["key"], o["before"], o["after"], pasted(o["class_name"])),
                    *(o["suspicion"], pasted(o["source"])),
                )
                for o in facts["samples"]
            ],
            left=4,
        )
    if facts["drops"]:
        typer.echo("")
        print_table(
            ("drop", "source", "samples", "then", "in the pool", "then", "suspects", "then"),
            [
                (one["drop"], one["source"], *(one[n][at] for n in _PER_DROP for at in ("before", "after")))
                for one in facts["drops"]
            ],
            left=2,
        )
    for word in ("new", "gone"):
        found, sources = facts[word], facts[f"{word}_sources"]
        keys = ": " + ", ".join(found["keys"]) if found["keys"] else ""
        more = ", ..." if len(found["keys"]) < found["samples"] and keys else ""
        typer.echo(f"{word} samples: {found['samples']}{keys}{more}")
        if sources:
            typer.echo(f"{word} sources: {_most(sources)}")
