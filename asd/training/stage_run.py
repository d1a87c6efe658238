"""One stage of one run: set up, go epoch by epoch with a checkpoint after each, write the results.

A defense gives a function that trains one epoch; everything else is here. What an epoch does
depends on (state, epoch) alone, so a run killed at any moment and started again ends alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from asd import store
from asd.models._blocks import ImageClassifier
from asd.pools.history import EpochRow, write_history, write_predictions
from asd.rng import torch_generator
from asd.training import device as numeric
from asd.training.context import StageContext
from asd.training.images import ImageStore, given_normalisation, measure_normalisation
from asd.training.resume import Checkpoints, EpochRecord
from asd.training.scoring import Scores, predict, score
from asd.training.state import (
    NOTHING,
    Extras,
    TrainingState,
    facts_of,
    fresh_state,
    load_state,
    model_facts,
    save_state,
)
from asd.training.weights import start_from

MakeOptimizer = Callable[[ImageClassifier], torch.optim.Optimizer]
TrainEpoch = Callable[[int], EpochRow | None]


class StageRun:
    """The state of a stage while it runs."""

    def __init__(
        self,
        context: StageContext,
        checkpoints: Checkpoints,
        previous: Path | None,
        make_optimizer: MakeOptimizer,
        extras: Extras = NOTHING,
    ) -> None:
        """Build the network and load where to go on: mid-stage checkpoint, previous stage, or nothing."""
        self.context = context
        self.checkpoints = checkpoints
        self._started = time.monotonic()
        self._past = checkpoints.load_timing()
        stored = self._past.get("numeric", context.numeric)
        training = context.training
        self.mode = numeric.choose(training.precision, training.deterministic, stored, training.threads)
        self.device = numeric.apply(self.mode)
        self._stores(context)
        self._weights = model_facts(previous).get("weights") if previous is not None else None
        self.state = self._fresh_state(make_optimizer, extras, starts=previous is None)
        self.images_seen = 0
        if previous is not None:
            load_state(previous, self.state)
        self.first_epoch = self.state.next_epoch
        if checkpoints.exists:
            load_state(checkpoints.state_folder, self.state)
            context.reporter.say(f"resumed after epoch {self.state.next_epoch} of an interrupted run")
        self.records = checkpoints.load_epochs(range(self.first_epoch, self.state.next_epoch))
        checkpoints.save_timing(self._timing(resumes=self._past.get("resumes", -1) + 1))
        self._past = checkpoints.load_timing() | {"seconds": self._past.get("seconds", 0.0)}

    def _stores(self, context: StageContext) -> None:
        training = context.training
        self.normalisation = given_normalisation(training) or measure_normalisation(context.view.images)
        self.store = ImageStore(context.view.images, self.normalisation, training.augment, self.device)
        self.probe = ImageStore(context.probe, self.normalisation, training.augment, self.device)

    def _fresh_state(self, make_optimizer: MakeOptimizer, extras: Extras, *, starts: bool) -> TrainingState:
        context = self.context
        generator = torch_generator(context.random_seed, "weights")
        channels = context.view.images.shape[1]
        network: ImageClassifier = context.model.module.build(
            context.model.params, channels, context.view.class_count, generator
        )
        if starts and context.weights is not None:
            self._weights = start_from(network, context.weights, context.view.class_names)
        network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        beside = torch_generator(context.random_seed, "auxiliary")
        return fresh_state(network, make_optimizer(network), extras, context.view.class_count, beside)

    # -- what a defense uses ---------------------------------------------------------------
    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels as given, shape (N,)."""
        return self.context.view.labels

    def autocast(self) -> Any:
        """Mixed precision as params ask for; to open around a forward pass."""
        return numeric.autocast(self.mode)

    def score(self, model: torch.nn.Module, epoch: int, purpose: str, views: int = 1) -> Scores:
        """Score all samples; the random views depend on (epoch, purpose) alone.

        With several views the loss is their mean, and the prediction that of the first. An image
        that is scored as it is has one view.
        """
        first = self._score_view(model, epoch, purpose)
        if views == 1 or not self.context.training.score_augmented:
            return first
        losses = [self._score_view(model, epoch, f"{purpose}-view-{n}").losses for n in range(1, views)]
        return Scores(np.mean([first.losses, *losses], axis=0, dtype=np.float32), first.predicted)

    def _score_view(self, model: torch.nn.Module, epoch: int, purpose: str) -> Scores:
        training = self.context.training
        generator = torch_generator(self.context.random_seed, "score", purpose, epoch)
        return score(
            model,
            self.store,
            self.labels,
            batch=training.scoring_batch,
            autocast=self.autocast,
            view_generator=generator if training.score_augmented else None,
        )

    @property
    def rows(self) -> list[EpochRow]:
        """The history of this stage so far."""
        return [record.row for record in self.records if record.row is not None]

    def train_until(self, end: int, train_epoch: TrainEpoch) -> None:
        """Run epochs until `end` are finished, with a checkpoint after each."""
        while self.state.next_epoch < end:
            epoch = self.state.next_epoch
            row = train_epoch(epoch)
            if row is not None:
                self.state.pool = row.in_clean
                self._warn(row)
            self.state.next_epoch = epoch + 1
            record = EpochRecord(row, self._probe_predictions(epoch, end))
            self.records.append(record)
            self.checkpoints.save_epoch(epoch, record)
            self._save(self.checkpoints.state_folder)
            self.checkpoints.save_timing(self._timing())

    def final_scoring(self) -> EpochRow:
        """Score once more after the last epoch; the pool stays the last one (all, if there is none)."""
        epoch = self.state.next_epoch
        scores = self.score(self.state.evaluated, epoch, "final")
        pool = self.state.pool
        in_clean = np.ones(len(self.labels), dtype=np.bool_) if pool is None else pool
        return EpochRow(epoch, "final", float("nan"), scores.losses, in_clean)

    def write(self, folder: Path, timing: Path, final_row: EpochRow | None) -> None:
        """Put the stage's results in place, whole."""
        rows = self.rows + ([final_row] if final_row is not None else [])
        first = self.first_epoch
        with store.atomic_directory(folder) as temporary:
            self._save(temporary)
            write_history(temporary / "history.parquet", rows)
            predictions = [
                (first + i + 1, r.predicted) for i, r in enumerate(self.records) if r.predicted is not None
            ]
            write_predictions(temporary / "predictions.parquet", predictions)
        store.write_json(timing, self._timing())

    # -- inner workings --------------------------------------------------------------------
    def _probe_predictions(self, epoch: int, end: int) -> NDArray[np.int64] | None:
        every = self.context.training.probe_every
        if self.probe.count == 0 or ((epoch + 1) % every and epoch + 1 != end):
            return None
        batch = self.context.training.scoring_batch
        return predict(self.state.evaluated, self.probe, batch=batch, autocast=self.autocast)

    def _warn(self, row: EpochRow) -> None:
        for warning in row.warnings:
            self.context.reporter.warn(warning)
        self.state.warnings.extend(row.warnings)

    def _save(self, folder: Path) -> None:
        facts = {"numeric": self.mode.as_json()}
        if folder == self.checkpoints.state_folder:
            with store.atomic_directory(folder) as temporary:
                save_state(temporary, self.state, self._model_facts(), facts)
        else:
            save_state(folder, self.state, self._model_facts(), facts)

    def _model_facts(self) -> dict[str, Any]:
        context = self.context
        facts = {} if self._weights is None else {"weights": self._weights}
        return facts | facts_of(context.model, context.view, self.normalisation, self.mode)

    def _timing(self, resumes: int | None = None) -> dict[str, Any]:
        seconds = self._past.get("seconds", 0.0) + time.monotonic() - self._started
        return {
            "seconds": round(seconds, 3),
            "peak_bytes": max(numeric.peak_bytes(self.device), self._past.get("peak_bytes", 0)),
            "device": self.mode.device,
            "threads": self.mode.threads,
            "resumes": self._past.get("resumes", 0) if resumes is None else resumes,
            "images_per_second": round(self.images_seen / seconds, 1) if self.images_seen else None,
            "numeric": self.mode.as_json(),
        }
