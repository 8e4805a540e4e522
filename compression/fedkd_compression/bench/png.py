"""Panels as a PNG, by matplotlib, on a light ground."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkd_compression.bench.curves import MOST_BITS, Curve, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _MUTED, _GRID = "#1b1f24", "#59636e", "#e4e7eb"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b5609a", "#b98300", "#3d4650", _INK)
"""Of the groups in their order; apart from each other for colour-blind eyes, too."""
_MARKERS = ("o", "s", "^", "D")
_PANEL = (5.0, 3.9)
_LEGEND = 2.2
"""Inches."""
_DPI = 150
_TICKS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_STYLE: Any = {
    "font.size": 10.0,
    "text.color": _INK,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "figure.facecolor": "white",
}


def save(panels: Sequence[Panel], path: Path) -> None:
    """Draw panels in a grid: a line for unbiased operators, one for biased ones, a legend at the end of each."""
    import matplotlib
    from matplotlib.figure import Figure

    lines = [line for unbiased in (True, False) if (line := [each for each in panels if each.unbiased == unbiased])]
    columns = max(map(len, lines))
    with matplotlib.rc_context(_STYLE):
        size = (columns * _PANEL[0] + _LEGEND, len(lines) * _PANEL[1])
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(lines), columns, squeeze=False)
        for line, places in zip(lines, axes, strict=True):
            for panel, place in zip(line, places, strict=False):
                _draw(place, panel)
            for place in places[len(line) :]:
                place.set_axis_off()
            _legend(figure, places[len(line) - 1], line)
        _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    """256 colours are enough, and make the file a quarter as large."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def _draw(axes: Axes, panel: Panel) -> None:
    axes.plot(*zip(*panel.limits[1].points, strict=True), color=_MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
    axes.plot(*zip(*panel.limits[0].points, strict=True), color=_INK, linewidth=1.6)
    for curve in reversed(panel.curves):
        axes.plot(*zip(*curve.points, strict=True), **_look(curve))
    axes.set_yscale("log")
    axes.set_xlim(0, MOST_BITS)
    axes.set_ylim(panel.low, panel.high)
    axes.set_yticks([tick for tick in _TICKS if panel.low <= tick <= panel.high])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel("bits a coordinate, whole messages")
    axes.set_ylabel(panel.vertical)
    axes.set_title(panel.title)


def _look(curve: Curve) -> dict[str, Any]:
    colour = _COLOURS[curve.colour]
    return {
        "color": colour,
        "marker": _MARKERS[curve.marker % len(_MARKERS)],
        "markersize": 5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
        "linewidth": 1.5 if len(curve.points) > 1 else 0.0,
        "label": curve.name,
    }


def _legend(figure: Figure, axes: Axes, line: Sequence[Panel]) -> None:
    """The families of all panels of a line, and the limits, right of the last panel."""
    from matplotlib.lines import Line2D

    known = {curve.name: curve for panel in line for curve in panel.curves}
    handles = [
        Line2D([], [], color=_INK, linewidth=1.6, label=f"{line[0].limits[0].name}, Gaussian"),
        Line2D([], [], color=_MUTED, linewidth=1.0, linestyle=(0, (1, 2)), label=line[0].limits[1].name),
        *(Line2D([], [], **_look(curve)) for curve in known.values()),
    ]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
