"""The paper's claims, each decided by intervals: holds, does not hold, or not decidable.

A defense holds under an attack if attack success is at most `MARGIN` above the base rate (the
same test pictures without the trigger), and breaks if it is more. Where an attack is no more than
that without a defense, nothing can be decided with it. Nor can it where the model hardly does better
than guessing, or with some of the trials: they say nothing of how much trials differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from asd.reproduce.intervals import Estimate, of_auroc_difference, of_difference
from asd.reproduce.measured import Entry, difference, undefended
from asd.reproduce.paper import DEFAULT, FIRST_MODEL, NO_DEFENSE, TRANSFERRED

Verdict = Literal["holds", "does not hold", "not decidable"]
MARGIN = 0.05
"""How far attack success may be above its base rate for a defense to hold."""


@dataclass(frozen=True)
class Claim:
    """One claim, what became of it, and the figures that decided."""

    text: str
    verdict: Verdict
    because: str

    def as_json(self) -> dict[str, str]:
        """For a program."""
        return {"claim": self.text, "verdict": self.verdict, "because": self.because}


@dataclass(frozen=True)
class _Part:
    """One figure of a claim: is it on the right side of a border?

    Attributes:
        name: of what, for people.
        estimate: None: cannot be told, for the reason in `why`.
        above: the claim wants the figure above the border; else at most there.
        why: why it cannot be told, or why the estimate decides nothing.
    """

    name: str
    estimate: Estimate | None
    above: bool
    border: float = MARGIN
    why: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.estimate is None or self.why:
            return "not decidable"
        if self.estimate.low > self.border:
            return "holds" if self.above else "does not hold"
        if self.estimate.high <= self.border:
            return "does not hold" if self.above else "holds"
        return "not decidable"

    def words(self) -> str:
        if self.estimate is None:
            return f"{self.name}: {self.why or 'not known'}"
        e = self.estimate
        trials = self.why or ("1 trial" if e.trials == 1 else f"{e.trials} trials")
        return f"{self.name}: {100 * e.mean:+.1f} ({100 * e.low:+.1f} to {100 * e.high:+.1f}; {trials})"


def decide(text: str, unit: str, parts: Sequence[_Part]) -> Claim:
    """A claim about all its parts: one that fails decides, one that is open leaves it open."""
    verdicts = {part.verdict for part in parts}
    verdict: Verdict = "holds"
    if not parts or "not decidable" in verdicts:
        verdict = "not decidable"
    if "does not hold" in verdicts:
        verdict = "does not hold"
    because = "; ".join(part.words() for part in parts) or "nothing of it is among the cells"
    return Claim(text, verdict, f"{unit}: {because}")


_ASR = "attack success minus base rate, points"
_ACC = "difference in accuracy, points"
_POOL = "poisoned share of the pool at the end of stage 1, difference in points"


def _held(found: Sequence[Entry], entry: Entry, *, breaks: bool = False) -> _Part:
    """Attack success above the base rate; not to be told where the attack is weak without a defense."""
    estimate, why = entry.above_base(), _open(entry)
    bare = undefended(found, entry.attack)
    strength = bare.above_base() if bare is not None else None
    if strength is not None and strength.low <= MARGIN:
        estimate, why = None, f"the attack is weak here ({100 * strength.mean:+.1f} without a defense)"
    elif bare is not None and strength is None and estimate is not None and estimate.low <= MARGIN:
        why = why or f"without a defense: {bare.why_none or 'not known'}"  # it may just be weak
    if entry.guesses:
        estimate, why = None, entry.guesses
    return _Part(f"{entry.variant}, {entry.attack}", estimate, breaks, why=why)


def _open(*entries: Entry) -> str:
    """Why nothing is decided yet: an entry has no figures, or those of some trials only; else empty."""
    return next((why for entry in entries if (why := entry.why_none or entry.partly)), "")


def _variant(found: Sequence[Entry], *names: str, attacks: Sequence[str] = ()) -> list[Entry]:
    return [e for e in found if e.variant in names and (not attacks or e.attack in attacks)]


def _engines(found: Sequence[Entry]) -> list[Claim]:
    names = [name for name in dict.fromkeys(e.variant for e in found) if name != NO_DEFENSE]
    return [
        decide(
            f"The split works with {name}" + (" (not in the paper)" if name == "FixMatch" else ""),
            _ASR,
            [_held(found, entry) for entry in _variant(found, name)],
        )
        for name in names
    ]


def _poisoned_seeds(found: Sequence[Entry]) -> list[Claim]:
    few = _variant(found, "1 poisoned seed", "2 poisoned seeds", "3 poisoned seeds")
    four = "4 poisoned seeds"
    safe, unsafe = (_variant(found, four, attacks=of) for of in (("BadNets", "WaNet"), ("Blend", "CLB")))
    return [
        decide("1 to 3 poisoned seeds do no harm", _ASR, [_held(found, e) for e in few]),
        decide(
            "With 4, BadNets and WaNet still fail" + _without(safe, "BadNets", "WaNet"),
            _ASR,
            [_held(found, e) for e in safe],
        ),
        decide(
            "With 4, Blend and CLB succeed" + _without(unsafe, "Blend", "CLB"),
            _ASR,
            [_held(found, e, breaks=True) for e in unsafe],
        ),
    ]


def _without(found: Sequence[Entry], *attacks: str) -> str:
    """Attacks that a claim names and no cell here stands for, in brackets."""
    here = {entry.attack for entry in found}
    absent = [attack for attack in attacks if attack not in here]
    return f" ({' and '.join(absent)}: not among the cells)" if here and absent else ""


def _transfer(found: Sequence[Entry]) -> list[Claim]:
    first = [e for e in found if e.variant.startswith(FIRST_MODEL)]
    after = [e for e in found if e.variant.startswith(TRANSFERRED)]
    gains = [
        _difference("acc", f"{b.variant}, {b.attack}", b, a)
        for b in after
        for a in _variant(first, b.variant.replace(TRANSFERRED, FIRST_MODEL, 1), attacks=(b.attack,))
    ]
    return [
        decide("The first model has no backdoor", _ASR, [_held(found, e) for e in first]),
        decide("ASD that starts from it holds", _ASR, [_held(found, e) for e in after]),
        decide("ASD is more accurate than the first model", _ACC, gains),
    ]


def _stages(found: Sequence[Entry]) -> list[Claim]:
    def losses(variant: str) -> list[_Part]:
        """How much accuracy the default has over a variant."""
        return [
            _difference("acc", f"{DEFAULT} over {variant.lower()}, {e.attack}", d, e)
            for e in _variant(found, variant)
            for d in _variant(found, DEFAULT, attacks=(e.attack,))
        ]

    one, two, three = ("Without stage 1", "Without stage 2", "Without stage 3")
    higher = [
        _difference("asr", f"{e.variant}, {e.attack}", e, d)
        for e in _variant(found, two)
        for d in _variant(found, DEFAULT, attacks=(e.attack,))
    ]
    return [
        decide("All three stages together hold", _ASR, [_held(found, e) for e in _variant(found, DEFAULT)]),
        decide(
            "Without stage 1 the defense breaks",
            _ASR,
            [_held(found, e, breaks=True) for e in _variant(found, one)],
        ),
        decide("Without stage 2 accuracy drops", _ACC, losses(two)),
        decide("Without stage 2 attack success rises", "difference in attack success, points", higher),
        decide("Without stage 3 accuracy drops", _ACC, losses(three)),
    ]


def _difference(figure: str, name: str, first: Entry, second: Entry) -> _Part:
    """Whether one entry has more of a figure than another."""
    estimate = difference(figure, first, second)
    return _Part(name, estimate, above=True, border=0.0, why=_open(first, second))


def _warm_up(found: Sequence[Entry]) -> list[Claim]:
    default = {e.attack: e for e in _variant(found, DEFAULT)}
    faster = [e for e in found if e.variant not in (DEFAULT, NO_DEFENSE)]
    more = [_more_poison(e, default[e.attack]) for e in faster if e.attack in default]
    weak = [_held(found, e, breaks=True) for e in faster if e.attack in ("WaNet", "CLB")]
    return [
        decide("A faster warm-up lets poison in", _POOL, more),
        decide(
            "A faster warm-up breaks the defense under WaNet and CLB"
            + _without([e for e in faster if e.attack in ("WaNet", "CLB")], "WaNet", "CLB"),
            _ASR,
            weak,
        ),
    ]


def _more_poison(entry: Entry, default: Entry) -> _Part:
    """Poisoned share of the pool at the end of stage 1, minus the default's."""
    pairs = [
        (_stage_1(a.pools), _stage_1(b.pools))
        for a in entry.done
        for b in default.done
        if a.cell.trial == b.cell.trial
    ]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    estimate = None
    if known:
        estimate = of_difference(
            [bad / size for (bad, size), _ in known],
            [bad / size for _, (bad, size) in known],
            known[0][0][1],
            known[0][1][1],
        )
    name, why = f"{entry.variant}, {entry.attack}", _open(entry, default)
    return _Part(name, estimate, above=True, border=0.0, why=why or _short(len(known), len(entry.trials)))


def _short(known: int, wanted: int) -> str:
    """Where some trials lack a figure that others have; else empty."""
    return f"known of {known} of {wanted} trials" if 0 < known < wanted else ""


def _stage_1(pools: Any) -> tuple[int, int] | None:
    end = pools["stages"][0] if pools else {}
    return (end["poisoned"], end["size"]) if end.get("poisoned") is not None and end.get("size") else None


def _reduction(found: Sequence[Entry]) -> list[Claim]:
    return [
        decide(
            "The loss reduction tells poison from clean hard samples better than the loss does",
            "difference in AUROC at the first meta-split, points",
            [_auroc_gain(e) for e in found],
        )
    ]


def _auroc_gain(entry: Entry) -> _Part:
    firsts = [t.pools["meta_split"]["first"] for t in entry.done if t.pools and t.pools.get("meta_split")]
    firsts = [f for f in firsts if None not in (f["auroc_reduction"], f["auroc_loss"])]
    estimate = None
    if firsts:
        estimate = of_auroc_difference(
            [first["auroc_reduction"] for first in firsts],
            [first["auroc_loss"] for first in firsts],
            firsts[0]["poisoned"],
            firsts[0]["hard"],
        )
    why = _open(entry) or _short(len(firsts), len(entry.trials))
    return _Part(f"{entry.variant}, {entry.attack}", estimate, above=True, border=0.0, why=why)


_OF_TARGET: dict[str, Callable[[Sequence[Entry]], list[Claim]]] = {
    "table4": _engines,
    "table5": _poisoned_seeds,
    "table6": _transfer,
    "fig3": _reduction,
    "fig6": _stages,
    "fig7": _warm_up,
}


def claims(target: str, found: Sequence[Entry]) -> list[Claim]:
    """What the paper claims there, decided by what was measured."""
    return _OF_TARGET[target](found) if target in _OF_TARGET else []
