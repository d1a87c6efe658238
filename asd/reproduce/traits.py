"""The paper's Table 1, from what the defenses here say of themselves (`TRAITS`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asd.defenses._traits import PoolTraits
from asd.params import Workspace

PAPER = (
    PoolTraits("ABL", "fast", "static", "unlearn", False),
    PoolTraits("DBD", "slow", "adaptive", "purify", False),
    PoolTraits("ASD", "fast", "adaptive", "purify", True),
)
TITLES = [
    "method",
    "plug-in",
    "pool initialisation",
    "pool maintenance",
    "pool operation",
    "clean hard samples",
]
TITLES += ["paper"]


def described(workspace: Workspace) -> dict[str, PoolTraits]:
    """Plug-in -> its traits, of every defense here that has pools."""
    registry = workspace.registry("defenses")
    found = {name: getattr(registry.get(name), "TRAITS", None) for name in registry.names()}
    return {name: traits for name, traits in found.items() if isinstance(traits, PoolTraits)}


def rows(found: Mapping[str, PoolTraits]) -> list[dict[str, Any]]:
    """One per defense of the paper, then those that the paper does not have."""
    said = {traits.method: traits for traits in PAPER}
    here = {traits.method: (name, traits) for name, traits in found.items()}
    return [
        {
            "method": method,
            "plugin": here[method][0] if method in here else None,
            "measured": _facts(here[method][1]) if method in here else None,
            "paper": _facts(said[method]) if method in said else None,
        }
        for method in dict.fromkeys((*said, *here))
    ]


def _facts(traits: PoolTraits) -> dict[str, Any]:
    return {
        "initialisation": traits.initialisation,
        "maintenance": traits.maintenance,
        "operation": traits.operation,
        "selects_hard": traits.selects_hard,
    }


def words(found: list[dict[str, Any]]) -> list[list[str]]:
    """The rows for people; what has no plug-in here is shown with the paper's words."""
    return [
        [
            row["method"],
            row["plugin"] or "none here",
            *_words(row["measured"] or row["paper"]),
            _agreement(row["measured"], row["paper"]),
        ]
        for row in found
    ]


def _words(facts: Mapping[str, Any]) -> list[str]:
    hard = "selected" if facts["selects_hard"] else "not selected"
    return [facts["initialisation"], facts["maintenance"], facts["operation"], hard]


def _agreement(own: Mapping[str, Any] | None, paper: Mapping[str, Any] | None) -> str:
    if own is None:
        return "the paper's words"
    if paper is None:
        return "not in the paper"
    return "the same" if own == paper else f"there: {', '.join(_words(paper))}"
