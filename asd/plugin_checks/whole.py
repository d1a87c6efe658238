"""All that `asd check` does: find the plug-in, hold it against its promises, run a cell through it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.attacks import GivenAttack
from asd.errors import ParamsError, nearest
from asd.layout import Layout
from asd.params import Workspace, check, load_workspace
from asd.plugin_checks import Outcome, require, run_checks, run_one
from asd.plugin_skeletons import FOLDER_OF
from asd.registry import Registry
from asd.sources import resolve_source

_LOADED = (
    "import sys; from pathlib import Path; from asd.registry import Registry; "
    "Registry(sys.argv[1], Path(sys.argv[2]) if sys.argv[2] else None).get(sys.argv[3]); "
    "print('torch' in sys.modules)"
)


NO_CELL = "No cell: it plants nothing in other data; `asd run` a cell of the data that its roles tell of"


@dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes:
        kind: a key of `FOLDER_OF`.
        name: as asked for: of a variant of `params.yaml`, or of a plug-in.
        plugin: the plug-in's name.
        section: the params that it is checked with, as `params.yaml` has them.
        layout: of the workspace; None outside of one.
    """

    kind: str
    name: str
    plugin: str
    section: dict[str, Any]
    layout: Layout | None

    @property
    def plugins(self) -> Path | None:
        """The workspace's own plug-ins."""
        return self.layout.plugins if self.layout else None

    @property
    def registry(self) -> Registry:
        """The plug-ins of its kind."""
        return Registry(FOLDER_OF[self.kind], self.plugins)


def find_subject(root: Path | None, name: str, kind: str | None = None) -> Subject:
    """The plug-in or variant of this name.

    Raises:
        ParamsError: there is none, or several kinds have one and `kind` does not say which.
    """
    workspace = load_workspace(root) if root is not None else None
    kinds = [kind] if kind else list(FOLDER_OF)
    found = [one for k in kinds if (one := _subject(workspace, k, name)) is not None]
    if not found:
        known = sorted({n for k in kinds for n in _names(workspace, k)})
        raise ParamsError(f"no plug-in {name!r}{nearest(name, known)} (known: {', '.join(known)})")
    if len(found) > 1:
        several = " and ".join(one.kind for one in found)
        raise ParamsError(f"{name} is the name of {several}; say --kind {found[0].kind}, for example")
    return found[0]


def _names(workspace: Workspace | None, kind: str) -> list[str]:
    plugins = workspace.layout.plugins if workspace else None
    variants = list(_sections(workspace, kind)) if workspace else []
    return [*variants, *Registry(FOLDER_OF[kind], plugins).names()]


def _sections(workspace: Workspace, kind: str) -> dict[str, dict[str, Any]]:
    """The variants of a kind in `params.yaml`."""
    if kind in ("attack", "defense", "dataset"):
        sections: dict[str, dict[str, Any]] = getattr(workspace.params, FOLDER_OF[kind])
        return sections
    return {}


def _subject(workspace: Workspace | None, kind: str, name: str) -> Subject | None:
    layout = workspace.layout if workspace else None
    if workspace is not None and name in _sections(workspace, kind):
        section = _sections(workspace, kind)[name]
        return Subject(kind, name, str(section.get("use", name)), dict(section), layout)
    if name not in Registry(FOLDER_OF[kind], layout.plugins if layout else None).names():
        return None
    return Subject(kind, name, name, {}, layout)


def promises(subject: Subject) -> list[Outcome]:
    """Every check of its kind; a plug-in that cannot be imported or has bad params fails one."""
    outcomes = [run_one("can_be_imported", "The file can be imported", lambda: _import(subject))]
    return outcomes if outcomes[0].problem else outcomes + run_checks(*_checks(subject))


def imports(subject: Subject) -> list[Outcome]:
    """What importing it drags in, seen in a process of its own; engines may import torch."""
    if subject.kind == "semisup":
        return []
    promise = "Importing it does not import torch, which takes seconds"
    return [run_one("imports_no_torch", promise, lambda: _imports_no_torch(subject))]


def _import(subject: Subject) -> None:
    try:
        subject.registry.get(subject.plugin)
    except SyntaxError as error:
        require(False, f"line {error.lineno}: {error.msg}")


def _imports_no_torch(subject: Subject) -> None:
    words = [FOLDER_OF[subject.kind], str(subject.plugins or ""), subject.plugin]
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *words], capture_output=True, text=True, check=False
    )
    require(done.stdout.strip() == "False", "torch is imported with the file; import it inside functions")


def _checks(subject: Subject) -> tuple[tuple[Callable[[Any], None], ...], Any]:
    """The checks of its kind and the case for them."""
    from asd.plugin_checks import attack, dataset, defense, given, model, semisup

    module = subject.registry.get(subject.plugin)
    section = {key: value for key, value in subject.section.items() if key != "use"}
    where = f"{FOLDER_OF[subject.kind]}.{subject.name}"
    match subject.kind:
        case "attack" if isinstance(module, GivenAttack):
            return given.CHECKS, given.Case(subject.plugin, module)
        case "attack":
            own = section or attack.SMALL.get(subject.plugin)
            root = subject.layout.root if subject.layout and section else None
            return attack.CHECKS, attack.Case(subject.plugin, module, check(module.Params, own, where), root)
        case "defense":
            return defense.CHECKS, defense.Case(subject.plugin, module, check(module.Params, section, where))
        case "semisup":
            return semisup.CHECKS, semisup.Case(subject.plugin, module, module.Params())
        case "model":
            return model.CHECKS, model.Case(subject.plugin, module)
        case _:
            source = source_of(subject)
            return dataset.CHECKS, dataset.Case(
                subject.plugin, module, source if isinstance(source, Path) else None, section
            )


def source_of(subject: Subject) -> Path | str | None:
    """Where a data set's source lies; None for other kinds and for one without."""
    if subject.kind != "dataset" or subject.layout is None:
        return None
    return resolve_source(subject.layout, subject.name)


def cell(subject: Subject) -> Outcome:
    """Run a digits cell; the promise of what comes back holds its figures.

    An attack that lies in its data already has no other data to run on, and that is said instead.
    """
    from asd.plugin_checks.attack import SMALL
    from asd.plugin_checks.cell import CellRun, run_cell

    if subject.kind == "attack" and isinstance(subject.registry.get(subject.plugin), GivenAttack):
        return Outcome("runs_a_cell", NO_CELL, "")
    runs: list[CellRun] = []

    def run() -> None:
        own = subject.section or (SMALL.get(subject.plugin, {}) if subject.kind == "attack" else {})
        section = {"use": subject.plugin, **own} if subject.kind in ("attack", "defense", "dataset") else own
        runs.append(run_cell(subject.kind, subject.name, section, subject.layout, source_of(subject)))

    outcome = run_one("runs_a_cell", "A small cell runs through all steps", run)
    return Outcome(outcome.name, runs[0].line(), "") if runs else outcome
