"""Panels as SVG that stands inside an HTML page: no library, text as text, colours from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from fedkd_compression.bench.curves import MOST_BITS, Curve, Panel

WIDTH, HEIGHT = 520, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 42
COLOURS = ("series-0", "series-1", "series-2", "series-3", "series-4", "series-5", "ink")
"""Variables of the style sheet, for the groups in their order."""
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "M-3.6 -3.6h7.2v7.2h-7.2z",
    "M0 -4.8l4.6 8.4h-9.2z",
    "M0 -5.2l4.6 5.2l-4.6 5.2l-4.6 -5.2z",
)
_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def panel_svg(panel: Panel, name: str) -> str:
    """One panel as an ``<svg>`` element.

    Args:
        panel: what is drawn.
        name: prefix of its ids; unique on the page.
    """
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(panel.title)}">',
        f'<clipPath id="{name}-inside"><rect x="{_LEFT}" y="{_TOP}" width="{WIDTH - _LEFT - _RIGHT}" '
        f'height="{HEIGHT - _TOP - _BOTTOM}"/></clipPath>',
        _text(_LEFT, 16, panel.title, "ink", "start", ' font-weight="600"'),
        *_grid(panel),
        f'<g clip-path="url(#{name}-inside)">',
        _line(panel, panel.limits[1], "muted", 1.0, ' stroke-dasharray="2 4"'),
        _line(panel, panel.limits[0], "ink", 1.6, ""),
        *(_curve(panel, curve) for curve in reversed(panel.curves)),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts)


def sample(curve: Curve) -> str:
    """A curve's line and marker for a legend."""
    colour = COLOURS[curve.colour]
    line = f'<path d="M1 6H29" stroke="var(--{colour})" stroke-width="1.6"/>' if len(curve.points) > 1 else ""
    return f'<svg viewBox="0 0 30 12" aria-hidden="true">{line}{_marker(15, 6, curve.marker, colour)}</svg>'


def _x(bits: float) -> float:
    return _LEFT + bits / MOST_BITS * (WIDTH - _LEFT - _RIGHT)


def _y(panel: Panel, distortion: float) -> float:
    share = math.log(max(distortion, 1e-12) / panel.low) / math.log(panel.high / panel.low)
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _grid(panel: Panel) -> Iterator[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    for bits in range(int(MOST_BITS) + 1):
        yield f'<path d="M{_x(bits):.1f} {_TOP}V{bottom}" stroke="var(--grid)"/>'
        yield _text(_x(bits), bottom + 16, str(bits), "muted", "middle")
    for tick in _TICKS:
        if panel.low <= tick <= panel.high:
            yield f'<path d="M{_LEFT} {_y(panel, tick):.1f}H{right}" stroke="var(--grid)"/>'
            yield _text(_LEFT - 6, _y(panel, tick) + 4, f"{tick:g}", "muted", "end")
    yield _text((_LEFT + right) / 2, HEIGHT - 8, "bits a coordinate, whole messages", "muted", "middle")
    turned = f' transform="rotate(-90 12 {(_TOP + bottom) / 2:.1f})"'
    yield _text(12, (_TOP + bottom) / 2, panel.vertical, "muted", "middle", turned)


def _curve(panel: Panel, curve: Curve) -> str:
    colour = COLOURS[curve.colour]
    marks = (_marker(_x(bits), _y(panel, lost), curve.marker, colour) for bits, lost in curve.points)
    return f"<g><title>{escape(curve.name)}</title>{_line(panel, curve, colour, 1.6, '')}{''.join(marks)}</g>"


def _line(panel: Panel, curve: Curve, colour: str, width: float, more: str) -> str:
    if len(curve.points) < 2:
        return ""
    path = "L".join(f"{_x(bits):.1f} {_y(panel, lost):.1f}" for bits, lost in curve.points)
    return f'<path d="M{path}" fill="none" stroke="var(--{colour})" stroke-width="{width}"{more}/>'


def _marker(x: float, y: float, index: int, colour: str) -> str:
    """Circle, square, triangle, diamond, and again from the first."""
    shape = _SHAPES[index % len(_SHAPES)]
    return (
        f'<path transform="translate({x:.1f} {y:.1f})" d="{shape}" fill="var(--{colour})" '
        f'stroke="var(--page)" stroke-width=".8"/>'
    )


def _text(x: float, y: float, text: str, colour: str, anchor: str, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="var(--{colour})" text-anchor="{anchor}" font-size="12"{more}>'
        f"{escape(text)}</text>"
    )
