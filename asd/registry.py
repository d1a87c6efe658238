"""Plug-ins: the file name is the plug-in's name, the folder is the registry.

`asd/<kind>/<name>.py` is found by looking at the folder; a workspace's own
`plugins/<kind>/<name>.py` is found by the same rule. A leading underscore keeps a file out.
This is the only module that uses importlib.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from asd.errors import ParamsError, nearest

KINDS = ("datasets", "attacks", "defenses", "semisup", "models")
_PACKAGE = Path(__file__).parent


class Registry:
    """The plug-ins of one kind: those of asd and those of a workspace."""

    def __init__(self, kind: str, workspace_plugins: Path | None = None) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
        self.kind = kind
        self._own = workspace_plugins / kind if workspace_plugins else None

    def files(self) -> dict[str, Path]:
        """Name -> file of every plug-in; a workspace may add names but not replace ours."""
        found = _plugin_files(_PACKAGE / self.kind)
        own = _plugin_files(self._own) if self._own else {}
        for name in sorted(set(own) & set(found)):
            raise ParamsError(f"{own[name]}: asd already has a plug-in {self.kind}/{name}; rename the file")
        return dict(sorted({**found, **own}.items()))

    def names(self) -> list[str]:
        """Every plug-in's name, sorted."""
        return list(self.files())

    def file(self, name: str) -> Path:
        """The file of plug-in `name`.

        Raises:
            ParamsError: there is none; names the nearest and all known ones.
        """
        files = self.files()
        if name not in files:
            raise ParamsError(
                f"unknown {self.kind[:-1] if self.kind != 'semisup' else 'semisup engine'} {name!r}"
                f"{nearest(name, files)} (known: {', '.join(files)})"
            )
        return files[name]

    def get(self, name: str) -> ModuleType:
        """Import plug-in `name` and return its module.

        Raises:
            ParamsError: there is no such plug-in, or it ends the process when it is imported.
        """
        file = self.file(name)
        if file.parent == _PACKAGE / self.kind:
            return importlib.import_module(f"asd.{self.kind}.{name}")
        return _import_file(f"asd_workspace_plugins.{self.kind}.{name}", file)


def _plugin_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {f.stem: f for f in sorted(folder.glob("*.py")) if not f.stem.startswith("_")}


def _import_file(module_name: str, file: Path) -> ModuleType:
    loaded = sys.modules.get(module_name)
    if loaded is not None and loaded.__file__ == str(file):
        return loaded
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ParamsError(f"{file}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[module_name]  # half a module must not pass for the whole at the next call
        if isinstance(error, SystemExit):  # sys.exit(0) would make any command that imports it succeed
            raise ParamsError(f"{file}: ends the process with sys.exit({error.code!r}) at import") from error
        raise
    return module


def step_module(name: str) -> ModuleType:
    """Import `asd.steps.<name>`; the name is one of `asd.steps.STEPS`."""
    return importlib.import_module(f"asd.steps.{name}")


def shipping_module() -> ModuleType:
    """Import `asd.ship.load`; by name, so that no step's code counts what ships its model."""
    return importlib.import_module("asd.ship.load")


def installed_version() -> str:
    """The version of asd that is installed."""
    return importlib.metadata.version("asd")
