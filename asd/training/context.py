"""What a stage is given: data, seeds, settings. No truth, and nothing that tells layers apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.params import TrainingParams, Variant
from asd.progress import Reporter
from asd.types import DataView, Images, Mask

if TYPE_CHECKING:
    from asd.training.weights import StartingWeights


@dataclass(frozen=True)
class StageContext:
    """Inputs of one stage.

    Attributes:
        view: the training samples, labels as given.
        seeds: the trusted samples among them, bool (N,).
        probe: unlabelled images whose predictions are recorded for the curves; uint8 (M, C, H, W).
        model: the network to train.
        training: precision, augmentation, scoring.
        random_seed: of this trial.
        stage: 1, 2 or 3.
        fingerprint: names everything that the result depends on; a checkpoint of another one is
            never resumed.
        numeric: the numeric mode that an earlier stage stored, or None.
        plugins: the workspace's own plug-ins, or None.
        weights: what the network starts from in the first stage; None: as built.
    """

    view: DataView
    seeds: Mask
    probe: Images
    model: Variant
    training: TrainingParams
    random_seed: int
    stage: int
    fingerprint: str
    reporter: Reporter
    numeric: dict[str, Any] | None = None
    plugins: Path | None = None
    weights: StartingWeights | None = None
