"""What every defense promises (`asd.defenses`); how it trains is shown by a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from asd.imports import PackageImports
from asd.models.small_resnet import Params as NetworkParams
from asd.models.small_resnet import build
from asd.params import Params
from asd.plugin_checks import require

STAGES = (1, 2, 3)
_SECTIONS = ("common", "stage1", "stage2", "stage3")
_PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Case:
    """One defense with its params."""

    plugin: str
    defense: ModuleType
    params: Any

    @property
    def file(self) -> Path:
        """Where it stands."""
        return Path(str(self.defense.__file__))


def is_a_defense(case: Case) -> None:
    """It has Params, stage_end, seeds_per_class, make_optimizer and run_stage."""
    wanted = ("Params", "stage_end", "seeds_per_class", "make_optimizer", "run_stage")
    missing = [name for name in wanted if not hasattr(case.defense, name)]
    require(not missing, f"it has no {', '.join(missing)}")
    require(issubclass(case.defense.Params, Params), "Params must be a subclass of asd.params.Params")


def has_a_section_for_each_stage(case: Case) -> None:
    """Its params have the sections common, stage1, stage2 and stage3, each with defaults."""
    fields = case.defense.Params.model_fields
    missing = [name for name in _SECTIONS if name not in fields]
    require(not missing, f"Params has no section {', '.join(missing)}")
    case.defense.Params()


def ends_no_stage_before_the_last(case: Case) -> None:
    """The epochs at the ends of stages 1, 2 and 3 do not fall."""
    ends = [case.defense.stage_end(case.params, stage) for stage in STAGES]
    require(all(isinstance(end, int) and end >= 0 for end in ends), f"stage_end gives {ends}")
    require(ends == sorted(ends) and ends[-1] > 0, f"stage_end gives {ends}; wanted rising, the last above 0")


def asks_for_a_number_of_seeds(case: Case) -> None:
    """It says how many trusted samples a class it uses, 0 for none."""
    found = case.defense.seeds_per_class(case.params)
    require(isinstance(found, int) and found >= 0, f"seeds_per_class gives {found!r}")


def makes_an_optimizer_of_the_whole_network(case: Case) -> None:
    """Its optimizer holds every weight of the network."""
    network_params = NetworkParams(widths=(4, 8), strides=(1, 2))
    network = build(network_params, 3, 4, torch.Generator().manual_seed(0))
    found = case.defense.make_optimizer(network, case.params)
    require(isinstance(found, torch.optim.Optimizer), f"make_optimizer gives {type(found).__name__}")
    held = {id(weight) for group in found.param_groups for weight in group["params"]}
    left = [name for name, weight in network.named_parameters() if id(weight) not in held]
    require(not left, f"the optimizer lacks {', '.join(left[:5])}")


def never_sees_the_truth(case: Case) -> None:
    """Nothing that it imports, however far away, is asd.truth."""
    found = PackageImports(_PACKAGE).closure(case.file)
    require("asd.truth" not in found, "it imports asd.truth, perhaps through something else that it imports")


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_a_defense,
    has_a_section_for_each_stage,
    ends_no_stage_before_the_last,
    asks_for_a_number_of_seeds,
    makes_an_optimizer_of_the_whole_network,
    never_sees_the_truth,
)
