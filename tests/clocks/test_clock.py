"""Arrivals, who is late, and when the server goes on."""

from __future__ import annotations

import doctest
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedkd.clocks.clock
import fedkd.clocks.latency
import fedkd.clocks.ski_rental
from fedkd.clocks import After, Clock, Deadline, Finish, Instant, Latency, Lognormal, NoDeadline

GUIDE = Path(__file__).parents[2] / "docs" / "virtual-time.md"


@dataclass(frozen=True)
class Told(Latency):
    """A client's work is its seconds."""

    def seconds(self, round_, clients, work, bytes_down, bytes_up, seed):
        return np.array(work, dtype=np.float64)


def finish(deadline: Deadline, seconds: dict[int, float]) -> Finish:
    nothing = [0] * len(seconds)
    return Clock(Told(), deadline).finish(0, tuple(seconds), tuple(seconds.values()), nothing, nothing, seed=0)


def test_nobody_is_late_without_a_deadline():
    assert finish(NoDeadline(), {4: 9.0, 1: 1e9}) == Finish({4: 9.0, 1: 1e9}, (), 1e9)


def test_the_server_goes_on_with_the_last_who_is_in_time():
    assert finish(After(5.0), {3: 4.0, 1: 2.0}) == Finish({3: 4.0, 1: 2.0}, (), 4.0)


def test_the_server_waits_until_the_deadline_if_anyone_is_late():
    assert finish(After(5.0), {8: 6.0, 3: 4.0, 1: 70.0}) == Finish({8: 6.0, 3: 4.0, 1: 70.0}, (1, 8), 5.0)


def test_at_the_deadline_is_in_time():
    assert finish(After(5.0), {0: 5.0, 1: math.nextafter(5.0, 6.0)}).late == (1,)


@pytest.mark.parametrize("deadline", [NoDeadline(), After(5.0)])
def test_a_round_without_clients_takes_no_time(deadline):
    assert finish(deadline, {}) == Finish({}, (), 0.0)


def test_who_never_answers_is_late_or_waited_for_in_vain():
    assert finish(After(5.0), {0: 1.0, 1: math.inf}) == Finish({0: 1.0, 1: math.inf}, (1,), 5.0)
    assert finish(NoDeadline(), {0: 1.0, 1: math.inf}).round_seconds == math.inf


def test_without_latency_no_deadline_is_missed():
    clock = Clock(Instant(), After(1e-9))
    assert clock.finish(0, [2, 0], [99, 99], [10**9] * 2, [10**9] * 2, seed=0) == Finish({2: 0.0, 0: 0.0}, (), 0.0)


@given(st.dictionaries(st.integers(0, 50), st.floats(0, 100)), st.floats(0.1, 100))
def test_every_client_is_in_time_or_late(seconds, limit):
    ended = finish(After(limit), seconds)
    in_time = [seconds[client] for client in seconds if client not in ended.late]
    assert all(value <= limit for value in in_time)
    assert all(seconds[client] > limit for client in ended.late)
    assert ended.round_seconds == (limit if ended.late else max(in_time, default=0.0))
    assert ended.round_seconds <= limit


def test_a_latency_that_forgets_clients_is_refused():
    with pytest.raises(ValueError):
        Clock(Told(), NoDeadline()).finish(0, [0, 1], [1.0], [0, 0], [0, 0], seed=0)


def test_the_share_of_late_clients_is_that_of_the_law():
    """P(late) = 1 - Phi(ln(deadline / median) / sqrt(s_c^2 + s_r^2)), 5 sigma of a binomial."""
    clients, limit = 5000, 2.0
    clock = Clock(Lognormal(0.02, 0.6, 0.3, 0.0, 1.0, 1.0), After(limit))
    nothing = [0] * clients
    late = len(clock.finish(4, range(clients), [50] * clients, nothing, nothing, seed=1).late)
    p = 1 - NormalDist().cdf(math.log(limit / 1.0) / math.hypot(0.6, 0.3))
    assert abs(late - p * clients) < 5 * math.sqrt(clients * p * (1 - p))


@pytest.mark.parametrize("module", [fedkd.clocks.clock, fedkd.clocks.latency, fedkd.clocks.ski_rental])
def test_examples_of_the_code(module):
    ended = doctest.testmod(module, extraglobs=vars(fedkd.clocks))
    assert (ended.failed, ended.attempted > 0) == (0, True)


def test_examples_of_the_guide():
    ended = doctest.testfile(str(GUIDE), module_relative=False)
    assert (ended.failed, ended.attempted > 0) == (0, True)
