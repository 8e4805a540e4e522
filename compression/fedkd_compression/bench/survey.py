"""The map: every family at every setting on every kind of rows, one measurement after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedkd_compression.bench.catalogue import Family
from fedkd_compression.bench.measure import Measurement, Patience, measure
from fedkd_compression.bench.rows import Rows
from fedkd_compression.bench.table import Layout, number, percent
from fedkd_compression.bench.written import written
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators import Operator

LAYOUT = Layout(
    ("", "bits", "omega", "limit", "gap", "enc GB/s", "of copy", "dec GB/s", "of copy"),
    (56, 7, 9, 7, 7, 9, 8, 9, 8),
)


@dataclass(frozen=True)
class Refusal:
    """Why an operator was not measured."""

    rows: str
    operator: str
    reason: str

    def line(self) -> str:
        """For the table."""
        return f"{self.operator}: not measured, {self.reason}"


def survey(families: Sequence[Family], rows: Rows, patience: Patience) -> Iterator[Measurement | Refusal]:
    """Measure families on rows, in order."""
    for family in families:
        own = rows.cut(family.most)
        for operator in family.at(own.dim):
            yield _measured(family, operator, own, patience)


def _measured(family: Family, operator: Operator, rows: Rows, patience: Patience) -> Measurement | Refusal:
    try:
        return measure(family, operator, rows, patience)
    except OperatorError as error:
        return Refusal(rows.name, written(operator), str(error))


def cells(found: Measurement) -> tuple[str, ...]:
    """A measurement as a row of the table."""
    return (
        found.operator,
        number(found.bits, ".3f"),
        number(found.distortion),
        number(found.limit, ".3f"),
        number(found.gap, ".3f"),
        number(found.encode),
        percent(found.encode / found.copy),
        number(found.decode),
        percent(found.decode / found.copy),
    )


def heading(unbiased: bool) -> tuple[str, str]:
    """The head of the table of unbiased operators, or of all others."""
    if unbiased:
        return LAYOUT.head("unbiased")
    lines = LAYOUT.head("biased")
    return lines[0].replace("omega", " nmse"), lines[1]


def notes(rows: Rows, found: Sequence[Measurement]) -> Iterator[str]:
    """What a reader must know of the table of some rows."""
    if not found:
        return
    speeds = [each.copy for each in found if each.dim == rows.dim] or [each.copy for each in found]
    slow, fast = min(speeds), max(speeds)
    yield f"A memory copy of these rows: {slow:.3g} to {fast:.3g} GB/s; shares are of the one that was timed in turn."
    short = sorted({each.operator.partition("(")[0] for each in found if each.dim < rows.dim})
    if short:
        cut = next(each.dim for each in found if each.dim < rows.dim)
        yield f"{' and '.join(short)}: of rows cut to {cut:,} coordinates."
