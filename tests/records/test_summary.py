from __future__ import annotations

import math
from dataclasses import replace

import pytest

from fedkd.records import histories, summarise


def test_bytes_are_sums_over_rounds(reports):
    summary = summarise("demo", reports, 40)
    assert (summary.bytes_up, summary.bytes_down_broadcast, summary.bytes_down_unicast) == (50, 24, 6)
    assert (summary.bytes_header, summary.bytes_side, summary.bytes_body) == (18, 12, 50)
    assert summary.bytes_total == summary.bytes_header + summary.bytes_side + summary.bytes_body


def test_factors_are_against_a_float32_model_an_update_and_a_broadcast_of_it_a_round(reports):
    """Five updates counted: 5 x 40 / 50 up; three rounds: 3 x 40 / 30 down; 320 / 80 in both."""
    summary = summarise("demo", reports, 40)
    assert (summary.factor_up, summary.factor_down, summary.factor) == (4.0, 4.0, 4.0)
    assert summary.bits_a_coordinate_up == 8.0
    assert summary.bits_a_coordinate_down == 8.0


def test_uncompressed_messages_without_headers_have_factor_one(reports):
    sent = [replace(one, missing={}, bytes_up=80, bytes_down_broadcast=40, bytes_down_unicast=0) for one in reports]
    summary = summarise("demo", sent, 40)
    assert (summary.factor_up, summary.factor_down, summary.factor) == (1.0, 1.0, 1.0)
    assert summary.bits_a_coordinate_up == 32.0


def test_the_final_metric_is_the_mean_of_the_last_three_evaluated_rounds(reports):
    values = (0.1, 0.5, 0.6, 0.7)
    rounds = [replace(reports[0], round=index, metrics={"accuracy": value}) for index, value in enumerate(values)]
    summary = summarise("demo", rounds, 40)
    assert summary.mean_last == pytest.approx(0.6)
    assert (summary.last, summary.best) == (0.7, 0.7)


@pytest.mark.parametrize(
    ("metrics", "name", "best"),
    [
        ({"loss": 2.0, "accuracy": 0.5, "excess_loss": 1.0}, "accuracy", 0.5),
        ({"loss": 2.0, "excess_loss": 1.0}, "excess_loss", 0.5),
        ({"accuracy_probe": 0.8, "accuracy_1_shot": 0.4, "loss": 2.0}, "accuracy_1_shot", 0.4),
        ({"accuracy_2_shot": 0.6, "accuracy_knn": 0.7, "accuracy_probe": 0.8}, "accuracy_probe", 0.8),
        ({"loss": 2.0}, "loss", 1.0),
    ],
)
def test_the_headline_is_accuracy_else_that_of_a_probe_else_excess_loss_else_loss(reports, metrics, name, best):
    halved = {key: value / 2 for key, value in metrics.items()}
    summary = summarise("demo", [replace(reports[0], metrics=metrics), replace(reports[1], metrics=halved)], 40)
    assert (summary.metric, summary.best) == (name, best)


def test_a_run_that_diverged_says_so(diverged):
    summary = summarise("demo", diverged, 40)
    assert math.isnan(summary.mean_last)
    assert summary.best == 0.5


def test_a_run_without_rounds_has_a_summary():
    summary = summarise("demo", [], 40)
    assert summary.metric == ""
    assert math.isnan(summary.factor)


def test_other_runs_are_those_in_subfolders_that_have_rounds(tmp_path, leave):
    leave(tmp_path, "first")
    leave(tmp_path / "second", "second")
    leave(tmp_path / "empty", "empty", [])
    (tmp_path / "checkpoints").mkdir()
    assert [run.name for run in histories(tmp_path)] == ["first", "second"]
