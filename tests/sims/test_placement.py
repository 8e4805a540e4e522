"""The study of placement, at a tiny size."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from fedkd.records import Placement
from fedkd.records.timeline import RoundTimeline, to_line
from sims import placement
from sims.placement import Anywhere, Matching, Sticky, measure
from sims.rounds import Setting


def test_matching_ends_rounds_earlier_than_staying_and_moves_few() -> None:
    setting = Setting("4", (1.0, 1.0, 2.0, 2.0))
    rows = {
        begin().name: measure("4", 0.05, begin, iter([list(setting.rounds(12, 0))]))
        for begin in (Sticky, lambda: Matching(True), lambda: Matching(False), Anywhere)
    }
    mean = {name: statistics.fmean(row.ratios) for name, row in rows.items()}
    assert 1.0 <= mean["states shared"] < 1.02 < mean["matching"] < mean["sticky"] - 0.05
    assert rows["sticky"].moved == rows["states shared"].moved == (0.0,) * 7
    assert 0 < statistics.fmean(rows["matching"].moved) < 0.1
    assert sum(rows["matching"].updates) <= sum(rows["matching, cold"].updates)


def test_the_command_prints_and_writes_every_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "SETTINGS", [Setting("2", (1.0, 1.0))])
    placement.main(["--seeds", "1", "--rounds", "6", "--json", str(tmp_path / "rows.json")])
    assert len(json.loads((tmp_path / "rows.json").read_text())) == 3 * 4
    assert capsys.readouterr().out.count("matching, cold") == 3


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="^--rounds 5 --seeds 5: needs > 5 and >= 1$"):
        placement.main(["--rounds", "5"])


def test_a_real_run_is_told_by_its_idle_time_and_by_what_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = (Placement(1, 0, 0.0, 4.0, None), Placement(2, 1, 0.0, 2.0, None))
    rounds = [RoundTimeline(number, 2, bars, moved=500_000 * (number > 5)) for number in range(7)]
    (tmp_path / "timeline.jsonl").write_text("".join(f"{to_line(each)}\n" for each in rounds))
    placement.main(["--recorded", str(tmp_path / "timeline.jsonl")])
    assert capsys.readouterr().out.split()[-3:] == ["2", "25.0", "0.25"]
    (tmp_path / "timeline.jsonl").write_text("")
    with pytest.raises(ConfigurationError, match="has no round after the first 5"):
        placement.main(["--recorded", str(tmp_path / "timeline.jsonl")])
