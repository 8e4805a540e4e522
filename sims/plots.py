"""Figures and pages of studies: curves with their spread over seeds, as PNG and in one HTML file."""

from __future__ import annotations

import base64
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedkd.durable import replace_bytes, replace_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from rich.table import Table as Rendered

COLOURS = ("#1668b8", "#b8551c", "#3f8f4f", "#7a4fa3", "#8a6d1f", "#c0396b", "#2a9d9d", "#59636e", "#a33b3b")
PANEL = (4.4, 3.2)
"""Inches of one panel."""
LEGEND_LINE = 0.18
"""Inches that a line of a panel's own legend takes."""
STYLE = """body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;font-size:.9rem;display:block;overflow-x:auto}
td,th{padding:.25rem .7rem;border-bottom:1px solid #d8dee4;text-align:right}
td:first-child,th:first-child{text-align:left}
img{max-width:100%}pre{background:#f6f8fa;padding:.6rem;overflow-x:auto}"""

SHORT = 100.0
"""A logarithmic axis whose ends differ by less than this factor is labelled with plain numbers."""


@dataclass(frozen=True)
class Curve:
    """What several seeds did under one name.

    Args:
        x: one array a seed, of equal lengths.
        y: likewise.
        look: curves of one number have one colour; dashed where ``dashed``.
    """

    label: str
    x: Sequence[np.ndarray]
    y: Sequence[np.ndarray]
    look: int
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes; logarithmic where asked."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under headings; all cells are text."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def spread(values: Sequence[float], form: str, scale: float = 1.0) -> str:
    """A cell: mean and standard deviation (n - 1) of values times ``scale``; 100 makes fractions percent."""
    scaled = [scale * value for value in values]
    deviation = f" ± {statistics.stdev(scaled):{form.lstrip('+')}}" if len(scaled) > 1 else ""
    return f"{statistics.fmean(scaled):{form}}{deviation}"


def rendered(table: Table) -> Rendered:
    """The table for a terminal."""
    from rich import box
    from rich.table import Table as Rendered

    shown = Rendered(title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
    for place, heading in enumerate(table.headings):
        shown.add_column(heading, justify="right" if place else "left")
    for row in table.rows:
        shown.add_row(*row)
    return shown


def drawn(panels: Sequence[Panel], columns: int) -> Figure:
    """Panels row by row; one legend below, of all curves, or one a panel where they have no curve in common."""
    from matplotlib.figure import Figure

    labels = [curve.label for panel in panels for curve in panel.curves]
    apart = len(panels) > 1 and len(set(labels)) == len(labels)
    below = LEGEND_LINE * max(-(-len(panel.curves) // 2) for panel in panels) if apart else 0.0
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(PANEL[0] * columns, (PANEL[1] + below) * lines + 0.6), layout="constrained")
    for place, axes in enumerate(figure.subplots(lines, columns, squeeze=False).flat):
        if place < len(panels):
            _draw(axes, panels[place])
            if apart:
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False, fontsize=7)
        else:
            axes.remove()
    if not apart:
        known = {
            text: handle for axes in figure.axes for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    for curve in panel.curves:
        x, y = np.mean(np.stack(curve.x), 0), np.stack(curve.y)
        colour, dash = COLOURS[curve.look % len(COLOURS)], "--" if curve.dashed else "-"
        axes.plot(x, y.mean(0), dash, color=colour, linewidth=1.5, label=curve.label)
        if len(y) > 1:
            deviation = y.std(0, ddof=1)
            axes.fill_between(x, y.mean(0) - deviation, y.mean(0) + deviation, color=colour, alpha=0.15, linewidth=0)
    axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
    axes.title.set_fontsize(10)
    if panel.log_x:
        axes.set_xscale("log")
        _label(axes.xaxis)
    if panel.log_y:
        axes.set_yscale("log")
        _label(axes.yaxis)
    axes.grid(color="#d8dee4", linewidth=0.6)


def _label(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 on a logarithmic axis of less than two decades; the powers of ten on a longer one."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if high < SHORT * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def save(figure: Figure, path: Path) -> bytes:
    """Write a PNG; the result is its bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    replace_bytes(path, buffer.getvalue())
    return buffer.getvalue()


def write_page(path: Path, title: str, command: str, png: bytes, tables: Sequence[Table]) -> None:
    """One HTML file that opens from disk: title, command, figure, tables."""
    image = base64.b64encode(png).decode()
    parts = [f"<h1>{escape(title)}</h1><pre>{escape(command)}</pre>", *map(_html, tables)]
    parts.insert(1, f'<img alt="{escape(title)}" src="data:image/png;base64,{image}">')
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    size = '<meta name="viewport" content="width=device-width">'
    replace_text(path, f"{head}{size}<style>{STYLE}</style>{''.join(parts)}</html>\n")


def _html(table: Table) -> str:
    rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in table.rows]
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<h2>{escape(table.title)}</h2><table><tr>{head}</tr>{body}</table>"
