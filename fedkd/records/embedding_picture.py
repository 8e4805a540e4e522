"""A picture of the features of test samples in the plane: a dot a sample, a colour and a shape a class."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.records import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

EMBEDDING = "embedding.json"
MOST = 1000
"""Samples that are shown; of more, evenly chosen ones."""
DIGITS = 4
"""Significant digits of a coordinate, relative to the largest: finer than a pixel."""
SIZE = (5.4, 3.9)
"""Inches; half a page's width shows it at about its natural size."""
SHAPES = (("o", True), ("o", False), ("^", True), ("^", False), ("s", True))
"""Markers, and whether they are filled; classes that share a colour have different ones."""
DOT, LINE = 3.6, 0.9
"""Points: the size of a marker, and the line around one that is not filled."""
LOOKS = len(svg.SERIES) * len(SHAPES)
"""Classes that can be told apart."""
ROWS = 15
"""Of the legend, in one column."""


@dataclass(frozen=True)
class Embedding:
    """Samples in the plane.

    Shapes: points [n, 2]; labels [n].
    """

    points: NDArray[np.float64]
    labels: NDArray[np.int64]


def write_embedding(folder: Path, features: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    """Write embedding.json: the first two principal components of at most 1,000 samples' features.

    Features that are not finite, those of a run that diverged, have no picture: nothing is written.

    Args:
        folder: of the run.
        features: of test samples.
        labels: their classes.

    Shapes: features [n, f], n > 0; labels [n].
    """
    # It brings torch along, which a page does not need.
    from fedkd.probes import embedding

    rows = np.linspace(0, len(labels) - 1, min(len(labels), MOST)).round().astype(np.int64)
    shown = features[rows]
    if not np.isfinite(shown).all():
        return
    points = embedding(shown)
    decimals = DIGITS - math.ceil(math.log10(np.abs(points).max() or 1.0))
    content = {"points": points.round(decimals).tolist(), "labels": labels[rows].tolist()}
    replace_text(folder / EMBEDDING, json.dumps(content))


def read_embedding(folder: Path) -> Embedding | None:
    """What ``write_embedding`` left in a run's folder; None where it left nothing.

    Raises:
        ConfigurationError: the file is damaged.
    """
    path = folder / EMBEDDING
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        points, labels = np.array(content["points"], dtype=float), np.array(content["labels"], dtype=np.int64)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{path}: is damaged ({type(error).__name__}); delete it") from None
    if points.shape != (len(labels), 2) or not len(labels):
        raise ConfigurationError(f"{path}: has {len(points)} points for {len(labels)} labels; delete it")
    return Embedding(points, labels)


def embedding_picture(embedding: Embedding) -> str:
    """The samples as SVG, with a legend of up to 30 classes; more than these share colours and shapes."""
    from matplotlib.figure import Figure

    classes = np.unique(embedding.labels)
    with svg.style():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        for index, label in enumerate(classes):
            _dots(axes, index, embedding.points[embedding.labels == label], str(label))
        axes.set(xlabel="first principal component", ylabel="second principal component")
        axes.tick_params(labelbottom=False, labelleft=False, bottom=False)
        axes.margins(0.03)
        if len(classes) <= LOOKS:
            _legend(axes, -(-len(classes) // ROWS))
        label = f"{len(embedding.labels)} test samples of {len(classes)} classes by two principal components"
        return svg.inline(figure, "embedding", label)


def _dots(axes: Axes, index: int, points: NDArray[np.float64], label: str) -> None:
    shape, filled = SHAPES[index // len(svg.SERIES) % len(SHAPES)]
    colour = svg.SERIES[index % len(svg.SERIES)]
    axes.plot(
        *points.T,
        linestyle="",
        marker=shape,
        markersize=DOT,
        color=colour,
        fillstyle="full" if filled else "none",
        markeredgewidth=0 if filled else LINE,
        label=label,
    )


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(
        title="class",
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        ncols=columns,
        frameon=False,
        fontsize=9,
        markerscale=1.6,
        handletextpad=0.2,
        alignment="left",
    )
