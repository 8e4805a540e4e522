"""Matching a cohort with homes: who stays, who leaves, and what the round gains by it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.executors.schedule import Matched

TWO = {3: 1.0, 8: 1.0}


def span(placed: dict[int, int], seconds: dict[int, float], speeds: dict[int, float]) -> float:
    """The largest load."""
    return max(sum(seconds[one] for one, home in placed.items() if home == each) / speeds[each] for each in speeds)


def test_nobody_moves_where_nothing_is_gained() -> None:
    homes = {0: 3, 1: 8, 2: 3, 3: 8}
    assert Matched().place(dict.fromkeys(homes, 2.0), TWO, homes, moving=0.0) == homes


def test_the_fewest_leave_an_overfull_home() -> None:
    seconds = {0: 6.0, 1: 2.0, 2: 2.0, 3: 2.0}
    assert Matched().place(seconds, TWO, dict.fromkeys(seconds, 3), moving=0.1) == {0: 8, 1: 3, 2: 3, 3: 3}


def test_a_move_that_takes_longer_than_it_saves_is_not_made() -> None:
    seconds, homes = {0: 6.0, 1: 2.0, 2: 2.0, 3: 2.0}, dict.fromkeys(range(4), 3)
    assert Matched().place(seconds, TWO, homes, moving=5.9)[0] == 8
    assert Matched().place(seconds, TWO, homes, moving=6.1) == homes


def test_a_fast_home_gets_more() -> None:
    seconds = dict.fromkeys(range(30), 1.0)
    placed = Matched().place(seconds, {0: 2.0, 1: 1.0}, {}, moving=0.0)
    assert sum(home == 0 for home in placed.values()) == 20


def test_new_clients_fill_what_those_at_home_leave_free() -> None:
    seconds = dict.fromkeys(range(9), 1.0)
    homes = {0: 3, 1: 3, 2: 3, 3: 3, 4: 8}
    placed = Matched().place(seconds, TWO, homes, moving=10.0)
    assert {client: placed[client] for client in homes} == homes
    assert sorted(placed.values()) == [3] * 5 + [8] * 4 or sorted(placed.values()) == [3] * 4 + [8] * 5


def test_a_round_without_clients_places_nobody() -> None:
    assert Matched().place({}, TWO, {}, moving=1.0) == {}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    seconds=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=40),
    speeds=st.lists(st.floats(0.2, 4.0), min_size=1, max_size=6),
    moving=st.sampled_from([0.0, 0.1, 3.0, 1e6]),
    seed=st.integers(0, 99),
)
def test_no_round_ends_later_than_where_everyone_stays_by_more_than_one_client(
    seconds: list[float], speeds: list[float], moving: float, seed: int
) -> None:
    draws = np.random.default_rng(seed)
    named, fast = dict(enumerate(seconds)), dict(enumerate(speeds))
    homes = {client: int(draws.integers(len(speeds))) for client in named}
    placed = Matched().place(named, fast, homes, moving)
    assert list(placed) == list(named)
    moves = sum(placed[client] != homes[client] for client in named)
    # A client that leaves a load above the level makes, where it goes, at most a load of the level and itself.
    lump = max(seconds) / min(speeds)
    assert span(placed, named, fast) + moving * moves <= span(homes, named, fast) + lump + 1e-9
    assert moving < 1e6 or not moves


def test_what_is_learned_of_duals_outlives_a_checkpoint() -> None:
    matched, seconds = Matched(), {client: 1.0 + client % 7 for client in range(40)}
    speeds = dict.fromkeys(range(8), 1.0)
    for _ in range(4):
        matched.place(seconds, speeds, {}, moving=0.0)
    again = Matched.resumed(matched.keep())
    again.place(seconds, speeds, {}, moving=0.0)
    cold = Matched()
    cold.place(seconds, speeds, {}, moving=0.0)
    before = matched.regret()
    matched.place(seconds, speeds, {}, moving=0.0)
    assert again.regret().cost == matched.regret().cost - before.cost < cold.regret().cost
