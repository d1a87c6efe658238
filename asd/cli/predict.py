"""`asd predict`: what a shipped model says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json, workspace_above
from asd.errors import DataError, ParamsError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict", epilog="Example: asd predict models/current photo.jpg --json")(predict)


def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `asd model export` wrote.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Picture files of any size.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the class of each picture and how sure the model is.

    No workspace is needed, but one gives its own plug-ins where the network is one of them.
    """
    _check_places(folder, images)
    rows = _predictions(folder, images, find_workspace(workspace) if workspace else None)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['file']}\t{row['class']}\t{row['probability']:.3f}")


def _check_places(folder: Path, images: list[Path]) -> None:
    from asd.ship.format import FACTS_FILE

    if not (folder / FACTS_FILE).is_file():
        raise ParamsError(
            f"{folder} is no exported model (it has no {FACTS_FILE}); `asd model export CELL DIR`"
        )
    absent = [path for path in images if not path.is_file()]
    if absent:
        raise DataError(f"no picture {absent[0]}" + (" (it is a folder)" if absent[0].is_dir() else ""))


def _predictions(folder: Path, images: list[Path], given: Path | None) -> list[dict[str, Any]]:
    from asd.layout import Layout
    from asd.ship.load import load_model

    root = given or workspace_above(Path.cwd())
    model = load_model(folder, plugins=Layout(root).plugins if root else None)
    labels, probabilities = model.predict([str(path) for path in images])
    return [
        {
            "file": str(path),
            "class": model.class_names[label],
            "label": label,
            "probability": float(shares[label]),
            "probabilities": dict(zip(model.class_names, shares.tolist(), strict=True)),
        }
        for path, label, shares in zip(images, labels.tolist(), probabilities, strict=True)
    ]
