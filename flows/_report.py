"""What a run ends with: the table and the paths of the reports, on the screen and as artifacts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asd.layout import Cell, Layout
from asd.metrics import WHY_UNTRUSTED
from asd.params import load_workspace
from asd.tables import rows as table
from flows._markdown import escaped
from flows._screen import title


def slug(name: str) -> str:
    """A key that Prefect takes: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def reports(root: Path, cells: Sequence[Cell]) -> list[Path]:
    """The audit reports that exist, in the order of the cells."""
    layout = Layout(root)
    return [path for path in map(layout.audit_report, cells) if path.is_file()]


def rows(root: Path, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The rows of the results table."""
    return table.rows(load_workspace(root), cells)


def show(root: Path, cells: Sequence[Cell]) -> None:
    """Print the table and where the audit reports are."""
    print(f"\n{table.render(rows(root, cells), table.states(Layout(root), cells))}")
    for path in reports(root, cells):
        print(f"audit report: {path}")


def summary(root: Path, cells: Sequence[Cell], failures: Mapping[str, str]) -> str:
    """Failures and reports of a run as Markdown; paths below the workspace."""
    lines = [f"{len(cells)} cells, {len(failures)} failed stages", ""]
    lines += [f"- **{title(stage)}** failed: {escaped(message)}" for stage, message in failures.items()]
    if any(row["acc_untrusted"] is not None for row in rows(root, cells)):
        lines.append(f"- acc_untrusted: {WHY_UNTRUSTED}")
    lines += [f"- report: `{path.relative_to(root)}`" for path in reports(root, cells)]
    return "\n".join(lines)
