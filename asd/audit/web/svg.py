"""Charts as small inline SVG, each with its figures as a table.

Not altair, which draws the report: its SVG holds inline styles, which the page's policy forbids,
and fixed colours. These take their colours from the style sheet, so that one drawing serves light
and dark, and are cheap enough to draw anew for every request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

WIDTH, HEIGHT = 440, 204
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 12, 28, 34
_MOST_POINTS = 400
_MOST_ROWS = 400

Format = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """A line: its name, a colour class of the style sheet, and points; None breaks it."""

    name: str
    colour: str
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True)
class Chart:
    """A drawing and what it says in words.

    Attributes:
        svg: the drawing.
        title: what it shows.
        legend: (colour class, name) of each line or group.
        head: of the table.
        rows: of the table.
        truth: it shows what is known only because it was planted.
        note: a sentence below it.
    """

    svg: Markup
    title: str
    legend: tuple[tuple[str, str], ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    truth: bool = False
    note: str = ""


def plain(value: float) -> str:
    """1234567 -> `1,234,567`, 0.25 -> `0.25`."""
    if abs(value) >= 1000 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(value: float) -> str:
    """0.973 -> `97.3%`."""
    return f"{100 * value:.1f}%".replace(".0%", "%")


@dataclass(frozen=True)
class Axes:
    """What a chart is drawn in.

    Attributes:
        title: what it shows.
        x: words at the x axis.
        y: words at the y axis.
        format_y: y values as text.
        span_y: lowest and highest y; None: 0 and the highest value.
        borders: x at which a stage begins, with the stage's name.
        truth: it shows what is known only because it was planted.
        note: a sentence below it.
    """

    title: str
    x: str = "epoch"
    y: str = ""
    format_y: Format = plain
    span_y: tuple[float, float] | None = None
    borders: tuple[tuple[float, str], ...] = ()
    truth: bool = False
    note: str = ""


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def line_chart(axes: Axes, series: Sequence[Series]) -> Chart:
    """Lines over epochs, with the borders of the stages."""
    xs = [x for one in series for x, _ in one.points] or [0.0]
    ys = [y for one in series for _, y in one.points if y is not None]
    low, high = axes.span_y or (min(0.0, *ys, 0.0), max([*ys, 0.0]) * 1.05 or 1.0)
    x = _Scale(min(xs), max(max(xs), min(xs) + 1), _LEFT, WIDTH - _RIGHT)
    y = _Scale(low, high if high > low else low + 1, HEIGHT - _BOTTOM, _TOP)
    parts = [_frame(axes, x, y), _borders(axes.borders, x)]
    parts.extend(_line(one, x, y) for one in series)
    values = [dict(one.points) for one in series]
    rows = tuple(
        (plain(at), *(_cell(points.get(at), axes.format_y) for points in values))
        for at in sorted(set(xs))[:_MOST_ROWS]
    )
    return Chart(
        _svg(axes.title, parts),
        axes.title,
        tuple((one.colour, one.name) for one in series),
        (axes.x, *(one.name for one in series)),
        rows,
        axes.truth,
        axes.note,
    )


def _cell(value: float | None, format_y: Format) -> str:
    return "–" if value is None else format_y(value)


def _line(series: Series, x: _Scale, y: _Scale) -> Markup:
    points = _thinned(series.points)
    runs: list[list[str]] = [[]]
    for at, value in points:
        if value is None or not math.isfinite(value):
            runs.append([])
        else:
            runs[-1].append(f"{x(at):.1f},{y(value):.1f}")
    drawn = Markup("").join(
        Markup('<polyline class="line {}" points="{}"/>').format(series.colour, " ".join(run))
        for run in runs
        if len(run) > 1
    )
    dots = Markup("").join(
        Markup('<circle class="dot {}" cx="{}" cy="{}" r="1.8"/>').format(
            series.colour, *run_point.split(",")
        )
        for run in runs
        for run_point in run
        if len(points) <= 80
    )
    return drawn + dots


def _thinned(points: Sequence[tuple[float, float | None]]) -> Sequence[tuple[float, float | None]]:
    step = -(-len(points) // _MOST_POINTS)
    return points if step <= 1 else [*points[::step], points[-1]]


@dataclass(frozen=True)
class Bars:
    """Counts of several groups over the same bins; `cut` is where the pool ended, with words."""

    edges: tuple[float, ...]
    counts: dict[str, tuple[int, ...]]
    colours: dict[str, str]
    cut: tuple[float, str] | None = field(default=None)


def histogram_chart(axes: Axes, bars: Bars) -> Chart:
    """Overlaid histograms with a logarithmic count axis; the cut is a line."""
    highest = max((n for counts in bars.counts.values() for n in counts), default=1)
    x = _Scale(bars.edges[0], bars.edges[-1], _LEFT, WIDTH - _RIGHT)
    y = _Scale(math.log10(0.7), math.log10(max(10, highest) * 1.3), HEIGHT - _BOTTOM, _TOP)
    parts = [_frame(axes, x, y, powers=highest)]
    floor = HEIGHT - _BOTTOM
    for group, counts in bars.counts.items():
        for low, high, count in zip(bars.edges, bars.edges[1:], counts, strict=False):
            if count:
                top = y(math.log10(count))
                parts.append(
                    Markup(
                        '<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
                    ).format(
                        bars.colours[group],
                        x(low),
                        top,
                        max(0.8, x(high) - x(low) - 0.6),
                        max(0.0, floor - top),
                    )
                )
    if bars.cut is not None:
        parts.append(_cut(bars.cut, x))
    rows = tuple(
        (f"{low:.3g} to {high:.3g}", *(f"{counts[i]:,}" for counts in bars.counts.values()))
        for i, (low, high) in enumerate(zip(bars.edges, bars.edges[1:], strict=False))
    )
    return Chart(
        _svg(axes.title, parts),
        axes.title,
        tuple((bars.colours[group], group) for group in bars.counts),
        (axes.x, *bars.counts),
        rows,
        axes.truth,
        axes.note,
    )


def _cut(cut: tuple[float, str], x: _Scale) -> Markup:
    at = x(cut[0])
    left = at > WIDTH * 0.6
    return Markup(
        '<line class="cut" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
        '<text class="cut-text" x="{3:.1f}" y="{4}" text-anchor="{5}">{6}</text>'
    ).format(
        at, _TOP - 4, HEIGHT - _BOTTOM, at + (-4 if left else 4), _TOP + 2, "end" if left else "start", cut[1]
    )


def strip_chart(
    title: str, epochs: Sequence[float], inside: Sequence[bool], borders: Sequence[tuple[float, str]]
) -> Chart:
    """In or out of the clean pool, epoch by epoch, as a strip."""
    x = _Scale(min(epochs, default=0), max(epochs, default=0) + 1, _LEFT, WIDTH - _RIGHT)
    parts = [
        Markup('<rect class="strip {}" x="{:.1f}" y="31" width="{:.1f}" height="20"/>').format(
            "in" if is_in else "out", x(epoch), max(1.0, x(epoch + 1) - x(epoch) - 0.7)
        )
        for epoch, is_in in zip(epochs, inside, strict=True)
    ]
    parts.append(_borders(borders, x, bottom=54))
    parts += [
        Markup('<text class="tick" x="{:.1f}" y="68" text-anchor="middle">{}</text>').format(
            x(at + 0.5), plain(at)
        )
        for at in _ticks(min(epochs, default=0), max(epochs, default=1), whole=True)
        if at <= max(epochs, default=0)
    ]
    rows = tuple((plain(e), "in" if i else "out") for e, i in zip(epochs, inside, strict=True))
    return Chart(
        _svg(title, parts, height=74),
        title,
        (("in", "in the clean pool"), ("out", "out of it")),
        ("epoch", "pool"),
        rows,
    )


# -- pieces ------------------------------------------------------------------------------------


def _svg(title: str, parts: Sequence[Markup], height: int = HEIGHT) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, title, Markup("").join(parts)
    )


def _frame(axes: Axes, x: _Scale, y: _Scale, powers: int | None = None) -> Markup:
    bottom = HEIGHT - _BOTTOM
    if powers is None:
        ticks = [
            (at, axes.format_y(at))
            for at in _ticks(y.low, y.high, whole=axes.format_y is plain and y.high > 4)
        ]
    else:
        ticks = [(float(n), f"{10**n:,}") for n in range(len(str(powers)) + 1) if n <= y.high]
    parts = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(_LEFT, WIDTH - _RIGHT, y(at), y(at), _LEFT - 5, y(at) + 3.5, text)
        for at, text in ticks
    ]
    parts += [
        Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x(at), bottom + 14, plain(at)
        )
        for at in _ticks(x.low, x.high, whole=axes.x == "epoch")
    ]
    parts.append(
        Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _LEFT, WIDTH - _RIGHT, bottom, bottom
        )
    )
    parts.append(
        Markup('<text class="axis-title" x="{}" y="{}" text-anchor="end">{}</text>').format(
            WIDTH - _RIGHT, HEIGHT - 4, axes.x
        )
    )
    if axes.y:
        parts.append(Markup('<text class="axis-title" x="2" y="9">{}</text>').format(axes.y))
    return Markup("").join(parts)


def _borders(borders: Sequence[tuple[float, str]], x: _Scale, bottom: int = HEIGHT - _BOTTOM) -> Markup:
    return Markup("").join(
        Markup(
            '<line class="border" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
            '<text class="border-text" x="{3:.1f}" y="{1}">{4}</text>'
        ).format(x(at), _TOP - 3, bottom, x(at) + 3, name)
        for at, name in borders
    )


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Up to six round values from low to high."""
    rough = (high - low) / 5 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999), 10 * power)
    if whole:
        step = max(1.0, float(math.ceil(step)))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]
