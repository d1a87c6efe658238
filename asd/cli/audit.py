"""`asd audit`: why was this sample trusted?"""

from __future__ import annotations

import typer

from asd.cli import audit_evidence
from asd.cli.output import new_app


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app("Ask what a run says of its samples, and let the evidence leave the house.")
    audit_evidence.register(group)
    app.add_typer(group, name="audit")
