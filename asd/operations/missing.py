"""What is not there yet: data whose size an estimate needs, and seeds without which a run would stop."""

from __future__ import annotations

from collections.abc import Sequence

from asd import sources
from asd.errors import AsdError
from asd.operations.forecast import data_facts
from asd.operations.plan import PlannedStage
from asd.params import Workspace
from asd.seed_params import OUTSIDE, SIFT_REFUSED, SeedChoice
from asd.seeds.standing import no_seed_for, problems
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import read_index, read_manifest


def unknown_sizes(workspace: Workspace, stale: Sequence[PlannedStage]) -> list[str]:
    """Data sets of the stale stages that are not fetched and whose size nobody has published."""
    names = dict.fromkeys(stage.item.dataset for stage in stale)
    return [name for name in names if data_facts(workspace, name) is None]


def missing_seeds(workspace: Workspace, stale: Sequence[PlannedStage]) -> list[str]:
    """What the stale steps `seed` would stop on, as far as it shows now, each with what to type."""
    seeds = workspace.params.seeds
    stages = [stage.item for stage in stale if stage.step == "seed"]
    missing: dict[str, None] = {}
    for item in stages:
        choice = seeds.of(item.attack_name)
        try:
            missing.update(dict.fromkeys(_missing(workspace, item.dataset, choice)))
        except AsdError as error:
            missing[str(error)] = None
    return list(missing)


def _missing(workspace: Workspace, dataset: str, choice: SeedChoice) -> list[str]:
    use = choice.use
    if use == "oracle":
        return []
    if use == "sift":
        return [] if choice.sift.accept_risk else [SIFT_REFUSED]
    if use in OUTSIDE:
        return [] if sources.resolve_source(workspace.layout, sources.SEEDS) else [_NO_FOLDER]
    return _of_keys(workspace, dataset, choice.keys_file)


_NO_FOLDER = "no seeds yet: `asd source set seeds PATH`"


def sheet_command(workspace: Workspace, dataset: str) -> str:
    """The command that fetches a data set and shows pictures to pick seeds from."""
    several = len(workspace.params.cells.datasets) > 1
    return f"asd seeds sheet --dataset {dataset}" if several else "asd seeds sheet"


def _of_keys(workspace: Workspace, dataset: str, name: str) -> list[str]:
    layout = workspace.layout
    path = layout.seeds_by_people / name
    if path.suffix != ".csv":
        return [] if path.is_file() else [f"no seeds yet: there is no seeds/{name}"]
    own = [row for row in read_trusted(path) if row.dataset == dataset]
    if not own:
        return [f"no seeds of {dataset} yet: `{sheet_command(workspace, dataset)}`"]
    try:
        folder = layout.fetched(dataset, "train")
        return problems(own, read_index(folder), read_manifest(folder).class_names)
    except AsdError:  # not fetched yet
        return no_seed_for(own, workspace.params.datasets[dataset].get("class_names") or ())
