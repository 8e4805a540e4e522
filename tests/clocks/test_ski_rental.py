"""The learned deadline: what it knows is a value, its draws are the round's, and it comes to the best threshold."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from fedkd.checkpoints.described import describe, restore
from fedkd.clocks import Clock, Deadline, Finish, Instant, SkiRental
from fedkd.clocks.ski_rental import thresholds
from fedkd.predict import Experts
from fedkd.predict.ski_rental import losses

PRICE = 2.0
DEADLINE = SkiRental(PRICE, 0.0)


def played(deadline: Deadline, rounds: list[np.ndarray], seed: int = 0) -> tuple[list[float], dict[str, object]]:
    """The limit of every round, and what is known at the end."""
    learned, limits = {}, []
    for round_, arrivals in enumerate(rounds):
        limits.append(deadline.limit(np.sort(arrivals), learned, seed, round_))
        learned = deadline.learn(np.sort(arrivals), learned)
    return limits, learned


def drawn(rounds: int, clients: int = 8) -> list[np.ndarray]:
    """15 % are ten times as slow."""
    random = np.random.default_rng(5)
    return list(
        np.where(random.random((rounds, clients)) < 0.15, 10.0, 1.0) * random.lognormal(0, 0.2, (rounds, clients))
    )


def test_nothing_known_waits_as_long_as_all_replies_are_worth():
    assert DEADLINE.limit(np.array([1.0, 7.0, 99.0]), {}, 0, 0) == 3 * PRICE


def test_it_learns_to_do_without_the_slow_ones():
    """tau = 2 costs about 1.5, and .15 x 8 x 2 for the late; waiting for all 10 in most rounds, leaving at once 16."""
    limits, _ = played(DEADLINE, drawn(200))
    assert np.mean([1.3 < limit < 8 for limit in limits[30:]]) > 0.95


def test_it_learns_to_wait_where_updates_are_dear_and_to_leave_where_they_are_cheap():
    dear, _ = played(SkiRental(20.0, 0.0), drawn(100))
    cheap, _ = played(SkiRental(0.01, 0.0), drawn(100))
    assert np.mean([limit > 8 for limit in dear[30:]]) > 0.95
    assert np.mean([limit < 0.8 for limit in cheap[30:]]) > 0.95


@pytest.mark.parametrize(("least", "needed"), [(0.0, 0.0), (0.1, 1.0), (0.5, 2.0), (0.75, 30.0), (1.0, 90.0)])
def test_it_always_waits_for_those_who_are_needed(least, needed):
    """Where updates are worth next to nothing it goes on with them at once; no lower threshold is told from theirs."""
    deadline, arrivals = SkiRental(0.01, least), np.array([1.0, 2.0, 30.0, 90.0])
    assert deadline.limit(arrivals, {}, 0, 0) == max(0.04, needed)
    limits, learned = played(deadline, [arrivals] * 20)
    assert max(limits[5:]) <= max(needed, 0.01)
    assert min(limits) >= needed
    found, grid = (learned["ski_rental"]["experts"][name] for name in ("losses", "grid"))
    told = 20 * (max(needed, 0.01 / 64) + 0.01 * int((arrivals > needed).sum()))
    assert found[grid <= max(needed, 0.01 / 64)] == pytest.approx(told, rel=0.1)


def test_late_replies_are_learned_from():
    """Two streams that differ only after the limits: what is known differs."""
    early, late = [np.array([1.0, 30.0])] * 2, [np.array([1.0, 7.0])] * 2
    found = [played(SkiRental(1.0, 0.0), rounds)[1]["ski_rental"]["experts"]["losses"] for rounds in (early, late)]
    assert max(played(SkiRental(1.0, 0.0), early)[0][:1]) < 7
    assert not np.array_equal(*found)


def test_its_losses_are_what_a_round_costs():
    """round_seconds + price x late, for every threshold: what is learned is what is paid."""
    arrivals = np.array([0.5, 1.0, 1.0, 4.0, 9.0])
    grid = thresholds(PRICE, 5)

    class At(Deadline):
        def __init__(self, tau: float) -> None:
            self.tau = tau

        def limit(self, arrivals, learned, seed, round_):
            return self.tau

    class Told(Instant):
        def seconds(self, round_, clients, work, bytes_down, bytes_up, seed):
            return arrivals

    def paid(tau: float) -> float:
        ended = Clock(Told(), At(tau)).finish(0, range(5), [0] * 5, [0] * 5, [0] * 5, 0)
        return ended.round_seconds + PRICE * len(ended.late)

    assert losses(arrivals, grid, PRICE).tolist() == [paid(tau) for tau in grid.tolist()]


def test_a_draw_is_a_function_of_seed_and_round():
    _, learned = played(DEADLINE, drawn(2))
    arrivals = np.array([1.0, 5.0])
    limits = [[DEADLINE.limit(arrivals, learned, seed, round_) for round_ in range(30)] for seed in (0, 0, 1)]
    assert limits[0] == limits[1] != limits[2]
    assert len(set(limits[0])) > 1
    assert DEADLINE.limit(np.array([3.0]), learned, 0, 7) == limits[0][7], "of arrivals it knows nothing yet"


def test_neither_limit_nor_learning_changes_what_was_known():
    _, learned = played(DEADLINE, drawn(5))
    before = json.dumps(described(learned)[0])
    tensors = [tensor.clone() for tensor in described(learned)[1]]
    DEADLINE.limit(np.array([1.0]), learned, 0, 5)
    DEADLINE.learn(np.array([1.0, 40.0]), learned)
    assert json.dumps(described(learned)[0]) == before
    assert all(one.equal(other) for one, other in zip(described(learned)[1], tensors, strict=True))


def described(value: object) -> tuple[object, list]:
    tensors: list = []

    def keep(tensor) -> str:
        tensors.append(tensor)
        return str(len(tensors) - 1)

    return describe(value, keep), tensors


def test_what_is_known_survives_a_checkpoint_to_the_bit():
    rounds = drawn(40)
    whole, _ = played(DEADLINE, rounds)
    _, learned = played(DEADLINE, rounds[:20])
    plain, tensors = described(learned)
    learned, limits = restore(json.loads(json.dumps(plain)), lambda name: tensors[int(name)], {}), []
    for round_, arrivals in enumerate(rounds[20:], 20):
        limits.append(DEADLINE.limit(np.sort(arrivals), learned, 0, round_))
        learned = DEADLINE.learn(np.sort(arrivals), learned)
    assert limits == whole[20:]


def test_other_numbers_begin_anew():
    _, learned = played(DEADLINE, drawn(5))
    assert SkiRental(3.0, 0.0).limit(np.array([1.0, 2.0]), learned, 0, 5) == 6.0
    assert SkiRental(3.0, 0.0).learn(np.array([1.0]), learned)["ski_rental"]["price"] == 3.0
    assert SkiRental(PRICE, 0.5).limit(np.array([1.0, 2.0]), learned, 0, 5) == 2 * PRICE


def test_rounds_of_other_sizes_share_what_is_known():
    _, learned = played(DEADLINE, [np.ones(30), np.ones(1), np.arange(20.0)])
    assert len(learned["ski_rental"]["experts"]["grid"]) == len(thresholds(PRICE, 30))
    assert Experts.resumed(learned["ski_rental"]["experts"]).regret().count == 3


def test_a_larger_cohort_than_ever_begins_anew_with_thresholds_that_suit_it():
    draws = np.random.default_rng(0)
    sizes = [1, *[50] * 60]
    deadline, rounds = SkiRental(price=1.0, least=0.0), []
    for size in sizes:
        fast, slow = draws.uniform(0.5, 1, size - size // 2), draws.uniform(9, 10, size // 2)
        rounds.append(np.sort(np.concatenate([fast, slow])))
    _, learned = played(deadline, rounds)
    kept = learned["ski_rental"]
    assert (kept["replies"], Experts.resumed(kept["experts"]).regret().count) == (100, 60)
    # 25 updates that come after ten seconds are worth 25.
    assert deadline.limit(rounds[-1], learned, 0, 61) >= 10 / 2 ** (1 / 8)


def test_a_reply_that_never_comes_is_late_at_every_threshold():
    _, learned = played(DEADLINE, [np.array([1.0, math.inf])] * 20)
    assert DEADLINE.limit(np.array([1.0]), learned, 0, 20) < 4
    told = Finish({0: 1.0, 1: math.inf}, (1,), 2.0)
    assert "ski_rental" in Clock(Instant(), DEADLINE).learn(told, {})


@pytest.mark.parametrize("replies", [1, 3, 200])
@pytest.mark.parametrize("price", [1e-3, 1.0, 50.0])
def test_thresholds_reach_from_nothing_to_four_times_what_all_are_worth(price, replies):
    grid = thresholds(price, replies)
    assert grid[0] == 0
    assert price / 64 / 2**0.125 < grid[1] <= price / 64
    assert grid[-1] == 4 * price * replies
    assert grid[2:] / grid[1:-1] == pytest.approx(2**0.125)


@pytest.mark.parametrize("waits", [None, 3.0, 40.0])
def test_the_grid_costs_at_most_a_tenth_more_than_any_threshold_that_it_spans(waits):
    """Of 300 rounds; beyond its end, at most a quarter."""
    rounds = drawn(300)
    grid = thresholds(PRICE, 8)
    tau = np.array([math.inf if waits is None else waits])
    best = sum(losses(arrivals, tau, PRICE)[0] for arrivals in rounds)
    own = sum(losses(arrivals, grid, PRICE) for arrivals in rounds)
    place = min(np.searchsorted(grid, tau[0]), len(grid) - 1)
    assert own[place] <= (1.25 if waits is None else 2**0.125) * best
