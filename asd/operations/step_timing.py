"""`python -m asd.operations.step_timing ROOT BUDGET`: seconds of training steps, on random images.

A process of its own, so that whoever plans imports no torch. Jobs come as a JSON list on
standard input; each answer is one JSON line, so that what was measured before a kill counts.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asd.lifeline import die_with_parent
from asd.params import Variant, Workspace, load_workspace

STEPS = 20
_RATE = 1e-6  # of the optimizer: random labels must not make the loss run away


def main() -> int:
    """Measure each job within its share of the budget (seconds)."""
    die_with_parent()
    began = time.monotonic()
    import torch

    from asd.training import device as numeric

    workspace = load_workspace(Path(sys.argv[1]))
    jobs, budget = json.load(sys.stdin), float(sys.argv[2])
    training = workspace.params.training
    mode = numeric.choose(training.precision, training.deterministic, None, training.threads)
    device = numeric.apply(mode)
    _answer({"kind": "start", "seconds": time.monotonic() - began, "device": mode.device})
    for number, job in enumerate(jobs):
        bench = _Bench(workspace, job, mode, device)
        run = {"step": bench.steps, "virtual": bench.virtual_steps, "pass": bench.scorings}[job["kind"]]
        seconds, count = _measure(run, budget / (len(jobs) - number), lambda: _wait(torch, device))
        budget = max(0.0, budget - seconds * count)
        facts = {"parameter_bytes": bench.parameter_bytes(), "peak_bytes": numeric.peak_bytes(device)}
        _answer({**job, **facts, "seconds": seconds, "count": count})
    return 0


def _answer(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _wait(torch: Any, device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _measure(run: Callable[[int], None], share: float, wait: Callable[[], None]) -> tuple[float, int]:
    """Seconds of one of up to `STEPS` runs in about `share` seconds, and how many were timed."""

    def timed(count: int) -> float:
        begin = time.monotonic()
        run(count)
        wait()
        return (time.monotonic() - begin) / count

    timed(1)  # the first one also imports and allocates; it says nothing of the others
    single = timed(1)
    count = min(STEPS, int((share - single) / max(single, 1e-9)))
    return (timed(count), count) if count > 1 else (single, 1)


class _Bench:
    """A fresh network and random uint8 images of the shape of the data."""

    def __init__(self, workspace: Workspace, job: dict[str, Any], mode: Any, device: Any) -> None:
        import torch

        from asd.rng import numpy_generator, torch_generator
        from asd.training import device as numeric
        from asd.training.images import ImageStore, Normalisation

        self.job = job
        self.training = workspace.params.training
        self.autocast = lambda: numeric.autocast(mode)
        shape, classes = tuple(job["shape"]), int(job["classes"])
        count = job["batch"] * (2 if job["engine"] else 1)  # an engine draws from two pools
        random = numpy_generator(0, "step timing")
        images = random.integers(0, 256, (count, *shape), dtype="uint8")
        self.labels = random.integers(0, classes, count)
        plain = Normalisation((0.5,) * shape[0], (0.25,) * shape[0])
        self.store = ImageStore(images, plain, self.training.augment, device)
        network = workspace.model_variant()
        model = network.module.build(network.params, shape[0], classes, torch_generator(0, "step timing"))
        self.model = model.to(device, memory_format=torch.channels_last)
        self.defense: Variant = workspace.variant("defenses", job["defense"])
        self.plugins = workspace.layout.plugins

    def parameter_bytes(self) -> int:
        """Bytes of the weights."""
        return sum(p.numel() * p.element_size() for p in self.model.parameters())

    def steps(self, count: int) -> None:
        """Optimiser steps of the model, semi-supervised or supervised."""
        optimizer = self.defense.module.make_optimizer(self.model, self.defense.params)
        if self.job["engine"] is None:
            self._supervised(optimizer, count)
        else:
            self._semi_supervised(optimizer, count)

    def _supervised(self, optimizer: Any, count: int) -> None:
        from asd.training.epochs import train_supervised

        for number in range(count):  # a pass over the random images is one step
            train_supervised(
                self.model,
                optimizer,
                self.store,
                self.labels,
                batch=self.store.count,
                epoch=number,
                random_seed=0,
                rate=lambda step, steps: _RATE,
                autocast=self.autocast,
            )

    def _semi_supervised(self, optimizer: Any, count: int) -> None:
        from asd.params import check
        from asd.registry import Registry
        from asd.rng import torch_generator
        from asd.semisup import auxiliary_of
        from asd.training.epochs import SemiSupervisedEpoch, train_semi_supervised
        from asd.training.state import Extras, fresh_state

        engine = Registry("semisup", self.plugins).get(self.job["engine"])
        engine_params = check(engine.Params, self.job["engine_params"], "engine_params")
        extras = Extras(functools.partial(auxiliary_of, engine, engine_params))
        classes = self.model.head.out_features
        state = fresh_state(self.model, optimizer, extras, classes, torch_generator(0, "step timing"))
        settings = SemiSupervisedEpoch(
            engine=engine,
            engine_params=engine_params,
            iterations=count,
            batch=self.job["batch"],
            epoch=0,
            epoch_count=1,
            random_seed=0,
            rate=lambda iteration: _RATE,
        )
        half = self.labels >= 0
        half[::2] = False
        train_semi_supervised(state, self.store, self.labels, half, settings, self.autocast)

    def virtual_steps(self, count: int) -> None:
        """Steps of a virtual model, the copy of the model included."""
        from asd.training.meta_params import MetaParams
        from asd.training.virtual import VirtualRun, virtual_snapshots

        params = MetaParams(lr=_RATE, layers=self.job["layers"], batch=self.job["batch"], min_steps=count)
        run = VirtualRun(0, 0, 0)
        for _ in virtual_snapshots(self.model, self.store, self.labels, params, run, self.autocast):
            pass

    def scorings(self, count: int) -> None:
        """Scoring of `count` batches as wide as params say."""
        from asd.rng import torch_generator
        from asd.training.scoring import score

        views = torch_generator(0, "step timing") if self.training.score_augmented else None
        for _ in range(count):
            score(
                self.model,
                self.store,
                self.labels,
                batch=self.job["batch"],
                autocast=self.autocast,
                view_generator=views,
            )


if __name__ == "__main__":
    sys.exit(main())
