"""The figure of the first page: accuracy against bits, of a run and those that it is compared with.

Use: python sims/figures/main_job.py runs/NAME docs/figures/main_job.svg, after sims/run.py experiment=main_job.
"""

from __future__ import annotations

import io
import sys
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.records import History, histories
from fedkd.records.summary import curve
from fedkd.records.svg import GRID, INK, MUTED, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1668b8", "#b8551c", "#3f8f4f", "#7a4fa3")
PAPER = {INK: "#1f2328", MUTED: "#59636e", GRID: "#d8dee4"}
"""The colours of ink, labels and grid in a file that stands by itself."""
SIZE = (6.4, 3.4)
"""Inches."""


def draw(folder: Path) -> str:
    """The figure of the run in ``folder`` and the runs below it, as the text of an SVG file."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        for run, colour in zip(histories(folder), COLOURS, strict=False):
            _line(axes, run, colour, run.name if run.folder != folder else str(run.manifest["algorithm"]))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("Mbit up + down, headers included")
        axes.set_ylabel("test accuracy of the server's model, %")
        axes.legend(frameon=False, loc="lower right")
        return _text(figure)


def _line(axes: Axes, run: History, colour: str, label: str) -> None:
    bits = list(accumulate(8e-6 * report.bytes_total for report in run.reports))
    points = curve(run.reports, "accuracy")
    axes.plot(
        [bits[index] for index, _ in points],
        [100 * value for _, value in points],
        color=colour,
        marker="o",
        markersize=3,
        label=label.replace("_", " "),
    )


def _text(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    text = buffer.getvalue()
    for mark, colour in PAPER.items():
        text = text.replace(mark, colour)
    return text


def main() -> None:
    """Read a run's folder, write the figure."""
    if len(sys.argv) != 3:
        sys.exit("use: python sims/figures/main_job.py runs/NAME docs/figures/main_job.svg")
    Path(sys.argv[2]).write_text(draw(Path(sys.argv[1])), encoding="utf-8")


if __name__ == "__main__":
    main()
