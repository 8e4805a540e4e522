"""Lengths of runs are learned from configurations; orders are judged on recorded ones, by hand first."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sims.sweep import main
from sims.sweeps.features import Leaves, columns, work
from sims.sweeps.lengths import KEPT, LENGTHS, Length, Lengths, add_length, read_lengths
from sims.sweeps.replay import Learned, Recorded, Truth, first_come, measure, preferential, read, shortest_first

LONG, SHORT = (
    Recorded(name, rounds, float(rounds), 1.0, {"rounds": rounds}) for name, rounds in (("long", 30), ("short", 10))
)


def made_up(count: int, seed: int) -> list[Length]:
    """Lengths that follow the law that is to be learned, within 10 %."""
    draws = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        rounds, hidden = int(draws.choice([5, 20, 80])), int(draws.choice([8, 64, 512]))
        algorithm = str(draws.choice(["mcm", "diana"]))
        leaves: Leaves = {"rounds": rounds, "model.hidden": [hidden], "algorithm.name": algorithm, "seed": count}
        seconds = 0.1 * rounds * (hidden / 64) ** 0.5 * (2.0 if algorithm == "mcm" else 1.0)
        found.append(Length(leaves, seconds * math.exp(draws.uniform(-0.1, 0.1))))
    return found


def errors(lengths: Lengths, asked: Sequence[Length]) -> list[float]:
    """In nats."""
    return [abs(math.log(lengths.suggest(each.leaves) / each.seconds)) for each in asked]


def test_before_anything_is_known_the_order_is_that_of_work() -> None:
    leaves: list[Leaves] = [
        {"rounds": rounds, "trainer.epochs": epochs} for rounds, epochs in ((10, 1), (4, 2), (5, 3))
    ]
    lengths = Lengths([], leaves)
    assert not lengths.learned
    assert sorted(leaves, key=lengths.suggest) == [leaves[1], leaves[0], leaves[2]]
    assert [work(each) for each in leaves] == [10, 8, 15]


def test_one_run_tells_the_pace() -> None:
    lengths = Lengths([], [{"rounds": 10}, {"rounds": 20}])
    lengths.observe("one", Length({"rounds": 10}, 5.0))
    assert lengths.learned
    assert lengths.suggest({"rounds": 20}) == pytest.approx(10.0)
    lengths.observe("one", Length({"rounds": 10}, 6.0))
    assert lengths.suggest({"rounds": 20}) == pytest.approx(12.0)


def test_what_a_configuration_costs_is_learned() -> None:
    seen, asked = made_up(40, 0), made_up(40, 1)
    learned = errors(Lengths(seen, []), asked)
    flat = errors(Lengths([Length({"rounds": 1}, 0.15)], []), asked)
    assert np.mean(learned) < 0.25 < 0.5 < np.mean(flat)
    assert max(learned) < 0.7


def test_seeds_and_keys_that_agree_are_no_features() -> None:
    known: list[Leaves] = [
        {"rounds": 10 * place, "seed": place, "model.hidden": [8 * place], "twin": 8 * place, "same": 3, "name": name}
        for place, name in ((1, "a"), (2, "b"), (3, "a"))
    ]
    found = columns(known)
    assert [column.key for column in found] == ["model.hidden", "name", "name"]
    assert [found[0](each) for each in known] == pytest.approx([-1, math.log(2 / 3**0.5) / math.log(3**0.5), 1])
    assert found[0]({"model.hidden": [800]}) == 1
    assert found[0]({}) == found[1]({}) == 0


def test_the_regret_is_that_of_predictions_made_before() -> None:
    lengths = Lengths([], [{"rounds": 10}])
    assert lengths.regret().count == 0
    for predicted, seconds in ((5.0, 10.0), (20.0, 10.0), (10.0, 10.0)):
        lengths.log(predicted, Length({"rounds": 10}, seconds))
    found = lengths.regret()
    assert (found.count, found.optimum) == (3, 0.0)
    assert found.surrogate == found.cost == pytest.approx(2 * math.log(2))
    assert found.best == pytest.approx(0.0, abs=1e-6)
    assert found.regret == pytest.approx(2 / 3 * math.log(2))


def test_lengths_are_remembered_the_last_ones(tmp_path: Path) -> None:
    path = tmp_path / "lengths.json"
    assert read_lengths(path) == []
    path.write_text(json.dumps({LENGTHS: [{"leaves": {"rounds": 1}, "seconds": 1.0}] * KEPT}))
    add_length(path, Length({"rounds": 3}, 2.5))
    found = read_lengths(path)
    assert len(found) == KEPT
    assert found[-1] == Length({"rounds": 3}, 2.5)
    path.write_text("{")
    assert read_lengths(path) == []


@pytest.mark.parametrize("text", ['{"mine": 1}', "[]", "3", '{"lengths of fedkd sweeps": 1}'])
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lengths.json"
    path.write_text(text)
    assert read_lengths(path) == []
    add_length(path, Length({"rounds": 3}, 2.5))
    assert path.read_text() == text


def test_entries_that_are_no_lengths_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "lengths.json"
    wrong = [{"leaves": [], "seconds": 1.0}, {"leaves": {}, "seconds": 0}, {"leaves": {}, "seconds": math.nan}, 3]
    path.write_text(json.dumps({LENGTHS: [*wrong, {"leaves": {"rounds": 2}, "seconds": 4}]}))
    assert read_lengths(path) == [Length({"rounds": 2}, 4.0)]


def test_orders_by_hand() -> None:
    """Set-ups take a second, slices ten: the short run is done within its first one, or as the second."""
    assert first_come([LONG, SHORT]) == [31, 42]
    assert shortest_first([LONG, SHORT], Truth()) == [11, 42]
    assert preferential([LONG, SHORT], Truth(), 1.0) == [42, 11]
    assert preferential([SHORT, LONG], Truth(), 1.0) == [11, 42]


def test_round_robin_takes_turns_by_hand() -> None:
    """Slices of ten seconds: 9, 10, 10 and 1 of 30 rounds of a second, beside a set-up of one in the first of them."""
    runs = [Recorded(name, 30, 30.0, 1.0, {"rounds": 30}) for name in "ab"]
    assert preferential(runs, Truth(), 0.0) == [61, 62]


def test_a_process_that_left_is_set_up_again() -> None:
    """Four runs in turn, of which three may have a process."""
    runs = [Recorded(name, 20, 20.0, 1.0, {"rounds": 20}) for name in "abcd"]
    assert max(preferential(runs, Truth(), 0.0)) > 4 * 21
    assert max(preferential(runs[:3], Truth(), 0.0)) == 3 * 21


def test_what_is_learned_is_as_good_as_the_truth_in_the_end() -> None:
    runs = [Recorded(str(rounds), rounds, rounds / 2, 0.5, {"rounds": rounds}) for rounds in (80, 5, 40, 10, 20, 60)]
    rows = {row.policy: row for row in measure(runs, 30, 0.8)}
    first, learned = rows["first come, first served"], rows["preferential round robin"]
    assert first.mean > 1.3 * learned.mean
    assert learned.mean == pytest.approx(rows["the same, true lengths"].mean, rel=0.1)
    assert rows["shortest first, true lengths"].mean <= min(row.mean for row in rows.values()) + 1e-9


def test_a_pace_of_its_own_replaces_the_prediction() -> None:
    guess = Learned([LONG, SHORT])
    assert guess.left(SHORT, 5) == 5
    guess.saw(Recorded("long", 30, 60.0, 1.0, {"rounds": 30}))
    assert guess.left(SHORT, 5) == pytest.approx(10)
    guess.saw(SHORT)
    assert guess.left(SHORT, 5) == 5


def test_the_command_replays_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = {
        "folder": "a",
        "state": "done",
        "rounds": 10,
        "seconds_a_round": 0.5,
        "seconds_spent": 9.0,
        "seconds_set_up": [1.0, 3.0],
        "leaves": {"rounds": 10},
    }
    other = {**run, "folder": "b", "rounds": 40, "leaves": {"rounds": 40}}
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": [run, other, {**run, "state": "failed"}]}))
    assert read(tmp_path)[0] == Recorded("a", 10, 5.0, 2.0, {"rounds": 10})
    assert main(["--replay", str(tmp_path), "--orders", "3", "--json", str(tmp_path / "out.json")]) == 0
    first = capsys.readouterr().out
    assert "first come, first served" in first
    assert main(["--replay", str(tmp_path / "out.json"), "--orders", "3"]) == 0
    assert capsys.readouterr().out == first
