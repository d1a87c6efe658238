"""Every table and figure that can be reproduced: which cells it needs, and what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from asd import store
from asd.errors import ParamsError, nearest
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.reproduce import charts, pipeline, preset, sheet, traits
from asd.reproduce.claims import Claim, claims
from asd.reproduce.measured import Entry, as_json, cells_of, entries
from asd.reproduce.paper import NO_DEFENSE, SOURCES
from asd.reproduce.words import check_words
from asd.reproduce_params import ReproduceParams, TargetParams
from asd.tables.formats import markdown
from asd.tables.rows import params_note

ALL = "all"
WITHOUT_CELLS = ("table1", "fig2")
_CURVES = {"fig4": ("acc",), "fig7": ("acc", "asr")}
_LAST_STAGE = {"fig4": 2, "fig7": 1}
"""Stages whose epochs the curves show."""


@dataclass(frozen=True)
class Result:
    """A finished table or figure.

    Attributes:
        target: `table4`, `fig6`, ...
        text: Markdown, pictures named in it.
        facts: for a program.
        pictures: file name -> SVG.
    """

    target: str
    text: str
    facts: dict[str, Any]
    pictures: dict[str, str] = field(default_factory=dict)


def chosen(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """The targets that are meant; `all` is every one that these params offer.

    Raises:
        ParamsError: no such target, `params.yaml` does not say which cells stand for it, or a name
            in the section would be markup in a table.
    """
    section = workspace.params.reproduce
    if section is not None:
        check_words(section)
    offered = [name for name in SOURCES if name in WITHOUT_CELLS or _target(section, name) is not None]
    found: list[str] = []
    for name in names:
        if name not in (*SOURCES, ALL):
            known = [*SOURCES, ALL]
            raise ParamsError(f"no target {name!r}{nearest(name, known)} (there are: {', '.join(known)})")
        if name != ALL and name not in offered:
            raise ParamsError(
                f"params.yaml does not say which cells stand for {name}: there is no reproduce.{name}; "
                "`asd init DIR --preset reproduce-cpu` (or reproduce) makes a workspace that has it"
            )
        found += offered if name == ALL else [name]
    return list(dict.fromkeys(found))


def needed(workspace: Workspace, targets: Sequence[str]) -> list[Cell]:
    """Every cell that these targets need, each once.

    Raises:
        ParamsError: one of them is not among the workspace's cells.
    """
    section, there = workspace.params.reproduce, set(workspace.cells())
    found: dict[Cell, None] = {}
    for name in targets:
        target = _target(section, name)
        if section is None or target is None:
            continue
        for cell in cells_of(section.dataset, target):
            if cell not in there:
                raise ParamsError(
                    f"reproduce.{name} wants {cell}, but `cells` of params.yaml lacks a part of it"
                )
            found[cell] = None
    return list(found)


def produce(workspace: Workspace, name: str) -> Result:
    """Write one target from what the workspace holds; runs nothing.

    Raises:
        DataError: a result file is there but cannot be read.
    """
    if name == "table1":
        return _table1(workspace)
    if name == "fig2":
        return _fig2(workspace)
    section = workspace.params.reproduce
    target = _target(section, name)
    if section is None or target is None:
        raise ParamsError(f"params.yaml has no reproduce.{name}")
    named = preset.named(workspace)
    found = entries(workspace, section.dataset, target)
    decided = claims(name, found)
    pictures = _pictures(workspace, name, found)
    changed = params_note(workspace.layout)
    facts = {
        "target": name,
        "title": SOURCES[name],
        "dataset": section.dataset,
        "preset": named,
        "rows": as_json(name, found, named),
        "claims": [claim.as_json() for claim in decided],
        "warnings": changed,
    }
    notes = [*sheet.notes(section.dataset, named, found), *changed]
    return Result(name, _page(name, found, decided, pictures, notes), facts, pictures)


def _target(section: ReproduceParams | None, name: str) -> TargetParams | None:
    return None if section is None else getattr(section, name, None)


def _page(
    name: str, found: Sequence[Entry], decided: Sequence[Claim], pictures: Mapping[str, str], notes: list[str]
) -> str:
    parts = [f"# {SOURCES[name]}"]
    parts += [f"![{SOURCES[name]}]({file})" for file in pictures]
    parts.append(markdown(sheet.TITLES, sheet.rows(name, found), notes, left=2).rstrip())
    if decided:
        parts.append("## What the paper claims\n\n" + "\n".join(sheet.claim_lines(decided)))
    return "\n\n".join(parts) + "\n"


def _pictures(workspace: Workspace, name: str, found: Sequence[Entry]) -> dict[str, str]:
    if name == "fig6":
        svg = charts.bars([e for e in found if e.variant != NO_DEFENSE], name)
        return {} if svg is None else {f"{name}.svg": svg}
    if name == "fig3":
        return _losses(workspace, found)
    if name in _CURVES:
        shown = [entry for entry in found if name == "fig4" or entry.variant != NO_DEFENSE]
        rows = epoch_rows(workspace.layout, shown, name)
        variants = list(dict.fromkeys(row["variant"] for row in rows))
        return {f"{name}.svg": charts.curves(rows, variants, name, _CURVES[name])} if rows else {}
    return {}


def _losses(workspace: Workspace, found: Sequence[Entry]) -> dict[str, str]:
    """Histograms of the first finished trial of each entry."""
    from asd.audit.figures import loss_panels
    from asd.audit.reading import run_with_truth

    pictures = {}
    for number, entry in enumerate(found):
        if entry.done:
            panels = loss_panels(run_with_truth(workspace, entry.done[0].cell))
            file = "fig3.svg" if number == 0 else f"fig3-{number + 1}.svg"
            pictures[file] = charts.loss_histograms(panels, file.removesuffix(".svg"))
    return pictures


def epoch_rows(layout: Layout, found: Sequence[Entry], name: str) -> list[dict[str, Any]]:
    """ACC and ASR per epoch, means over finished trials, up to the end of the stage that counts."""
    rows = []
    for entry in found:
        by_epoch: dict[int, list[Mapping[str, Any]]] = {}
        for trial in entry.done:
            last = _last_epoch(trial.pools, _LAST_STAGE[name])
            if last is None:
                continue
            for row in store.read_parquet(layout.curves(trial.cell)).to_pylist():
                if row["epoch"] <= last:
                    by_epoch.setdefault(row["epoch"], []).append(row)
        rows += [
            {"attack": entry.attack, "variant": entry.variant, "epoch": epoch}
            | {figure: _mean([row.get(figure) for row in of_epoch]) for figure in ("acc", "asr")}
            for epoch, of_epoch in sorted(by_epoch.items())
        ]
    return [row for row in rows if any(row[figure] is not None for figure in _CURVES[name])]


def _last_epoch(pools: Mapping[str, Any] | None, stage: int) -> float | None:
    """The last epoch of a stage, infinite for a defense without pools; None: no epoch, or no audit."""
    if pools is None:
        return None
    ends = [end["epoch"] for end in pools["stages"]]
    if all(end is None for end in ends):
        return math.inf
    return max((end + 1 for end in ends[:stage] if end is not None), default=None)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _table1(workspace: Workspace) -> Result:
    rows = traits.rows(traits.described(workspace))
    note = "From the `TRAITS` of the defenses here; methods without a plug-in stand with the paper's words."
    table = markdown(traits.TITLES, traits.words(rows), [note], left=len(traits.TITLES))
    facts = {"target": "table1", "title": SOURCES["table1"], "rows": rows}
    return Result("table1", f"# {SOURCES['table1']}\n\n{table}", facts)


def _fig2(workspace: Workspace) -> Result:
    drawn = pipeline.read_pipeline(workspace.layout.pipeline)
    facts = {
        "target": "fig2",
        "title": SOURCES["fig2"],
        "steps": {step: list(over) for step, over in drawn.steps.items()},
        "edges": [{"from": a, "to": b, "truth": truth} for a, b, truth in drawn.edges],
    }
    title = SOURCES["fig2"]
    text = (
        f"# {title}\n\n![{title}](fig2.svg)\n\nDrawn from `dvc.yaml`: the steps in order, what each is "
        "repeated over, and what it hands to later ones. Red: the truth about what was planted.\n"
    )
    return Result("fig2", text, facts, {"fig2.svg": pipeline.draw(drawn, "fig2")})
