"""`asd new`: a plug-in that works, with its tests, to be changed into another one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asd.errors import ParamsError
from asd.layout import Layout
from asd.params import NAME_PATTERN
from asd.registry import Registry
from asd.store import atomic_file, disk_errors

FOLDER_OF = {
    "attack": "attacks",
    "defense": "defenses",
    "semisup": "semisup",
    "model": "models",
    "dataset": "datasets",
}
"""The word of the command line -> the plug-ins' folder."""

_TEMPLATES = Path(__file__).parent / "templates"
_PLACE = "PLUGIN"


@dataclass(frozen=True)
class Created:
    """The files that were written."""

    plugin: Path
    test: Path


def create(layout: Layout, kind: str, name: str) -> Created:
    """Write `plugins/<folder>/<name>.py` and `plugins/tests/test_<kind>_<name>.py`.

    Args:
        kind: a key of `FOLDER_OF`.
        name: of the plug-in; lower-case letters, digits and `_`.

    Raises:
        ParamsError: a bad name, one that is taken, or a file that is there already.
        DiskError: the workspace may not be written to.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ParamsError(f"bad name {name!r}: wanted lower-case letters, digits and '_', no '_' in front")
    folder = FOLDER_OF[kind]
    if name in Registry(folder, layout.plugins).names():
        raise ParamsError(f"there is a plug-in {folder}/{name} already; choose another name")
    made = Created(
        layout.plugins / folder / f"{name}.py", layout.plugins / "tests" / f"test_{kind}_{name}.py"
    )
    for file in (made.plugin, made.test):
        if file.exists():
            raise ParamsError(f"{file} is there already; delete it, or choose another name")
    with disk_errors(layout.plugins):
        _write(made.test, f"test_{kind}", name)
        _write(made.plugin, kind, name)  # the last one: where it is, all is there
    return made


def _write(file: Path, template: str, name: str) -> None:
    text = (_TEMPLATES / f"{template}.txt").read_text()
    with atomic_file(file) as temporary:
        temporary.write_text(text.replace(_PLACE, name))
