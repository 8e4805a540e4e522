"""matplotlib figures as SVG that stands inside an HTML page: text as text, colours from the page's style sheet.

Figures are drawn in marker colours, which become CSS variables here; so the page alone decides what is
light and dark. What belongs to a file of its own (XML declaration, metadata, namespaces) is taken off.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAGE = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04"
SERIES = ("#0a0c00", "#0a0c01", "#0a0c02", "#0a0c03", "#0a0c04", "#0a0c05")
"""Colours of curves; a further run begins again with the first, in another dash."""
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAGE: "page"} | {
    mark: f"series-{index}" for index, mark in enumerate(SERIES)
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fedkd",
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "lines.linewidth": 1.7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "image.composite_image": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save figures inside this: type, colours and grid of all our figures."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def inline(figure: Figure, name: str, label: str) -> str:
    """The figure as an ``<svg>`` element.

    Args:
        figure: drawn in the marker colours, under ``style``.
        name: prefix of all its ids; unique on the page.
        label: what a screen reader says.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    return _coloured(_own_ids(_opened(text, label), name))


def _opened(text: str, label: str) -> str:
    """The opening tag without size and namespaces: it takes the width that the page gives."""
    box = re.search(r'viewBox="[^"]*"', text)
    assert box is not None
    rest = text[text.index(">") + 1 :].replace("xlink:href", "href")
    return f'<svg {box[0]} role="img" aria-label="{label}">{rest}'


def _own_ids(text: str, name: str) -> str:
    """Ids that no other figure on the page has."""
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    return text.replace("url(#", f"url(#{name}-")


def _coloured(text: str) -> str:
    for mark, variable in _VARIABLES.items():
        text = text.replace(mark, f"var(--{variable})")
    return text
