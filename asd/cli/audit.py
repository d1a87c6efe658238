"""`asd audit`: which sample was trusted, when and why."""

from __future__ import annotations

import typer

from asd.cli import audit_web
from asd.cli.output import new_app

HELP = "Which sample was trusted, when and why. A verdict is evidence, not proof."


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app(HELP)
    audit_web.register(group)
    app.add_typer(group, name="audit")
