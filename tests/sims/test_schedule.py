"""The simulation of schedules: its engine by hand, its settings, its files, and what the queue must reach."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from fedkd.predict import Durations
from fedkd.records.timeline import read_timeline
from sims.rounds import SETTINGS, Round, Setting, fit_factors, recorded
from sims.schedule import POLICIES, WARM_UP, Bar, Policy, main, measure, pull_in_arrival_order, simulate

AS_THEY_COME, LEARNED = POLICIES[2:]
HAND = Round({0: 1.0, 1: 2.0, 2: 6.0}, {0: 10, 1: 20, 2: 60}, (1.0, 2.0))


def policy(name: str) -> Policy:
    (found,) = [each for each in POLICIES if each.name == name]
    return found


def test_the_bound_is_the_work_or_the_longest_client() -> None:
    assert HAND.bound == 6
    assert Round({0: 1.0, 1: 2.0, 2: 3.0}, HAND.works, HAND.factors).bound == pytest.approx(4)


def test_a_round_by_hand() -> None:
    bars = simulate(HAND, pull_in_arrival_order(HAND, Durations()))
    assert bars == [Bar(0, 0, 0.0, 1.0), Bar(1, 1, 0.0, 4.0), Bar(2, 0, 1.0, 7.0)]


@pytest.mark.parametrize(
    ("name", "makespan"),
    [("round robin", 7.0), ("static, learned", 6.0), ("pull, as they come", 7.0), ("pull, learned", 6.0)],
)
def test_each_policy_by_hand(name: str, makespan: float) -> None:
    durations = Durations()
    for worker, seconds in ((0, 1.0), (1, 2.0)):
        for client in range(40):
            durations.observe(10 + client, 10.0, worker, seconds)
    bars = simulate(HAND, policy(name).queue(HAND, durations))
    assert sorted(bar.client for bar in bars) == [0, 1, 2]
    assert max(bar.end for bar in bars) == makespan


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_queue_is_within_two_percent_of_the_bound(setting: Setting) -> None:
    runs = [list(setting.rounds(WARM_UP + 3, seed=0))]
    learned, other = (measure(setting.name, each, runs) for each in (LEARNED, AS_THEY_COME))
    assert max(learned.ratios) <= 1.02
    assert min(learned.ratios) >= 1
    assert np.mean(learned.ratios) < np.mean(other.ratios)
    assert np.mean(learned.idle) < np.mean(other.idle)


def test_made_up_rounds_are_those_of_their_seed() -> None:
    one, same, other = (list(SETTINGS[1].rounds(2, seed)) for seed in (3, 3, 4))
    assert one == same != other
    assert [len(each.seconds) for each in one] == [160, 160]
    logs = [math.log(seconds) for seconds in one[0].seconds.values()]
    assert 0.7 < np.std(logs) < 1.3


def write(folder: Path, rounds: int, factors: tuple[float, ...] = (1.0, 2.0)) -> Path:
    """A run of 6 clients with 10, 20, ... samples and two epochs, 10 ms a sample, on workers that alternate."""
    lines = []
    for number in range(rounds):
        bars = [[c, (c + number) % 2, 0.0, 0.2 * (c + 1) * factors[(c + number) % 2], None] for c in range(6)]
        lines.append(json.dumps({"round": number, "workers": 2, "bars": bars}))
    trainer = {"epochs": 2, "batch_size": 5, "batches": 0}
    manifest = {"configuration": {"trainer": trainer}, "facts": {"samples": [10 * (c + 1) for c in range(6)]}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "timeline.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "timeline.jsonl"


def test_recorded_rounds_are_freed_of_their_workers(tmp_path: Path) -> None:
    rounds = recorded(write(tmp_path, 4))
    assert len(rounds) == 4
    assert rounds[0].works == {client: 20 * (client + 1) for client in range(6)}
    assert rounds[0].factors == pytest.approx((0.5**0.5, 2**0.5))
    for each in rounds:
        assert list(each.seconds.values()) == pytest.approx([0.2 * 2**0.5 * (client + 1) for client in range(6)])


def test_recorded_rounds_on_another_number_of_workers(tmp_path: Path) -> None:
    path = write(tmp_path, 4)
    assert recorded(path, workers=5)[0].factors == pytest.approx([2 ** (i % 2 - 0.5) for i in range(5)])


def test_a_worker_that_did_nothing_counts_as_average(tmp_path: Path) -> None:
    path = write(tmp_path, 4)
    path.write_text(path.read_text().replace('"workers": 2', '"workers": 3'))
    assert fit_factors(read_timeline(tmp_path))[2] == pytest.approx(1)


@pytest.mark.parametrize("broken", ["timeline.jsonl", "manifest.json"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, broken: str) -> None:
    path = write(tmp_path, 4)
    (tmp_path / broken).unlink()
    with pytest.raises(ConfigurationError, match=broken):
        recorded(path)


def test_the_command_prints_a_table_and_writes_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, WARM_UP + 2)
    main(["--recorded", str(path), "--json", str(tmp_path / "out.json")])
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["policy"] for row in rows] == [each.name for each in POLICIES]
    assert all(len(row["ratios"]) == 2 for row in rows)
    printed = capsys.readouterr().out
    assert all(each.name in printed for each in POLICIES)


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--rounds", "5"], "needs > 5"), (["--recorded", "timeline.jsonl"], "holds no round")]
)
def test_what_cannot_be_simulated_is_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        main(arguments)


def test_too_short_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has 5 rounds"):
        main(["--recorded", str(write(tmp_path, WARM_UP))])
