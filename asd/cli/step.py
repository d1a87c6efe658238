"""`asd step`: one step of the pipeline; this is what `dvc.yaml` calls."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import WorkspaceOption, open_workspace
from asd.errors import ParamsError, nearest
from asd.steps import DIMENSIONS, STEPS, StepItem

if TYPE_CHECKING:
    from asd.params import Workspace

_EXAMPLE = "Example: asd step stage1 --dataset digits --attack badnets --defense asd --trial 0"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("step", epilog=_EXAMPLE)(step)


def step(
    name: Annotated[str, typer.Argument(metavar="NAME", help=", ".join(STEPS))],
    dataset: Annotated[str, typer.Option(help="A variant below `datasets:`.")],
    attack: Annotated[str | None, typer.Option(help="A variant below `attacks:`.")] = None,
    defense: Annotated[str | None, typer.Option(help="A variant below `defenses:`.")] = None,
    trial: Annotated[int | None, typer.Option(min=0, help="Number of the repeat.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Run one step for one item.

    This is what dvc.yaml calls; `asd run` and `dvc repro` know which steps are needed.
    """
    item = step_item(name, dataset, attack, defense, trial)
    run_step(open_workspace(workspace), name, item)


def step_item(
    name: str, dataset: str, attack: str | None, defense: str | None, trial: int | None
) -> StepItem:
    """Check that the step exists and that exactly its dimensions were given.

    Raises:
        ParamsError: unknown step, or a dimension missing or not one of this step's.
    """
    if name not in STEPS:
        raise ParamsError(f"no step {name!r}{nearest(name, STEPS)} (steps: {', '.join(STEPS)})")
    item = StepItem(dataset, attack, defense, trial)
    for dimension in ("dataset", "attack", "defense", "trial"):
        given = getattr(item, dimension) is not None
        if given is not (dimension in DIMENSIONS[name]):
            wanted = " ".join(f"--{word}" for word in DIMENSIONS[name])
            problem = f"takes no --{dimension}" if given else f"needs --{dimension}"
            raise ParamsError(f"step {name} {problem}; it is given by: {wanted}")
    return item


def run_step(workspace: Workspace, name: str, item: StepItem) -> None:
    """Run one step under its lock, with the code that `asd.lock` names.

    Raises:
        ParamsError: unknown variant, or the installed code is not that of `asd.lock`.
        BusyError: another process is running this step for the same item.
    """
    from asd import code_lock
    from asd.progress import Reporter
    from asd.registry import step_module
    from asd.step_lock import hold_step

    if "DVC_STAGE" in os.environ:  # started by dvc: never outlive it; a person may close the terminal
        from asd.lifeline import die_with_parent

        die_with_parent()
    for kind in ("dataset", "attack", "defense"):
        variant = getattr(item, kind)
        if variant is not None:
            workspace.plugin_name(f"{kind}s", variant)
    changed = code_lock.differences(workspace, name, item)
    if changed:
        raise ParamsError(
            f"the installed code is not that of asd.lock ({', '.join(changed)}); "
            "run `asd run`, or `asd lock` and then `dvc repro`"
        )
    with hold_step(workspace.layout, name, item):
        step_module(name).run(workspace, item, Reporter(name, str(item)))
