"""How many poisoned pictures get among sifted seeds: an evaluation, which reads what was planted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from asd.errors import ParamsError, nearest
from asd.params import Workspace
from asd.shards.read import open_view
from asd.truth import read_truth

ENOUGH, MOST = 10, 3
"""The bar: so many seeds of each class, and no more poisoned ones among that many of any class."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class SiftedTrial:
    """Sifted seeds of one trial, compared with the truth.

    Attributes:
        trial: number of the repeat.
        least: seeds listed of the class that has fewest.
        poisoned: among the first `ENOUGH` of a class, the most in any class.
        poisoned_listed: among all that are listed of a class, the most in any class.
        not_passed: seeds that were taken by rank, of all classes.
    """

    trial: int
    least: int
    poisoned: int
    poisoned_listed: int
    not_passed: int

    @property
    def holds(self) -> bool:
        """Whether the trial meets the bar."""
        return self.least >= ENOUGH and self.poisoned <= MOST


@dataclass(frozen=True)
class SiftedAttack:
    """All trials of one attack.

    Attributes:
        dataset, attack: variants.
        samples, planted: of the training set, and how many of them are poisoned.
        share: poisoned part of the samples of the class that has most of them.
        seconds: CPU time of the signals and of choosing for all trials.
        trials: in order.
    """

    dataset: str
    attack: str
    samples: int
    planted: int
    share: float
    seconds: float
    trials: list[SiftedTrial]

    @property
    def holds(self) -> bool:
        """Whether every trial meets the bar."""
        return all(one.holds for one in self.trials)


def measure(
    workspace: Workspace, datasets: Sequence[str], attacks: Sequence[str], trials: int, say: Say
) -> list[SiftedAttack]:
    """Sift the poisoned sets that are in the workspace; nothing is written.

    Args:
        datasets, attacks: variants; empty for those of `cells`.
        trials: how many, from 0 on.
        say: hears the progress.

    Raises:
        ParamsError: there is no such variant.
        DataError: a set was not made yet, or is damaged.
    """
    cells = workspace.params.cells
    for kind, wanted in (("datasets", datasets), ("attacks", attacks)):
        known = sorted(getattr(workspace.params, kind))
        for name in wanted:
            if name not in known:
                there = ", ".join(known)
                raise ParamsError(f"no {name!r} below {kind}{nearest(name, known)} (there: {there})")
    found = []
    for dataset in datasets or cells.datasets:
        for attack in attacks or cells.attacks:
            one = _measured(workspace, dataset, attack, trials)
            found.append(one)
            poisoned = ", ".join(str(trial.poisoned) for trial in one.trials)
            say(f"{dataset}/{attack}: {poisoned} of {ENOUGH} poisoned, {one.seconds:.0f} s")
    return found


def _measured(workspace: Workspace, dataset: str, attack: str, trials: int) -> SiftedAttack:
    from asd.seeds.sift.choosing import choose, look
    from asd.training import device as numeric

    layout, training = workspace.layout, workspace.params.training
    view = open_view(
        layout.fetched(dataset, "train"),
        overlay=layout.poisoned(dataset, attack, "train"),
        pixel_cache=layout.pixel_cache,
    )
    planted = read_truth(layout.truth(dataset, attack)).poisoned_mask(view.index.keys)
    params, random_seed = workspace.params.seeds.of(attack).sift, workspace.params.random_seed
    mode = numeric.choose("float32", training.deterministic, None, training.threads)
    device = numeric.apply(mode)
    started = time.process_time()
    signals = look(view, params, random_seed, device)
    compared = []
    for trial in range(trials):
        sifted = choose(view, signals, params, random_seed, trial)
        bad = planted[signals.rows[sifted.at]]
        labels, ranks = sifted.seeds.labels, sifted.seeds.ranks
        sizes = np.bincount(labels, minlength=view.class_count)
        first = np.bincount(labels[bad & (ranks < ENOUGH)], minlength=view.class_count)
        listed = np.bincount(labels[bad], minlength=view.class_count)
        compared.append(
            SiftedTrial(
                trial, int(sizes.min()), int(first.max()), int(listed.max()), sum(sifted.short.values())
            )
        )
    seconds = time.process_time() - started
    sizes = np.bincount(view.labels, minlength=view.class_count)
    share = np.bincount(view.labels[planted], minlength=view.class_count) / np.maximum(sizes, 1)
    count = int(planted.sum())
    return SiftedAttack(dataset, attack, len(view), count, float(share.max()), seconds, compared)
