"""Which files of a workspace belong to the evidence of a cell: inside the zip, or by digest alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asd import store
from asd.audit.evidence.packing import Source
from asd.errors import DataError, ParamsError
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.seeds.seed_set import EXTRA, SIGNALS
from asd.shards.manifest import MANIFEST, read_manifest
from asd.shards.verify import verify_folder
from asd.steps import STEPS, StepItem, stage_name

INDEX = "index.html"
GATES = "gates.json"
LOCK = "dvc.lock"
STATEMENT = "statement.json"
"""Not a subject of itself; nor are the decisions, which name its digest."""
LARGEST_STATEMENT = 64 * 2**20


@dataclass
class Contents:
    """What belongs to the evidence of a cell.

    Attributes:
        members: name in the zip -> file or bytes; a name is the path in the workspace.
        outside: path in the workspace -> its SHA-256 (hex): shards, weights, histories, truth.
    """

    cell: Cell
    members: dict[str, Source] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)


def relative(layout: Layout, path: Path) -> str:
    """The path in the workspace."""
    return path.relative_to(layout.root).as_posix()


def shard_folders(layout: Layout, cell: Cell) -> list[Path]:
    """Folders of shards that a cell reads; the last, of seed images from outside, may be missing."""
    return [
        *(layout.fetched(cell.dataset, split) for split in ("train", "test")),
        *(layout.poisoned(cell.dataset, cell.attack, part) for part in ("train", "test", "probe")),
        layout.seed_set(cell.dataset, cell.attack, cell.trial) / EXTRA,
    ]


def needed_members(layout: Layout, cell: Cell) -> list[Path]:
    """Files without which there is no evidence."""
    seeds = layout.seed_set(cell.dataset, cell.attack, cell.trial)
    return [
        *(layout.params, layout.pipeline, layout.code_lock),
        *(folder / MANIFEST for folder in shard_folders(layout, cell)[:-1]),
        *(seeds / name for name in ("ranked.parquet", "seed_set.json")),
        *(layout.stage(cell, stage) / "state.json" for stage in (1, 2, 3)),
        *(layout.metrics(cell), layout.audit_samples(cell), layout.audit_pools(cell)),
    ]


def optional_members(layout: Layout, cell: Cell) -> list[Path]:
    """Files that are in the zip where the workspace has them."""
    return [
        *(layout.source(name) for name in (cell.dataset, "seeds")),
        *(layout.trusted_seeds, layout.review_log, layout.exclusions),
        layout.seed_set(cell.dataset, cell.attack, cell.trial) / SIGNALS,
    ]


def model_file(layout: Layout, cell: Cell) -> Path:
    """The weights that the evidence is about."""
    return layout.stage(cell, 3) / "model.safetensors"


def refuse_unfinished(layout: Layout, cell: Cell) -> None:
    """Refuse a cell that was not run to its end.

    Raises:
        ParamsError: names what is missing and the command that makes it.
    """
    wanted = [*needed_members(layout, cell), layout.root / LOCK]
    wanted += [layout.audit_report(cell), model_file(layout, cell)]
    missing = [relative(layout, path) for path in wanted if not path.is_file()]
    if missing:
        raise ParamsError(f"{cell} is not audited ({missing[0]} is missing): `asd run '{cell}'`")


def collect(workspace: Workspace, cell: Cell) -> Contents:
    """Find and hash everything. Shards are read and held against their manifests.

    Raises:
        ParamsError: the cell was not run to its end.
        DataError: a file is missing or damaged.
    """
    layout = workspace.layout
    refuse_unfinished(layout, cell)
    found = Contents(cell)
    inside = [*needed_members(layout, cell), *filter(Path.is_file, optional_members(layout, cell))]
    seeds = workspace.params.seeds.of(cell.attack)
    if seeds.use == "keys":
        inside.append(layout.seeds_by_people / seeds.keys_file)
    found.members = {relative(layout, path): path for path in inside}
    found.members[INDEX] = layout.audit_report(cell)
    found.members[LOCK] = cut_lock(layout, cell)
    found.members[GATES] = gate_results(workspace, cell)
    for folder in shard_folders(layout, cell):
        if folder.is_dir():
            _add_shards(found, layout, folder)
    _add_outside(found, layout)
    return found


def _add_shards(found: Contents, layout: Layout, folder: Path) -> None:
    verify_folder(folder)  # hashes the tars, and there is nothing that the manifest does not name
    shards = {shard.name: shard.sha256 for shard in read_manifest(folder).shards}
    for path in sorted(folder.iterdir()):
        name = relative(layout, path)
        if path.name in shards:
            found.outside[name] = shards[path.name]
        else:
            found.members[name] = path


def _add_outside(found: Contents, layout: Layout) -> None:
    cell = found.cell
    folders = [
        *(layout.stage(cell, stage) for stage in (1, 2, 3)),
        *(layout.prepared(cell.dataset, cell.attack), layout.metrics(cell).parent),
        *(layout.audit_pools(cell).parent, layout.seed_set(cell.dataset, cell.attack, cell.trial)),
    ]
    files = [layout.truth(cell.dataset, cell.attack), layout.probe_truth(cell.dataset, cell.attack)]
    files += [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in files:
        name = relative(layout, file)
        if name not in found.members and name not in found.outside and file != layout.audit_report(cell):
            if not file.is_file():
                raise DataError(f"missing file {name}; run `asd run '{cell}'`")
            found.outside[name] = store.file_sha256(file)


# -- what is made for the evidence -------------------------------------------------------------


def stages_of(cell: Cell) -> list[str]:
    """The stages of `dvc.yaml` that a cell needs, in order."""
    item = StepItem(cell.dataset, cell.attack, cell.defense, cell.trial)
    return [stage_name(step, item) for step in STEPS]


def read_yaml(path: Path) -> Any:
    """A YAML file as DVC reads it (YAML 1.2).

    Raises:
        DataError: missing, or not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not valid YAML") from error


def cut_lock(layout: Layout, cell: Cell) -> bytes:
    """The part of `dvc.lock` that is about the cell, as JSON, which is YAML too.

    Raises:
        DataError: a stage of the cell is not recorded.
    """
    path = layout.root / LOCK
    whole = read_yaml(path)
    stages = whole.get("stages") if isinstance(whole, dict) else None
    if not isinstance(stages, dict):
        raise DataError(f"{path} is not a DVC lock file; delete it and run `dvc repro`")
    missing = [name for name in stages_of(cell) if name not in stages]
    if missing:
        raise DataError(f"{path} does not record {missing[0]}: `asd run '{cell}'`")
    try:
        kept = {name: stages[name] for name in stages_of(cell)}
        return store.json_bytes({"schema": whole.get("schema"), "stages": kept})
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error


def gate_results(workspace: Workspace, cell: Cell) -> bytes:
    """The gates of `params.yaml` and how the cell stands to them, as JSON.

    A cell without a defense is never judged. `most_asr` is held against the planted twins too.
    """
    from asd.ship import gates
    from asd.ship.figures import is_defended

    outcomes = gates.judge_promotion(workspace, cell) if is_defended(workspace, cell) else []
    judged = [
        {
            "gate": one.gate,
            "limit": one.limit,
            "figure": one.figure.name,
            "of": one.figure.of,
            "value": one.figure.value,
            "holds": one.holds,
            "text": str(one),
        }
        for one in outcomes
    ]
    return store.json_bytes({"limits": workspace.params.gates.limits(), "judged": judged})
