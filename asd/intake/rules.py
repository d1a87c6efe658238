"""The rules that a workspace's params give the gate."""

from __future__ import annotations

from collections.abc import Mapping

from asd.datasets.drops import Params as DropsParams
from asd.drop_records import union
from asd.errors import ParamsError
from asd.intake.gate import Rules
from asd.params import Variant, Workspace
from asd.shards.drop_folder import Form


def drops_variant(workspace: Workspace) -> Variant:
    """The data set made from drops whose form and classes count: the first of `cells.datasets`.

    Raises:
        ParamsError: no data set of the workspace is made from drops.
    """
    names = workspace.drop_datasets()
    if not names:
        raise ParamsError(
            "no data set of params.yaml is made from drops: make a workspace with "
            "`asd init DIR --preset drops` or `asd init DIR --data FIRST --as-drops`"
        )
    return workspace.variant("datasets", names[0])


def make_rules(workspace: Workspace, labels: Mapping[str, str] | None = None) -> Rules:
    """Caps, classes and form; without `class_names` the classes of the drops so far, if there are any.

    Args:
        labels: the label file of a drop: label as sent -> class name.

    Raises:
        ParamsError: as `drops_variant`.
    """
    params: DropsParams = drops_variant(workspace).params
    names = params.class_names or tuple(
        sorted({name for record in union(workspace.layout) for name in record.classes})
    )
    return Rules(
        intake=workspace.params.intake,
        class_names=names or None,
        labels=dict(labels or {}),
        image_size=params.image_size,
        channels=params.channels,
        fit=params.fit,
    )


def form_of(workspace: Workspace) -> Form:
    """What training makes of a picture.

    Raises:
        ParamsError: as `drops_variant`.
    """
    params: DropsParams = drops_variant(workspace).params
    return Form(params.image_size, params.channels, params.fit)
