"""A table of words as Markdown or LaTeX, and rows of facts as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

_LATEX = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
}


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], *, left: int) -> str:
    """A Markdown table, the notes below it; the first `left` columns and `state` stand left."""
    rules = ["---" if n < left or title == "state" else "---:" for n, title in enumerate(titles)]
    lines = [_line(map(_cell, titles)), _line(rules), *(_line(map(_cell, row)) for row in rows)]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)]) + "\n"


def _line(words: Any) -> str:
    return f"| {' | '.join(words)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def latex(titles: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], *, left: int) -> str:
    """A `tabular` with plain rules, the notes as comments before it."""
    columns = "".join("l" if n < left or title == "state" else "r" for n, title in enumerate(titles))
    lines = [f"% {note}" for note in notes]
    lines += [f"\\begin{{tabular}}{{{columns}}}", "\\hline", _latex_row(titles), "\\hline"]
    lines += [*map(_latex_row, rows), "\\hline", "\\end{tabular}"]
    return "\n".join(lines) + "\n"


def _latex_row(words: Sequence[str]) -> str:
    return " & ".join("".join(_LATEX.get(letter, letter) for letter in word) for word in words) + r" \\"


def comma_separated(rows: Sequence[Mapping[str, Any]]) -> str:
    """The facts with one line of names; figures unrounded, what is not known empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return " ".join(f"{word}={count}" for word, count in value.items())
    return value
