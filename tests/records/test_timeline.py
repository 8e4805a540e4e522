from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from fedkd.errors import ConfigurationError
from fedkd.predict import Regret
from fedkd.records import Jsonl, Outcome, Placement, Timeline, read_reports
from fedkd.records.tables import on_workers, seats
from fedkd.records.timeline import TIMELINE, RoundTimeline, of_line, read_timeline, to_line
from fedkd.records.worker_picture import SEPARATE, worker_picture

DONE = Outcome("finished", 3, 1.5, "a" * 64, "")
BARS = (Placement(4, 0, 0.0, 3.0, 2.0), Placement(7, 1, 0.0, 1.0, None), Placement(2, 1, 1.0, 2.0, 1.25))
"""Five of six seconds on two workers."""


@pytest.fixture
def placed(reports):
    return [replace(one, placements=BARS) for one in reports]


def _write(folder, info, reports, kind=Timeline):
    recorder = kind()
    recorder.start(info)
    for report in reports:
        recorder.record(report)
    recorder.finish(DONE)


def _many(clients, workers, gap=0.0):
    """Clients of a second each, one after another on every worker, with ``gap`` seconds between them."""
    begins = [(1 + gap) * (client // workers) for client in range(clients)]
    return tuple(Placement(client, client % workers, begin, begin + 1, None) for client, begin in enumerate(begins))


def test_what_is_written_is_what_is_read(tmp_path, make_info, placed):
    _write(tmp_path, make_info(tmp_path), placed)
    assert read_timeline(tmp_path) == [RoundTimeline(round_, 2, BARS) for round_ in range(3)]


def test_a_line_is_one_round_with_times_to_the_microsecond(tmp_path, make_info, reports):
    bar = Placement(3, 1, 0.12345678, 1.0000004, 0.98765432)
    _write(tmp_path, make_info(tmp_path), [replace(reports[0], placements=(bar,))])
    line = json.loads((tmp_path / TIMELINE).read_text())
    assert line == {"round": 0, "workers": 2, "bars": [[3, 1, 0.123457, 1.0, 0.987654]]}


def test_workers_without_a_client_count(tmp_path, make_info, placed):
    info = make_info(tmp_path)
    info.facts["workers"] = [{"rank": rank, "host": "a", "device": "cpu"} for rank in range(5)]
    _write(tmp_path, info, [placed[0], replace(placed[1], placements=())])
    assert [(one.workers, len(one.bars)) for one in read_timeline(tmp_path)] == [(5, 3), (5, 0)]


def test_placements_are_not_in_the_metrics(tmp_path, make_info, placed, reports):
    _write(tmp_path, make_info(tmp_path), placed, Jsonl)
    assert read_reports(tmp_path) == reports
    assert "placements" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_resumed_run_replaces_the_rounds_that_it_repeats(tmp_path, make_info, placed):
    _write(tmp_path, make_info(tmp_path), placed)
    _write(tmp_path, make_info(tmp_path), [replace(placed[1], placements=BARS[:1])])
    assert [(one.round, len(one.bars)) for one in read_timeline(tmp_path)] == [(0, 3), (1, 1)]


def test_a_line_cut_off_by_a_crash_is_passed_over_and_then_replaced(tmp_path, make_info, placed):
    _write(tmp_path, make_info(tmp_path), placed)
    path = tmp_path / TIMELINE
    path.write_text(path.read_text()[:-9])
    assert [one.round for one in read_timeline(tmp_path)] == [0, 1]
    _write(tmp_path, make_info(tmp_path), placed[2:])
    assert [one.round for one in read_timeline(tmp_path)] == [0, 1, 2]


def test_a_damaged_line_in_the_middle_is_named(tmp_path, make_info, placed):
    _write(tmp_path, make_info(tmp_path), placed)
    path = tmp_path / TIMELINE
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], '{"round": 1, "workers": 2, "bars": [[1, 2]]}', lines[2]]) + "\n")
    with pytest.raises(ConfigurationError, match=r"timeline\.jsonl line 2: is no report of a round; delete the line"):
        read_timeline(tmp_path)


def test_a_folder_without_a_timeline_has_no_rounds(tmp_path):
    assert read_timeline(tmp_path) == []


def test_idle_share_is_what_the_bars_leave_of_workers_times_makespan():
    timeline = RoundTimeline(0, 2, BARS)
    assert timeline.makespan == 3.0
    assert timeline.idle_share == pytest.approx(1 - 5 / 6)
    assert RoundTimeline(0, 4, BARS).idle_share == pytest.approx(1 - 5 / 12)


def test_a_round_without_clients_is_not_idle():
    empty = RoundTimeline(0, 2, ())
    assert (empty.makespan, empty.idle_share, empty.errors) == (0.0, 0.0, [])


def test_errors_of_predictions_are_relative_to_the_time_taken():
    assert RoundTimeline(0, 2, BARS).errors == pytest.approx([1 / 3, 1 / 4])


def test_the_table_has_a_row_for_every_number_of_workers():
    """Errors 1/3 and 1/4 in each of two rounds; then one worker, 3 s, no gap and no prediction."""
    single = RoundTimeline(2, 1, (Placement(0, 0, 0.0, 3.0, None),))
    table = on_workers([RoundTimeline(0, 2, BARS), RoundTimeline(1, 2, BARS), single])
    assert table.rows == (
        ("2", "2", "3.00 s", "16.7 %", "29.2 %", "29.2 %"),
        ("1", "1", "3.00 s", "0.0 %", "–", "–"),
    )


def test_every_client_is_a_bar_in_its_workers_lane_and_neighbours_differ():
    svg = worker_picture(RoundTimeline(0, 2, BARS), "demo")
    first, second = re.findall(r'<g transform="translate.*?</g>', svg)
    assert re.findall(r"<title>(.*?)</title>", first) == ["client 4: 3.00 s, predicted 2.00 s"]
    assert re.findall(r"<title>(.*?)</title>", second) == [
        "client 7: 1.00 s",
        "client 2: 1.00 s, predicted 1.25 s",
    ]
    assert second.count("fill-opacity") == 1 + 1


def test_bars_are_as_long_as_the_clients_took():
    """Lanes are 774 wide: three seconds of client 4, and one second each of clients 7 and 2."""
    svg = worker_picture(RoundTimeline(0, 2, BARS), "demo")
    assert re.findall(r'd="M([\d.]+) 0h([\d.]+)v[^"]*"><title>', svg) == [
        ("0.00", "774.00"),
        ("0.00", "258.00"),
        ("258.00", "258.00"),
    ]


@pytest.mark.parametrize(("gap", "pieces"), [(0.0, 1), (0.5, 126)])
def test_very_many_clients_run_together_except_where_the_worker_waits(gap, pieces):
    bars = _many(SEPARATE + 8, 8, gap)
    svg = worker_picture(RoundTimeline(0, 8, bars), "demo")
    assert "<title>" not in svg
    assert svg.count("v14.40h") - 8 == 8 * pieces


def test_a_picture_of_ten_thousand_clients_on_many_workers_is_small():
    svg = worker_picture(RoundTimeline(0, 200, _many(10_000, 200, 0.001)), "demo")
    assert len(svg) < 60_000


@pytest.mark.parametrize(("seconds", "name"), [(0.5, "milliseconds"), (90.0, "seconds"), (400.0, "minutes")])
def test_the_axis_is_in_a_readable_unit(seconds, name):
    assert f">{name}</text>" in worker_picture(RoundTimeline(0, 1, (Placement(0, 0, 0.0, seconds, None),)), "demo")


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ([], ""),
        ([("a", "cpu"), ("a", "cpu")], "2 on 1 host: a: 2 x cpu"),
        ([("a", "cuda:0"), ("a", "cuda:1"), ("a", "cuda:0")], "3 on 1 host: a: 2 x cuda:0, cuda:1"),
        ([("a", "cuda:0"), ("b", "cuda:0"), ("c", "cpu")], "3 on 3 hosts: a, b: cuda:0; c: cpu"),
    ],
)
def test_seats_are_told_in_few_words(where, text):
    assert seats([{"rank": rank, "host": host, "device": device} for rank, (host, device) in enumerate(where)]) == text


def test_what_was_learned_and_what_moved_is_read_back() -> None:
    learned = {"durations": Regret(3, 0.5, 0.25, 2.0, 0.0), "duals": Regret(2, 4.0, math.nan, 1.0)}
    line = to_line(RoundTimeline(4, 2, (), moved=1000, learned=learned))
    found = of_line(line)
    assert (found.moved, found.learned["durations"]) == (1000, learned["durations"])
    assert math.isnan(found.learned["duals"].best)
    assert "moved" not in to_line(RoundTimeline(4, 2, ()))
