from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console as RichConsole

from fedkd.errors import ConfigurationError
from fedkd.records import Console, Jsonl, Outcome, RoundReport
from fedkd.records.progress import LiveProgress, PlainProgress, Standing

GOLDEN = """\
MCM · distillation · digits · 2 clients · 10 parameters
round 1/3  accuracy 50.00 %     up   160 bit  down    80 bit  500 ms/round  1.00 s left
round 2/3  accuracy 50.00 %     up   320 bit  down   160 bit  500 ms/round  500 ms left
round 3: missing client 1: no reply within 60 s
round 3/3  accuracy 75.00 %     up   400 bit  down   240 bit  500 ms/round
demo: finished after 3 rounds

  accuracy         62.50 %   mean of the last 3 evaluated rounds; the last 75.00 %
  bits up          400 bit   50 B, 4.00x fewer than float32
  bits down        240 bit   30 B, 4.00x fewer than float32
  — broadcast      192 bit   24 B
  — unicast         48 bit   6 B
  bits up + down   640 bit   80 B, 4.00x fewer than float32
  time of rounds    1.50 s   clients: training 1.80 s, compression 300 ms
  virtual time      7.50 s   on the clients' own devices and links; 2.50 s a round
  missing                1   of 6 updates; clients started anew: 0
  DA                0.0200   mean probability of a wrong class in the target
  IV                0.0100   variance among the wrong classes, inherent
  DV               5.00e-4   variance among the wrong classes, derived
  inversion rate     0.125   targets that put another class above the label
"""
FINISHED = Outcome("finished", 3, 1.5, "a" * 64, "")


def _play(console, info, reports, outcome=FINISHED):
    console.start(info)
    for report in reports:
        console.record(report)
    console.finish(outcome)


def _lines(text):
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines()) + "\n"


def test_plain_output_is_this(tmp_path, make_info, reports, capsys):
    _play(Console(live="auto", quiet=False), make_info(tmp_path), reports)
    assert _lines(capsys.readouterr().out) == GOLDEN


def test_where_no_virtual_time_passes_nothing_is_said_of_it(tmp_path, make_info, reports, capsys):
    _play(
        Console(live="auto", quiet=False), make_info(tmp_path), [replace(one, virtual_seconds=0.0) for one in reports]
    )
    assert "virtual" not in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "said"), [(240.0, "12 min 00 s"), (7200.0, "6 h 00 min"), (float("inf"), "inf")])
def test_long_virtual_times_are_in_minutes_and_hours(tmp_path, make_info, reports, capsys, seconds, said):
    slow = [replace(one, virtual_seconds=seconds) for one in reports]
    _play(Console(live="auto", quiet=False), make_info(tmp_path), slow)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "virtual time" in line]
    assert line.split("virtual time")[1].strip().startswith(said)


def test_quiet_says_nothing(tmp_path, make_info, reports, capsys):
    console = Console(live="always", quiet=True)
    console.announce("loading data")
    _play(console, make_info(tmp_path), reports)
    assert capsys.readouterr() == ("", "")


def test_what_was_sent_before_a_resumption_is_counted(tmp_path, make_info, reports, capsys):
    info = make_info(tmp_path)
    _play(Jsonl(), info, reports)
    _play(Console(live="never", quiet=False), info, reports[2:])
    assert _lines(capsys.readouterr().out).splitlines()[1:] == GOLDEN.splitlines()[3:]


def test_an_interrupted_run_says_how_to_go_on(tmp_path, make_info, reports, capsys):
    message = "interrupted after round 1; continue with resume=runs/demo"
    _play(
        Console(live="never", quiet=False),
        make_info(tmp_path),
        reports[:1],
        Outcome("interrupted", 1, 0.5, "a", message),
    )
    out = _lines(capsys.readouterr().out)
    assert "demo: interrupted after 1 round\n" in out
    assert out.endswith(message + "\n")


def test_brackets_in_a_message_are_no_markup(capsys):
    Console(live="never", quiet=False).announce("pip install fedkd[report]")
    assert capsys.readouterr().out == "pip install fedkd[report]\n"


@pytest.mark.parametrize(("rounds", "shown"), [(50, 50), (51, 26), (1000, 50), (1003, 48)])
def test_a_long_run_fills_about_fifty_lines_and_shows_its_last_round(tmp_path, make_info, rounds, shown):
    stream = io.StringIO()
    progress = PlainProgress(RichConsole(file=stream, width=100), make_info(tmp_path, rounds=rounds))
    for done in range(1, rounds + 1):
        progress.show(Standing(done, rounds, "loss 1.0000", 8, 8, 1.0))
    lines = stream.getvalue().splitlines()
    assert len(lines) == shown
    assert lines[-1].startswith(f"round {rounds}/{rounds}")


@pytest.mark.parametrize("width", [80, 120])
def test_live_output_shows_round_metric_bits_and_time_in_one_line(tmp_path, make_info, reports, width):
    stream = io.StringIO()
    console = RichConsole(file=stream, force_terminal=True, width=width, color_system=None)
    progress = LiveProgress(console, make_info(tmp_path))
    progress.begin()
    progress.show(Standing.of(reports[:2], make_info(tmp_path)))
    progress.end()
    bar = stream.getvalue().split("\x1b[2K")[-1]
    for part in ("round 2/3", "accuracy 50.00 %", "up 320 bit", "down 160 bit", "500 ms left"):
        assert part in bar
    assert ("500 ms/round" in bar) == (width == 120)
    assert stream.getvalue().endswith("\x1b[?25h")


def test_live_output_leaves_a_summary(tmp_path, make_info, reports, capsys):
    _play(Console(live="always", quiet=False), make_info(tmp_path), reports)
    assert "62.50 %" in capsys.readouterr().out


def test_a_run_without_an_evaluated_round_has_no_metric(tmp_path, make_info, reports: list[RoundReport], capsys):
    _play(Console(live="never", quiet=False), make_info(tmp_path), reports[1:2])
    assert "accuracy" not in capsys.readouterr().out


def test_an_unknown_choice_is_refused():
    with pytest.raises(ConfigurationError, match="live='sometimes' is unknown; choose auto, always or never"):
        Console(live="sometimes", quiet=False)


def test_a_run_without_labels_is_judged_by_a_probe_in_percent(tmp_path, make_info, reports, capsys):
    probed = [
        replace(one, metrics={"accuracy_1_shot": 0.5, "accuracy_knn": 0.9}, diagnostics={"cosine": 0.25})
        for one in reports
    ]
    _play(Console(live="never", quiet=False), make_info(tmp_path), probed)
    out = _lines(capsys.readouterr().out)
    assert "round 3/3  accuracy 1 shot 50.00 %  up" in out
    assert "  accuracy 1 shot   50.00 %   mean of the last 3 evaluated rounds; the last 50.00 %" in out
    assert "0.250   mean cosine of different samples' embeddings; 1 is a collapse" in out
