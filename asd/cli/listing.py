"""`asd list`: the plug-ins and presets at hand, read without importing any."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json, workspace_above
from asd.errors import ParamsError, nearest
from asd.layout import Layout

PRESETS = Path(__file__).parent.parent / "presets"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list", epilog="Example: asd list attacks")(list_kind)


def list_kind(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="datasets, attacks, defenses, semisup, models or presets")
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Of models: print the layers of this one.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the plug-ins of a kind, or the presets.

    A workspace's own plug-ins are among them. `asd list models NAME` prints the layers of a
    network from input to output; timm/NAME is one of timm.
    """
    from asd.registry import KINDS, Registry

    known = (*KINDS, "presets")
    if kind not in known:
        raise ParamsError(f"nothing is called {kind!r}{nearest(kind, known)} (known: {', '.join(known)})")
    root = find_workspace(workspace) if workspace else workspace_above(Path.cwd())
    if name is not None:
        _print_layers(kind, name, root, as_json)
        return
    if kind == "presets":
        rows = [
            (file.stem, _first_comment(file)) for file in sorted(PRESETS.glob("*.yaml"), key=lambda f: f.stem)
        ]
    else:
        files = Registry(kind, Layout(root).plugins if root else None).files()
        rows = [(name, first_doc_line(file)) for name, file in files.items()]
    if as_json:
        print_json([{"name": name, "about": about} for name, about in rows])
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, about in rows:
        typer.echo(f"{name:{width}}  {about}".rstrip())


def _print_layers(kind: str, name: str, root: Path | None, as_json: bool) -> None:
    from asd import model_layers

    if kind != "models":
        raise ParamsError(f"only models have layers to print: `asd list {kind}`, or `asd list models NAME`")
    facts = model_layers.layer_facts(name, root)
    if as_json:
        print_json(facts)
    else:
        typer.echo(model_layers.render(facts))


def first_doc_line(file: Path) -> str:
    """First line of a Python file's docstring; says so when the file is not valid Python."""
    try:
        return (ast.get_docstring(ast.parse(file.read_bytes())) or "").partition("\n")[0]
    except SyntaxError as error:
        return f"(not valid Python, line {error.lineno})"


def _first_comment(file: Path) -> str:
    """The first sentence of the comment at the top of a preset."""
    words = []
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            break
        words.append(line.lstrip("# "))
    return " ".join(words).partition(". ")[0].removesuffix(".")
