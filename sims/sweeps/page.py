"""report.html of a sweep, in the style of a run's own: configurations side by side, and quality against bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedkd.records import curves, svg
from fedkd.records.page import TEMPLATE, Legend
from fedkd.records.summary import curve
from fedkd.records.tables import Table
from fedkd.records.units import is_accuracy, prefix, readable_bits, readable_metric, readable_seconds
from sims.sweeps.results import Group, Run, table

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

OWN = "page.html.j2"
SIZE = (6.4, 3.9)
"""Inches: one large figure."""
BAND = 0.18
"""Opacity of the spread over seeds."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A metric over the seeds of a configuration, evaluation by evaluation.

    Args:
        bits: up + down so far, their mean [n].
        mean: of the metric [n].
        deviation: its standard deviation over seeds [n]; 0 of one seed.
    """

    bits: Floats
    mean: Floats
    deviation: Floats

    @staticmethod
    def of(group: Group, metric: str) -> Mean:
        """As far as all of its runs go."""
        scale = 100.0 if is_accuracy(metric) else 1.0
        points = [found for run in group.done if len(found := _points(run, metric))]
        count = min(map(len, points), default=0)
        if not count:
            return Mean(*(np.empty(0) for _ in range(3)))
        bits, values = np.moveaxis(np.array([each[:count] for each in points]), -1, 0)
        deviation = values.std(axis=0, ddof=1) if len(points) > 1 else np.zeros(count)
        return Mean(bits.mean(axis=0), scale * values.mean(axis=0), scale * deviation)


def render(folder: Path, groups: Sequence[Group]) -> str:
    """The whole page."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    metrics = dict.fromkeys(group.metric for group in groups if group.metric)
    drawn = [group for group in groups if group.done]
    runs = [run for group in groups for run in group.runs]
    return page.from_string((Path(__file__).parent / OWN).read_text(encoding="utf-8")).render(
        style=_style(),
        name=folder.name,
        words=_words(runs),
        done=sum(run.state == "done" for run in runs),
        count=len(runs),
        legend=[Legend(group.label, i % len(svg.SERIES), curves.dash(i)) for i, group in enumerate(drawn)],
        figures=[picture(drawn, metric) for metric in metrics],
        groups=table(groups),
        runs=_each(runs),
        seeds=max((len(group.runs) for group in groups), default=0),
    )


def picture(groups: Sequence[Group], metric: str) -> Markup:
    """The metric against all bits so far: a curve a configuration, a band of one deviation to either side."""
    from markupsafe import Markup
    from matplotlib.figure import Figure

    means = [Mean.of(group, metric) for group in groups]
    with svg.style():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        unit = _horizontal(axes, [each.bits[-1] for each in means if len(each.bits)])
        for place, each in reversed(list(enumerate(means))):
            _draw(axes, each, unit, place)
        if metric == "excess_loss" and any((each.mean > 0).any() for each in means):
            axes.set_yscale("log", nonpositive="mask")
        axes.set_title(curves.title(metric))
        # A figure holds numbers and our own words only: nothing here needs to be escaped.
        return Markup(svg.inline(figure, f"{metric}-bits", f"{curves.title(metric)} against bits"))  # noqa: S704


def _draw(axes: Axes, found: Mean, unit: float, place: int) -> None:
    colour = svg.SERIES[place % len(svg.SERIES)]
    x, dots = found.bits / unit, "o" if len(found.bits) <= curves.MARKERS else ""
    low, high = found.mean - found.deviation, found.mean + found.deviation
    if found.deviation.any():
        axes.fill_between(x, low, high, color=colour, alpha=BAND, linewidth=0)
    axes.plot(x, found.mean, color=colour, linestyle=curves.DASHES[curves.dash(place)], marker=dots, markersize=3.2)


def _horizontal(axes: Axes, ends: Sequence[float]) -> float:
    """Bits are on a logarithmic axis when one configuration sends many times more than another."""
    if ends and max(ends) > curves.WIDE * min(ends):
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(lambda bits, _: readable_bits(bits))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("up + down")
        return 1.0
    scale, letter = prefix(max(ends, default=0.0))
    axes.set_xlabel(f"{letter}bit up + down")
    return scale


def _points(run: Run, metric: str) -> list[tuple[float, float]]:
    """Bits so far and value of every evaluation."""
    assert run.history is not None
    bits = list(accumulate(8.0 * report.bytes_total for report in run.history.reports))
    return [(bits[index], value) for index, value in curve(run.history.reports, metric)]


def _each(runs: Sequence[Run]) -> Table:
    """A line a run; its folder is linked by the template."""
    head = ("run", "state", "rounds", "metric", "up", "down", "time", "folder")
    return Table(head, [_line(run) for run in runs])


def _line(run: Run) -> tuple[str, ...]:
    value = readable_metric(run.metric, run.value) if math.isfinite(run.value) else "–"
    state = f"{run.state}: {run.message}" if run.message else run.state
    numbers = readable_bits(run.bits_up), readable_bits(run.bits_down), readable_seconds(run.seconds)
    return (run.plan.name, state, f"{run.rounds} of {run.plan.rounds}", value, *numbers, run.plan.folder.name)


def _words(runs: Sequence[Run]) -> str:
    """What the runs have in common, as far as one that has begun says it."""
    known = [run.history.manifest for run in runs if run.history is not None]
    return (
        " · ".join(dict.fromkeys(str(each) for each in (known[0]["task"].lower(), known[0]["data"]))) if known else ""
    )


def _style() -> str:
    """The style sheet of a run's report."""
    text = resources.files("fedkd.records").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return text.partition("<style>")[2].partition("</style>")[0]
