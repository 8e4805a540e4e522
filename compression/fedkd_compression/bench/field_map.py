"""The map from the command line: measure, print, and leave the files behind, also after Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd_compression.bench import survey
from fedkd_compression.bench.catalogue import FAMILIES, Family, own
from fedkd_compression.bench.curves import panels
from fedkd_compression.bench.files import leave
from fedkd_compression.bench.machine import Machine
from fedkd_compression.bench.measure import Measurement, Patience
from fedkd_compression.bench.page import page
from fedkd_compression.bench.rows import Rows, rows_of
from fedkd_compression.bench.survey import Refusal
from fedkd_compression.bench.table import say
from fedkd_compression.bench.written import read
from fedkd_compression.errors import OperatorError

if TYPE_CHECKING:
    from fedkd_compression.bench.command import Request

JSON, PNG, HTML = "map.json", "rate_distortion.png", "rate_distortion.html"
_INTERRUPTED = 130
_PATIENT, _QUICK = Patience(repeats=5, seconds=0.3), Patience(repeats=3, seconds=0.05)


@dataclass
class Map:
    """All that was measured so far.

    Args:
        finished: whether that is all that was asked for.
    """

    machine: Machine
    rows: list[Rows] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    finished: bool = False

    def plain(self) -> dict[str, object]:
        """Plain values."""
        kinds = [{"name": rows.name, "meaning": rows.meaning, "shape": list(rows.values.shape)} for rows in self.rows]
        return {
            **self.machine.plain(),
            "finished": self.finished,
            "rows": kinds,
            "measurements": [found.plain() for found in self.measurements],
            "refusals": [asdict(refused) for refused in self.refusals],
        }


def report(asked: Request) -> int:
    """Measure, print and write; the result is the exit code."""
    families = chosen(asked.families, asked.added)
    kinds = [rows_of(name, asked.dim, asked.updates) for name in asked.rows]
    found = Map(Machine.here(asked.threads or 1, asked.kernels))
    patience = _QUICK if asked.quick else _PATIENT
    say(found.machine.line())
    try:
        for rows in kinds:
            _measure(found, families, rows, patience)
        found.finished = True
    except KeyboardInterrupt:
        say(f"\ninterrupted after {len(found.measurements)} measurements")
    if asked.out is not None:
        keep(asked.out, found)
    return 0 if found.finished else _INTERRUPTED


def chosen(names: Sequence[str], added: Sequence[str]) -> list[Family]:
    """Families by name, in the order of the map, and the user's own.

    Raises:
        OperatorError: a name is unknown, or a text is no operator.
    """
    known = {family.name for family in FAMILIES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OperatorError(f"families: {unknown[0]} is unknown; choose of {'; '.join(sorted(known))}")
    ours = [family for family in FAMILIES if not names or family.name in names]
    return ours + [own(read(text)) for text in added]


def keep(folder: Path, found: Map) -> None:
    """Write the numbers, the page and, where matplotlib is installed, the picture."""
    drawn = panels(found.measurements, found.rows)
    leave(folder, {JSON: found.plain(), HTML: page(found.machine, found.rows, found.measurements, drawn)})
    if drawn and find_spec("matplotlib"):
        from fedkd_compression.bench.png import save

        save(drawn, folder / PNG)
        say(f"{folder}: {PNG}")
    elif drawn:
        say(f"{PNG} is left out: matplotlib is not installed; pip install 'fedkd[report]'")


def _measure(found: Map, families: Sequence[Family], rows: Rows, patience: Patience) -> None:
    """Measure families on rows and print each measurement when it is there."""
    found.rows.append(rows)
    began = len(found.measurements)
    count, dim = rows.values.shape
    say(f"\n{rows.name}: {rows.meaning}, {count} x {dim:,}")
    for unbiased in (True, False):
        some = [family for family in families if family.unbiased == unbiased]
        for line in survey.heading(unbiased) if some else ():
            say(line)
        for each in survey.survey(some, rows, patience):
            if isinstance(each, Refusal):
                found.refusals.append(each)
                say(each.line())
            else:
                found.measurements.append(each)
                say(survey.LAYOUT.line(survey.cells(each)))
    for note in survey.notes(rows, found.measurements[began:]):
        say(note)
