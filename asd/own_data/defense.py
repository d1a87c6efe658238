"""Params of ASD for given data: lengths of the stages, growth, floors, the virtual model; of none, too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from asd.own_data.facts import Facts

_STEPS_A_PASS = 2.5  # steps an epoch, in passes over the data: digits 2.1, cifar10-cpu 2.6
_GROWTH_SHARE = 0.25  # of the smallest class; digits
_GROWTH_MOST = 150  # a class; cifar10-cpu (140) and the paper (110)
_VOUCHED_AT_ONCE = 500  # images that one may be asked to look at


@dataclass(frozen=True)
class _Rhythm:
    """T1, T2, T3, epochs between two growths, largest batch, and bounds of the steps an epoch."""

    ends: tuple[int, int, int]
    every: int
    batch: int
    steps: tuple[int, int]
    name: str


_DIGITS = _Rhythm((15, 22, 32), 2, 32, (64, 400), "preset digits")
_CIFAR_CPU = _Rhythm((16, 24, 36), 5, 64, (64, 400), "preset cifar10-cpu")
"""But for the epochs between two growths, which are the paper's: before the first, the model has seen the
seeds alone, and with 5 epochs of that fewer poisoned samples got in than with 2 (decision 0019)."""
_PAPER = _Rhythm((60, 90, 120), 5, 64, (64, 1024), "the paper")


def defense_choices(facts: Facts) -> list[tuple[Any, ...]]:
    """(key below defenses.asd, value, why) of everything that is not left at its default."""
    rhythm = _PAPER if facts.machine.cuda else _DIGITS if facts.small else _CIFAR_CPU
    batch = _batch(rhythm, facts)
    return [
        ("use", "asd"),
        ("common.engine", "mixmatch"),
        (
            "common.engine_params",
            {"lambda_u": 15 if facts.small or facts.machine.cuda else 8},
            f"as {rhythm.name}",
        ),
        ("common.w", *_seeds(facts)),
        ("common.batch", batch, "labelled images a step, and as many unlabelled ones"),
        ("common.iterations", *_iterations(rhythm, facts, batch)),
        ("common.last_epoch", rhythm.ends[2], f"T3; all three lengths as {rhythm.name}"),
        ("common.optimizer", {"lr": 0.002}),
        ("stage1.end", rhythm.ends[0], "T1"),
        *_growth(rhythm, facts),
        ("stage2.end", rhythm.ends[1], "T2"),
        ("stage2.alpha", 0.5, "share of the data in the clean pool"),
        ("stage2.pools", {"class_floor": _floor(facts, 0.15)}, _floor_words("15%", facts)),
        *_stage3(facts),
    ]


def undefended_choices(facts: Facts) -> list[tuple[Any, ...]]:
    """The same for defenses.none."""
    found: list[tuple[Any, ...]] = [("use", "none"), ("common", {})]
    if not facts.machine.cuda:
        name, given = (
            ("digits", {"epochs": 20, "lr": 0.01, "weight_decay": 0})
            if facts.small
            else ("cifar10-cpu", {"epochs": 12, "lr": 0.005})
        )
        batch = _batch(_CIFAR_CPU, facts)
        stage = {**given, "batch": batch, "optimizer": "adam", "schedule": "one_cycle"}
        found.append(("stage1", stage, f"as preset {name}"))
    return found


def _seeds(facts: Facts) -> tuple[int, str]:
    classes = len(facts.counts)
    most = max(2, _VOUCHED_AT_ONCE // classes)
    w = max(1, min(10, most, facts.least // 2))
    if w == 10:
        return w, "seeds a class, as in the paper"
    cause = f"the smallest class has {facts.least} training images"
    if w == most:
        cause = f"with {classes} classes you look at {w * classes} images"
    return w, f"seeds a class; {cause}. Fewer than the paper's 10 are not measured: give more if you can"


def _batch(rhythm: _Rhythm, facts: Facts) -> int:
    """A power of two, at most an eighth of the data."""
    return max(8, min(rhythm.batch, 1 << int(math.log2(facts.training / 8))))


def _iterations(rhythm: _Rhythm, facts: Facts, batch: int) -> tuple[int, str]:
    passes = _STEPS_A_PASS * facts.training / batch
    many = len(facts.counts) > 50
    least, most = rhythm.steps[0], 1024 if many else rhythm.steps[1]
    steps = round(min(max(passes, least), most))
    return steps, f"steps an epoch: {steps * batch / facts.training:.1f} passes over {facts.training} images"


def _growth(rhythm: _Rhythm, facts: Facts) -> list[tuple[Any, ...]]:
    """n samples a class every t epochs: in the end a quarter of the smallest class, at most 150."""
    last = rhythm.ends[0] - 1
    goal = max(1, int(min(_GROWTH_SHARE * facts.least, _GROWTH_MOST)))
    every = max(rhythm.every, last // goal)
    n = max(1, round(goal / (last // every)))
    reached = last // every * n
    why = f"the pool grows to {reached} a class beside the seeds; the smallest class has {facts.least}"
    return [("stage1.n", n, why), ("stage1.t", every, "every t epochs")]


def _floor(facts: Facts, share: float) -> int:
    return int(share * facts.least)


def _floor_words(share: str, facts: Facts) -> str:
    return f"no class starves: {share} of the smallest class ({facts.least}) get in first, of every class"


def _stage3(facts: Facts) -> list[tuple[Any, ...]]:
    if facts.machine.cuda:
        return [
            ("stage3.gamma", 0.5, "as the paper"),
            ("stage3.pools", {"class_floor": _floor(facts, 0.15)}, _floor_words("15%", facts)),
            (
                "stage3.meta",
                {"lr": 0.015, "layers": 3, "batch": 128, "min_steps": 400},
                "the virtual model, as the paper",
            ),
        ]
    preset = "digits" if facts.small else "cifar10-cpu"
    return [
        ("stage3.gamma", 0.7, "share of the data in the clean pool, as preset cifar10-cpu"),
        ("stage3.pools", {"class_floor": _floor(facts, 0.5)}, _floor_words("50%", facts)),
        (
            "stage3.meta",
            _meta(facts),
            f"the virtual model: layers 4 is all but the stem, steps as preset {preset}",
        ),
        ("stage3.optimizer", {"final_decay": 0.02}),
    ]


def _meta(facts: Facts) -> dict[str, Any]:
    """The virtual model must really learn: enough steps, and its loss a mean over late states."""
    if facts.small:
        steps = max(540, 6 * facts.training // 16)
        return {
            "lr": 0.005, "layers": 4, "batch": 16, "min_steps": steps,
            "snapshots": 6, "snapshot_every": steps // 15, "every": 2,
        }  # fmt: skip
    return {
        "lr": 0.005, "layers": 4, "batch": 64, "min_steps": 2500,
        "snapshots": 6, "snapshot_every": 200, "every": 3,
        "least_fit": 0.2, "retries": 1, "retry_lr": 1.0, "retry_steps": 2.0,
    }  # fmt: skip
