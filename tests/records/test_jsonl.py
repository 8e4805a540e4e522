from __future__ import annotations

import json
import math

import pytest

from fedkd.errors import ConfigurationError
from fedkd.records import Jsonl, Outcome, read_reports
from fedkd.records.jsonl import METRICS, of_line, to_line

DONE = Outcome("finished", 3, 1.5, "a" * 64, "")


def _write(folder, make_info, reports):
    recorder = Jsonl()
    recorder.start(make_info(folder))
    for report in reports:
        recorder.record(report)
    return recorder


def test_what_is_written_is_what_is_read(tmp_path, make_info, reports):
    _write(tmp_path, make_info, reports).finish(DONE)
    assert read_reports(tmp_path) == reports


def test_every_line_is_one_json_object_on_disk_before_the_run_ends(tmp_path, make_info, reports):
    recorder = _write(tmp_path, make_info, reports[:2])
    lines = (tmp_path / METRICS).read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == [0, 1]
    recorder.finish(DONE)


def test_a_run_without_rounds_leaves_an_empty_file(tmp_path, make_info):
    _write(tmp_path, make_info, []).finish(DONE)
    assert (tmp_path / METRICS).read_text() == ""


def test_a_resumed_run_replaces_the_rounds_that_it_repeats(tmp_path, make_info, reports):
    _write(tmp_path, make_info, reports).finish(DONE)
    _write(tmp_path, make_info, reports[1:]).finish(DONE)
    assert read_reports(tmp_path) == reports


def test_a_resumed_run_that_has_nothing_to_do_keeps_all_rounds(tmp_path, make_info, reports):
    _write(tmp_path, make_info, reports).finish(DONE)
    _write(tmp_path, make_info, []).finish(DONE)
    assert read_reports(tmp_path) == reports


def test_a_line_cut_off_by_a_crash_is_passed_over_and_then_replaced(tmp_path, make_info, reports):
    _write(tmp_path, make_info, reports).finish(DONE)
    path = tmp_path / METRICS
    path.write_text(path.read_text()[:-30])
    assert read_reports(tmp_path) == reports[:2]
    _write(tmp_path, make_info, reports[2:]).finish(DONE)
    assert read_reports(tmp_path) == reports


def test_a_damaged_line_in_the_middle_is_named(tmp_path, make_info, reports):
    _write(tmp_path, make_info, reports).finish(DONE)
    path = tmp_path / METRICS
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:40], lines[2]]) + "\n")
    with pytest.raises(ConfigurationError, match=r"metrics\.jsonl line 2: is no report of a round; delete the line"):
        read_reports(tmp_path)


def test_numbers_that_are_not_finite_are_null_in_the_file_and_nan_when_read(diverged):
    line = to_line(diverged[1])
    assert json.loads(line, parse_constant=pytest.fail)["metrics"] == {"loss": None, "accuracy": None}
    back = of_line(line)
    assert math.isnan(back.metrics["accuracy"])
    assert math.isnan(back.diagnostics["train_loss"])
