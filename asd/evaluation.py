"""What the trained classifier does: accuracy, attack success, and both along the epochs.

All figures are means over samples. Attack success counts only triggered images that the attack
wants in another class than their own, which are the ones that the poison step wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from asd.errors import DataError
from asd.layout import Cell
from asd.metrics import UNTRUSTED, WHY_UNTRUSTED, Rate, agreement, per_class_accuracy
from asd.source_groups import by_drop
from asd.truth import ALONE, ProbeTruth
from asd.types import DataView, Images, Labels

BATCH = 2048
"""Images read from the memory map at a time."""


class Predicts(Protocol):
    """What evaluation needs of a classifier."""

    def predict(self, images: Images) -> Labels:
        """Classes of uint8 images of shape (N, C, H, W), shape (N,)."""
        ...


@dataclass(frozen=True)
class ProbeEpoch:
    """Predicted classes of the probe set after `epoch` finished epochs, shape (P,)."""

    epoch: int
    predicted: Labels


def predict_all(classifier: Predicts, images: Images) -> Labels:
    """Classes of all images, shape (N,); reads them in parts, so that they need not fit memory."""
    parts = [
        np.asarray(classifier.predict(images[start : start + BATCH]), dtype=np.int64)
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def evaluate(cell: Cell, classifier: Predicts, test: DataView, triggered: DataView | None) -> dict[str, Any]:
    """All of `metrics.json`.

    Args:
        cell: named in the result.
        classifier: the trained model.
        test: the clean test set.
        triggered: the same images (by key) with the trigger, those that count; labels are what
            the attack wants. A key that begins with `ALONE` has no clean twin; then there is no
            base rate over it, and `why_asr_base` says so. None or empty: all about it is null.

    Raises:
        DataError: a triggered image has no clean twin in the test set.
    """
    predicted = predict_all(classifier, test.images)
    accuracy = agreement(predicted, test.labels)
    success, base, why = Rate(0, 0), Rate(0, 0), {}
    if triggered is not None and len(triggered):
        success = agreement(predict_all(classifier, triggered.images), triggered.labels)
        paired = np.array([not key.startswith(ALONE) for key in triggered.index.keys], dtype=np.bool_)
        rows = _rows_of([key for key in triggered.index.keys if not key.startswith(ALONE)], test)
        base = agreement(predicted[rows], triggered.labels[paired])
        why = {} if paired.all() else {"why_asr_base": why_base(int(paired.sum()), len(paired))}
    per_class = dict(
        zip(test.class_names, per_class_accuracy(predicted, test.labels, test.class_names), strict=True)
    )
    return {
        "dataset": cell.dataset,
        "attack": cell.attack,
        "defense": cell.defense,
        "trial": cell.trial,
        "trusted": test.trusted,
        **_accuracy(accuracy, trusted=test.trusted),
        "asr": success.value,
        "asr_interval": _interval(success),
        "n_asr": success.n or None,
        "asr_base": base.value,
        "n_asr_base": base.n or None,
        "asr_minus_base": _over(success, base),
        **why,
        "per_class_accuracy": per_class if test.trusted else None,
        "per_class_acc_untrusted": None if test.trusted else per_class,
        **_by_drop(predicted, test),
    }


def why_base(paired: int, count: int) -> str:
    """Why the base rate is over fewer pictures than attack success, or over none."""
    known = f"those of {paired} of {count}" if paired else "none of them"
    return f"the clean pictures of the triggered ones are not all known: {known}"


def _over(success: Rate, base: Rate) -> float | None:
    """Attack success minus the base rate, where both are over the same pictures."""
    if success.value is None or base.value is None or success.n != base.n:
        return None
    return success.value - base.value


def _by_drop(predicted: Labels, test: DataView) -> dict[str, Any]:
    """Accuracy of each drop and of each source; null where the test set comes from no drop."""
    drops = by_drop(test.index.sources)
    sources: dict[str, list[int]] = {}
    for (vendor, _), rows in drops.items():
        sources.setdefault(vendor, []).extend(rows)

    def figures(rows: list[int]) -> dict[str, Any]:
        found = agreement(predicted[rows], test.labels[rows])
        return {"acc" if test.trusted else UNTRUSTED: found.value, "interval": _interval(found), "n": found.n}

    if not drops:
        return {"per_drop": None, "per_source": None}
    return {
        "per_drop": {str(number): {"source": v, **figures(rows)} for (v, number), rows in drops.items()},
        "per_source": {vendor: figures(rows) for vendor, rows in sources.items()},
    }


def _accuracy(found: Rate, *, trusted: bool) -> dict[str, Any]:
    """`acc`, or `acc_untrusted` where nobody vouches for the labels; the other one is null."""
    nothing = Rate(0, 0)
    acc, untrusted = (found, nothing) if trusted else (nothing, found)
    return {
        "acc": acc.value,
        "acc_interval": _interval(acc),
        "n_acc": found.n or None,
        "acc_untrusted": untrusted.value,
        "acc_untrusted_interval": _interval(untrusted),
        "n_acc_untrusted": untrusted.n or None,
        "why_untrusted": None if trusted else WHY_UNTRUSTED,
    }


def _interval(rate: Rate) -> list[float] | None:
    return None if rate.interval is None else list(rate.interval)


def _rows_of(keys: Sequence[str], test: DataView) -> Labels:
    place = {key: row for row, key in enumerate(test.index.keys)}
    missing = [key for key in keys if key not in place]
    if missing:
        raise DataError(
            f"{len(missing)} triggered test images have no clean twin, such as {missing[0]!r}; "
            "run the poison step again"
        )
    return np.array([place[key] for key in keys], dtype=np.int64)


# -- curves -----------------------------------------------------------------------------------


def read_predictions(path: Path, probe_size: int) -> Iterator[ProbeEpoch]:
    """The recorded epochs of one stage, in order; a stage that trained nothing has none.

    Raises:
        DataError: the file is missing or broken, or an epoch is not about `probe_size` images.
    """
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    with file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=["epoch", "predicted"])
            epochs = np.unique(rows["epoch"].to_numpy())
            if len(rows) != probe_size or len(epochs) != 1:
                raise DataError(
                    f"{path}, row group {group}: wanted one epoch of {probe_size} probe images, "
                    f"got {len(rows)} rows of {len(epochs)} epochs"
                )
            yield ProbeEpoch(int(epochs[0]), rows["predicted"].to_numpy().astype(np.int64))


def curves(
    epochs: Sequence[ProbeEpoch], probe: ProbeTruth, wanted: Mapping[str, int], *, trusted: bool
) -> pa.Table:
    """ACC and ASR on the probe set along the epochs.

    Args:
        epochs: predictions of all stages in order.
        probe: what each probe image is.
        wanted: test key -> label that the attack wants for the triggered image.
        trusted: whether somebody vouches for the test labels.

    Returns:
        Columns epoch, acc, asr (fractions, null where n is 0), n_acc, n_asr; acc is called
        acc_untrusted where nobody vouches.

    Raises:
        DataError: a triggered probe image is not among the triggered test images.
    """
    triggered = probe.triggered
    aims = _aims(probe, wanted)
    acc = [agreement(e.predicted[~triggered], probe.labels[~triggered]) for e in epochs]
    asr = [agreement(e.predicted[triggered], aims) for e in epochs]
    return pa.table(
        {
            "epoch": pa.array([e.epoch for e in epochs], pa.int32()),
            "acc" if trusted else "acc_untrusted": pa.array([rate.value for rate in acc], pa.float64()),
            "asr": pa.array([rate.value for rate in asr], pa.float64()),
            "n_acc": pa.array([rate.n for rate in acc], pa.int32()),
            "n_asr": pa.array([rate.n for rate in asr], pa.int32()),
        }
    )


def _aims(probe: ProbeTruth, wanted: Mapping[str, int]) -> Labels:
    keys = [key for key, hit in zip(probe.test_keys, probe.triggered.tolist(), strict=True) if hit]
    missing = [key for key in keys if key not in wanted]
    if missing:
        raise DataError(f"triggered probe image {missing[0]!r} is not among the triggered test images")
    return np.array([wanted[key] for key in keys], dtype=np.int64)
