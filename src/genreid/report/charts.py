"""Line charts as SVG text, which stretch to any width while their letters keep their size.

The `<svg>` is the plot area itself; ticks and labels stand at percentages of it and hang over its edges,
into the margin that the style sheet leaves. The curves lie in a nested `<svg>` whose square of 1000 x 1000
units is stretched to the plot area. Colours and strokes belong to the style sheet: class `cN` is colour N,
`dN` dash N.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from genreid.report.curves import (
    bulk_range,
    round_ticks,
    short_number,
    smooth,
    thin_out,
)
from genreid.report.loss_log import Point

COLOURS, DASHES = 8, 4
"""Strokes of the style sheet."""
_UNITS = 1000
_CMC_TICKS = (1, 5, 10, 20, 30, 40, 50)


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        label: What the legend calls it.
        points: By rising x.
        stroke: Which colour and dash, from 0.
    """

    label: str
    points: tuple[Point, ...]
    stroke: int = 0


@dataclass(frozen=True)
class Axes:
    """What a chart's axes show.

    Attributes:
        x: Ticks by rising value; the first and the last are the edges.
        y: The same upwards.
        x_name: Under the x axis.
        unit: Behind each number at the y axis, such as `%`.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    x_name: str
    unit: str = ""


def stroke_classes(stroke: int) -> str:
    """Return the classes that give a line its colour and dash; the first 32 differ from one another.

    Args:
        stroke: From 0.
    """
    return f"c{stroke % COLOURS} d{(stroke + stroke // COLOURS) % DASHES}"


def cmc_chart(curves: Sequence[Curve], description: str) -> Markup:
    """Draw CMC curves.

    Args:
        curves: x: rank from 1; y: percent.
        description: What somebody is told who cannot see it.
    """
    last = max(2.0, *(point.x for curve in curves for point in curve.points))
    least = min(point.y for curve in curves for point in curve.points)
    axes = Axes(_ending_at(last, _CMC_TICKS, 0.1), tuple(round_ticks(least, 100.0)), "rank", " %")
    return line_chart(curves, axes, description)


def loss_chart(curves: Sequence[Curve], description: str) -> Markup:
    """Draw one loss term: the running mean strong, the values themselves faint.

    Args:
        curves: x: iteration; y: the term's value; one curve for each run.
        description: What somebody is told who cannot see it.
    """
    mean = [Curve(curve.label, tuple(smooth(curve.points)), curve.stroke) for curve in curves]
    low, high = bulk_range([point.y for curve in curves for point in curve.points])
    smoothed = [point.y for curve in mean for point in curve.points]
    y = round_ticks(min(low, *smoothed), max(high, *smoothed), 4)
    last = max(1.0, *(point.x for curve in curves for point in curve.points))
    axes = Axes(_ending_at(last, round_ticks(0.0, last, 4), 0.2), tuple(y), "iteration")
    return line_chart(mean, axes, description, faint=curves)


def line_chart(
    curves: Sequence[Curve], axes: Axes, description: str, *, faint: Sequence[Curve] = ()
) -> Markup:
    """Draw lines over a grid.

    Args:
        curves: The lines; those with many points are thinned out.
        axes: Ticks and names.
        description: What somebody is told who cannot see it.
        faint: Lines that are drawn weakly, under the others.

    Returns:
        An `<svg class="chart">`; every text in it is escaped.
    """
    lines = [_polyline(curve, axes, " faint") for curve in faint] + [_polyline(c, axes, "") for c in curves]
    inner = Markup('<svg viewBox="0 0 {0} {0}" preserveAspectRatio="none">{1}</svg>').format(
        _UNITS, Markup("").join(lines)
    )
    return Markup('<svg class="chart" role="img" aria-label="{}">{}{}</svg>').format(
        description, _grid(axes), inner
    )


def _ending_at(last: float, ticks: Sequence[float], room: float) -> tuple[float, ...]:
    """Return the ticks up to the last value and that itself, with room (a share of the axis) before it."""
    return (*(float(tick) for tick in ticks if last - tick > room * (last - ticks[0])), last)


def _grid(axes: Axes) -> Markup:
    """Return grid lines and the numbers at their ends."""
    parts = []
    for value in axes.y:
        at = f"{100 - 100 * _place(value, axes.y):.2f}%"
        line = Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(at)
        number = Markup('<text class="y" x="-6" y="{}" dy="0.35em">{}{}</text>')
        parts += [line, number.format(at, short_number(value), axes.unit)]
    for value in axes.x:
        at = f"{100 * _place(value, axes.x):.2f}%"
        tick = Markup('<line class="tick" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(at)
        number = Markup('<text class="x" x="{}" y="100%" dy="1.4em">{}</text>')
        parts += [tick, number.format(at, short_number(value))]
    name = Markup('<text class="name" x="100%" y="100%" dy="2.7em">{}</text>').format(axes.x_name)
    return Markup("").join([*parts, name])


def _polyline(curve: Curve, axes: Axes, extra: str) -> Markup:
    """Return one curve, cut off at the upper and lower edge; a single point becomes a dot."""
    places = [
        f"{_UNITS * _place(point.x, axes.x):.1f},{_UNITS * (1 - min(1, max(0, _place(point.y, axes.y)))):.1f}"
        for point in thin_out(curve.points)
    ]
    if len(places) == 1:
        places *= 2  # with round line caps this is a dot
    classes = f"line {stroke_classes(curve.stroke)}{extra}"
    return Markup('<polyline class="{}" points="{}"><title>{}</title></polyline>').format(
        classes, escape(" ".join(places)), curve.label
    )


def _place(value: float, ticks: Sequence[float]) -> float:
    """Return where a value stands between the first tick (0) and the last (1)."""
    return (value - ticks[0]) / ((ticks[-1] - ticks[0]) or 1.0)
