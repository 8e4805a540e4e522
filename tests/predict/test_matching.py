"""Matching from predicted duals: always right, bounded in updates; duals learned by name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from fedkd.errors import ConfigurationError
from fedkd.predict.duals import Duals
from fedkd.predict.matching import Matching, assign

HAND = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
"""Least cost 1 + 2 + 2: rows to columns 1, 0, 2."""


def instances(count: int) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    """Square and wide, many ties and few, with negative costs and without."""
    draws = np.random.default_rng(0)
    for place in range(count):
        n = int(draws.integers(1, 9))
        shape = (n, n + int(draws.integers(0, 4)))
        yield draws.integers(-20 if place % 2 else 0, (3, 20, 1000)[place % 3], shape), draws


def is_optimal(costs: np.ndarray, found: Matching) -> bool:
    """A matching, feasible duals, and complementary slackness: together they prove that none costs less."""
    rows = np.arange(len(costs))
    free = np.setdiff1d(np.arange(costs.shape[1]), found.chosen)
    return bool(
        len(set(found.chosen.tolist())) == len(costs)
        and (found.rows[:, None] + found.columns <= costs).all()
        and (found.rows + found.columns[found.chosen] == costs[rows, found.chosen]).all()
        and found.cost == costs[rows, found.chosen].sum()
        and found.columns.max() == 0
        and not found.columns[free].any()
    )


def distance(found: Matching, rows: np.ndarray, columns: np.ndarray) -> float:
    return float(np.abs(rows - found.rows).sum() + np.abs(columns - found.columns).sum())


def test_a_case_by_hand() -> None:
    found = assign(HAND)
    assert found.chosen.tolist() == [1, 0, 2]
    assert found.cost == 5
    assert is_optimal(HAND, found)


def test_one_update_counts_once_and_the_rise_in_unit_steps() -> None:
    """Rows 0 and 1 are tight with column 0 alone; one is free, and both rise by 7 until column 1 is tight for one."""
    costs = np.array([[1, 9, 9], [1, 8, 9], [5, 0, 0]])
    found = assign(costs, [1, 1, 0], [0, 0, 0])
    assert (found.cost, found.updates, found.rise) == (9, 1, 7)


def test_duals_are_raised_to_their_slack_before_anything_is_counted() -> None:
    found = assign([[1, 9], [1, 8]], [1, 1], [0, 0])
    assert (found.cost, found.updates, found.rise) == (9, 0, 0)


def test_3000_instances_cost_what_scipy_says() -> None:
    for costs, _ in instances(3000):
        found = assign(costs)
        assert found.cost == costs[linear_sum_assignment(costs)].sum()
        assert is_optimal(costs, found)


def test_3000_instances_keep_the_bounds_whatever_was_predicted() -> None:
    informative = 0
    for place, (costs, draws) in enumerate(instances(3000)):
        n, m = costs.shape
        cold, scale = assign(costs), (0.3, 1.0, 10.0, 1e3)[place % 4]
        rows, columns = cold.rows + draws.normal(0, scale, n), cold.columns + draws.normal(0, scale, m)
        warm = assign(costs, rows, columns)
        assert warm.cost == cold.cost
        assert is_optimal(costs, warm)
        for optimal in (cold, warm):
            away = distance(optimal, np.rint(rows), np.rint(columns))
            assert warm.updates <= warm.rise <= away <= 2 * distance(optimal, rows, columns)
        assert warm.updates <= m * (m + 1) / 2
        informative += warm.updates > 0
    assert informative > 1000


def test_exact_duals_need_no_update() -> None:
    for costs, _ in instances(500):
        cold = assign(costs)
        again = assign(costs, cold.rows, cold.columns)
        assert (again.updates, again.rise, again.cost) == (0, 0, cold.cost)


def test_duals_that_are_all_shifted_are_as_good() -> None:
    """In a square matrix rows + t, columns - t are optimal as well."""
    cold = assign(HAND)
    assert assign(HAND, cold.rows + 1000, cold.columns - 1000).updates == 0


def test_a_single_wrong_dual_costs_no_more_than_it_is_wrong_by() -> None:
    costs = np.random.default_rng(1).integers(0, 10**6, (30, 30))
    cold = assign(costs)
    for away in (1, -1, 3, -3):
        for place in range(30):
            wrong = cold.columns.copy()
            wrong[place] += away
            assert assign(costs, cold.rows, wrong).rise <= 3


@pytest.mark.parametrize("size", [1e300, -1e300, 2.0**56, 1e15])
def test_adversarial_predictions_are_survived(size: float) -> None:
    draws = np.random.default_rng(2)
    costs = draws.integers(0, 100, (20, 25))
    right = assign(costs).cost
    for _ in range(20):
        rows, columns = size * draws.choice([-1, 0, 1], 20), size * draws.choice([-1, 0, 1], 25)
        found = assign(costs, rows, columns)
        assert found.cost == right
        assert is_optimal(costs, found)
        assert found.updates <= 25 * 26 / 2


@pytest.mark.parametrize("most", [3, 10**6])
def test_large_matrices(most: int) -> None:
    costs = np.random.default_rng(3).integers(0, most, (300, 320))
    found = assign(costs)
    assert found.cost == costs[linear_sum_assignment(costs)].sum()
    assert is_optimal(costs, found)


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([1, 2], "shape"),
        ([[1], [2]], "1 <= n <= m"),
        (np.zeros((0, 3), int), "1 <= n <= m"),
        ([[0.5]], "round them to whole numbers"),
        ([[True]], "round them to whole numbers"),
        ([[2**60]], "choose a larger unit"),
    ],
)
def test_costs_out_of_range_are_refused(costs: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        assign(costs)


def test_predictions_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="rows of shape \\(2,\\); give 3"):
        assign(HAND, [0, 0])
    with pytest.raises(ConfigurationError, match="columns are not finite"):
        assign(HAND, None, [0, np.nan, 0])


def waves(duals: Duals, count: int, seed: int = 0, noise: int = 20) -> Iterator[tuple[Matching, np.ndarray]]:
    """Eight clients of a fixed cost on eight workers, with noise; the matching made from what is learned."""
    draws = np.random.default_rng(seed)
    fixed, rows = np.random.default_rng(99).integers(0, 1000, (8, 8)), list(range(100, 108))
    for _ in range(count):
        costs = fixed + draws.integers(-noise, noise + 1, (8, 8))
        found = assign(costs, *duals.suggest(rows, range(8)))
        duals.observe(rows, range(8), found)
        yield found, costs


def test_unknown_names_are_zero() -> None:
    rows, columns = Duals(5.0).suggest([3, 1], [0, 1, 2])
    assert not rows.any()
    assert rows.shape == (2,)
    assert columns.shape == (3,)


def test_names_carry_duals_whatever_their_order() -> None:
    duals = Duals(100.0)
    found = assign(HAND)
    duals.observe([7, 8, 9], [0, 1, 2], found)
    rows, columns = duals.suggest([9, 7, 55], [2, 0])
    assert rows.tolist() == [found.rows[2], found.rows[0], 0]
    assert columns.tolist() == [found.columns[2], found.columns[0]]
    shuffled = HAND[[2, 0, 1]][:, [1, 2, 0]]
    assert assign(shuffled, *duals.suggest([9, 7, 8], [1, 2, 0])).updates == 0


def test_learned_duals_save_updates() -> None:
    warm, cold = 0, 0
    for place, (found, costs) in enumerate(waves(Duals(1000.0), 200)):
        if place >= 20:
            warm, cold = warm + found.updates, cold + assign(costs).updates
    assert warm < cold / 2


def test_the_cost_is_at_most_twice_the_surrogate() -> None:
    duals, before = Duals(1000.0), 0.0
    for found, _ in waves(duals, 200, noise=200):
        now = duals.regret().surrogate
        assert found.updates <= 2 * (now - before)
        before = now
    assert duals.regret().cost > 0
    assert duals.regret().count == 200


@pytest.mark.parametrize("box", [50.0, 1000.0])
def test_best_is_the_median_of_each_name(box: float) -> None:
    duals, seen = Duals(box), []
    for found, _ in waves(duals, 51):
        seen.append(np.concatenate([found.rows, found.columns]))
    outcomes = np.array(seen)
    expected = np.abs(outcomes - np.median(outcomes, 0).clip(-box, box)).sum()
    assert duals.regret().best == pytest.approx(expected)


def test_3000_random_sequences_of_duals_keep_the_regret_bound() -> None:
    draws = np.random.default_rng(4)
    for place in range(3000):
        box, count = float(draws.choice([0.5, 3, 100])), int(draws.integers(1, 40))
        duals = Duals(box)
        outcomes = draws.integers(-int(2 * box), int(2 * box) + 1, (count, 3))
        if place % 3 == 0:
            outcomes = np.sign(outcomes) * int(box)
        for t, (row, *columns) in enumerate(outcomes):
            # An adversary that is opposite to what is predicted, now and then.
            row = -int(box) if place % 5 == 0 and duals.suggest([t % 2], [])[0] > 0 else row
            made = Matching(np.array([0]), 0, np.array([row]), np.array(columns), 0, 0)
            duals.observe([t % 2], [t % 3, 5], made)
        found = duals.regret()
        assert found.surrogate - found.best <= duals.bound * (1 + 1e-9)


def test_an_outcome_is_not_passed_and_steps_shrink() -> None:
    duals = Duals(10.0)
    values = []
    for outcome in (4, 10, -10, -10):
        duals.observe([0], [], Matching(np.array([0]), 0, np.array([outcome]), np.array([], int), 0, 0))
        values.append(float(duals.suggest([0], [])[0][0]))
    assert values == [4, 10, pytest.approx(10 - np.sqrt(2 / 3) * 10), pytest.approx(10 - np.sqrt(2 / 3) * 10 - 50**0.5)]


def test_kept_and_resumed_it_goes_on_as_before() -> None:
    duals = Duals(300.0)
    for _ in waves(duals, 30, noise=500):
        pass
    again = Duals.resumed(duals.keep())
    first, second = (list(waves(each, 30, seed=1, noise=500)) for each in (duals, again))
    assert [found.chosen.tolist() for found, _ in first] == [found.chosen.tolist() for found, _ in second]
    assert all(
        np.array_equal(one, other) for one, other in zip(*(_state(each) for each in (duals, again)), strict=True)
    )
    assert again.regret().count == 30


def _state(duals: Duals) -> tuple[np.ndarray, ...]:
    return duals.suggest(range(100, 108), range(8))


def test_names_and_boxes_out_of_range_are_refused() -> None:
    for box in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ConfigurationError, match="choose box > 0"):
            Duals(box)
    with pytest.raises(ConfigurationError, match="2 names for 3 rows"):
        Duals(1.0).observe([1, 2], [0, 1, 2], assign(HAND))
    with pytest.raises(ConfigurationError, match="2 names for 3 columns"):
        Duals(1.0).observe([1, 2, 3], [0, 1, 1], assign(HAND))
