"""`asd audit`: why was this sample trusted? Samples, pools and runs in a terminal, in SQL, on a page."""

from __future__ import annotations

import typer

from asd.cli import audit_ask, audit_evidence, audit_report, audit_runs, audit_web, audit_write
from asd.cli.output import new_app

HELP = (
    "Ask why a sample was trusted: what each run did with it, when, and by which rule.\n\n"
    "RUN is a cell (dataset/attack/defense/trial) as it is now, or CELL@previous, CELL@DATE or CELL@GITREV. "
    "KEY is a sample's key, a unique beginning of it, its content hash or its source. Where several cells "
    "are audited a command needs --cell.\n\n"
    "A verdict is evidence, not proof."
)
_GROUPS = (audit_runs, audit_ask, audit_report, audit_write, audit_evidence, audit_web)


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app(HELP)
    for one in _GROUPS:
        one.register(group)
    app.add_typer(group, name="audit")
