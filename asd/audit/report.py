"""`report.html`: one page about one cell, complete in itself; no script, nothing from outside.

Keys, sources, class names and warnings come from strangers: the template escapes all of them,
and what could hide or reorder text (control and direction characters) is replaced first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from asd.audit import figures, suspects
from asd.audit.limits import NO_PROOF, NOT_STOPPED
from asd.audit.planted import PlantedPictures
from asd.audit.record import STAGES, RunRecord
from asd.layout import Cell
from asd.safe_text import safe_text
from asd.types import Excluded, Images, Labels

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_ABSENT = "–"

WARNINGS_SHOWN = 100
CLASSES_SHOWN = 500
EXCLUDED_SHOWN = 200

OPINION_NAMES = {
    "spectral_signature": "spectral signature",
    "activation_clustering": "activation clustering",
    "neighbour_disagreement": "nearest neighbours disagree",
    "cleanlab_label_quality": "cleanlab's label quality",
}
"""Second opinions as the pages call them."""


@dataclass(frozen=True)
class SeedNote:
    """What the page says of the trusted samples: origin, note of the seed set, how many were used."""

    origin: str
    note: str
    used: int


@dataclass(frozen=True)
class ReportInput:
    """All that the page is made of.

    Attributes:
        cell: the cell.
        plugins: what `dataset`, `attack` and `defense` are variants of.
        record: what the run recorded.
        images: of the samples of `record`, uint8, shape (N, C, H, W).
        metrics: `metrics.json`.
        pools: `pools.json`.
        curves: `curves.parquet`.
        timings: timing of stages 1 to 3, None where there is none.
        seeds: about the trusted samples; None for a defense that takes none.
        excluded: pictures that `fetch` left out because a person confirmed them as poisoned.
        examples: some of the pictures that we poisoned; None where nothing was planted.
    """

    cell: Cell
    plugins: Mapping[str, str]
    record: RunRecord
    images: Images
    metrics: Mapping[str, Any]
    pools: Mapping[str, Any]
    curves: pa.Table
    timings: Sequence[Mapping[str, Any] | None]
    seeds: SeedNote | None
    excluded: Sequence[Excluded] = ()
    examples: PlantedPictures | None = None


def page_environment(templates: Path) -> Environment:
    """Jinja for the pages in a folder: all text is escaped, a name that is not given is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_report(given: ReportInput) -> str:
    """The page as HTML text; the same input gives the same text."""
    return report_environment().get_template("report.html.j2").render(_context(given)) + "\n"


def report_environment() -> Environment:
    """Jinja for this page and its parts, with words for values."""
    environment = page_environment(_TEMPLATES)
    environment.filters |= {
        "percent": percent,
        "points": points,
        "count": count,
        "number": number,
        "safe_text": safe_text,
        "mib": lambda size: _ABSENT if size is None else f"{size / 2**20:,.0f} MiB",
    }
    return environment


def report_facts(given: ReportInput) -> dict[str, Any]:
    """The same facts for a program: `report.json`; sizes do not grow with the number of samples."""
    record = given.record
    return {
        "cell": str(given.cell),
        "plugins": dict(given.plugins),
        "samples": len(record),
        "classes": list(record.class_names),
        "trusted": record.trusted,
        "seeds": None if given.seeds is None else asdict(given.seeds),
        "excluded": [asdict(one) for one in given.excluded[:EXCLUDED_SHOWN]],
        "excluded_count": len(given.excluded),
        "metrics": dict(given.metrics),
        "pools": dict(given.pools),
        "curves": given.curves.to_pylist(),
        "timings": [None if timing is None else dict(timing) for timing in given.timings],
        "seconds": _total_seconds(given.timings),
        "most_suspicious": _named(record, suspects.most_suspicious(record)),
        "poisoned_in_pool": _named(record, suspects.poisoned_in_pool(record)),
        "planted_pictures": None if given.examples is None else given.examples.as_json(),
        "note": NO_PROOF,
        "not_stopped": [asdict(one) for one in NOT_STOPPED],
    }


def _named(record: RunRecord, rows: Labels) -> list[str]:
    return [record.index.keys[row] for row in rows.tolist()]


def _context(given: ReportInput) -> dict[str, Any]:
    record, pools = given.record, given.pools
    epochs = pools["epochs"]
    suspicious = suspects.cards(record, given.images, suspects.most_suspicious(record))
    leaked = suspects.cards(record, given.images, suspects.poisoned_in_pool(record))
    classes = list(pools["final"]["per_class"].items())
    return {
        "cell": given.cell,
        "plugins": given.plugins,
        "samples": len(record),
        "class_count": len(record.class_names),
        "trusted": record.trusted,
        "seeds": given.seeds,
        "metrics": given.metrics,
        "pools": pools,
        "stages": [s for s in pools["stages"] if s["size"] is not None],
        "handed_on": [s["stage"] for s in pools["stages"] if s["size"] is None],
        "warnings": pools["warnings"][:WARNINGS_SHOWN],
        "warning_count": len(pools["warnings"]),
        "loss_figures": figures.loss_figures(record),
        "growth": figures.growth_figure(record, epochs),
        "poison_figures": figures.poison_figures(record, epochs),
        "curve": figures.curve_figure(record, given.curves),
        "by_reduction": bool(record.meta_epochs()),
        "meta_count": len(record.meta_epochs()),
        "refused": record.refused_epochs(),
        "kept": sum(e.row.rule == "kept" for e in record.epochs),
        "suspicious": suspicious,
        "out_count": int((~record.final.in_clean).sum()),
        "leaked": leaked,
        "classes": classes[:CLASSES_SHOWN],
        "class_rows": len(classes),
        "class_totals": _class_totals(record),
        "timings": list(zip(STAGES, given.timings, strict=True)),
        "seconds": _total_seconds(given.timings),
        "excluded": given.excluded[:EXCLUDED_SHOWN],
        "excluded_count": len(given.excluded),
        "examples": given.examples,
        "no_proof": NO_PROOF,
        "not_stopped": NOT_STOPPED,
        "opinion_names": OPINION_NAMES,
    }


def _class_totals(record: RunRecord) -> dict[str, int]:
    totals = dict.fromkeys(record.class_names, 0)
    for label in record.index.labels.tolist():
        totals[record.class_names[label]] += 1
    return totals


def _total_seconds(timings: Sequence[Mapping[str, Any] | None]) -> float | None:
    known = [float(timing["seconds"]) for timing in timings if timing is not None]
    return sum(known) if len(known) == len(timings) else None


# -- words for values; None is a dash -----------------------------------------------------------


def percent(share: float | None, digits: int = 1) -> str:
    """0.9731 -> `97.3%`."""
    return _ABSENT if share is None else f"{100 * share:.{digits}f}%"


def points(share: float | None) -> str:
    """A difference of two shares: -0.004 -> `−0.4 points`."""
    return _ABSENT if share is None else f"{100 * share:+.1f} points".replace("-", "−")


def count(value: int | None) -> str:
    """1234567 -> `1,234,567`."""
    return _ABSENT if value is None else f"{value:,}"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many digits after the point."""
    return _ABSENT if value is None else f"{value:.{digits}f}"
