"""How long the server waits: for everyone, for so long, for so many, or for as long as it has learned to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.clocks import After, Clock, Deadline, Finish, Instant, Latency, NoDeadline, Quantile, SkiRental
from fedkd.clocks.clock import EMPTY
from fedkd.errors import ConfigurationError
from tests.clocks.test_clock import finish

times = st.lists(st.floats(0, 100), min_size=1, max_size=30)


def limit(deadline: Deadline, arrivals: list[float], round_: int = 0) -> float:
    return deadline.limit(np.sort(np.array(arrivals)), {}, 0, round_)


def test_the_server_waits_for_everyone_or_so_long():
    assert limit(NoDeadline(), [1.0, 9.0]) == math.inf
    assert [limit(After(2.5), arrivals, round_) for round_, arrivals in enumerate(([1.0], [9.0, 99.0]))] == [2.5, 2.5]


@pytest.mark.parametrize(
    ("q", "there"),
    [(0.1, 1), (0.2, 1), (0.21, 2), (0.5, 3), (0.8, 4), (0.81, 5), (1.0, 5), (1e-12, 1), (0.6, 3), (0.4, 2)],
)
def test_the_server_goes_on_once_enough_of_five_are_there(q, there):
    arrivals = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert limit(Quantile(q), arrivals) == there
    ended = finish(Quantile(q), dict(enumerate(arrivals)))
    assert len(ended.late) == 5 - there
    assert ended.round_seconds == there


@pytest.mark.parametrize(("q", "replies"), [(0.07, 100), (0.55, 100), (0.1, 30), (0.29, 100), (0.57, 1000)])
def test_a_share_is_the_number_that_it_says_and_not_one_more(q, replies):
    """0.07 x 100 is 7.000000000000001 in binary."""
    assert limit(Quantile(q), list(range(replies))) == round(q * replies) - 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(times, st.floats(0.01, 1))
def test_nobody_before_the_last_who_is_needed_is_late(arrivals, q):
    """Whoever arrives at that very moment is in time, and fewer than ceil(q K) would not have been enough."""
    ended = finish(Quantile(q), dict(enumerate(arrivals)))
    enough = math.ceil(round(q * len(arrivals), 9))
    assert len(arrivals) - len(ended.late) >= enough
    assert sum(value < ended.round_seconds for value in arrivals) < enough


@given(times)
def test_all_of_them_is_no_deadline(arrivals):
    told = dict(enumerate(arrivals))
    assert finish(Quantile(1.0), told) == finish(NoDeadline(), told)


def test_who_waits_for_everyone_says_so():
    assert [
        each.waits
        for each in (NoDeadline(), Quantile(1.0), Quantile(0.99), After(9.0), SkiRental(9.0, 0.5), SkiRental(9.0, 1.0))
    ] == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: After(0.0), "After: seconds=0.0 is not in (0, inf); choose seconds > 0"),
        (lambda: Quantile(0.0), "Quantile: q=0.0 is outside (0, 1]; choose one in it"),
        (lambda: Quantile(1.1), "Quantile: q=1.1 is outside (0, 1]; choose one in it"),
        (lambda: Quantile(math.nan), "Quantile: q=nan is outside (0, 1]; choose one in it"),
        (lambda: SkiRental(0.0, 0.5), "SkiRental: price=0.0 is not in (0, inf); choose price > 0"),
        (lambda: SkiRental(1.0, -0.1), "SkiRental: least=-0.1 is outside [0, 1]; choose one in it"),
        (lambda: SkiRental(1.0, 1.5), "SkiRental: least=1.5 is outside [0, 1]; choose one in it"),
        (lambda: SkiRental(1.0, math.nan), "SkiRental: least=nan is outside [0, 1]; choose one in it"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("deadline", [NoDeadline(), After(5.0), Quantile(0.5), SkiRental(5.0, 0.5)])
def test_a_round_without_replies_takes_no_time_and_teaches_nothing(deadline):
    assert finish(deadline, {}) == Finish({}, (), 0.0)
    known = {"anything": 1}
    assert Clock(Instant(), deadline).learn(Finish({}, (), 0.0), known) is known


@pytest.mark.parametrize("deadline", [NoDeadline(), After(5.0), Quantile(0.5)])
def test_what_learns_nothing_keeps_nothing(deadline):
    assert deadline.learn(np.array([1.0]), {"ski_rental": "of another deadline"}) == {}


def test_what_was_learned_reaches_the_deadline_and_comes_back():
    class Doubling(Deadline):
        """Waits as long as it is told; learns twice the last arrival."""

        def limit(self, arrivals, learned, seed, round_):
            return learned.get("seconds", 1.0)

        def learn(self, arrivals, learned):
            return {"seconds": 2 * float(arrivals[-1])}

    class Ten(Latency):
        def seconds(self, round_, clients, work, bytes_down, bytes_up, seed):
            return np.array([9.0, 3.0])

    clock = Clock(Ten(), Doubling())
    first = clock.finish(0, [4, 2], [0, 0], [0, 0], [0, 0], 0, EMPTY)
    assert (first.late, first.round_seconds) == ((2, 4), 1.0)
    learned = clock.learn(first, EMPTY)
    assert learned == {"seconds": 18.0}, "those who were late are seen"
    assert clock.finish(1, [4, 2], [0, 0], [0, 0], [0, 0], 0, learned) == Finish({4: 9.0, 2: 3.0}, (), 9.0)
