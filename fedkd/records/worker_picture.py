"""A picture of one round's clients on its workers: a lane a worker, a bar a client, idle time as gaps.

Written as SVG by hand, since each bar has a tooltip of its own; type and colours are those of the other figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fedkd.records.report import Placement
from fedkd.records.timeline import RoundTimeline
from fedkd.records.units import readable_seconds

WIDTH, LEFT, RIGHT = 828.0, 40.0, 14.0
TOP, BOTTOM = 24.0, 34.0
LANE, TALL = 18.0, 400.0
"""Height of a lane, and of all lanes together where they are many."""
FILLED = 0.8
"""Share of a lane's height that its bars take."""
LABEL = 13.0
"""Least distance between the labels of lanes."""
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
SEPARATE = 1000
"""Up to so many clients, each has a bar and a tooltip of its own; more of them run together into busy time."""
JOINED = 0.3
"""Busy times that are nearer than this run together; a bar is at least this wide."""
SHADES = ("", ' fill-opacity=".55"')


def worker_picture(timeline: RoundTimeline, title: str) -> str:
    """One round as SVG.

    Args:
        timeline: with at least one client.
        title: our own words, in bold above the lanes.
    """
    lane = min(LANE, TALL / timeline.workers)
    bottom = TOP + lane * timeline.workers
    scale = (WIDTH - LEFT - RIGHT) / (timeline.makespan or 1.0)
    lanes = (_lane(timeline, worker, lane, scale) for worker in range(timeline.workers))
    return "\n".join(
        (
            f'<svg viewBox="0 0 {WIDTH:g} {bottom + BOTTOM:.1f}" role="img" aria-label="{title}" font-size="10">',
            f'<text x="{LEFT:g}" y="12" font-size="10.5" font-weight="bold" fill="var(--ink)">{title}</text>',
            '<g fill="var(--muted)">',
            *_labels(timeline.workers, lane, bottom),
            *_axis(timeline.makespan, scale, bottom),
            "</g>",
            '<g fill="var(--series-0)">',
            *lanes,
            "</g>",
            "</svg>",
        )
    )


def _lane(timeline: RoundTimeline, worker: int, lane: float, scale: float) -> str:
    """A pale strip as long as the round, and the worker's clients on it."""
    bars = sorted((bar for bar in timeline.bars if bar.worker == worker), key=lambda bar: bar.begin)
    height = FILLED * lane
    strip = f'<path fill="var(--grid)" fill-opacity=".6" d="{_box(0, timeline.makespan * scale, height)}"/>'
    shown = _separate(bars, height, scale) if len(timeline.bars) <= SEPARATE else _joined(bars, height, scale)
    return f'<g transform="translate({LEFT:g} {TOP + lane * (worker + (1 - FILLED) / 2):.2f})">{strip}{shown}</g>'


def _separate(bars: Sequence[Placement], height: float, scale: float) -> str:
    """A bar for every client, in two shades by turns so that neighbours can be told apart."""
    return "".join(
        f'<path{SHADES[index % 2]} d="{_box(bar.begin * scale, bar.end * scale, height)}">'
        f"<title>{_tooltip(bar)}</title></path>"
        for index, bar in enumerate(bars)
    )


def _joined(bars: Sequence[Placement], height: float, scale: float) -> str:
    """The worker's busy time: as many pieces as there are gaps that can be seen."""
    pieces: list[list[float]] = []
    for bar in bars:
        begin, end = bar.begin * scale, bar.end * scale
        if pieces and begin - pieces[-1][1] < JOINED:
            pieces[-1][1] = max(pieces[-1][1], end)
        else:
            pieces.append([begin, end])
    boxes = "".join(_box(begin, end, height) for begin, end in pieces)
    return f'<path d="{boxes}"/>' if boxes else ""


def _box(begin: float, end: float, height: float) -> str:
    width = max(end - begin, JOINED)
    return f"M{begin:.2f} 0h{width:.2f}v{height:.2f}h{-width:.2f}z"


def _tooltip(bar: Placement) -> str:
    text = f"client {bar.client}: {readable_seconds(bar.end - bar.begin)}"
    return text if bar.predicted is None else f"{text}, predicted {readable_seconds(bar.predicted)}"


def _labels(workers: int, lane: float, bottom: float) -> Iterator[str]:
    """The workers' numbers, as many as there is room for."""
    middle = (TOP + bottom) / 2
    yield f'<text transform="translate(10 {middle:.1f}) rotate(-90)" text-anchor="middle">worker</text>'
    step = next((step for step in STEPS if step * lane >= LABEL), workers)
    for worker in range(0, workers, step):
        yield f'<text x="{LEFT - 6:g}" y="{TOP + lane * (worker + 0.5) + 3.5:.1f}" text-anchor="end">{worker}</text>'


def _axis(makespan: float, scale: float, bottom: float) -> Iterator[str]:
    """Time since the round's start, below the lanes."""
    from matplotlib.ticker import MaxNLocator

    unit, name = _unit(makespan)
    end = makespan / unit
    for tick in MaxNLocator(nbins=8, steps=[1, 2, 5, 10]).tick_values(0, end):
        x = LEFT + tick * unit * scale
        if tick <= end:
            yield f'<path d="M{x:.2f} {TOP:g}V{bottom + 3:.1f}" stroke="var(--grid)" stroke-width=".7"/>'
            yield f'<text x="{x:.2f}" y="{bottom + 14:.1f}" text-anchor="middle">{tick:g}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{bottom + 27:.1f}" text-anchor="middle">{name}</text>'


def _unit(makespan: float) -> tuple[float, str]:
    """What the axis counts, in seconds, and its name."""
    if makespan < 1:
        return 0.001, "milliseconds"
    return (60.0, "minutes") if makespan >= 300 else (1.0, "seconds")
