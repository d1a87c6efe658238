"""Which preset a workspace's params come from, and whether they still are those."""

from __future__ import annotations

from asd.new_workspace import PRESETS
from asd.params import Workspace, parse_workspace

_OWN = {"gates", "intake", "service"}
"""Sections that change no figure."""


def named(workspace: Workspace) -> str:
    """The name that `reproduce.preset` gives; `(changed)` behind it where the params differ from it."""
    section = workspace.params.reproduce
    name = section.preset if section is not None else ""
    file = PRESETS / f"{name}.yaml"
    if file not in PRESETS.glob("*.yaml"):
        return f"{name} (not one of asd's)"
    original = parse_workspace(workspace.layout, file.read_text()).params
    same = original.model_dump(exclude=_OWN) == workspace.params.model_dump(exclude=_OWN)
    return name if same else f"{name} (changed)"
