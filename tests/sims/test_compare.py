"""The comparison: what is chosen, and that the test split speaks of the chosen alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from sims.compare_targets import Chosen, best, comparison, difference, main
from sims.search_temperatures import Cell, Row
from sims.trials import Trial


def row(cell: Cell, *accuracies: float) -> Row:
    trials = tuple(Trial(value, 0.5, 10, 10, 1.0, {}) for value in accuracies)
    return Row(cell, trials, trials)


CE, TS, ATS = Cell("t"), Cell("t", 0.5, 2.0, 2.0), Cell("t", 0.5, 3.0, 2.0)


def test_the_best_of_each_kind_is_the_first_in_order() -> None:
    weaker = [Cell("t", 0.5, 1.0, 1.0), Cell("t", 0.5, 4.0, 1.0)]
    rows = [row(TS, 0.9), row(ATS, 0.8), *(row(cell, 0.7) for cell in weaker), row(CE, 0.6)]
    assert [each.cell for each in best(rows)] == [CE, TS, ATS]


@pytest.mark.parametrize(("cell", "need"), [(TS, "tau_true > tau_other"), (ATS, "equal temperatures")])
def test_a_grid_without_one_of_the_kinds_is_refused(cell: Cell, need: str) -> None:
    with pytest.raises(ConfigurationError, match=need):
        best([row(CE, 0.5), row(cell, 0.4)])


def test_differences_are_paired_by_seed() -> None:
    assert difference(row(ATS, 0.9, 0.5), row(TS, 0.8, 0.6)) == pytest.approx([0.1, -0.1])
    chosen = [Chosen(row(cell, 0.5, 0.5), row(cell, *test)) for cell, test in ((CE, (0.5, 0.6)), (TS, (0.7, 0.8)))]
    shown = comparison([*chosen, Chosen(row(ATS, 0.5, 0.5), row(ATS, 0.8, 0.7))], seeds=2)
    assert list(shown.columns[6].cells) == ["-20.00 -20.00", "-", "+10.00 -10.00"]


@pytest.mark.slow
def test_held_out_and_test_accuracy_are_both_kept(overrides: tuple[str, ...], tmp_path: Path) -> None:
    output = tmp_path / "targets.json"
    options = ["--tau-true", "1,2", "--tau-other", "1", "--seeds", "0", "--held-out", "200", "--output", str(output)]
    main([*overrides, *options])
    found = json.loads(output.read_text())
    assert [len(trials) for trials in found["test"]] == [1, 1, 1]
    held_out = {each["tau_true"]: each["trials"][0]["accuracy"] for each in found["search"]["rows"]}
    assert [trials[0]["accuracy"] for trials in found["test"]] != [held_out[tau] for tau in (0.0, 1.0, 2.0)]


def test_two_teachers_are_refused(overrides: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="local,pretrained: targets share one teacher"):
        main([*overrides, "--teachers", "local,pretrained"])
