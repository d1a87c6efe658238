"""Mean and standard deviation over the trials of each dataset, attack and defense."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from asd.layout import Cell
from asd.metrics import UNTRUSTED
from asd.tables.rows import OLD_FIGURES, UNTRUSTED_NOTE

FIGURES = ("acc", UNTRUSTED, "asr", "asr_base", "poison_in_pool", "seconds")
_SHARES = frozenset({"acc", UNTRUSTED, "asr", "asr_base"})
_GROUP = ("dataset", "attack", "defense")
_ABSENT = "–"
WHY_LEFT_OUT = "stale, failed and running trials have figures of an earlier run: they are left out"


def over_trials(rows: Sequence[Mapping[str, Any]], states: Mapping[Cell, str]) -> list[dict[str, Any]]:
    """One dictionary per dataset, attack and defense, in the order of the rows.

    For each of `FIGURES`: `NAME_mean`, `NAME_sd` (of the sample, n-1; None below two) and
    `NAME_n`, the trials that have it. `trials` counts all, `states` those that have no figures
    of the present params (`missing`, or left out because stale, failed or running).
    """
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in _GROUP), []).append(row)
    return [_group(key, members, states) for key, members in groups.items()]


def _group(
    key: tuple[str, ...], rows: Sequence[Mapping[str, Any]], states: Mapping[Cell, str]
) -> dict[str, Any]:
    dataset, attack, defense = key
    words = [states.get(Cell(dataset, attack, defense, row["trial"]), "done") for row in rows]
    kept = [row for row, word in zip(rows, words, strict=True) if word not in OLD_FIGURES]
    result: dict[str, Any] = {**dict(zip(_GROUP, key, strict=True)), "trials": len(rows)}
    for name in FIGURES:
        values = [float(row[name]) for row in kept if row[name] is not None]
        result[f"{name}_mean"] = statistics.fmean(values) if values else None
        result[f"{name}_sd"] = statistics.stdev(values) if len(values) > 1 else None
        result[f"{name}_n"] = len(values)
    result["states"] = {word: words.count(word) for word in sorted(set(words)) if word != "done"}
    return result


def sheet(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]], list[str]]:
    """Titles, rows in words (`97.5% ± 0.3`), and lines that explain them."""
    measured = [name for name in ("acc", UNTRUSTED) if any(row[f"{name}_n"] for row in found)] or ["acc"]
    names = [*measured, *(name for name in FIGURES if name not in ("acc", UNTRUSTED))]
    titles = [*_GROUP, "trials", *(name.replace("_", " ") if name != UNTRUSTED else name for name in names)]
    rows = [
        [*(str(row[name]) for name in _GROUP), str(row["trials"]), *(_figure(row, name) for name in names)]
        for row in found
    ]
    notes = ["mean ± standard deviation of the sample (n-1); (n=...) where fewer trials have the figure"]
    notes += [UNTRUSTED_NOTE] if UNTRUSTED in names else []
    if any(row["states"] for row in found):
        titles.append("state")
        rows = [[*row, _states(facts["states"])] for row, facts in zip(rows, found, strict=True)]
        if any(OLD_FIGURES & set(row["states"]) for row in found):
            notes.append(WHY_LEFT_OUT)
    return titles, rows, notes


def _figure(row: Mapping[str, Any], name: str) -> str:
    mean, deviation, count = (row.get(f"{name}_{part}") for part in ("mean", "sd", "n"))
    if mean is None:
        return _ABSENT
    factor, unit = (100, "%") if name in _SHARES else (1, "")
    text = f"{factor * mean:,.1f}{unit}"
    if deviation is not None:
        text += f" ± {factor * deviation:,.1f}"
    return text if count == row["trials"] else f"{text} (n={count})"


def _states(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.items()) or "done"
