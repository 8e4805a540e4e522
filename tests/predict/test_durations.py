"""Durations: what is learned, how fast, and what must not disturb it."""

from __future__ import annotations

import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.errors import ConfigurationError
from fedkd.predict import Durations

A, B, NOISE = 0.05, 0.002, 0.05
Truth = Callable[[int, float, int], float]


def line(client: int, work: float, worker: int) -> float:
    return A + B * work


def differing(client: int, work: float, worker: int) -> float:
    """Every third client is twice as slow as its work says, every third half as slow."""
    return line(client, work, worker) * 2.0 ** (client % 3 - 1)


def on_two_kinds(client: int, work: float, worker: int) -> float:
    return line(client, work, worker) * (1 + worker % 2)


def work_of(client: int) -> float:
    return 20.0 + (client * 37) % 400


def teach(durations: Durations, truth: Truth, clients: range, rounds: int, workers: int = 4, seed: int = 0) -> None:
    """Rounds with all clients, longest first, each on a worker of chance, with 5 % noise."""
    draws = np.random.default_rng(seed)
    for _ in range(rounds):
        for client in sorted(clients, key=lambda each: -durations.suggest(each, work_of(each))):
            worker = int(draws.integers(workers))
            noise = math.exp(NOISE * draws.standard_normal())
            durations.observe(client, work_of(client), worker, truth(client, work_of(client), worker) * noise)


def test_before_any_observation_clients_are_ordered_by_work() -> None:
    durations = Durations()
    suggested = [durations.suggest(client, work) for client, work in ((5, 1.0), (3, 7.0), (4, 7.5))]
    assert suggested == sorted(suggested)
    assert len(set(suggested)) == 3
    assert not durations.learned
    assert durations.factor(0) == 1


@pytest.mark.parametrize("clients", [50, 1500])
def test_a_line_is_learned_and_serves_clients_that_were_never_seen(clients: int) -> None:
    """1,500 clients are more than the line is fitted to, and come longest first."""
    durations = Durations()
    teach(durations, line, range(clients), rounds=2)
    for work in (20.0, 100.0, 400.0):
        assert durations.suggest(10**6, work) == pytest.approx(line(0, work, 0), rel=0.05)


def test_clients_that_differ_are_known_after_a_few_visits() -> None:
    durations = Durations()
    teach(durations, differing, range(60), rounds=6)
    for client in range(60):
        truth = differing(client, work_of(client), 0)
        assert durations.suggest(client, work_of(client)) == pytest.approx(truth, rel=0.15)
    assert durations.suggest(61, 100.0) == pytest.approx(line(0, 100.0, 0), rel=0.25)


def test_one_visit_moves_a_client_part_of_the_way() -> None:
    durations = Durations()
    teach(durations, line, range(60), rounds=6)
    before, seen = durations.suggest(99, 100.0), 3 * line(0, 100.0, 0)
    durations.observe(99, 100.0, 0, seen)
    assert before * 1.01 < durations.suggest(99, 100.0) < 0.9 * seen


def test_a_client_whose_work_changes_keeps_its_residual() -> None:
    durations = Durations()
    teach(durations, differing, range(60), rounds=6)
    slow, quick = (durations.suggest(client, 250.0) for client in (2, 3))
    assert slow / quick == pytest.approx(4, rel=0.15)


def test_factors_are_learned_and_have_geometric_mean_one() -> None:
    durations = Durations()
    teach(durations, on_two_kinds, range(60), rounds=6)
    factors = [durations.factor(worker) for worker in range(4)]
    assert math.prod(factors) == pytest.approx(1)
    assert factors[1] / factors[0] == pytest.approx(2, rel=0.05)
    assert durations.factor(9) == 1
    on_slow = durations.suggest(0, 100.0, worker=1)
    assert on_slow == pytest.approx(durations.suggest(0, 100.0) * factors[1])


def test_a_workers_first_call_is_not_learned_from() -> None:
    patient, hasty = Durations(), Durations()
    for worker in range(4):
        patient.observe(500 + worker, 100.0, worker, 0.25)
        hasty.observe(500 + worker, 100.0, worker, 60.0)
    assert not hasty.learned
    for each in (patient, hasty):
        teach(each, line, range(20), rounds=2)
    assert hasty.suggest(3, 50.0, worker=2) == patient.suggest(3, 50.0, worker=2)


@pytest.mark.parametrize(("before", "after"), [(4, 3), (60, 1)])
def test_one_slow_call_does_little(before: int, after: int) -> None:
    durations = Durations()
    teach(durations, line, range(before), rounds=2)
    durations.observe(999, 100.0, 0, 50 * line(0, 100.0, 0))
    teach(durations, line, range(60), rounds=after, seed=1)
    assert durations.suggest(10**6, 100.0) == pytest.approx(line(0, 100.0, 0), rel=0.1)
    assert durations.factor(0) == pytest.approx(1, rel=0.15)


def test_the_past_is_forgotten() -> None:
    durations = Durations()
    teach(durations, line, range(40), rounds=4)
    teach(durations, lambda *of: 3 * line(*of), range(40), rounds=30, seed=1)
    assert durations.suggest(7, work_of(7)) == pytest.approx(3 * line(7, work_of(7), 0), rel=0.15)
    assert durations.suggest(10**6, 100.0) == pytest.approx(3 * line(0, 100.0, 0), rel=0.15)


def test_a_very_slow_worker_is_recognised_within_a_few_clients() -> None:
    durations = Durations()
    teach(durations, line, range(60), rounds=3)
    for client in range(8):
        durations.observe(client, work_of(client), 7, 50 * line(client, work_of(client), 7))
    assert durations.factor(7) / durations.factor(0) > 10


def test_clients_that_are_only_asked_about_take_no_memory() -> None:
    durations = Durations()
    teach(durations, line, range(20), rounds=1)
    tracemalloc.start()
    for client in range(20_000):
        durations.suggest(client, 100.0, worker=client)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 20_000


@pytest.mark.parametrize("work", [100.0, 0.0])
def test_equal_works_have_no_line_but_a_mean(work: float) -> None:
    durations = Durations()
    for client in range(30):
        durations.observe(client, work, 0, 0.5)
    assert durations.suggest(10**6, work) == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize(("work", "seconds"), [(1.0, math.nan), (1.0, -0.1), (math.inf, 1.0), (-1.0, 1.0)])
def test_what_is_no_duration_is_refused(work: float, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="give a finite number >= 0"):
        Durations().observe(0, work, 0, seconds)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 10**9), st.integers(0, 3), st.floats(0, 1e6)),
        min_size=1,
        max_size=40,
    )
)
def test_whatever_is_observed_predictions_stay_positive_numbers(seen: list[tuple[int, int, int, float]]) -> None:
    durations = Durations()
    for client, work, worker, seconds in seen:
        durations.observe(client, work, worker, seconds)
        assert 0 < durations.suggest(client, work, worker) < math.inf
        assert 0 < durations.factor(worker) < math.inf


def test_regret_adds_up_the_logarithmic_errors_and_bounds_the_cost() -> None:
    durations, bound, cost, limit = Durations(), 0.0, 0.0, 0.0
    draws = np.random.default_rng(3)
    for client in range(40):
        seconds, counts = line(client, work_of(client), 0) * math.exp(draws.standard_normal()), durations.learned
        predicted = durations.suggest(client, work_of(client), 0)
        durations.observe(client, work_of(client), 0, seconds)
        if counts:
            bound += abs(math.log(seconds / predicted))
            cost += abs(seconds - predicted)
            limit += abs(math.log(seconds / predicted)) * max(seconds, predicted)
    regret = durations.regret()
    assert regret.count == 38
    assert (regret.surrogate, regret.cost) == pytest.approx((bound, cost))
    assert regret.cost <= limit
    assert regret.regret == pytest.approx((regret.surrogate - regret.best) / 38)


def test_the_best_fixed_line_is_that_of_a_search() -> None:
    durations, seen = Durations(), []
    draws = np.random.default_rng(5)
    for client in range(60):
        seen.append((work_of(client), line(client, work_of(client), 0) * math.exp(0.3 * draws.standard_normal())))
        durations.observe(client, seen[-1][0], 0, seen[-1][1])
    work, seconds = np.array(seen[2:]).T
    shapes = [1 - slope + slope * work / work[0] for slope in (1.0, 0.9, 0.75, 0.5, 0.25, 0.1, 0.0)]
    rests = [np.log(seconds / shape) for shape in shapes]
    best = min(float(np.abs(rest - np.median(rest)).sum()) for rest in rests)
    assert best - 1e-9 <= durations.regret().best <= best + 58 * 0.01


def test_learning_is_no_worse_than_the_best_fixed_line_and_better_where_clients_differ() -> None:
    plain, mixed = Durations(), Durations()
    teach(plain, line, range(60), rounds=10)
    teach(mixed, differing, range(60), rounds=10)
    assert plain.regret().regret < 0.03
    assert mixed.regret().regret < -0.2


def test_predictions_need_no_torch() -> None:
    code = "import sys, fedkd.predict; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
