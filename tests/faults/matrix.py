"""The fault matrix: every fault under every executor, and whether what is promised for it was seen.

    python -m tests.faults.matrix [--executors NAME ...] [--out docs/faults.md]

The page runs/faults/faults.html has the same table, and what was wrong. The exit code is 1 if anything was.
"""

from __future__ import annotations

import argparse
import html
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.faults.events import EVENTS, KILLS
from tests.faults.tampering import FAULTS
from tests.faults.trials import MPIRUN, PLACES, Trouble, complaints, disturbed, equal_to, in_a_row

PAGE = Path("runs/faults/faults.html")
COMMAND = "python -m tests.faults.matrix"
HOLDS, BROKEN, NOT_RUN, IMPOSSIBLE = "holds", "BROKEN", "not run", "-"
PROMISES = {
    "silent": "as if the client had not answered",
    "undisturbed": "as if it had come once, and a remark",
    "lost": "as if the client had lost its memories",
}


@dataclass(frozen=True)
class Seen:
    """What was seen of a fault at a place.

    Args:
        verdict: ``HOLDS`` or another of these words.
        seconds: that it took.
        wrong: what was wrong, or why it was not run.
    """

    verdict: str
    seconds: float = 0.0
    wrong: str = ""


@dataclass(frozen=True)
class Row:
    """A fault, what is promised for it, and what was seen at each place."""

    fault: str
    promise: str
    seen: Mapping[str, Seen]

    @property
    def seconds(self) -> float:
        """Of all its runs."""
        return sum(seen.seconds for seen in self.seen.values())


def tried(work: Callable[[Path], list[str]]) -> Seen:
    """Do it in a folder of its own."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="f") as folder:
        try:
            wrong = "; ".join(work(Path(folder)))
        except pytest.skip.Exception as skipped:
            return Seen(NOT_RUN, wrong=str(skipped))
        except (Exception, SystemExit) as error:
            wrong = f"{type(error).__name__}: {error}"
    return Seen(BROKEN if wrong else HOLDS, time.perf_counter() - began, wrong)


def bad_updates(name: str) -> dict[str, Seen]:
    """One after another in one run; where that is not as it should be, each in a run of its own."""
    place = PLACES[name]

    def work(troubles: list[Trouble], rounds: int, folder: Path) -> list[str]:
        return complaints(
            disturbed(place, folder, "mcm", troubles, rounds), equal_to(place, "mcm", troubles, rounds), troubles
        )

    troubles, rounds = in_a_row(place)
    row = tried(lambda folder: work(troubles, rounds, folder))
    faults = [fault for _, _, fault in troubles]
    if row.verdict != BROKEN:
        return dict.fromkeys(faults, Seen(row.verdict, row.seconds / len(faults)))
    return {fault: tried(lambda folder, fault=fault: work([(1, 2, fault)], 5, folder)) for fault in faults}  # type: ignore[misc]


def table(names: Sequence[str]) -> list[Row]:
    """All faults at these places."""
    rows = {fault: dict.fromkeys(names, Seen(IMPOSSIBLE)) for fault in (*FAULTS, *EVENTS)}
    for name in names:
        missing = PLACES[name].ranks and MPIRUN is None
        for fault, seen in ({} if missing else bad_updates(name)).items():
            rows[fault][name] = seen
        for event, what in EVENTS.items():
            if name in what.places and not missing:
                rows[event][name] = tried(lambda folder, name=name, what=what: what.work(PLACES[name], folder))  # type: ignore[misc]
                print(f"{name}: {event}: {rows[event][name].verdict}", flush=True)  # noqa: T201
        if missing:
            for seen_at in rows.values():
                seen_at[name] = Seen(NOT_RUN, wrong="no mpirun, or no mpi4py")
    return [Row(fault, promise(fault), seen) for fault, seen in rows.items()]


def promise(fault: str) -> str:
    """What is promised for a fault."""
    if fault in EVENTS:
        return EVENTS[fault].promise
    likes = {place.like(fault): None for place in PLACES.values()}
    words = [PROMISES[like] for like in likes]
    return words[0] if len(words) == 1 else f"{words[0]}; over Flower {words[1]}"


def markdown(rows: Sequence[Row], command: str) -> str:
    """The document."""
    names = list(rows[0].seen)
    lines = [
        "# Faults, and what was seen of them",
        "",
        f"    {command}",
        "",
        "writes this page: each fault was made to happen under each executor, and what the run left was held against",
        "the promise: final model, metrics, and the bytes of all other rounds are equal bit for bit, or it is broken.",
        "A weight is a number without a sign: what would be -1 is 2^32-1.",
        "",
        f"`{HOLDS}`: seen; `{BROKEN}`: not so; `{NOT_RUN}`: not possible on that machine; `{IMPOSSIBLE}`: cannot",
        "happen there, or has tests of its own. Adding: workers add up their clients' updates (`reduce_from`).",
    ]
    for title, some in sections(rows).items():
        lines += ["", f"## {title}", f"| fault | promise | {' | '.join(names)} | seconds |"]
        lines.append(f"|{'---|' * (len(names) + 3)}")
        for row in some:
            cells = " | ".join(row.seen[name].verdict for name in names)
            lines.append(f"| {row.fault} | {row.promise} | {cells} | {row.seconds:.1f} |")
    return "\n".join([*lines, ""])


def sections(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by what they are about; none is left out."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        event = "The server is killed" if row.fault in KILLS else "Policies, processes, disks, clocks"
        title = "Bad updates, admission=drop" if row.fault in FAULTS else event
        found.setdefault(title, []).append(row)
    return found


STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #1b1f24 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .87rem }
th, td { border: 1px solid #d0d7de; padding: .3rem .55rem; text-align: left; vertical-align: top }
thead th { position: sticky; top: 0; background: #f6f8fa } td.number { text-align: right }
td.holds { background: #dff5e3; color: #11592b } td.BROKEN { background: #ffdcd9; color: #82061e; font-weight: 700 }
td.not { background: #fff4ce; color: #6b4b00 } td.none { color: #6e7781 } code { background: #f6f8fa }
"""
CLASSES = {HOLDS: "holds", BROKEN: "BROKEN", NOT_RUN: "not", IMPOSSIBLE: "none"}


def page(rows: Sequence[Row], command: str) -> str:
    """The same as a page that needs nothing else; a cell says in words what its colour says."""
    names = list(rows[0].seen)
    counts = {word: sum(seen.verdict == word for row in rows for seen in row.seen.values()) for word in CLASSES}
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("fault", "promise", *names, "seconds"))
    body = "".join(f"<tr>{_cells(row)}</tr>\n" for row in rows)
    wrong = "".join(
        f"<li><b>{html.escape(row.fault)}</b>, {html.escape(name)}: {html.escape(seen.wrong)}</li>"
        for row in rows
        for name, seen in row.seen.items()
        if seen.wrong
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Fault matrix</title><style>{STYLE}</style></head><body><h1>Fault matrix</h1>"
        f"<p><code>{html.escape(command)}</code></p>"
        f"<p>{counts[HOLDS]} hold, {counts[BROKEN]} are broken, {counts[NOT_RUN]} were not run.</p>"
        f"{f'<ul>{wrong}</ul>' if wrong else ''}"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div></body></html>\n'
    )


def _cells(row: Row) -> str:
    seen = "".join(f'<td class="{CLASSES[seen.verdict]}">{seen.verdict}</td>' for seen in row.seen.values())
    fault, promised = html.escape(row.fault), html.escape(row.promise)
    return f'<th scope="row">{fault}</th><td>{promised}</td>{seen}<td class="number">{row.seconds:.1f}</td>'


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all, and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executors", nargs="+", choices=PLACES, default=[*PLACES], metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("docs/faults.md"))
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    torch.set_num_threads(1)
    rows, command = table(options.executors), " ".join([COMMAND, shlex.join(given)]).strip()
    for path, text in ((options.out, markdown(rows, command)), (PAGE, page(rows, command))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    broken = [(row, name) for row in rows for name, seen in row.seen.items() if seen.verdict == BROKEN]
    for row, name in broken:
        print(f"{row.fault}, {name}: {row.seen[name].wrong}", file=sys.stderr)  # noqa: T201
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
