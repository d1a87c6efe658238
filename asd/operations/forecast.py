"""How long stale stages will take: counted steps times seconds measured now; else the last timing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from asd import store
from asd.errors import AsdError
from asd.lifeline import PARENT
from asd.operations.plan import Plan, PlannedStage
from asd.operations.run_record import read_seconds
from asd.params import Workspace
from asd.planting import PROBE_LIMIT
from asd.shards.manifest import read_manifest

if TYPE_CHECKING:
    from asd.defenses._work import StageWork

BUDGET = 15.0
"""Seconds of measuring, beside what it takes to import torch."""

_PATIENCE = 120.0  # seconds beyond the budget: torch from a cold disk, one step of a large network
_TRAINING = {"stage1": 1, "stage2": 2, "stage3": 3}
_Job = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class DataFacts:
    """Size of a data set: N training and M test images of shape (C, H, W), K classes."""

    train: int
    test: int
    shape: tuple[int, int, int]
    classes: int

    @property
    def image_bytes(self) -> int:
        """Bytes of one image, decoded."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True)
class StageTime:
    """Seconds that a stale stage will take; `how`: measured, last time, or unknown (None)."""

    stage: PlannedStage
    seconds: float | None
    how: str


@dataclass
class Forecast:
    """Times of all stale stages, and what was measured for them.

    Attributes:
        device: where it was measured; None where nothing was.
        parameter_bytes, peak_bytes: weights of the network, and memory of the measuring process.
    """

    times: list[StageTime] = field(default_factory=list)
    device: str | None = None
    parameter_bytes: int | None = None
    peak_bytes: int | None = None

    @property
    def seconds(self) -> float:
        """Of the stages whose time is known, one after the other."""
        return sum(one.seconds for one in self.times if one.seconds is not None)

    @property
    def unknown(self) -> list[PlannedStage]:
        """Stages of unknown time."""
        return [one.stage for one in self.times if one.seconds is None]


def forecast(workspace: Workspace, plan: Plan, budget: float = BUDGET) -> Forecast:
    """Estimate every stale stage; measures in a process of its own, for about `budget` seconds."""
    counted = Counted(workspace, plan.stale)
    answers = _measure(workspace, counted.jobs(), budget) if counted.work else []
    seconds = {_job(answer): float(answer["seconds"]) for answer in answers if answer["kind"] != "start"}
    start = next((a for a in answers if a["kind"] == "start"), None)
    found = Forecast(device=start["device"] if start else None)
    sizes = [answer for answer in answers if answer["kind"] != "start"]
    found.parameter_bytes = max((a["parameter_bytes"] for a in sizes), default=None)
    found.peak_bytes = max((a["peak_bytes"] for a in sizes), default=None)
    last = read_seconds(workspace.layout)
    for stage in plan.stale:
        trained = counted.seconds(stage, seconds)
        if trained is not None:
            imports = start["seconds"] if start and counted.work[stage.name].epochs else 0.0
            found.times.append(StageTime(stage, plan.seconds + imports + trained, "measured"))
        elif (before := _last_seconds(workspace, stage, last)) is not None:
            found.times.append(StageTime(stage, before, "last time"))
        else:
            found.times.append(StageTime(stage, None, "unknown"))
    return found


def _last_seconds(workspace: Workspace, stage: PlannedStage, last: dict[str, float]) -> float | None:
    """What `asd run` took for it, else what the stage itself wrote down."""
    if stage.name in last:
        return last[stage.name]
    if stage.step in _TRAINING:
        path = workspace.layout.timing(stage.item.cell, _TRAINING[stage.step])
        if path.is_file():
            return float(store.read_json(path)["seconds"])
    return None


def data_facts(workspace: Workspace, dataset: str) -> DataFacts | None:
    """From the fetched data, else from a plug-in that holds its data itself or publishes its size."""
    layout = workspace.layout
    try:
        train, test = (read_manifest(layout.fetched(dataset, split)) for split in ("train", "test"))
    except AsdError:
        return _published(workspace, dataset)
    return DataFacts(train.count, test.count, train.image_shape, len(train.class_names))


def _published(workspace: Workspace, dataset: str) -> DataFacts | None:
    variant = workspace.variant("datasets", dataset)
    size = getattr(variant.module, "SIZE", None)
    if size is None:
        return None
    facts = DataFacts(*size)
    limits = (getattr(variant.params, name, None) for name in ("limit", "limit_test"))
    train, test = (min(n, limit or n) for n, limit in zip((facts.train, facts.test), limits, strict=True))
    return DataFacts(train, test, facts.shape, facts.classes)


# -- what the training stages compute ----------------------------------------------------------


class Counted:
    """Counted work of the stale training stages whose data set's size is known."""

    def __init__(self, workspace: Workspace, stale: Sequence[PlannedStage]) -> None:
        self._workspace = workspace
        self.stages = [stage for stage in stale if stage.step in _TRAINING]
        self.facts = {name: data_facts(workspace, name) for name in {s.item.dataset for s in stale}}

    def facts_of(self, dataset: str) -> DataFacts | None:
        """Size of a data set; None where it is not known yet."""
        return self.facts.get(dataset)

    @cached_property
    def work(self) -> dict[str, StageWork]:
        """Stage name -> what it computes."""
        found = {}
        for stage in self.stages:
            facts = self.facts[stage.item.dataset]
            defense = self._workspace.variant("defenses", stage.item.cell.defense)
            count_work = getattr(defense.module, "work", None)
            if facts is not None and count_work is not None:
                found[stage.name] = count_work(defense.params, _TRAINING[stage.step], facts.train)
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """Every distinct thing to measure, once."""
        found: dict[_Job, dict[str, Any]] = {}
        for stage in self.stages:
            for job in self._jobs_of(stage):
                found.setdefault(_job(job), job)
        return list(found.values())

    def seconds(self, stage: PlannedStage, measured: dict[_Job, float]) -> float | None:
        """Seconds of a stage's computing; None where a part of it was not measured."""
        if stage.name not in self.work:
            return None
        total = 0.0
        for job in self._jobs_of(stage):
            if _job(job) not in measured:
                return None
            total += job["times"] * measured[_job(job)]
        return total

    def _jobs_of(self, stage: PlannedStage) -> Iterable[dict[str, Any]]:
        work, facts = self.work.get(stage.name), self.facts.get(stage.item.dataset)
        if work is None or facts is None or work.epochs == 0:
            return
        training = self._workspace.params.training
        shared = {
            "shape": list(facts.shape),
            "classes": facts.classes,
            "defense": stage.item.defense,
            "engine": None,
            "engine_params": {},
            "layers": 0,
        }
        engine = {"engine": work.engine, "engine_params": dict(work.engine_params)}
        yield {**shared, **engine, "kind": "step", "batch": work.batch, "times": work.steps}
        # all samples, and after every `probe_every` epochs the probe set
        probe = 2 * min(facts.test, PROBE_LIMIT)
        images = (work.passes + 1) * facts.train + work.epochs // training.probe_every * probe
        batch = min(training.scoring_batch, facts.train)
        yield {**shared, "kind": "pass", "batch": batch, "times": images / batch}
        if work.virtual_steps:
            layers = {"layers": work.virtual_layers, "batch": work.virtual_batch}
            yield {**shared, **layers, "kind": "virtual", "times": work.virtual_steps}


def _job(job: dict[str, Any]) -> _Job:
    """What makes a measurement distinct: not the defense, but what it trains with."""
    names = ("kind", "shape", "classes", "batch", "engine", "engine_params", "layers")
    return tuple((name, json.dumps(job[name], sort_keys=True)) for name in names)


# -- measuring ---------------------------------------------------------------------------------


def _measure(workspace: Workspace, jobs: Sequence[dict[str, Any]], budget: float) -> list[dict[str, Any]]:
    """The answers of `python -m asd.operations.step_timing`; fewer where it ran out of time or failed."""
    if not jobs:
        return []
    command = [sys.executable, "-m", "asd.operations.step_timing", str(workspace.layout.root), str(budget)]
    process = subprocess.Popen(
        command,
        env={**os.environ, PARENT: str(os.getpid())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            out, _ = process.communicate(json.dumps(list(jobs)), timeout=budget + _PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
    return [json.loads(line) for line in out.splitlines() if line.endswith("}")]
