"""The search: its grid, its order, its table and its file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sims.plots import spread
from sims.search_temperatures import Cell, Grid, Row, main, request, table
from sims.trials import Trial

ROOT = Path(__file__).parents[2]


def row(kind: Cell, accuracies: list[float], labels: list[float]) -> Row:
    made = [tuple(Trial(value, 0.5, 10, 10, 1.0, {"DA": value}) for value in values) for values in (accuracies, labels)]
    return Row(kind, made[0], made[1])


@pytest.mark.parametrize(
    ("cell", "name"),
    [(Cell("t"), "CE"), (Cell("t", 0.5, 2.0, 2.0), "TS(2)"), (Cell("t", 0.5, 3.0, 1.5), "ATS(3, 1.5)")],
)
def test_a_cell_is_named_by_its_temperatures(cell: Cell, name: str) -> None:
    assert cell.name == name


def test_the_grid_softens_the_label_at_least_as_much_as_the_others() -> None:
    cells = list(Grid(("t",), (0.5, 0.9), (1.0, 2.0, 3.0), (2.0, 3.0)).cells("t"))
    assert [cell.name for cell in cells] == ["CE", *["TS(2)", "ATS(3, 2)", "TS(3)"] * 2]
    assert [cell.kd_weight for cell in cells] == [0.0, *[0.5] * 3, *[0.9] * 3]


def test_gains_are_paired_by_seed() -> None:
    found = row(Cell("t", 0.5, 1.0, 1.0), [0.9, 0.6], [0.8, 0.7])
    assert found.gains == pytest.approx([0.1, -0.1])
    assert found.accuracy == pytest.approx(0.75)
    assert found.diagnostic("DA") == pytest.approx(0.75)
    assert found.diagnostic("IV") is None


def test_spread_is_the_deviation_of_a_sample() -> None:
    assert spread([0.80, 0.82], ".2f", 100) == "81.00 ± 1.41"
    assert spread([0.80], "+.2f", 100) == "+80.00"


def test_a_row_of_labels_alone_has_no_gain() -> None:
    shown = table([row(Cell("t"), [0.5], [0.5]), row(Cell("t", 0.5, 1.0, 1.0), [0.6], [0.5])], "title")
    assert [str(column.header) for column in shown.columns][:4] == ["target", "weight", "accuracy %", "over CE"]
    assert list(shown.columns[3].cells) == ["-", "+10.00"]


def test_teachers_are_told_apart_where_there_are_several() -> None:
    shown = table([row(Cell("a"), [0.5], [0.5]), row(Cell("b"), [0.4], [0.4])], "title")
    assert list(shown.columns[0].cells) == ["a", "b"]


def test_overrides_and_options_may_be_mixed() -> None:
    found = request(["clients=3", "--tau-true", "1,2", "rounds=2", "--seeds", "4"], None, "x.json")
    assert found.overrides == ("clients=3", "rounds=2")
    assert found.grid.tau_true == (1.0, 2.0)
    assert (found.seeds, found.grid.teachers, found.output) == ((4,), ("",), Path("x.json"))


@pytest.mark.slow
def test_a_search_leaves_every_trial_best_first(overrides: tuple[str, ...], tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    options = ["--tau-true", "1,3", "--tau-other", "1", "--seeds", "0,1", "--held-out", "200", "--output", str(output)]
    main([*overrides, *options])
    (found,) = json.loads(output.read_text())
    means = [sum(trial["accuracy"] for trial in each["trials"]) for each in found["rows"]]
    assert len(means) == 3
    assert means == sorted(means, reverse=True)
    assert all(len(each["trials"]) == 2 for each in found["rows"])
    assert [set(quality) for quality in found["teacher_quality"]] == [{"accuracy", "confidence"}] * 2


@pytest.mark.e2e
def test_a_mistake_is_one_line() -> None:
    command = [sys.executable, "sims/search_temperatures.py", "clients=4", "rounds=x"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("configuration: rounds='x': expected an integer")
    assert done.stderr.count("\n") == 1
