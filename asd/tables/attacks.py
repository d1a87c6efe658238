"""How strong each attack of a workspace is, and what each defense makes of it. Reads small files only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from asd import store
from asd.layout import Cell, Layout
from asd.operations.run_record import read_seconds
from asd.params import Workspace
from asd.steps import StepItem, stage_name
from asd.tables.rows import OLD_FIGURES, count_text, of_cell, percent_text, states
from asd.truth import POISONED, read_truth

_FIGURES = ("acc", "asr", "asr_base", "poison_in_pool")
_ABSENT = "–"


def rows(workspace: Workspace, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """One dictionary per data set and attack, in the order of `cells`.

    `poisoned` counts planted training samples; PSNR (dB) and SSIM are means over at most 64 of
    them; `seconds_prepare` and `seconds_poison` are of the last run of these steps here;
    `defenses` has for each the means over `trials` with results: acc, asr, asr_base (0 to 1),
    poison_in_pool, and the AUROC of the loss reduction (meta-split); `earlier` names those whose
    figures are of an earlier run. What is not known is None.

    Raises:
        DataError: a result file is there but cannot be read.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.dataset, cell.attack), []).append(cell)
    seconds, now = read_seconds(workspace.layout), states(workspace.layout, cells)
    return [
        _row(workspace, dataset, attack, group, seconds)
        | {"earlier": sorted({cell.defense for cell in group if now[cell] in OLD_FIGURES})}
        for (dataset, attack), group in groups.items()
    ]


def _row(
    workspace: Workspace, dataset: str, attack: str, cells: Sequence[Cell], seconds: Mapping[str, float]
) -> dict[str, Any]:
    layout = workspace.layout
    item = StepItem(dataset, attack)
    change = _picture_change(layout, cells)
    return {
        "dataset": dataset,
        "attack": attack,
        "use": workspace.plugin_name("attacks", attack),
        "poisoned": _planted(layout, dataset, attack),
        "psnr": change.get("psnr"),
        "ssim": change.get("ssim"),
        "seconds_prepare": seconds.get(stage_name("prepare", item)),
        "seconds_poison": seconds.get(stage_name("poison", item)),
        "defenses": {
            defense: _of_defense(layout, [cell for cell in cells if cell.defense == defense])
            for defense in dict.fromkeys(cell.defense for cell in cells)
        },
    }


def _planted(layout: Layout, dataset: str, attack: str) -> int | None:
    truth = layout.truth(dataset, attack)
    return read_truth(truth).roles.count(POISONED) if truth.exists() else None


def _picture_change(layout: Layout, cells: Sequence[Cell]) -> Mapping[str, Any]:
    """How far planted pictures are from what they were, by the report of the first audited cell."""
    for cell in cells:
        if layout.audit_report_facts(cell).exists():
            return store.read_json(layout.audit_report_facts(cell)).get("planted_pictures") or {}
    return {}


def _of_defense(layout: Layout, cells: Sequence[Cell]) -> dict[str, Any]:
    found = [row for row in (of_cell(layout, cell) for cell in cells) if row["n_acc"] is not None]
    pools = [store.read_json(layout.audit_pools(cell)) for cell in cells if layout.audit_pools(cell).exists()]
    return {
        "trials": len(found),
        **{name: _mean([row[name] for row in found]) for name in _FIGURES},
        "auroc_reduction": _mean([pool["final"].get("auroc_reduction") for pool in pools]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 6) if known else None


def sheet(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]], list[str]]:
    """Titles, rows in words, and lines that explain them."""
    defenses = list(dict.fromkeys(name for row in found for name in row["defenses"]))
    several = len({row["dataset"] for row in found}) > 1
    titles = ["attack", "poisoned", "PSNR", "SSIM", "prepare", "poison"]
    for name in defenses:
        titles += [f"{name}: acc", "asr", "base"]
        titles += [] if name == "none" else ["poison in pool", "AUROC of reduction"]
    rows = []
    for row in found:
        words = [
            f"{row['dataset']}/{row['attack']}" if several else row["attack"],
            count_text(row["poisoned"]),
        ]
        words += [_number(row["psnr"], 1), _number(row["ssim"], 3)]
        words += [_seconds(row["seconds_prepare"]), _seconds(row["seconds_poison"])]
        for name in defenses:
            words += _defense_words(name, row["defenses"].get(name, {}))
        rows.append(words)
    old = [f"{row['attack']} ({', '.join(row['earlier'])})" for row in found if row["earlier"]]
    notes = [f"{_ABSENT}: not run, not known, or nothing planted"]
    return titles, rows, notes + ([f"figures of an earlier run: {', '.join(old)}"] if old else [])


def _defense_words(name: str, figures: Mapping[str, Any]) -> list[str]:
    words = [percent_text(figures.get(key)) for key in ("acc", "asr", "asr_base")]
    if name == "none":
        return words
    pool = figures.get("poison_in_pool")
    return [*words, _ABSENT if pool is None else f"{pool:,.0f}", _number(figures.get("auroc_reduction"), 3)]


def _number(value: float | None, digits: int) -> str:
    return _ABSENT if value is None else f"{value:.{digits}f}"


def _seconds(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.1f} s"
