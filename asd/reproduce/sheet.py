"""The table beside the paper's numbers, in words."""

from __future__ import annotations

from collections.abc import Sequence

from asd.metrics import UNTRUSTED, WHY_UNTRUSTED
from asd.reproduce.claims import MARGIN, Claim
from asd.reproduce.intervals import Estimate
from asd.reproduce.measured import Entry
from asd.reproduce.paper import reported

TITLES = ["variant", "attack", "ACC", "paper", "ASR", "base", "paper", "poison in pool", "trials", "seconds"]
_ABSENT = "–"


def rows(target: str, found: Sequence[Entry]) -> list[list[str]]:
    """One line per variant and attack; what has not been run says so."""
    return [_row(target, entry) for entry in found]


def _row(target: str, entry: Entry) -> list[str]:
    said = reported(target, entry.variant, entry.attack)
    acc, asr, base = (entry.share(name) for name in ("acc", "asr", "asr_base"))
    state = entry.why_none
    seconds = [trial.seconds for trial in entry.done if trial.seconds is not None]
    return [
        entry.variant,
        entry.attack,
        state or _interval(acc),
        _paper(said.acc if said else None),
        state or _interval(asr),
        state or (_ABSENT if base is None else f"{100 * base.mean:.1f}"),
        _paper(said.asr if said else None),
        state or _poison(entry),
        f"{len(entry.done)} of {len(entry.trials)}",
        f"{sum(seconds):,.0f}" if seconds else _ABSENT,
    ]


def _interval(share: Estimate | None) -> str:
    if share is None:
        return _ABSENT
    return f"{100 * share.mean:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _paper(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:g}"


def _poison(entry: Entry) -> str:
    found = entry.pool_poison()
    return f"{', '.join(str(bad) for bad, _ in found)} of {found[0][1]:,}" if found else _ABSENT


def notes(dataset: str, preset: str, found: Sequence[Entry]) -> list[str]:
    """What the figures are of, below the table."""
    n = {name: sorted({e.count(name) for e in found if e.count(name)}) for name in ("acc", "asr")}
    tested = {name: " or ".join(f"{count:,}" for count in counts) for name, counts in n.items()}
    counted = [f"{tested[name]} ({name.upper()})" for name in n if n[name]]
    of_test = f"test pictures: {', '.join(counted)}" if counted else "nothing run yet"
    untrusted = any(t.metrics.get(UNTRUSTED) is not None for e in found for t in e.done if t.metrics)
    seconds = {str(t.cell): t.seconds for e in found for t in e.done if t.seconds is not None}
    return [
        f"Data set `{dataset}`, preset `{preset}`; {of_test}. In percent, with 95% intervals: of the test "
        "pictures, and where there are several trials of these, too (the wider one).",
        "ASR: attack success. base: the same test pictures without the trigger. poison in pool: planted "
        "samples in each trial's final clean pool. paper: Gao et al., CVPR 2023, CIFAR-10, 50,000 images.",
        f"{sum(seconds.values()):,.0f} seconds of training in {len(seconds)} runs, as measured here.",
        *([f"ACC {_ABSENT}: {WHY_UNTRUSTED}"] if untrusted else []),
    ]


def claim_lines(decided: Sequence[Claim]) -> list[str]:
    """A line per claim with its verdict, and what the verdicts mean."""
    lines = [f"- **{claim.verdict}**: {claim.text}. {claim.because}." for claim in decided]
    return [
        *lines,
        "",
        f"A defense holds where attack success is at most {100 * MARGIN:g} points above its base rate. A "
        "claim is decided by 95% intervals; where one reaches over its border, or a cell (one trial of it) "
        "was not run, it is not decidable.",
    ]
