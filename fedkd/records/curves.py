"""Curves of runs: quality against rounds, bits, time and virtual time, and what clients report against rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from fedkd.records import svg
from fedkd.records.history import History
from fedkd.records.summary import curve
from fedkd.records.units import is_accuracy, prefix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Against = Literal["rounds", "bits", "time", "virtual time"]
DASHES = ("solid", (0, (5, 2)), (0, (1, 1.6)))
SIZE = (4.0, 2.7)
"""Inches; a phone shows it at about its natural size."""
MARKERS = 30
"""Up to so many points, each one has a dot."""
ROUNDING = 1e-5
"""Numbers that are this close, relative to their size, are equal."""
WIDE = 8
"""Bits, or virtual seconds, are on a logarithmic axis when one run ends with so many times more than another."""
UNITS = ((3 * 3600, 3600.0, "hours"), (300, 60.0, "minutes"), (0, 1.0, "seconds"))
"""From how many seconds on, seconds in one, and its name."""


@dataclass(frozen=True)
class Curve:
    """Points of one run."""

    x: Sequence[float]
    y: Sequence[float]


def quality(runs: Sequence[History], metric: str, against: Against, reference: float | None) -> str:
    """A metric of every run against rounds, bits up + down so far, or seconds so far, measured or virtual, as SVG.

    Args:
        runs: the first one is drawn in front.
        metric: accuracies are in percent, excess loss on a logarithmic axis.
        against: what the horizontal axis counts.
        reference: a level to compare with, such as the teacher's accuracy.
    """
    from matplotlib.figure import Figure

    scale = 100.0 if is_accuracy(metric) else 1.0
    with svg.style():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        curves = [_points(run, metric, against, scale) for run in runs]
        unit = _horizontal(axes, curves, against)
        _draw(axes, curves, unit)
        if reference is not None:
            _level(axes, scale * reference, "teacher")
        if metric == "excess_loss" and any(y > 0 for one in curves for y in one.y):
            axes.set_yscale("log", nonpositive="mask")
        axes.set_title(title(metric))
        name = f"{metric}-{against.replace(' ', '-')}"
        return svg.inline(figure, name, f"{title(metric)} against {against}")


def diagnostic(runs: Sequence[History], name: str) -> str:
    """One of the numbers that clients report, of every run that has it, against rounds, as SVG."""
    from matplotlib.figure import Figure

    with svg.style():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        curves = [_reported(run, name) for run in runs]
        _draw(axes, curves, 1.0)
        _rounds(axes)
        axes.set_title(title(name))
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=False)
        _flatten(axes, [y for one in curves for y in one.y])
        return svg.inline(figure, f"diagnostic-{name}", f"{title(name)} against rounds")


def _flatten(axes: Axes, values: Sequence[float]) -> None:
    """Draw what differs only by rounding as a level line, such as the diagnostics of a frozen teacher."""
    size = max(map(abs, values), default=0.0)
    if size and max(values) - min(values) <= ROUNDING * size:
        axes.set_ylim(min(values) - size / 10, max(values) + size / 10)


def title(metric: str) -> str:
    """A metric's name as a heading."""
    text = metric.replace("_", " ")
    text = text if text.isupper() else text[:1].upper() + text[1:]
    return f"{text}, %" if is_accuracy(metric) else text


def has(run: History, name: str) -> bool:
    """Whether clients of this run report a number of this name."""
    return any(name in report.diagnostics for report in run.reports)


def dash(index: int) -> int:
    """Which dash the curve of run ``index`` has."""
    return index // len(svg.SERIES) % len(DASHES)


def passes(run: History) -> bool:
    """Whether virtual time passes in this run."""
    return any(report.virtual_seconds > 0 for report in run.reports)


def _points(run: History, metric: str, against: Against, scale: float) -> Curve:
    if against == "virtual time" and not passes(run):
        return Curve([], [])
    known = curve(run.reports, metric)
    x = _so_far(run, against)
    return Curve([x[index] for index, _ in known], [scale * value for _, value in known])


def _so_far(run: History, against: Against) -> list[float]:
    """What the horizontal axis says after each round."""
    if against == "rounds":
        return [report.round + 1.0 for report in run.reports]
    if against == "bits":
        return list(accumulate(8.0 * report.bytes_total for report in run.reports))
    if against == "time":
        return list(accumulate(report.seconds for report in run.reports))
    return list(accumulate(report.virtual_seconds for report in run.reports))


def _reported(run: History, name: str) -> Curve:
    known = [report for report in run.reports if name in report.diagnostics]
    return Curve([report.round + 1.0 for report in known], [report.diagnostics[name] for report in known])


def _horizontal(axes: Axes, curves: Sequence[Curve], against: Against) -> float:
    """Label the horizontal axis; the result is what its values are divided by."""
    if against == "rounds":
        _rounds(axes)
        return 1.0
    ends = [one.x[-1] for one in curves if one.x]
    longest = max(ends, default=0.0)
    wide = against != "time" and bool(ends) and longest > WIDE * min(ends)
    if wide:
        axes.set_xscale("log")
    if against == "bits":
        return _bits(axes, longest, wide)
    unit, name = next((unit, name) for least, unit, name in UNITS if longest >= least)
    axes.set_xlabel(f"virtual {name}" if against == "virtual time" else name)
    if wide:
        axes.xaxis.set_major_formatter("{x:g}")
    return unit


def _bits(axes: Axes, most: float, wide: bool) -> float:
    if wide:
        axes.xaxis.set_major_formatter(lambda bits, _: _round_bits(bits))
        axes.set_xlabel("up + down")
        return 1.0
    scale, letter = prefix(most)
    axes.set_xlabel(f"{letter}bit up + down")
    return scale


def _rounds(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))


def _round_bits(bits: float) -> str:
    scale, letter = prefix(bits)
    return f"{bits / scale:g} {letter}bit"


def _draw(axes: Axes, curves: Sequence[Curve], unit: float) -> None:
    """The curves, the first one on top."""
    for index, one in reversed(list(enumerate(curves))):
        axes.plot(
            [x / unit for x in one.x],
            one.y,
            color=svg.SERIES[index % len(svg.SERIES)],
            linestyle=DASHES[dash(index)],
            marker="o" if len(one.x) <= MARKERS else "",
            markersize=3.2,
            linewidth=2.0 if index == 0 else 1.4,
        )


def _level(axes: Axes, value: float, text: str) -> None:
    axes.axhline(value, color=svg.MUTED, linewidth=0.9, linestyle=(0, (1, 1.6)))
    axes.annotate(
        text,
        (1, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2.5),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=svg.MUTED,
    )
