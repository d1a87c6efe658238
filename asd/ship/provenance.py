"""Where a model comes from: data, seeds, code, and what was measured of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asd import code_lock, store
from asd.errors import ParamsError
from asd.layout import Cell
from asd.params import Workspace
from asd.registry import installed_version
from asd.seeds.seed_set import read_seed_set
from asd.shards.manifest import Manifest, read_index, read_manifest
from asd.ship import figures, gates
from asd.ship.figures import Figure, SuspectCounts, planted_twins
from asd.ship.gates import Outcome
from asd.source_groups import source_group
from asd.steps import StepItem
from asd.types import SampleIndex

_NO_TRIGGER = ("none", "imported")  # attacks that plant nothing


@dataclass(frozen=True)
class Seeds:
    """The trusted images that the defense was given."""

    origin: str
    note: str
    count: int


@dataclass(frozen=True)
class Provenance:
    """What the card says of a cell besides its network.

    Attributes:
        train: manifest of the training set.
        overlay: SHA-256 (hex) of the manifest of what we planted in it; None if nothing.
        sources: source -> samples, most first.
        seeds: None where the defense takes none.
        accuracy: on the test set.
        success: attack variant -> its success, of the planted cells like this one and of rehearsals.
        untested: attack plug-ins that no such cell plants.
        worst_class: name and accuracy of the class with the lowest, if known.
        verdicts: verdict -> samples; None where the audit gives none.
        suspects: None where the audit gives no verdicts.
        outcomes: gates that are set.
    """

    train: Manifest
    overlay: str | None
    sources: tuple[tuple[str, int], ...]
    seeds: Seeds | None
    accuracy: Figure
    success: dict[str, Figure]
    untested: tuple[str, ...]
    worst_class: tuple[str, float] | None
    poisoned_share: Figure
    verdicts: dict[str, int] | None
    suspects: SuspectCounts | None
    outcomes: tuple[Outcome, ...]


def need_results(workspace: Workspace, cell: Cell) -> None:
    """Refuse a cell that was not run to its end.

    Raises:
        ParamsError: names the command that runs it.
    """
    layout = workspace.layout
    wanted = [layout.stage(cell, 3) / "model.safetensors", layout.metrics(cell), layout.audit_pools(cell)]
    missing = [path for path in wanted if not path.is_file()]
    if missing:
        raise ParamsError(f"{cell} is not finished ({missing[0].name} is missing): `asd run '{cell}'`")


def gather(workspace: Workspace, cell: Cell) -> Provenance:
    """Read everything that the card says.

    Raises:
        DataError: a result file is damaged.
    """
    layout = workspace.layout
    train = layout.fetched(cell.dataset, "train")
    manifest = read_manifest(train)
    twins = planted_twins(workspace, cell)
    rehearsed = {} if figures.is_planted(workspace, cell) else figures.rehearsed_success(workspace, cell)
    known = workspace.params.attacks
    planted = {str(known.get(a, {}).get("use", a)) for a in [*(twin.attack for twin in twins), *rehearsed]}
    overlay = read_manifest(layout.poisoned(cell.dataset, cell.attack, "train"))
    verdicts = figures.read_pools(layout, cell).get("verdicts")
    return Provenance(
        train=manifest,
        overlay=overlay.sha256 if overlay.count else None,
        sources=_sources(read_index(train), manifest.class_names),
        seeds=_seeds(workspace, cell),
        accuracy=figures.accuracy(layout, cell),
        success={
            **{twin.attack: figures.attack_success(layout, twin) for twin in twins},
            # "CELL (rehearsed with ... on ...)": the card is about that cell
            **{one.of.removeprefix(f"{cell} (").removesuffix(")"): one for one in rehearsed.values()},
        },
        untested=tuple(n for n in workspace.registry("attacks").names() if n not in {*planted, *_NO_TRIGGER}),
        worst_class=_worst_class(figures.read_metrics(layout, cell)),
        poisoned_share=figures.poisoned_share(layout, cell),
        verdicts=dict(verdicts) if isinstance(verdicts, dict) else None,
        suspects=figures.suspects(layout, cell),
        outcomes=tuple(gates.judge_promotion(workspace, cell)),
    )


def _seeds(workspace: Workspace, cell: Cell) -> Seeds | None:
    defense = workspace.variant("defenses", cell.defense)
    per_class = defense.module.seeds_per_class(defense.params)
    if not per_class:
        return None
    found = read_seed_set(workspace.layout.seed_set(cell.dataset, cell.attack, cell.trial))
    return Seeds(found.origin, found.note, len(found.first(per_class)))


def _sources(index: SampleIndex, class_names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    pairs = zip(index.sources, index.labels.tolist(), strict=True)
    return tuple(Counter(source_group(source, class_names[label]) for source, label in pairs).most_common())


def _worst_class(metrics: dict[str, Any]) -> tuple[str, float] | None:
    per_class = metrics.get("per_class_accuracy") or metrics.get("per_class_acc_untrusted") or {}
    known = [(float(value), name) for name, value in per_class.items() if value is not None]
    if not known:
        return None
    value, name = min(known)
    return name, value


def code_of(workspace: Workspace, cell: Cell) -> dict[str, str]:
    """Version of asd, and the hashes in `asd.lock` of what trained the cell."""
    item = StepItem(cell.dataset, cell.attack, cell.defense, cell.trial)
    lock = code_lock.recorded(workspace.layout)
    hashes = {f"{s}.{n}": lock[s][n] for s, n in code_lock.entries("stage3", item) if n in lock.get(s, {})}
    return {"asd": installed_version(), **hashes}


def training_precision(workspace: Workspace, cell: Cell) -> str:
    """`float32` or `bf16`, as stage 3 recorded it."""
    state = store.read_json(workspace.layout.stage(cell, 3) / "state.json")
    return str((state.get("numeric") or {}).get("precision", "float32"))
