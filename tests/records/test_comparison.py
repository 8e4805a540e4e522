from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console as RichConsole

from fedkd.records import Console, compare, comparison_table, summarise


def _printed(rows, width):
    stream = io.StringIO()
    RichConsole(file=stream, width=width).print(comparison_table(rows))
    return stream.getvalue()


@pytest.fixture
def two_runs(tmp_path, leave, reports):
    leave(tmp_path)
    leave(tmp_path / "supervised", "supervised", [replace(reports[0], diagnostics={})])
    return tmp_path


def test_runs_stand_side_by_side(two_runs, capsys):
    compare(two_runs)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    main, other = rows[-2:]
    assert main == "MCM, this run 62.50 - 5.00e-5 3.00e-5 4.00x 0.0200 0.0100 5.00e-4 0.125 1.50 7.50"
    assert other == "supervised 50.00 -12.50 2.00e-5 1.00e-5 4.00x - - - - 0.500 2.50"


def test_a_quiet_console_prints_no_table(two_runs, capsys):
    compare(two_runs, Console(live="never", quiet=True))
    assert capsys.readouterr().out == ""


def test_numbers_are_whole_on_a_terminal_of_eighty_columns(reports):
    big = [replace(one, bytes_up=2_500_000, bytes_down_broadcast=80_000) for one in reports]
    text = _printed([summarise("a-very-long-name-of-a-run", big, 407_080), summarise("sgd", reports, 407_080)], 80)
    assert max(map(len, text.splitlines())) <= 80
    for number in ("62.50", "7.50", "0.240", "5.00e-4", "0.125"):
        assert number in text


def test_virtual_seconds_have_a_column_where_they_pass_in_any_run(reports):
    still = [replace(one, virtual_seconds=0.0) for one in reports]
    first, second = summarise("still", still, 40), summarise("moves", reports, 40)
    text = _printed([first, second], 120)
    assert [line.split()[-1] for line in text.splitlines()[-2:]] == ["-", "7.50"]
    assert "virtual" not in _printed([first, first], 120)


def test_an_excess_loss_is_compared_in_its_own_unit(reports):
    first, second = (
        summarise(name, [replace(reports[0], metrics={"excess_loss": value})], 40)
        for name, value in (("first", 1e-6), ("second", 3e-6))
    )
    text = _printed([first, second], 100)
    assert "+2.00e-6" in text
    assert "accuracy" not in text


def test_runs_of_different_metrics_have_no_delta(reports):
    other = summarise("convex", [replace(reports[0], metrics={"excess_loss": 1e-6})], 40)
    assert "+" not in _printed([summarise("demo", reports, 40), other], 100)


def test_accuracies_of_probes_are_compared_in_percentage_points(reports):
    first, second = (
        summarise(name, [replace(reports[0], metrics={"accuracy_1_shot": value, "accuracy_knn": 0.9})], 40)
        for name, value in (("first", 0.75), ("second", 0.5))
    )
    text = _printed([first, second], 100)
    assert "1 shot %" in text
    assert [line.split()[1:3] for line in text.splitlines()[-2:]] == [["75.00", "-"], ["50.00", "-25.00"]]
