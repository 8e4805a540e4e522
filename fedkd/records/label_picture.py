"""A picture of how labels lie on clients: a heat map of classes by clients, with the clients' sizes above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fedkd.records import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 11.5
BLUE = (0.12, 0.47, 0.71)
SEPARATE = 60
"""Up to so many clients, each has a bar and cells of its own; more of them run together."""
COLUMNS = 1000
"""No more columns fit on a page: of more clients, neighbours share one, which shows their mean."""


def label_picture(counts: Sequence[Sequence[int]]) -> str:
    """Samples by client and class as SVG.

    Args:
        counts: [clients][classes], at least one of each.
    """
    from matplotlib.figure import Figure

    table = np.asarray(counts).T
    classes, clients = table.shape
    height = 1.7 + min(0.2 * classes, 4.0)
    with svg.style():
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        above, main = figure.subplots(2, 1, sharex=True, height_ratios=[0.7, height - 1.5])
        edges = np.linspace(0, clients, min(clients, COLUMNS) + 1).astype(int)
        table = np.add.reduceat(table, edges[:-1], axis=1) / np.diff(edges)
        _sizes(above, table.sum(axis=0), edges)
        _heat(main, table, clients)
        return svg.inline(figure, "labels", f"Samples of {classes} classes on {clients} clients")


def _sizes(axes: Axes, sizes: np.ndarray, edges: np.ndarray) -> None:
    if len(sizes) <= SEPARATE:
        axes.bar(range(len(sizes)), sizes, width=0.9, color=svg.MUTED, linewidth=0)
    else:
        axes.stairs(sizes, edges - 0.5, fill=True, color=svg.MUTED)
    axes.set_title("Samples a client")
    axes.tick_params(bottom=False)
    axes.grid(visible=False, axis="x")
    axes.locator_params(axis="y", nbins=2)


def _heat(axes: Axes, table: np.ndarray, clients: int) -> None:
    """More samples, more opaque: so the picture suits a light and a dark page."""
    from matplotlib.ticker import MaxNLocator

    classes = len(table)
    pixels = np.empty((*table.shape, 4))
    pixels[...] = (*BLUE, 0.0)
    pixels[..., 3] = table / (table.max() or 1)
    axes.imshow(pixels, aspect="auto", interpolation="none", extent=(-0.5, clients - 0.5, classes - 0.5, -0.5))
    axes.set(xlabel="client", ylabel="class")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.grid(visible=False)
    if clients <= SEPARATE:
        axes.set_xticks(np.arange(clients + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=svg.PAGE, linewidth=2.0)
