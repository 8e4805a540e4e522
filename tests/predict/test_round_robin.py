"""Preferential round robin: exact completion times, the paper's ratios, the rule by slices, and what is learned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.round_robin import RoundRobin, bound, completions, optimum

Floats = NDArray[np.float64]


def some_lengths(draws: np.random.Generator) -> Floats:
    jobs = int(draws.integers(1, 13))
    kind = draws.integers(4)
    if kind == 0:
        return 1 + draws.pareto(1, jobs)
    if kind == 1:
        return 1 + draws.random(jobs) * 10 ** draws.uniform(-2, 1)
    return np.ones(jobs) if kind == 2 else draws.choice([1.0, 10.0, 100.0], jobs)


def some_predictions(lengths: Floats, draws: np.random.Generator) -> Floats:
    """From exact to reversed; ties broken the wrong way by almost nothing."""
    size, kind = 10 ** draws.uniform(-3, 1), draws.integers(3)
    if kind == 0:
        return lengths + size * draws.standard_normal(len(lengths))
    return lengths * draws.lognormal(0, size, len(lengths)) if kind == 1 else lengths.mean() - size * lengths


def some_trust(draws: np.random.Generator) -> float:
    return float(draws.choice([draws.uniform(0.001, 0.999), 0.001, 0.5, 0.999]))


def test_ratios_stay_below_the_papers() -> None:
    """3,000 sets of jobs."""
    draws = np.random.default_rng(0)
    for _ in range(3000):
        lengths, trust = some_lengths(draws), some_trust(draws)
        predicted, best = some_predictions(lengths, draws), optimum(lengths)
        error = float(np.abs(predicted - lengths).sum())
        ratio = completions(lengths, predicted, trust).sum() / best
        assert 1 - 1e-9 <= ratio <= min((1 + 2 * error / len(lengths)) / trust, 2 / (1 - trust)) * (1 + 1e-9)
        assert ratio <= bound(trust, error, len(lengths)) * (1 + 1e-9)
        exact = completions(lengths, lengths, trust).sum() / best
        assert exact <= (1 + trust) / (2 * trust) * (1 + 1e-9)
        assert exact <= bound(trust, 0.0, len(lengths)) * (1 + 1e-9)


def test_the_ratios_are_reached() -> None:
    """Many jobs nearly equal, exact predictions: without trust all end late, ratio 2; else (1 + trust)/(2 trust)."""
    lengths = np.ones(300)
    assert completions(lengths, lengths, 0.0).sum() / optimum(lengths) == pytest.approx(2, rel=0.01)
    mixed = np.random.default_rng(0).uniform(1, 1.001, 300)
    assert completions(mixed, mixed, 0.9).sum() / optimum(mixed) == pytest.approx(1.9 / 1.8, rel=0.01)


def test_the_bound_by_the_error_needs_lengths_of_at_least_one() -> None:
    """The same jobs in a unit a thousand times larger: eta is a thousand times smaller, the ratio is not."""
    lengths, predicted = np.array([0.001] * 20 + [0.1]), np.array([0.001] * 20 + [0.0])
    error = float(np.abs(lengths - predicted).sum())
    ratio = completions(lengths, predicted, 0.99).sum() / optimum(lengths)
    assert bound(0.99, error, 21) < ratio < bound(0.99, 1000 * error, 21)
    assert completions(1000 * lengths, 1000 * predicted, 0.99).sum() / optimum(1000 * lengths) == pytest.approx(ratio)


def test_completions_by_hand() -> None:
    """Rates 3/4 and 1/4: the second is complete at 4/3, the first has had 1/3 of 2 by then. Without trust: 2, 3."""
    lengths = np.array([2.0, 1.0])
    assert completions(lengths, np.array([5.0, 1.0]), 0.5) == pytest.approx([3, 4 / 3])
    assert completions(lengths, np.array([0.0, 1.0]), 0.5) == pytest.approx([8 / 3, 3])
    assert completions(lengths, np.array([0.0, 1.0]), 0.0) == pytest.approx([3, 2])
    assert completions(lengths, np.array([0.0, 1.0]), 1.0).tolist() == [2, 3]
    assert completions(lengths, np.array([4.0, 4.0]), 1.0).tolist() == [2, 3]
    assert optimum(lengths) == 1 + 3


def test_no_machine_idles_and_without_trust_the_order_is_that_of_lengths() -> None:
    draws = np.random.default_rng(1)
    for _ in range(300):
        lengths = some_lengths(draws)
        ended = completions(lengths, some_predictions(lengths, draws), some_trust(draws))
        assert ended.max() == pytest.approx(lengths.sum())
        assert (ended >= lengths - 1e-9).all()
        equal = completions(lengths, some_predictions(lengths, draws), 0.0)
        ordered = np.sort(lengths)
        steps = np.diff(ordered, prepend=0.0) * np.arange(len(lengths), 0, -1)
        assert np.sort(equal) == pytest.approx(np.cumsum(steps))


def run_by_slices(lengths: Floats, predicted: Floats, trust: float, slice_: float) -> Floats:
    robin, left, now, ended = RoundRobin(trust), lengths.copy(), 0.0, np.zeros(len(lengths))
    for job, each in enumerate(predicted.tolist()):
        robin.add(job, each)
    while (job := robin.next()) is not None:
        amount = min(slice_, float(left[job]))
        now, left[job] = now + amount, left[job] - amount
        robin.receive(job, amount)
        if left[job] <= 0:
            ended[job] = now
            robin.end(job)
    return ended


def test_small_slices_come_to_the_exact_completion_times() -> None:
    draws = np.random.default_rng(2)
    for _ in range(60):
        lengths = draws.uniform(1, 5, draws.integers(1, 7))
        predicted, trust = some_predictions(lengths, draws), some_trust(draws)
        exact = completions(lengths, predicted, trust)
        # Each of at most 6 jobs is off by at most its lag, 2.45 slices, and where it ends that passes to the others.
        assert run_by_slices(lengths, predicted, trust, 0.02) == pytest.approx(exact, abs=0.02 * 6 * 6)


def test_no_job_lags_far_behind_its_share() -> None:
    """3,000 runs with equal slices, predictions that change all the time, also so as to harm whoever lags most."""
    for seed in range(3000):
        draws = np.random.default_rng(seed)
        jobs = int(draws.integers(1, 9))
        robin, limit = RoundRobin(some_trust(draws)), sum(1 / each for each in range(1, jobs + 1))
        for job in range(jobs):
            robin.add(job, draws.random())
        for step in range(12):
            got = robin.next()
            assert got is not None
            worst = max(robin.lags, key=robin.lags.__getitem__) if seed % 2 else int(draws.integers(jobs))
            robin.predict(worst, draws.random() if seed % 3 else -float(step))
            robin.receive(got, 2.0)
            assert max(robin.lags.values()) <= 2.0 * limit + 1e-9
            assert sum(robin.lags.values()) == pytest.approx(0, abs=1e-9)


def test_long_run_shares_are_the_rates() -> None:
    robin, work = RoundRobin(trust=0.5), np.zeros(4)
    for job in range(4):
        robin.add(job, predicted=10.0 - job)
    for _ in range(800):
        job = robin.next()
        assert job is not None
        work[job] += 1
        robin.receive(job, 1.0)
    assert work / 800 == pytest.approx([0.125, 0.125, 0.125, 0.625], abs=2.1 / 800)


def test_a_new_prediction_moves_the_preference() -> None:
    robin = RoundRobin(trust=1.0)
    for job, predicted in ((1, 5.0), (2, 6.0)):
        robin.add(job, predicted)
    assert robin.jobs == [1, 2]
    assert robin.next() == 1
    robin.receive(1, 1.0)
    robin.predict(1, 7.0)
    assert robin.jobs == [2, 1]
    assert robin.next() == 2
    robin.receive(2, 1.0)
    assert robin.lags == {1: -1 + 1, 2: 1 - 1}


def test_machines_work_on_different_jobs() -> None:
    robin = RoundRobin(trust=1.0, machines=2)
    for job, predicted in ((1, 3.0), (2, 1.0), (3, 2.0)):
        robin.add(job, predicted)
    assert (robin.next(), robin.next(), robin.next()) == (2, 3, None)
    robin.receive(3, 1.0)
    robin.end(3)
    assert robin.next() == 1
    robin.receive(2, 1.0)
    robin.end(2)
    assert robin.next() is None
    robin.receive(1, 1.0)
    robin.end(1)
    assert (robin.next(), robin.jobs) == (None, [])


@pytest.mark.parametrize(
    ("machines", "jobs", "trust"), [(2, 5, 0.5), (3, 4, 0.8), (3, 7, 0.0), (4, 3, 0.9), (2, 6, 1.0)]
)
def test_several_machines_share_as_the_rates_say(machines: int, jobs: int, trust: float) -> None:
    """Each of the W predicted shortest: trust + (1 - trust) W/m of a machine; the others (1 - trust) W/m; 1 at most."""
    robin, work = RoundRobin(trust, machines), np.zeros(jobs)
    for job in range(jobs):
        robin.add(job, predicted=float(job))
    for _ in range(600):
        running = [job for _ in range(machines) if (job := robin.next()) is not None]
        assert len(running) == min(machines, jobs) == len(set(running))
        for job in running:
            work[job] += 1
            robin.receive(job, 1.0)
    rates = np.full(jobs, (1 - trust) * machines / jobs) + trust * (np.arange(jobs) < machines)
    assert work / 600 == pytest.approx(rates if jobs > machines else np.ones(jobs), abs=4 / 600)


def test_one_that_ends_leaves_its_lag_to_the_others() -> None:
    """Shares 1/3 each: after a slice of 3 the lags are -2, 1, 1."""
    robin = RoundRobin(trust=0.0)
    for job in range(3):
        robin.add(job, 1.0)
    assert robin.next() == 0
    robin.receive(0, 3.0)
    assert robin.lags == pytest.approx({0: -2, 1: 1, 2: 1})
    robin.end(1)
    assert robin.lags == pytest.approx({0: -1.5, 2: 1.5})


def test_what_comes_late_is_not_owed_the_past() -> None:
    robin = RoundRobin(trust=0.0)
    robin.add(0, 1.0)
    for _ in range(50):
        assert robin.next() == 0
        robin.receive(0, 1.0)
    robin.add(1, 1.0)
    order = []
    for _ in range(6):
        order.append(robin.next())
        robin.receive(int(order[-1] or 0), 1.0)
    assert order == [0, 1, 0, 1, 0, 1]


def test_jobs_are_kept() -> None:
    draws, robin = np.random.default_rng(3), RoundRobin(0.3, machines=2)
    for job in range(5):
        robin.add(job, draws.random())
    for _ in range(7):
        robin.receive(int(robin.next() or 0), draws.random())
    found = RoundRobin.resumed(robin.keep())
    assert (found.lags, found.jobs) == (robin.lags, robin.jobs)
    for _ in range(20):
        job = robin.next()
        assert job is not None
        assert found.next() == job
        for each in (robin, found):
            each.receive(job, 0.5)


def test_what_cannot_be_is_refused() -> None:
    robin = RoundRobin(0.5)
    robin.add(1, 1.0)
    for wrong, fix in (
        (lambda: RoundRobin(1.5), "choose 0 <= trust <= 1"),
        (lambda: RoundRobin(0.5, 0), "choose machines >= 1"),
        (lambda: robin.add(1, 2.0), "there already"),
        (lambda: robin.add(2, math.nan), "give a number"),
        (lambda: robin.predict(3, 1.0), "add it first"),
        (lambda: robin.end(3), "add it first"),
        (lambda: robin.receive(1, 1.0), "call next"),
        (lambda: completions(np.ones(2), np.ones(3), 0.5), "give 3 finite"),
        (lambda: completions(np.zeros(2), np.ones(2), 0.5), "give lengths > 0"),
        (lambda: completions(np.ones(2), np.ones(2), math.nan), "choose 0 <= trust"),
        (lambda: bound(1.0, 0.0, 2), "choose 0 < trust < 1"),
    ):
        with pytest.raises(ConfigurationError, match=fix):
            wrong()
    assert robin.jobs == [1]
    assert robin.next() == 1
    for amount in (-1.0, math.inf, math.nan):
        with pytest.raises(ConfigurationError, match="finite number >= 0"):
            robin.receive(1, amount)
