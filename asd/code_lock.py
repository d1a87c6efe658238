"""`asd.lock`: the hash of the code that each step and each variant runs.

DVC reruns a stage when the hash of its code changes. What counts is what is imported, read
from the sources: adding an attack changes no hash, editing one changes its own. Plug-ins
that a step loads by name hang on the variant instead, so `steps` and variants are apart.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from asd.errors import ParamsError
from asd.imports import PackageImports
from asd.layout import Layout
from asd.params import Workspace
from asd.steps import STEPS, StepItem
from asd.store import atomic_file

PACKAGE = Path(__file__).parent
VARIANT_KINDS = ("datasets", "attacks", "defenses")
Hashes = dict[str, dict[str, str]]

STEP_VARIANTS: dict[str, tuple[str, ...]] = {
    "fetch": ("datasets",),
    "prepare": ("attacks",),
    "poison": ("attacks",),
    "seed": (),
    "stage1": ("defenses",),
    "stage2": ("defenses",),
    "stage3": ("defenses",),
    "evaluate": ("defenses",),
    "audit": ("defenses",),
}
"""Kinds of plug-in that each step runs by name; `evaluate` runs the network of the defense."""

# They compute no result: a better sentence, or another way to hash code, must not retrain anything.
_NOT_COUNTED = frozenset({"asd.errors", "asd.progress", "asd.code_lock", "asd.imports"})
_HEAD = "# Hashes of the code behind each step and variant; `asd run` and `asd lock` refresh it.\n"


def refresh(workspace: Workspace, package: Path = PACKAGE) -> list[str]:
    """Write `asd.lock` for the installed code; the file is left alone when nothing changed.

    Returns:
        What changed, such as `attacks.badnets`, sorted.

    Raises:
        ParamsError: a variant names a plug-in that does not exist.
    """
    now = current(workspace, package)
    before = recorded(workspace.layout)
    changed = _changed(before, now)
    if changed or not workspace.layout.code_lock.is_file():
        with atomic_file(workspace.layout.code_lock) as temporary:
            temporary.write_text(_HEAD + yaml.safe_dump(now, sort_keys=True))
    return changed


def differences(workspace: Workspace, step: str, item: StepItem, package: Path = PACKAGE) -> list[str]:
    """Entries of `asd.lock` that `step` relies on and that are not the installed code's."""
    before = recorded(workspace.layout)
    return [
        f"{section}.{name}"
        for (section, name), now in hashes_of(workspace, step, item, package).items()
        if before.get(section, {}).get(name) != now
    ]


def hashes_of(
    workspace: Workspace, step: str, item: StepItem, package: Path = PACKAGE
) -> dict[tuple[str, str], str]:
    """The hash of each of the `entries`, of the installed code."""
    code = _Code(workspace, package)
    return {
        (section, name): code.step(name) if section == "steps" else code.variant(section, name)
        for section, name in entries(step, item)
    }


def entries(step: str, item: StepItem) -> list[tuple[str, str]]:
    """Section and name in `asd.lock` of the code that `step` runs for `item`."""
    names = {"datasets": item.dataset, "attacks": item.attack, "defenses": item.defense}
    variants = [(kind, names[kind]) for kind in STEP_VARIANTS[step]]
    return [("steps", step), *((kind, name) for kind, name in variants if name is not None)]


def current(workspace: Workspace, package: Path = PACKAGE) -> Hashes:
    """The hashes of the installed code for every step and every variant of `params.yaml`."""
    code = _Code(workspace, package)
    variants = {
        kind: {name: code.variant(kind, name) for name in sorted(getattr(workspace.params, kind))}
        for kind in VARIANT_KINDS
    }
    return {"steps": {name: code.step(name) for name in STEPS}, **variants}


class _Code:
    def __init__(self, workspace: Workspace, package: Path) -> None:
        self._workspace = workspace
        self._package = package
        self._imports = PackageImports(package)

    def step(self, name: str) -> str:
        files = [self._package / "steps" / f"{name}.py"]
        if name == "seed":
            files += self._of_transferred_seeds()
        return self._hash(files)

    def _of_transferred_seeds(self) -> list[Path]:
        """The plug-ins that the step `seed` runs by name, where an attack's cells use such seeds."""
        params = self._workspace.params
        choices = [params.seeds.of(attack) for attack in sorted(params.attacks)]
        engines = sorted({choice.transfer.engine for choice in choices if choice.use == "transfer"})
        if not engines:
            return []
        return [
            *(self._plugin("semisup", name) for name in engines),
            self._plugin("models", params.model.use),
        ]

    def variant(self, kind: str, name: str) -> str:
        file = self._plugin(kind, self._workspace.plugin_name(kind, name))
        files = [file]
        section = getattr(self._workspace.params, kind)[name]
        prepare = section.get("prepare") if kind == "attacks" else None
        trigger = prepare.get("trigger") if isinstance(prepare, Mapping) else None
        if isinstance(trigger, str):  # an attack that borrows the trigger of another
            files.append(self._plugin("attacks", trigger))
        elif kind == "attacks" and (default := _default_of("trigger", file)) is not None:
            files.append(self._plugin("attacks", default))
        if kind == "defenses":
            engine = self._engine(section, file)
            if engine is not None:
                files.append(self._plugin("semisup", engine))
            files.append(self._plugin("models", self._workspace.params.model.use))
        return self._hash(files)

    def _plugin(self, kind: str, name: str) -> Path:
        own = self._package / kind / f"{name}.py"
        return own if own.is_file() else self._workspace.registry(kind).file(name)

    @staticmethod
    def _engine(section: Mapping[str, Any], file: Path) -> str | None:
        """The semi-supervised engine: as params say, else the default in the plug-in's source."""
        common = section.get("common") or {}
        if isinstance(common, Mapping) and "engine" in common:
            return str(common["engine"])
        return _default_of("engine", file)

    def _hash(self, files: list[Path]) -> str:
        sources: dict[str, Path] = {}
        for file in files:
            sources.update(self._imports.closure(file))
        for name, path in list(sources.items()):
            if path.name == "__init__.py" and path.parent != self._package:
                sources.update(_data_files(name, path.parent))
        digest = hashlib.sha256()
        for name, path in sorted(sources.items()):
            if name not in _NOT_COUNTED:
                content = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{name}\n{len(content)}\n".encode() + content)
        return digest.hexdigest()


def _data_files(package: str, folder: Path) -> dict[str, Path]:
    """What lies beside a package's modules and is no module, such as the templates of a page."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc"))
    return {f"{package}/{file.relative_to(folder).as_posix()}": file for file in files}


def _default_of(field: str, file: Path) -> str | None:
    """The string default of a params field `field: T = "x"` or `= Field("x", ...)` in `file`."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == field:
            value = node.value
            if isinstance(value, ast.Call) and value.args:
                value = value.args[0]
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
    return None


def recorded(layout: Layout) -> Hashes:
    """What `asd.lock` says; empty where there is none.

    Raises:
        ParamsError: it is not YAML.
    """
    try:
        raw = yaml.safe_load(layout.code_lock.read_text())
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{layout.code_lock} is not valid YAML; delete it and run `asd lock`") from error
    if not isinstance(raw, dict):
        return {}
    return {str(key): dict(value) for key, value in raw.items() if isinstance(value, dict)}


def _changed(before: Hashes, now: Hashes) -> list[str]:
    names = {(section, name) for hashes in (before, now) for section in hashes for name in hashes[section]}
    return sorted(
        f"{section}.{name}"
        for section, name in names
        if before.get(section, {}).get(name) != now.get(section, {}).get(name)
    )
