"""Facts of a run's page that do not come from the ledger: gates, cost, and how to make the run again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from asd import store
from asd.audit.record import STAGES
from asd.audit.rehearsal_section import section
from asd.audit.runs import Run
from asd.audit.web.data import read_facts, stamp
from asd.audit.web.site import Site
from asd.errors import AsdError
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.registry import installed_version
from asd.rehearsals import rehearsal_facts
from asd.ship import gates
from asd.ship.gates import Outcome
from asd.ship.provenance import code_of


@dataclass(frozen=True)
class Reproduce:
    """What it takes to make a run again.

    Attributes:
        command: what to type.
        params: name -> value of each plug-in of the cell, as text.
        revisions: (what, revision or hash).
        hashes: (what, SHA-256 hex).
    """

    command: str
    params: tuple[tuple[str, str], ...]
    revisions: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, str], ...]


def outcomes(workspace: Workspace | None, cell: Cell) -> tuple[list[Outcome], str]:
    """The gates of a cell held against its figures, and why there are none."""
    if workspace is None:
        return [], "params.yaml cannot be read."
    if not workspace.params.gates.limits():
        return [], "No gate is set (section gates of params.yaml)."
    try:
        found = gates.judge_run(workspace, [cell])
    except AsdError as error:
        return [], str(error)
    return found, "" if found else "Gates judge cells with a defense only."


def rehearsal(workspace: Workspace | None, cell: Cell) -> Markup:
    """The section of the cell's rehearsals as HTML; empty where there is none, or the file is damaged."""
    try:
        return Markup() if workspace is None else section(rehearsal_facts(workspace, cell))
    except AsdError:  # the gates beside it say so
        return Markup()


def timings(layout: Layout, cell: Cell) -> list[tuple[int, dict[str, Any]]]:
    """Seconds and memory of each stage that is on record."""
    return [(stage, read_facts(layout.timing(cell, stage))) for stage in STAGES]


def reproduce(site: Site, workspace: Workspace | None, cell: Cell, run: Run) -> Reproduce:
    """Params, revisions and hashes; what is missing is left out."""
    return Reproduce(
        command=f"asd run '{cell}'",
        params=() if workspace is None else tuple(_params(workspace, cell)),
        revisions=tuple(_revisions(site, workspace, cell)),
        hashes=tuple(_hashes(site, cell, run)),
    )


def _params(workspace: Workspace, cell: Cell) -> Iterator[tuple[str, str]]:
    import yaml

    for kind in ("dataset", "attack", "defense"):
        name = getattr(cell, kind)
        try:
            variant = workspace.variant(f"{kind}s", name)
        except AsdError:
            continue
        yield f"{kind}s.{name}", yaml.safe_dump(variant.params.model_dump(mode="json"), sort_keys=False)
    shared = workspace.params.model_dump(
        mode="json", include={"random_seed", "poison_seed", "seeds", "training", "model"}
    )
    yield "shared", yaml.safe_dump(shared, sort_keys=False)


def _revisions(site: Site, workspace: Workspace | None, cell: Cell) -> Iterator[tuple[str, str]]:
    yield "asd", installed_version()
    commit = _commit(site.layout.root)
    if commit:
        yield "commit of the workspace", commit
    if workspace is not None:
        try:
            code = code_of(workspace, cell)
        except AsdError:
            code = {}
        for name, digest in code.items():
            if name != "asd":
                yield f"code: {name}", digest


def _hashes(site: Site, cell: Cell, run: Run) -> Iterator[tuple[str, str]]:
    layout = site.layout
    train = layout.fetched(cell.dataset, "train") / "manifest.json"
    overlay = layout.poisoned(cell.dataset, cell.attack, "train") / "manifest.json"
    seeds = layout.seed_set(cell.dataset, cell.attack, cell.trial) / "ranked.parquet"
    files = {
        "training data (manifest)": train,
        "what was planted (manifest)": overlay,
        "seeds": seeds,
        "params.yaml": layout.params,
        "asd.lock": layout.code_lock,
        "model": layout.stage(cell, 3) / "model.safetensors",
        "samples.parquet": run.samples,
        "metrics.json": run.metrics,
    }
    for name, file in files.items():
        if file.is_file():
            yield name, _sha256(site, run, file)


def _sha256(site: Site, run: Run, file: Path) -> str:
    found: str = site.data.kept(("sha256", str(file), stamp(file)), run, lambda: store.file_sha256(file))
    return found


def _commit(root: Path) -> str:
    """Of the git repository that holds the workspace, and whether files differ from it; "" without one."""
    words = ["git", "--no-optional-locks", "-C", str(root)]
    try:
        head = subprocess.run([*words, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
        changed = subprocess.run(
            [*words, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if head.returncode:
        return ""
    return head.stdout.strip() + (" (with changes since)" if changed.stdout.strip() else "")
