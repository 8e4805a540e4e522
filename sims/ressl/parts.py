"""The parts of the study: each runs what is missing, and says what it found in tables, panels and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sims.found import Found
from sims.plots import Panel, Table, spread
from sims.ressl.few_labels import FINE_TUNED, RIVALS, trained
from sims.ressl.grounds import (
    ABLATIONS,
    BEST,
    CENTRAL,
    DIGITS,
    DIVISIONS,
    FASHION,
    FEDERATED,
    IDENTITY,
    LINKS,
    SGD,
    SKEWED,
    WHOLE,
    Ground,
)
from sims.ressl.rows import FIVE, ONE, PROBE, Row, floors, rows

SHOWN = {"1 shot, %": ONE, "5 shots, %": FIVE, "probe, %": PROBE}


Part = Callable[[Ground], Found]


def ablations(ground: Ground) -> Found:
    """One client: the published choices, one after another given up."""
    found = list(rows(ground, "ablations", (*DIGITS, *CENTRAL, *SGD), ABLATIONS))
    return _compared("ablations", "digits, one client, 600 steps", found)


def federated(ground: Ground) -> Found:
    """One client that has everything, and ten that have few classes each."""
    whole = [
        replace(row, name=f"one client, {row.name}") for row in rows(ground, "ablations", (*DIGITS, *CENTRAL), WHOLE)
    ]
    skewed = list(rows(ground, "federated", (*DIGITS, *SKEWED), FEDERATED))
    compared = _compared("federated", "digits, ten clients, Dirichlet .1", [*whole, *skewed])
    return _with_labels(compared, skewed[:1])


def links(ground: Ground) -> Found:
    """The federated setting through compressed links."""
    [whole] = rows(ground, "federated", (*DIGITS, *SKEWED), {IDENTITY: FEDERATED[IDENTITY]})
    found = [replace(whole, name="identity"), *rows(ground, "links", (*DIGITS, *SKEWED, *BEST), LINKS)]
    curves = [row.curve(ONE, look, "bytes") for look, row in enumerate(found)]
    panel = Panel("links", "MB up + down", "1 shot, %", curves, log_x=True)
    return Found("links", [_bytes(found)], [panel], {"rows": [row.numbers() for row in found]})


def fashion(ground: Ground) -> Found:
    """One client, 20 alike, 20 of few classes: linear probes with few labels, and networks trained on these labels."""
    found = list(rows(ground, "fashion", FASHION, DIVISIONS))
    return _with_labels(_compared("fashion", "Fashion-MNIST", found), found)


PARTS: dict[str, Part] = {
    "ablations": ablations,
    "federated": federated,
    "links": links,
    "fashion": fashion,
}


def _compared(part: str, title: str, found: Sequence[Row]) -> Found:
    """Rows beside a random network and raw samples."""
    below = floors(found[0])
    lines = [[row.name, *_cells(row), spread(row.cosines, ".3f"), _alarm(row)] for row in found]
    for name, scores in below.items():
        lines.append([name, *(spread(scores[metric], ".1f", 100) for metric in SHOWN.values()), "", ""])
    table = Table(title, ["", *SHOWN, "cosine", "rounds with alarm"], lines)
    curves = [row.curve(ONE, look) for look, row in enumerate(found)]
    panel = Panel(title, "share of the run", "1 shot, %", curves)
    return Found(part, [table], [panel], {"rows": [row.numbers() for row in found], "floors": below})


def _cells(row: Row) -> list[str]:
    return [spread(row.accuracies(metric), ".1f", 100) for metric in SHOWN.values()]


def _alarm(row: Row) -> str:
    least, most = min(row.alarms), max(row.alarms)
    return f"{least if least == most else f'{least}-{most}'} of {row.rounds}"


def _bytes(found: Sequence[Row]) -> Table:
    """Accuracies, and what travelled; paired differences to the first row."""
    lines = []
    for row in found:
        above = _differences(row.accuracies(ONE), found[0].accuracies(ONE))
        paired = "" if row is found[0] else spread(above, "+.1f", 100)
        up, down = (row.megabytes(sent) for sent in (lambda each: each.bytes_up, lambda each: each.bytes_down))
        lines.append([row.name, *_cells(row), paired, spread(up, ".2f"), spread(down, ".2f"), _alarm(row)])
    headings = [
        "",
        *SHOWN,
        f"1 shot over {found[0].name}, points",
        "MB up, all clients",
        "MB down",
        "rounds with alarm",
    ]
    return Table("links: digits, ten clients, Dirichlet .1", headings, lines)


def _with_labels(found: Found, encoders: Sequence[Row]) -> Found:
    """A part, and what is learned by gradients from the labels of its encoders' linear probes; all have the same."""
    learned = {name: [trained(run, rival) for run in encoders[0].runs] for name, rival in RIVALS.items()}
    for encoder in encoders:
        learned[f"fine-tuned from {encoder.name}"] = [trained(run, FINE_TUNED) for run in encoder.runs]
    tables = [*found.tables, _labels(f"{found.part}: few labels", encoders, learned)]
    return replace(found, tables=tables, numbers={**found.numbers, "labels": learned})


def _labels(title: str, encoders: Sequence[Row], learned: Mapping[str, Sequence[float]]) -> Table:
    """How far the probes are above networks that were given the same labels, paired by seed."""
    probes = {encoder.name: encoder.accuracies(PROBE) for encoder in encoders}
    lines = [
        [f"linear probe, {name}", spread(probe, ".1f", 100), *[""] * len(probes)] for name, probe in probes.items()
    ]
    for name, values in learned.items():
        above = [spread(_differences(probe, values), "+.1f", 100) for probe in probes.values()]
        lines.append([name, spread(values, ".1f", 100), *above])
    return Table(
        title, ["the labels of the probe alone", "accuracy, %", *(f"probe above, {name}" for name in probes)], lines
    )


def _differences(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [first - second for first, second in zip(one, other, strict=True)]
