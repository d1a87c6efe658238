"""The paper's Figure 2 for this pipeline: the steps of `dvc.yaml` and what they hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.audit.charts import CLEAN_COLOUR, POISON_COLOUR, to_svg
from asd.errors import ParamsError

if TYPE_CHECKING:
    import altair as alt

TRUTH = "data/truth/"
_WIDE, _HIGH, _STEP = 1.0, 2.0, 1.45


@dataclass(frozen=True)
class Drawn:
    """Steps from first to last, and who reads what.

    Attributes:
        steps: name -> what it is repeated over (`dataset`, `attack`, ...).
        edges: (maker, reader, whether what is read is the truth), each once.
    """

    steps: dict[str, tuple[str, ...]]
    edges: tuple[tuple[str, str, bool], ...]


def read_pipeline(path: Path) -> Drawn:
    """The steps of a `dvc.yaml`, in its order.

    Raises:
        ParamsError: it is not a pipeline.
    """
    import yaml

    try:
        stages = yaml.safe_load(path.read_text())["stages"]
        steps = {name: tuple(stage.get("matrix", {})) for name, stage in stages.items()}
        makers = {out: name for name, stage in stages.items() for out in _paths(stage, "outs", "metrics")}
        read = {name: _paths(stage, "deps") for name, stage in stages.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ParamsError(f"{path} is no pipeline: {type(error).__name__}: {error}") from error
    found = {
        (makers[dep], name, dep.startswith(TRUTH)): None
        for name, deps in read.items()
        for dep in deps
        if dep in makers
    }
    return Drawn(steps, tuple(found))


def _paths(stage: Mapping[str, Any], *sections: str) -> list[str]:
    """Paths of `deps`, `outs` or `metrics`, which are texts or mappings with one key."""
    listed = [item for section in sections for item in stage.get(section, [])]
    return [item if isinstance(item, str) else next(iter(item)) for item in listed]


def draw(found: Drawn, name: str) -> str:
    """Boxes in a row; arcs above hand on data, arcs below (red) the truth about what was planted."""
    import altair as alt

    places = {step: number * _STEP for number, step in enumerate(found.steps)}
    boxes = [
        {"x": x, "x2": x + _WIDE, "y": 0.0, "y2": _HIGH, "middle": x + _WIDE / 2, "step": step,
         "over": " x ".join(found.steps[step])}
        for step, x in places.items()
    ]  # fmt: skip
    longest = max([abs(places[b] - places[a]) for a, b, _ in found.edges], default=1.0)
    scale = alt.Scale(domain=[-longest / 3 - 0.5, _HIGH + longest / 3 + 0.5], nice=False)
    arcs = [
        {"edge": number, "order": n, "x": x, "y": y, "kind": "truth" if truth else "data"}
        for number, (maker, reader, truth) in enumerate(found.edges)
        for n, (x, y) in enumerate(_arc(places[maker] + 0.7 * _WIDE, places[reader] + 0.3 * _WIDE, truth))
    ]
    layers = alt.layer(_arcs(arcs, scale), *_boxes(boxes, scale))
    return to_svg(layers.properties(width=max(300, 100 * len(places)), height=330), name)


def _arc(start: float, end: float, below: bool) -> list[tuple[float, float]]:
    """Points of half an ellipse from one box to another, 25 of them."""
    import math

    middle, half = (start + end) / 2, (end - start) / 2
    border, sign = (0.0, -1.0) if below else (_HIGH, 1.0)
    angles = [math.pi * n / 24 for n in range(25)]
    return [(middle - half * math.cos(a), border + sign * 2 * half / 3 * math.sin(a)) for a in angles]


def _arcs(arcs: list[dict[str, Any]], scale: alt.Scale) -> alt.Chart:
    import altair as alt

    colour = alt.Scale(domain=["data", "truth"], range=[CLEAN_COLOUR, POISON_COLOUR])
    return (
        alt.Chart(alt.Data(values=arcs))
        .mark_line(strokeWidth=1.4, opacity=0.75)
        .encode(
            x=alt.X("x:Q", axis=None),
            y=alt.Y("y:Q", axis=None, scale=scale),
            detail="edge:N",
            order="order:Q",
            color=alt.Color("kind:N", scale=colour, legend=alt.Legend(title=None, orient="top")),
        )
    )


def _boxes(boxes: list[dict[str, Any]], scale: alt.Scale) -> list[alt.Chart]:
    import altair as alt

    data = alt.Data(values=boxes)
    bottom, top = (alt.Y(f"{end}:Q", axis=None, scale=scale) for end in ("y", "y2"))
    box = alt.Chart(data).mark_rect(fill="#f1f5f9", stroke="#334155", cornerRadius=4)
    step = alt.Chart(data).mark_text(dy=6, baseline="top", fontSize=12, fontWeight="bold")
    over = alt.Chart(data).mark_text(dy=21, baseline="top", fontSize=8, color="#475569", lineBreak=" x ")
    return [
        box.encode(x=alt.X("x:Q", axis=None), x2="x2:Q", y=bottom, y2="y2:Q"),
        step.encode(x="middle:Q", y=top, text="step:N"),
        over.encode(x="middle:Q", y=top, text="over:N"),
    ]
