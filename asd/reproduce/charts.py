"""The figures as SVG: bars of variants, curves along epochs, histograms of losses.

Words of `params.yaml` go into charts as data, never as markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asd.audit.charts import histogram_of, to_svg
from asd.audit.figures import LossPanel
from asd.reproduce.measured import Entry

if TYPE_CHECKING:
    import altair as alt

_COLOURS = ("#2f6690", "#c2410c", "#15803d", "#7c3aed", "#b45309", "#0e7490", "#be185d", "#64748b")
_TITLES = {"acc": "accuracy", "asr": "attack success"}


def bars(found: Sequence[Entry], name: str) -> str | None:
    """ACC and ASR of each variant, grouped by attack, with 95% intervals; None: nothing was run."""
    import altair as alt

    rows = [
        {
            "attack": entry.attack,
            "variant": entry.variant,
            "figure": figure,
            "mean": share.mean,
            "low": share.low,
            "high": share.high,
        }
        for entry in found
        for figure in _TITLES
        if (share := entry.share(figure)) is not None
    ]
    if not rows:
        return None
    variants = list(dict.fromkeys(entry.variant for entry in found))
    attacks = list(dict.fromkeys(entry.attack for entry in found))
    return to_svg(alt.hconcat(*(_bar_panel(rows, figure, variants, attacks) for figure in _TITLES)), name)


def _bar_panel(
    rows: Sequence[Mapping[str, Any]], figure: str, variants: list[str], attacks: list[str]
) -> alt.LayerChart:
    import altair as alt

    data = alt.Data(values=[dict(row) for row in rows if row["figure"] == figure])
    base = alt.Chart(data).encode(
        x=alt.X("attack:N", title=None, sort=attacks, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("variant:N", sort=variants),
    )
    drawn = base.mark_bar().encode(
        y=alt.Y("mean:Q", title=_TITLES[figure], scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        color=_colour("variant", variants),
    )
    intervals = base.mark_rule(color="#334155", strokeWidth=1.2).encode(y="low:Q", y2="high:Q")
    return alt.layer(drawn, intervals).properties(width=max(160, 90 * len(attacks)), height=220)


def curves(rows: Sequence[Mapping[str, Any]], names: Sequence[str], name: str, figures: Sequence[str]) -> str:
    """Lines along epochs, a row of panels per attack and a panel per figure.

    Args:
        rows: `{"attack", "variant", "epoch", "acc", "asr"}`, means over trials; a figure may be None.
        names: variants in the legend's order.
        figures: which of `acc` and `asr` are drawn.
    """
    import altair as alt

    attacks = dict.fromkeys(row["attack"] for row in rows)
    panels = [
        alt.hconcat(*(_curve_panel(rows, attack, figure, names) for figure in figures)) for attack in attacks
    ]
    return to_svg(alt.vconcat(*panels), name)


def _curve_panel(
    rows: Sequence[Mapping[str, Any]], attack: str, figure: str, names: Sequence[str]
) -> alt.Chart:
    import altair as alt

    own = [
        {"epoch": row["epoch"], "variant": row["variant"], "value": row[figure]}
        for row in rows
        if row["attack"] == attack and row[figure] is not None
    ]
    return (
        alt.Chart(alt.Data(values=own), title=attack)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y(
                "value:Q", title=_TITLES[figure], scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
            ),
            color=_colour("variant", list(names)),
        )
        .properties(width=380, height=190)
    )


def loss_histograms(panels: Sequence[LossPanel], name: str) -> str:
    """The paper's Figure 3: panels a to d, two in a row."""
    import altair as alt

    drawn = [histogram_of(p.bins, x_title=p.x_title, title=f"({p.letter}) {p.caption}") for p in panels]
    return to_svg(alt.vconcat(*(alt.hconcat(*drawn[i : i + 2]) for i in range(0, len(drawn), 2))), name)


def _colour(field: str, names: list[str]) -> alt.Color:
    import altair as alt

    colours = [_COLOURS[n % len(_COLOURS)] for n in range(len(names))]
    legend = alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=400, columns=4)
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=names, range=colours), legend=legend)
