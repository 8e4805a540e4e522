"""Page migration: the optimum is one, every algorithm keeps its bound, requests are learned."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from fedkd.predict import page_migration as page
from fedkd.predict.page_migration import Space
from fedkd.predict.page_requests import Requests

NEAR = 1e-9
TRUSTS = (0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Instance:
    """A space, requests, predictions of them, draws."""

    space: Space
    requests: np.ndarray
    predicted: np.ndarray
    draws: np.random.Generator

    def cost(self, placement: np.ndarray) -> float:
        return float(self.space.costs(placement, self.requests).sum())

    @property
    def missed(self) -> np.ndarray:
        return 1 - self.predicted[np.arange(len(self.requests)), self.requests]


def metric(n: int, draws: np.random.Generator, uniform: bool) -> np.ndarray:
    if uniform:
        return 1.0 - np.eye(n)
    points = draws.random((n, 2))
    distances = np.abs(points[:, None] - points).sum(-1)
    return (distances + distances.T) / 2


def predictions(place: int, requests: np.ndarray, n: int, draws: np.random.Generator) -> np.ndarray:
    """Exact, mixed with noise, noise alone, or sure of the wrong point."""
    truth, noise = np.eye(n)[requests], draws.dirichlet(np.ones(n), len(requests))
    if place % 11 == 0:
        return np.roll(truth, 1, axis=1)
    share = 1.0 if place % 7 == 0 else float(draws.choice([0, 0.02, 0.1, 0.5]))
    return (1 - share) * truth + share * noise


def instances(count: int) -> Iterator[Instance]:
    draws = np.random.default_rng(0)
    for place in range(count):
        n, steps = int(draws.integers(1, 7)), int(draws.integers(1, 40))
        space = Space(metric(n, draws, place % 3 == 0), float(draws.choice([0.5, 1, 3, 6, 10])), int(draws.integers(n)))
        requests = draws.integers(0, n, steps)
        if place % 2:
            requests = np.repeat(requests, 5)[:steps]
        yield Instance(space, requests, predictions(place, requests, n, draws), draws)


def test_a_case_by_hand() -> None:
    """Two points at distance 1, D = 2: three requests far away are worth a move, two are not (2 + 0 >= 2)."""
    space = Space(np.array([[0.0, 1], [1, 0]]), move=2)
    far = np.array([1, 1, 1])
    assert page.optimum(space, far).tolist() == [1, 1, 1]
    assert space.costs(page.optimum(space, far), far).tolist() == [2, 0, 0]
    assert space.costs(page.sticky(space, far), far).tolist() == [1, 1, 1]
    assert space.costs(page.greedy(space, far), far).tolist() == [1, 2, 0]
    assert space.costs(page.optimum(space, far[:2]), far[:2]).sum() == 2
    moved = page.coin(space, far, np.array([0.3, 0.2, 0.0]))
    assert moved.tolist() == [0, 0, 1], "chance 1/4: the second draw moves it"


def test_the_optimum_is_the_least_of_all_placements() -> None:
    draws = np.random.default_rng(1)
    for place in range(30):
        space = Space(metric(3, draws, place % 2 == 0), 1.5)
        requests = draws.integers(0, 3, 5)
        every = (np.array(each) for each in itertools.product(range(3), repeat=5))
        least = min(float(space.costs(each, requests).sum()) for each in every)
        assert space.costs(page.optimum(space, requests), requests).sum() == pytest.approx(least)


def test_3000_instances_no_algorithm_beats_the_optimum_and_the_coin_costs_three_times_it_at_most() -> None:
    for each in instances(3000):
        least = each.cost(page.optimum(each.space, each.requests))
        coin = page.coin(each.space, each.requests, each.draws.random(len(each.requests)))
        for placement in (page.sticky(each.space, each.requests), page.greedy(each.space, each.requests), coin):
            assert each.cost(placement) >= least - NEAR
        assert page.coin_expected(each.space, each.requests) <= 3 * least + NEAR


def test_3000_instances_keep_the_bound_of_the_plan() -> None:
    informative = 0
    for each in instances(3000):
        best, planned = page.optimum(each.space, each.requests), page.plan(each.space, each.predicted)
        least, cost = each.cost(best), each.cost(planned)
        apart = each.space.distances[planned, best]
        assert cost <= least + 2 * float(each.missed @ apart) + NEAR
        error = page.surrogate(each.space, each.predicted, each.requests, max(1, int(each.space.move)))
        if error < 1:
            assert cost <= (1 + error) / (1 - error) * least + NEAR
            informative += cost > least + NEAR
    assert informative > 20


def test_3000_instances_keep_both_bounds_of_the_guard() -> None:
    left = kept = 0
    for each in instances(3000):
        space, planned = each.space, page.plan(each.space, each.predicted)
        safe = page.coin(space, each.requests, each.draws.random(len(each.requests)))
        error = page.surrogate(space, each.predicted, each.requests, max(1, int(space.move)))
        for trust in TRUSTS:
            guarded = page.guarded(space, each.requests, planned, safe, trust)
            constant = space.diameter * (space.move * (2 + 1 / trust) + 1)
            assert each.cost(guarded) <= each.cost(safe) / trust + constant + NEAR
            same = np.array_equal(guarded, planned)
            assert same or error > (1 - trust) / (1 + trust)
            left, kept = left + (not same), kept + same
    assert left > 200
    assert kept > 2000


def test_3000_instances_keep_the_bound_of_windows() -> None:
    for place, each in enumerate(instances(3000)):
        space, predicted = each.space, each.predicted
        window = int(np.ceil(space.move * (1 + 3**0.5))) if place % 2 else int(space.move) + 1
        placed = page.windowed(
            space, each.requests, window, lambda past, p=predicted, w=window: p[len(past) : len(past) + w].mean(0)
        )
        g = window / space.move
        least, missed = each.cost(page.optimum(space, each.requests)), float(each.missed.sum())
        assert each.cost(placed) <= g * (g + 2) / (g - 1) * least + 2 * g / (g - 1) * space.diameter * missed + NEAR


def test_the_expected_cost_is_the_mean_of_draws() -> None:
    draws = np.random.default_rng(5)
    space, requests = Space(metric(4, draws, False), 2.0), draws.integers(0, 4, 30)
    costs = [space.costs(page.coin(space, requests, draws.random(30)), requests).sum() for _ in range(4000)]
    assert np.mean(costs) == pytest.approx(page.coin_expected(space, requests), abs=5 * np.std(costs) / 4000**0.5)


def test_exact_predictions_give_the_optimum_and_are_never_left() -> None:
    for each in instances(200):
        truth = np.eye(len(each.space.distances))[each.requests]
        planned = page.plan(each.space, truth)
        assert each.cost(planned) == pytest.approx(each.cost(page.optimum(each.space, each.requests)))
        assert page.surrogate(each.space, truth, each.requests, 3) == 0
        safe = page.sticky(each.space, each.requests)
        assert np.array_equal(page.guarded(each.space, each.requests, planned, safe, 1.0), planned)


def test_a_plan_that_goes_wrong_is_left_for_good() -> None:
    space, requests = Space(np.array([[0.0, 1], [1, 0]]), move=2), np.zeros(100, int)
    planned = page.plan(space, np.tile([0.0, 1.0], (100, 1)))
    assert planned.tolist() == [1] * 100
    guarded = page.guarded(space, requests, planned, page.sticky(space, requests), trust=0.5)
    assert guarded.tolist() == [1] * 3 + [0] * 97, "spent 3, 4, 5 > (0 + 2)/0.5 = 4"


def test_windows_are_of_about_one_length_and_cover_all() -> None:
    for steps, window in itertools.product(range(1, 40), range(1, 12)):
        parts = page.windows(steps, window)
        assert [t for part in parts for t in range(part.start, part.stop)] == list(range(steps))
        lengths = [part.stop - part.start for part in parts]
        assert max(lengths) - min(lengths) <= 1
        assert len(parts) == 1 or window <= min(lengths) <= max(lengths) < 2 * window


def test_the_surrogate_is_that_of_the_worst_window_and_convex() -> None:
    space, requests = Space(1.0 - np.eye(2), move=2), np.array([0, 0, 0, 0])
    predicted = np.array([[1, 0], [1, 0], [0.5, 0.5], [1, 0]])
    assert page.surrogate(space, predicted, requests, 2) == pytest.approx(2 * 0.25)
    assert page.surrogate(space, predicted, requests, 4) == pytest.approx(2 * 2 * 0.125)
    draws = np.random.default_rng(6)
    for _ in range(100):
        one, other, asked = draws.dirichlet([1, 1], 9), draws.dirichlet([1, 1], 9), draws.integers(0, 2, 9)
        ends = [page.surrogate(space, each, asked, 3) for each in (one, other)]
        assert page.surrogate(space, (one + other) / 2, asked, 3) <= sum(ends) / 2 + NEAR


def teach(learner: Requests, instances: int, noise: float, seed: int) -> np.ndarray:
    """Twelve requests that are the same in each instance but for noise; the surrogates of each instance."""
    draws, usual = np.random.default_rng(seed), np.arange(12) % 3
    paid = []
    for _ in range(instances):
        before = learner.regret().surrogate
        learner.observe(np.where(draws.random(12) < noise, draws.integers(0, 3, 12), usual))
        paid.append(learner.regret().surrogate - before)
    return np.array(paid)


def test_requests_are_learned() -> None:
    learner = Requests(points=3, steps=12, window=4)
    paid = teach(learner, 150, noise=0.1, seed=0)
    assert paid[:3].mean() > 0.3
    assert paid[100:].mean() < 0.25
    assert np.array_equal(learner.suggest().argmax(1), np.arange(12) % 3)


def test_what_is_logged_is_the_worst_window() -> None:
    learner, draws, total = Requests(points=3, steps=7, window=2), np.random.default_rng(8), 0.0
    for _ in range(20):
        requests = draws.integers(0, 3, 7)
        missed = 1 - learner.suggest()[np.arange(7), requests]
        total += max(missed[:2].mean(), missed[2:4].mean(), missed[4:].mean())
        learner.observe(requests, cost=2.0, optimum=1.0)
    found = learner.regret()
    assert found.surrogate == pytest.approx(total)
    assert (found.count, found.cost, found.optimum) == (20, 40, 20)


def test_3000_sequences_of_instances_keep_the_regret_bound() -> None:
    draws = np.random.default_rng(7)
    for _ in range(3000):
        n, steps, window = (int(draws.integers(1, most)) for most in (4, 7, 4))
        learner, count = Requests(n, steps, window), int(draws.integers(1, 6))
        seen = [draws.integers(0, n, steps) for _ in range(count)]
        for requests in seen:
            learner.observe(requests)
        found = learner.regret()
        parts = page.windows(steps, window)
        assert found.surrogate - found.best <= learner.bound + NEAR
        least = min(part.stop - part.start for part in parts)
        stated = 1.061 * np.sqrt(count * steps * (least + 1) * np.log(n)) / least + 1.5 * steps / least
        assert learner.bound <= stated + NEAR
        for fixed in (np.full((steps, n), 1 / n), np.eye(n)[seen[0]]):
            missed = [1 - fixed[np.arange(steps), requests] for requests in seen]
            assert found.best <= sum(max(each[part].mean() for part in parts) for each in missed) + NEAR


def test_kept_and_resumed_it_goes_on_as_before() -> None:
    learner = Requests(points=3, steps=12, window=4)
    teach(learner, 40, noise=0.2, seed=1)
    again = Requests.resumed(learner.keep())
    for each in (learner, again):
        teach(each, 20, noise=0.2, seed=2)
    assert np.array_equal(learner.suggest(), again.suggest())
    assert learner.regret() == again.regret()


@pytest.mark.parametrize(
    ("distances", "said"),
    [
        ([[0.0, 1.0]], "give \\[n, n\\]"),
        ([[0.0, 1.0], [2.0, 0.0]], "no metric"),
        ([[0.0, -1.0], [-1.0, 0.0]], "no metric"),
        ([[0.0, np.nan], [np.nan, 0.0]], "no metric"),
        ([[1.0]], "no metric"),
        ([[0.0, 1.0, 5.0], [1.0, 0.0, 1.0], [5.0, 1.0, 0.0]], "a detour is shorter by 3"),
    ],
)
def test_what_is_no_metric_is_refused(distances: list[list[float]], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Space(np.array(distances), move=2)


def test_numbers_out_of_range_are_refused() -> None:
    two = 1.0 - np.eye(2)
    with pytest.raises(ConfigurationError, match="choose move >= 0.5"):
        Space(two, move=0.4)
    with pytest.raises(ConfigurationError, match="start=2 is not in \\[0, 2\\)"):
        Space(two, move=1, start=2)
    space = Space(two, move=1)
    for requests in ([], [0.5], [[1]]):
        with pytest.raises(ConfigurationError, match="at least one whole number"):
            space.asked(requests)
    with pytest.raises(ConfigurationError, match="requests from 0 to 2"):
        space.asked([0, 2])
    with pytest.raises(ConfigurationError, match="give \\[T, 2\\]"):
        space.predicted([[1.0]])
    with pytest.raises(ConfigurationError, match="no distributions"):
        space.predicted([[0.7, 0.7]])
    with pytest.raises(ConfigurationError, match="choose 0 < trust <= 1"):
        page.guarded(space, np.array([0]), np.array([0]), np.array([0]), trust=0.0)
    with pytest.raises(ConfigurationError, match="choose window >= 1"):
        Requests(2, 3, 0)
    with pytest.raises(ConfigurationError, match="give 3, each in"):
        Requests(2, 3, 1).observe(np.array([0, 1]))
    with pytest.raises(ConfigurationError, match="give 3, each in"):
        Requests(2, 3, 1).observe(np.array([0, 1, 2]))
