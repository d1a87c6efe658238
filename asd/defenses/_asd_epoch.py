"""One epoch of ASD: score, guard, split, train. What an epoch does depends on (state, epoch) alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd.defenses.asd import Params, PoolParams, engine_of, grown_per_class, learning_rate
from asd.errors import ParamsError
from asd.pools import split_class_agnostic, split_class_aware, split_meta
from asd.pools.history import EpochRow
from asd.semisup import views_of
from asd.training import guard
from asd.training.epochs import SemiSupervisedEpoch, train_semi_supervised
from asd.training.scoring import Scores
from asd.training.stage_run import StageRun
from asd.training.virtual import VirtualRun, virtual_snapshots
from asd.types import Losses, Mask, PoolMembership


@dataclass(frozen=True)
class Split:
    """A pool, and what led to it."""

    pool: PoolMembership
    virtual_losses: Losses | None = None
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


SplitRule = Callable[[int, Scores], Split]


class AsdEpoch:
    """Runs epochs of all three stages for one run."""

    def __init__(self, run: StageRun, params: Params) -> None:
        self.run_ = run
        self.params = params
        self.engine, self.engine_params = engine_of(params, run.context.plugins)
        self._check_fit()

    def _check_fit(self) -> None:
        """Refuse, before the first epoch, what the network or the data have no room for later on."""
        params, labels = self.params, self.run_.labels
        if params.common.last_epoch > params.stage2.end:
            layers = self.run_.state.model.layer_names
            if params.stage3.meta.layers > len(layers):
                raise ParamsError(
                    f"stage3.meta.layers: the network has {len(layers)} ({', '.join(layers)}), "
                    f"got {params.stage3.meta.layers}"
                )
            check_floor("stage3", params.stage3.pools.class_floor, params.stage3.gamma, labels)
        if params.stage2.end > params.stage1.end:
            check_floor("stage2", params.stage2.pools.class_floor, params.stage2.alpha, labels)

    def run(self, epoch: int, split: SplitRule) -> EpochRow:
        """Score, split and train; gives the epoch's row of the history."""
        run, common = self.run_, self.params.common
        views = self.params.stage3.meta.snapshots if self._has_meta_split(epoch) else 1
        scores = run.score(run.state.model, epoch, "main", views)
        decided = split(epoch, scores)
        in_clean = decided.pool.in_clean
        warnings = decided.warnings + self._collapse_warnings(epoch, scores, in_clean)
        settings = SemiSupervisedEpoch(
            engine=self.engine,
            engine_params=self.engine_params,
            iterations=common.iterations,
            batch=common.batch,
            epoch=epoch,
            epoch_count=common.last_epoch,
            random_seed=run.context.random_seed,
            rate=lambda iteration: learning_rate(self.params, epoch, iteration),
        )
        mean_loss = train_semi_supervised(run.state, run.store, run.labels, in_clean, settings, run.autocast)
        run.images_seen += common.iterations * common.batch * views_of(self.engine, self.engine_params).images
        size = decided.pool.size
        run.context.reporter.progress(
            epoch + 1, common.last_epoch, "epoch", loss=mean_loss, pool=size, rule=decided.pool.rule
        )
        return EpochRow(
            epoch=epoch,
            rule=decided.pool.rule,
            cut=decided.pool.cut,
            loss=scores.losses,
            in_clean=in_clean,
            virtual_loss=decided.virtual_losses,
            warnings=tuple(warnings),
            notes=decided.notes,
        )

    def _collapse_warnings(self, epoch: int, scores: Scores, in_clean: Mask) -> list[str]:
        run = self.run_
        view, seeds = run.context.view, run.context.seeds
        warnings = guard.seed_accuracy_warning(scores.predicted, run.labels, seeds, view.class_count, epoch)
        return warnings + guard.starvation_warning(run.rows, in_clean, run.labels, view.class_names, epoch)

    # -- the three rules -------------------------------------------------------------------
    def split_stage1(self, epoch: int, scores: Scores) -> Split:
        """Class-aware (section 4.1)."""
        run = self.run_
        per_class = grown_per_class(self.params.stage1, epoch)
        if not run.context.seeds.any():
            per_class = max(per_class, self._first_growth())
        return Split(split_class_aware(scores.losses, run.labels, run.context.seeds, per_class=per_class))

    def _first_growth(self) -> int:
        """Samples a class where the pool would be empty: of transferred seeds none is in it."""
        if not self.params.stage1.n:
            raise ParamsError("stage1.n 0 leaves the clean pool empty: transferred seeds are not in it")
        return self.params.stage1.n

    def split_stage2(self, epoch: int, scores: Scores) -> Split:
        """Class-agnostic (section 4.1)."""
        params = self.params.stage2
        with _pool_mistakes():
            pool = split_class_agnostic(
                scores.losses, self.run_.labels, fraction=params.alpha, **self._options(params.pools)
            )
        return Split(pool)

    def split_stage3(self, epoch: int, scores: Scores) -> Split:
        """Meta-split (section 4.2); a virtual model that did not learn leaves the pool as it was."""
        params, meta = self.params.stage3, self.params.stage3.meta
        previous = self.run_.state.pool
        if previous is not None and not self._has_meta_split(epoch):
            return Split(PoolMembership(previous, "kept"))
        reference = previous if previous is not None else self.run_.context.seeds
        tries: list[dict[str, float]] = []
        for attempt in range(meta.retries + 1):
            virtual_losses, facts = self._try_virtual(epoch, attempt, reference)
            tries.append(facts)
            if facts["fitted_share"] >= meta.least_fit:
                with _pool_mistakes():
                    pool = split_meta(
                        scores.losses,
                        virtual_losses,
                        self.run_.labels,
                        fraction=params.gamma,
                        **self._options(params.pools),
                    )
                return Split(pool, virtual_losses, notes={"virtual": tries})
        warning = (
            f"epoch {epoch}: the virtual model did not learn in {len(tries)} tries (of no label did it "
            f"fit more than {tries[-1]['fitted_share']:.0%} of the distrusted samples, wanted "
            f"{meta.least_fit:.0%}); the clean pool stays as it was"
        )
        kept = PoolMembership(reference, "kept")
        if not reference.any():  # the first epoch of all, with transferred seeds
            growth = self._first_growth()
            kept = split_class_aware(scores.losses, self.run_.labels, reference, per_class=growth)
            warning = f"{warning}; it was empty, so {growth} samples a class are let in"
        return Split(kept, virtual_losses, [warning], {"virtual": tries})

    def _has_meta_split(self, epoch: int) -> bool:
        since = epoch - self.params.stage2.end
        return since >= 0 and since % self.params.stage3.meta.every == 0

    def _try_virtual(self, epoch: int, attempt: int, reference: Mask) -> tuple[Losses, dict[str, float]]:
        """Train one virtual model; its losses, as the mean over its snapshots, and how much it learned."""
        run, meta = self.run_, self.params.stage3.meta
        virtual_run = VirtualRun(run.context.random_seed, epoch, attempt)
        snapshots = virtual_snapshots(run.state.model, run.store, run.labels, meta, virtual_run, run.autocast)
        scored = [
            run.score(virtual, epoch, f"virtual-{attempt}-{number}").losses
            for number, virtual in enumerate(snapshots)
        ]
        losses: Losses = np.mean(scored, axis=0, dtype=np.float32)
        fitted = guard.fitted_share(losses, run.labels, reference, run.context.view.class_count)
        return losses, {
            "lr": virtual_run.rate(meta),
            "steps": virtual_run.steps(meta, run.store.count),
            "fitted_share": round(fitted, 6),
        }

    def _options(self, pools: PoolParams) -> dict[str, Any]:
        forced = self.run_.context.seeds if pools.union_seeds else None
        return {"class_floor": pools.class_floor, "forced": forced}


def check_floor(stage: str, floor: int, share: float, labels: NDArray[np.int64]) -> None:
    """Check that a floor of samples a class (fewer where a class has fewer) fits into a share of all.

    Raises:
        ParamsError: it does not.
    """
    needed, room = int(np.minimum(np.bincount(labels), floor).sum()), int(len(labels) * share)
    if needed > room:
        raise ParamsError(
            f"{stage}.pools.class_floor {floor} needs {needed} places, but {share} of {len(labels)} samples "
            f"are {room}"
        )


@contextlib.contextmanager
def _pool_mistakes() -> Iterator[None]:
    """Floors that do not fit into the pool are a mistake in params."""
    try:
        yield
    except ValueError as error:
        raise ParamsError(f"pools: {error}") from error
