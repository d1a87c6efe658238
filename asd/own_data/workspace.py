"""`asd init --data`: look at the data, choose params, make the workspace around them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asd.errors import ParamsError
from asd.new_workspace import NewWorkspace, another, create_with, refuse_another
from asd.own_data.drops import DROPS, of_drops, refuse_parts
from asd.own_data.facts import look_at_machine
from asd.own_data.forms import find_form
from asd.own_data.recipe import Recipe, make_recipe
from asd.own_data.survey import Survey, survey
from asd.own_data.write_params import FIRST_LINE, dataset_name, params_text
from asd.progress import Reporter
from asd.sources import set_source


@dataclass(frozen=True)
class OwnData:
    """A workspace around somebody's data, what was seen of them and what was chosen."""

    made: NewWorkspace
    survey: Survey
    recipe: Recipe


def create_around(
    folder: Path,
    data: Path,
    reporter: Reporter,
    *,
    labels: Path | None = None,
    image_size: int | None = None,
    git: bool = False,
    as_drops: bool = False,
) -> OwnData:
    """Make `folder` a workspace around what lies at `data`; run again, it mends one that was cut short.

    Nothing is written before the data are found fit; `params.yaml` comes after the source.

    Args:
        as_drops: the data are the first of many drops: the workspace is made for them, and takes
            in none yet.

    Raises:
        ParamsError: the folder holds another workspace, or lies in the data.
        DataError: data that cannot be trained on.
    """
    _refuse_early(folder.resolve(), data.expanduser().resolve())
    form = find_form(data, labels)
    if as_drops:
        refuse_parts(form)
    seen = survey(form, reporter)
    name = dataset_name(
        data.expanduser().resolve().stem if data.is_file() else data.expanduser().resolve().name
    )
    recipe = make_recipe(seen, DROPS if as_drops else name, look_at_machine(), image_size)
    if as_drops:
        recipe = of_drops(recipe)
    made = create_with(
        folder,
        params_text(recipe),
        git=git,
        before_params=lambda layout: None if as_drops else set_source(layout, name, form.source),
    )
    return OwnData(made, seen, recipe)


def _refuse_early(root: Path, data: Path) -> None:
    """What would be refused after the survey too, but without the wait."""
    place = data if data.is_dir() else data.parent
    if root == place or (root.is_relative_to(place) and data.is_dir()):
        raise ParamsError(
            f"{root} lies in the data folder {place}, which must not change; give a folder outside it"
        )
    refuse_another(root)
    params = root / "params.yaml"
    if params.exists() and not params.read_text(errors="replace").startswith(FIRST_LINE):
        raise another(root, params)
