"""The fault matrix leaves no fault out, names what is broken, and then fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fedkd.expected import Expected
from tests.e2e.runs import ROOT
from tests.faults import matrix
from tests.faults.events import EVENTS
from tests.faults.matrix import BROKEN, HOLDS, IMPOSSIBLE, NOT_RUN, Row, Seen
from tests.faults.points import POINTS
from tests.faults.tampering import FAULTS
from tests.faults.trials import PLACES

EVERYTHING = [*FAULTS, *EVENTS]
GOOD = Row("raises", "as promised", {"local": Seen(HOLDS, 1.0), "mpirun": Seen(NOT_RUN, wrong="no mpirun")})
BAD = Row("NaN", "as promised", {"local": Seen(BROKEN, 2.0, "another <model>"), "mpirun": Seen(IMPOSSIBLE)})


def cells(document: str) -> dict[str, list[str]]:
    """The rows of the document's tables, by their fault."""
    rows = [line.strip("| ").split(" | ") for line in document.splitlines() if line.startswith("| ")]
    return {fault: rest for fault, *rest in rows if fault != "fault"}


def test_every_fault_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "tried", lambda _: Seen(HOLDS, 1.0))
    rows = matrix.table([*PLACES])
    assert [row.fault for row in rows] == EVERYTHING
    assert set(POINTS) <= set(EVENTS)
    for row in rows:
        for name, seen in row.seen.items():
            here = PLACES[name].has(row.fault) if row.fault in FAULTS else name in EVENTS[row.fault].places
            assert seen.verdict in ((HOLDS, NOT_RUN) if here else (IMPOSSIBLE, NOT_RUN)), (row.fault, name)
    assert [*cells(matrix.markdown(rows, "command"))] == EVERYTHING


def test_the_document_is_of_these_faults_and_executors_and_nothing_in_it_is_broken() -> None:
    document = (ROOT / "docs" / "faults.md").read_text()
    assert [*cells(document)] == EVERYTHING
    assert f"| fault | promise | {' | '.join(PLACES)} | seconds |" in document
    assert document.splitlines()[2] == f"    {matrix.COMMAND}"
    assert {verdict for row in cells(document).values() for verdict in row[1:-1]} <= {HOLDS, IMPOSSIBLE}


@pytest.mark.parametrize(("rows", "code"), [([GOOD], 0), ([GOOD, BAD], 1)])
def test_what_does_not_hold_is_said_and_fails_the_command(
    rows: list[Row],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(matrix, "table", lambda names: rows)
    monkeypatch.setattr(matrix, "PAGE", tmp_path / "of" / "faults.html")
    given = ["--executors", "local", "mpirun", "--out", str(tmp_path / "faults.md")]
    assert matrix.main(given) == code
    assert capsys.readouterr().err == ("NaN, local: another <model>\n" if code else "")
    document, page = (tmp_path / "faults.md").read_text(), (tmp_path / "of" / "faults.html").read_text()
    assert f"    {matrix.COMMAND} --executors local mpirun" in document
    assert cells(document)["raises"] == ["as promised", HOLDS, NOT_RUN, "1.0"]
    if code:
        assert cells(document)["NaN"] == ["as promised", BROKEN, IMPOSSIBLE, "2.0"]
    assert ("another &lt;model&gt;" in page, ">BROKEN<" in page) == (bool(code), bool(code))


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    class Reader(HTMLParser):
        opened: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.opened += [] if tag == "meta" else [tag]

        def handle_endtag(self, tag: str) -> None:
            assert self.opened.pop() == tag

    page = matrix.page([GOOD, BAD], "command")
    reader = Reader()
    reader.feed(page)
    assert reader.opened == []
    assert not re.search(r"https?:|src=|href=|url\(|<script", page)


@pytest.mark.exhaustive
def test_what_is_broken_is_told_from_what_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a weight is believed, only the forged one is charged."""
    read: Callable[..., object] = Expected.read
    monkeypatch.setattr(Expected, "read", lambda self, *data, **more: read(replace(self, samples=None), *data, **more))
    troubles = [(1, 1, "weight 2^32-1"), (3, 2, "NaN")]
    monkeypatch.setattr(matrix, "in_a_row", lambda place: (troubles, 6))
    seen = matrix.bad_updates("local")
    assert {fault: one.verdict for fault, one in seen.items()} == {"weight 2^32-1": BROKEN, "NaN": HOLDS}
    assert "round 1" in seen["weight 2^32-1"].wrong


def test_a_fault_that_cannot_be_made_here_is_not_called_broken() -> None:
    def impossible(folder: Path) -> list[str]:
        pytest.skip("a disk cannot be mounted here")

    assert matrix.tried(impossible) == Seen(NOT_RUN, wrong="a disk cannot be mounted here")
    assert matrix.tried(lambda folder: ["one", "two"]).wrong == "one; two"
    assert matrix.tried(lambda folder: [str(1 / 0)]).wrong == "ZeroDivisionError: division by zero"
