"""`asd run --dry-run` before data and seeds are there: what is not known yet, and what to type first."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from asd.cli import dry_run
from asd.operations import plan as plan_module
from asd.operations.missing import missing_seeds
from asd.operations.plan import Plan, PlannedStage
from asd.params import Workspace, load_workspace
from asd.params_file import complete_params
from asd.seeds.trusted import Vouched, write_trusted

STAGES = ("fetch@pets", "seed@pets-none-0", "stage1@pets-none-asd-0")


def opened(root: Path, **top: Any) -> Workspace:
    """A workspace around pictures of cats and dogs that were never fetched."""
    params = {
        "cells": {"datasets": ["pets"], "attacks": ["none"], "defenses": ["asd"]},
        "seeds": {"use": "keys"},
        "datasets": {"pets": {"use": "imagefolder", "held_out": 0.1, "class_names": ["cat", "dog"]}},
        **top,
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    complete_params(root)
    return load_workspace(root)


def stale(*names: str) -> list[PlannedStage]:
    return [PlannedStage(name, "not run yet", ()) for name in names]


def vouch(workspace: Workspace, *labels: str) -> None:
    rows = [Vouched("pets", label, f"train_{label}", "0" * 64, "Ada", "2026-01-31") for label in labels]
    workspace.layout.seeds_by_people.mkdir()
    write_trusted(workspace.layout.trusted_seeds, rows)


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def shown(workspace: Workspace, *names: str, as_json: bool = False) -> str:
        plan = Plan(tuple(stale(*(names or STAGES))), 1.0)
        monkeypatch.setattr(plan_module, "ask_plan", lambda *_, **__: plan)
        monkeypatch.setattr("asd.operations.space.cache_folder", lambda root: root / "cache")
        dry_run.show(workspace, workspace.cells(), 1, as_json=as_json, verbose=False)
        return str(capsys.readouterr().out)

    return shown


def test_before_the_first_fetch_it_names_what_is_unknown_and_what_to_type(workspace: Path, show: Any) -> None:
    lines = show(opened(workspace)).splitlines()
    assert lines[-2:] == [
        "WARNING: a run would stop: no seeds of pets yet: `asd seeds sheet`",
        "time, disk and memory: the size of pets is known after fetch; first type `asd seeds sheet`, which "
        "fetches, then `asd run --dry-run` says more",
    ]
    assert "about 0" not in "".join(lines)


def test_with_seeds_from_elsewhere_a_run_is_what_to_type_first(workspace: Path, show: Any) -> None:
    last = show(opened(workspace, seeds={"use": "oracle"})).splitlines()[-1]
    assert "the size of pets is known after fetch; `asd run` fetches first" in last


def test_a_class_without_a_seed_is_named(workspace: Path, show: Any) -> None:
    found = opened(workspace)
    vouch(found, "cat")
    assert "WARNING: a run would stop: no seed for class 'dog': look at `asd seeds sheet`" in show(found)


def test_with_a_seed_of_every_class_nothing_is_said_of_seeds(workspace: Path) -> None:
    found = opened(workspace)
    vouch(found, "cat", "dog")
    assert missing_seeds(found, stale(*STAGES)) == []


def test_seeds_that_no_stale_stage_reads_are_not_missed(workspace: Path) -> None:
    assert missing_seeds(opened(workspace), stale("fetch@pets")) == []


def test_a_folder_of_seeds_that_nobody_set_is_missed(workspace: Path) -> None:
    (found,) = missing_seeds(opened(workspace, seeds={"use": "folder"}), stale(*STAGES))
    assert found == "no seeds yet: `asd source set seeds PATH`"


def test_the_facts_name_both(workspace: Path, show: Any) -> None:
    facts = json.loads(show(opened(workspace), as_json=True))
    assert facts["not_fetched"] == ["pets"]
    assert facts["missing_seeds"] == ["no seeds of pets yet: `asd seeds sheet`"]


def test_sifted_seeds_are_missing_until_the_risk_is_accepted(tmp_path: Path) -> None:
    workspace = opened(tmp_path, seeds={"use": "sift"})
    (found,) = missing_seeds(workspace, stale(*STAGES))
    assert found.startswith("sifted seeds are experimental")
    assert "`asd run --accept-risk`" in found
    accepted = opened(tmp_path, seeds={"use": "sift", "sift": {"accept_risk": True}})
    assert missing_seeds(accepted, stale(*STAGES)) == []
