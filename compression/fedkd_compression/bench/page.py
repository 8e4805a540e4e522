"""rate_distortion.html: the map as one page that opens from disk, without a network, a script or a library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from string import Template

from fedkd_compression.bench import limits, survey
from fedkd_compression.bench.curves import Panel
from fedkd_compression.bench.machine import Machine
from fedkd_compression.bench.measure import Measurement
from fedkd_compression.bench.rows import Rows
from fedkd_compression.bench.svg import panel_svg, sample


def page(machine: Machine, kinds: Sequence[Rows], found: Sequence[Measurement], panels: Sequence[Panel]) -> str:
    """The page.

    Args:
        machine: where it was measured.
        kinds: the rows, in the order of their tables.
        found: all measurements.
        panels: of the picture; none when there is nothing to draw.
    """
    template = resources.files("fedkd_compression.bench").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        line=escape(machine.line()),
        pictures="\n".join(_pictures(panels)),
        tables="\n".join(_details(rows, found) for rows in kinds),
        facts="\n".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in _facts(machine)),
        unbiased=limits.UNBIASED,
        biased=limits.BIASED,
    )


def _pictures(panels: Sequence[Panel]) -> Iterator[str]:
    """The panels of unbiased operators below their legend, then those of biased ones."""
    for unbiased in (True, False):
        some = [panel for panel in panels if panel.unbiased == unbiased]
        curves = {curve.name: curve for panel in some for curve in panel.curves}
        items = (f"<li>{sample(curve)}{escape(curve.name)}</li>" for curve in curves.values())
        if some:
            yield f'<ul class="legend">{"".join(items)}</ul>'
            drawn = (f"<figure>{panel_svg(panel, f'{panel.rows}-{panel.vertical}')}</figure>" for panel in some)
            yield f'<div class="figures">{"".join(drawn)}</div>'


def _details(rows: Rows, found: Sequence[Measurement]) -> str:
    own = [each for each in found if each.rows == rows.name]
    count, dim = rows.values.shape
    tables = (_table([each for each in own if each.unbiased == unbiased], unbiased) for unbiased in (True, False))
    notes = "".join(f'<p class="muted small">{escape(note)}</p>' for note in survey.notes(rows, own))
    summary = f"{escape(rows.name)}: {escape(rows.meaning)}, {count} &times; {dim:,}"
    return f"<details><summary>{summary}</summary>{''.join(tables)}{notes}</details>"


def _table(found: Sequence[Measurement], unbiased: bool) -> str:
    if not found:
        return ""
    names = ("unbiased" if unbiased else "biased", "bits", "omega" if unbiased else "nmse")
    head = _cells("th", (*names, *survey.LAYOUT.headings[3:]))
    body = "".join(f"<tr>{_cells('td', survey.cells(each))}</tr>" for each in found)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _facts(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "date", machine.date
    yield "processor", f"{machine.processor}, {machine.cores} cores, {machine.system}"
    yield "threads", str(machine.threads)
    yield "kernels", machine.kernels
    yield "versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())
