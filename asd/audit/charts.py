"""Charts as SVG text, drawn by altair and vl-convert without a browser or a network.

No text of a stranger goes into a chart: axes and groups have our own words only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asd.audit.histograms import Histogram

if TYPE_CHECKING:
    import altair as alt

CLEAN_COLOUR = "#2f6690"
POISON_COLOUR = "#c2410c"
PLAIN_COLOUR = "#64748b"

_COLOURS = {
    "clean": CLEAN_COLOUR,
    "not planted": PLAIN_COLOUR,
    "all samples": CLEAN_COLOUR,
    "poisoned": POISON_COLOUR,
}
_LOWEST_TOP = 5  # samples; a count that stays 0 shall look like 0
_FONT = "Helvetica, Arial, sans-serif"


def histogram_chart(bins: Histogram, *, x_title: str, name: str) -> str:
    """Overlaid histograms with a logarithmic count axis."""
    return to_svg(histogram_of(bins, x_title=x_title), name)


def histogram_of(bins: Histogram, *, x_title: str, title: str = "") -> alt.Chart:
    """The same as a chart, to be put beside others."""
    import altair as alt

    rows = [
        {"group": group, "low": low, "high": high, "count": count, "floor": 0.7}
        for group, counts in bins.counts.items()
        for low, high, count in zip(bins.edges, bins.edges[1:], counts, strict=False)
        if count
    ]
    highest = max((count for counts in bins.counts.values() for count in counts), default=1)
    return (
        alt.Chart(alt.Data(values=rows), title=title or alt.Undefined)
        .mark_rect(opacity=0.62, stroke="white", strokeWidth=0.4)
        .encode(
            x=alt.X(
                "low:Q", title=x_title, scale=alt.Scale(domain=[bins.edges[0], bins.edges[-1]], nice=False)
            ),
            x2="high:Q",
            y=alt.Y(
                "count:Q",
                title="samples (log)",
                scale=alt.Scale(type="log", domain=[0.7, max(10, highest) * 1.3], nice=False),
                axis=alt.Axis(values=_powers_of_ten(highest), format=",d"),
            ),
            y2="floor:Q",
            color=_colour(list(bins.counts)),
        )
        .properties(width=390, height=150)
    )


def line_chart(
    rows: Sequence[Mapping[str, Any]],
    colours: Mapping[str, str],
    *,
    y_title: str,
    name: str,
    borders: Sequence[tuple[float, str]] = (),
    percent: bool = False,
    x_title: str = "epoch",
) -> str:
    """Lines over epochs.

    Args:
        rows: `{"epoch", "series", "value"}`; a series without rows still has its place in the legend.
        colours: series -> colour, in the legend's order.
        y_title: words at the y axis.
        name: unique on the page.
        borders: epochs at which a stage begins, with the stage's name.
        percent: the values are fractions; the axis runs from 0 to 100%.
        x_title: words at the x axis.
    """
    import altair as alt

    highest = 1 if percent else max([_LOWEST_TOP, *(row["value"] * 1.05 for row in rows)])
    first = min([row["epoch"] for row in rows], default=0)
    last = max([row["epoch"] for row in rows], default=1)
    x_scale = alt.Scale(domain=[first, max(last, first + 1)], nice=False)
    y_scale = alt.Scale(domain=[0, highest], nice=False)
    lines = (
        alt.Chart(alt.Data(values=[dict(row) for row in rows]))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("epoch:Q", title=x_title, scale=x_scale, axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y(
                "value:Q",
                title=y_title,
                scale=y_scale,
                axis=alt.Axis(format="%" if percent else ",d", tickMinStep=0 if percent else 1),
            ),
            color=_colour(list(colours), colours),
        )
        .properties(width=860, height=190)
    )
    return to_svg(alt.layer(*_stage_borders(borders), lines) if borders else lines, name)


def _stage_borders(borders: Sequence[tuple[float, str]]) -> list[alt.Chart]:
    import altair as alt

    data = alt.Data(values=[{"epoch": epoch, "stage": name} for epoch, name in borders])
    rule = alt.Chart(data).mark_rule(color="#94a3b8", strokeDash=[4, 3]).encode(x="epoch:Q")
    text = (
        alt.Chart(data)
        .mark_text(align="left", dx=4, dy=-3, fontSize=10, color="#64748b", baseline="bottom")
        .encode(x="epoch:Q", y=alt.value(0), text="stage:N")
    )
    return [rule, text]


def _colour(groups: list[str], colours: Mapping[str, str] = _COLOURS) -> alt.Color:
    import altair as alt

    scale = alt.Scale(domain=groups, range=[colours[group] for group in groups])
    key = "series" if colours is not _COLOURS else "group"
    return alt.Color(
        f"{key}:N", scale=scale, legend=alt.Legend(title=None, orient="top", direction="horizontal")
    )


def _powers_of_ten(highest: int) -> list[int]:
    return [10**power for power in range(len(str(highest)) + 1) if 10**power <= max(10, highest) * 1.3]


def to_svg(chart: alt.TopLevelMixin, name: str) -> str:
    """Draw; the result has no outside references, and ids that no other chart of the page has."""
    import vl_convert

    styled = (
        chart.configure(font=_FONT, background="transparent")
        .configure_view(strokeOpacity=0)
        .configure_axis(
            labelFontSize=10,
            titleFontSize=11,
            titleFontWeight="normal",
            gridColor="#e5e9f0",
            domainColor="#94a3b8",
            tickColor="#94a3b8",
            labelColor="#334155",
            titleColor="#334155",
        )
        .configure_legend(
            labelFontSize=11, labelColor="#334155", symbolSize=80, fillColor="#ffffff", padding=4
        )
    )
    svg: str = vl_convert.vegalite_to_svg(styled.to_dict())
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
