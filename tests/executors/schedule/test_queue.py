"""The queue of a round: who gets what, and that nobody is forgotten, given out twice or waited for in vain."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.errors import ConfigurationError
from fedkd.executors.schedule import PullQueue
from fedkd.executors.schedule.crew import CLEARLY, OVERRUN
from fedkd.predict import Durations


@dataclass
class Known:
    """Predictions that are given: a client's work is its seconds."""

    factors: Mapping[int, float] = field(default_factory=dict)

    def suggest(self, client: int, work: float, worker: int | None = None) -> float:
        return work if worker is None else work * self.factor(worker)

    def factor(self, worker: int) -> float:
        return self.factors.get(worker, 1.0)


def test_the_longest_goes_first_and_ties_go_by_number() -> None:
    queue = PullQueue({4: 1.0, 1: 2.0, 3: 5.0, 2: 2.0}, Known(), [0])
    order = []
    while (client := queue.take(0, now=float(len(order)))) is not None:
        order.append(client)
        assert queue.out == {client: 0}
        queue.done(0, client)
    assert order == [3, 1, 2, 4]
    assert queue.left == 0
    assert queue.out == {}


def test_untrained_predictions_order_by_work() -> None:
    queue = PullQueue({0: 10.0, 1: 30.0, 2: 20.0}, Durations(), [0, 1, 2])
    assert [queue.take(worker, 0.0) for worker in (2, 0, 1)] == [1, 2, 0]


def test_workers_that_are_about_as_fast_do_not_wait_for_each_other() -> None:
    queue = PullQueue({0: 10.0, 1: 10.0}, Known({0: 1.0, 1: 1.04}), [0, 1])
    assert queue.take(0, 0.0) == 0
    assert queue.take(1, 9.99) == 1


def test_a_slow_worker_leaves_to_a_busy_one_what_that_ends_earlier() -> None:
    queue = PullQueue({0: 10.0, 1: 6.0, 2: 1.0}, Known({0: 1.0, 1: 4.0}), [0, 1])
    assert queue.take(0, 0.0) == 0
    assert queue.predicted(1, 1) == 24
    assert queue.take(1, 0.0) == 2, "client 1 ends at 16 on worker 0, at 24 on worker 1; client 2 at 17 or at 4"
    queue.done(1, 2)
    assert queue.take(1, 4.0) is None
    queue.done(0, 0)
    assert queue.take(0, 10.0) == 1


def test_a_slow_worker_takes_a_long_client_while_the_fast_one_has_enough_to_do() -> None:
    queue = PullQueue({client: 10.0 - client / 100 for client in range(40)}, Known({0: 1.0, 1: 2.0}), [0, 1])
    assert queue.take(0, 0.0) == 0
    assert queue.take(1, 0.0) == 1, "it ends at 19.98 here, at 19.99 on worker 0"


def test_a_useless_worker_stays_idle() -> None:
    queue = PullQueue(dict.fromkeys(range(40), 1.0), Known({0: 1.0, 1: 100.0}), [0, 1])
    assert queue.take(1, 0.0) is None
    assert queue.take(0, 0.0) == 0


def test_a_worker_that_is_late_is_not_waited_for_for_ever() -> None:
    queue = PullQueue({0: 10.0, 1: 5.0}, Known({0: 1.0, 1: 4.0}), [0, 1])
    assert queue.take(0, 0.0) == 0
    assert [queue.take(1, now) for now in (0.0, 10.5, 200.0)] == [None, None, 1]


def test_a_client_goes_home() -> None:
    hosts = {0: "a", 1: "a", 2: "b"}
    queue = PullQueue({0: 9.0, 1: 1.0, 2: 2.0}, Known(), [0, 1, 2], hosts, {0: "b", 1: "a", 2: "a"})
    assert [queue.take(worker, 0.0) for worker in (0, 1, 2)] == [2, 1, 0]


def test_a_host_with_more_than_its_share_leaves_the_homeless_to_others() -> None:
    works = {0: 5.0} | dict.fromkeys(range(1, 5), 4.0)
    homes = dict.fromkeys(range(1, 5), "a")
    queue = PullQueue(works, Known(), [0, 1], {0: "a", 1: "b"}, homes)
    assert queue.take(0, 0.0) == 1
    assert queue.take(1, 0.0) == 0


def test_a_homeless_client_goes_to_the_host_that_is_done_first() -> None:
    """The other is as fast and idle, but has homed clients waiting."""
    factors = {0: 1.0, 1: 0.9}
    queue = PullQueue({0: 5.0, 1: 4.0, 2: 4.0}, Known(factors), [0, 1], {0: "a", 1: "b"}, {1: "b", 2: "b"})
    assert queue.take(0, 0.0) == 0


def test_clients_whose_home_is_gone_are_told() -> None:
    queue = PullQueue({0: 1.0, 1: 1.0}, Known(), [0], {0: "a"}, {1: "b"})
    assert queue.stranded == (1,)
    assert queue.take(0, 0.0) == 0
    queue.done(0, 0)
    assert queue.take(0, 1.0) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda queue: queue.take(0, 1.0), "worker 0: has a client"),
        (lambda queue: queue.take(9, 1.0), "worker 9: is not in the queue"),
        (lambda queue: queue.done(1, 0), "client 0: is not with worker 1"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[PullQueue], object], message: str) -> None:
    queue = PullQueue({0: 3.0, 1: 2.0}, Known(), [0, 1])
    queue.take(0, 0.0)
    with pytest.raises(ConfigurationError, match=message):
        call(queue)


Busy = dict[int, tuple[int, float, float, float]]
"""By worker: its client, when that began, should end and will end."""


def dealt(waiting: Mapping[int, float], factors: Mapping[int, float], busy: Busy, asks: int, now: float) -> int | None:
    """The rule as a loop over everything: longest first, to the worker that ends it first."""
    free = dict.fromkeys(factors, now)
    for worker, (_, begin, end, _) in busy.items():
        free[worker] = max(end, -OVERRUN * begin + (1 + OVERRUN) * now)
    for client in sorted(waiting, key=lambda each: (-waiting[each], each)):
        ends = {worker: free[worker] + waiting[client] * factors[worker] for worker in factors}
        best = min(sorted(ends), key=lambda worker: ends[worker])
        if best == asks or CLEARLY * (ends[asks] - now) <= ends[best] - now:
            return client
        free[best] = ends[best]
    return None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 30).map(float), min_size=1, max_size=25),
    st.lists(st.sampled_from([0.5, 0.75, 1.0, 1.5, 2.0, 8.0, 64.0]), min_size=1, max_size=6),
    st.lists(st.sampled_from([0.25, 0.75, 1.0, 1.25, 4.0]), min_size=1, max_size=7),
)
def test_the_queue_follows_the_rule(seconds: list[float], speeds: list[float], surprises: list[float]) -> None:
    """Whatever durations turn out to be; workers ask one after another, 1/1024 s apart."""
    factors, waiting = dict(enumerate(speeds)), dict(enumerate(seconds))
    queue, busy, now, order = PullQueue(waiting, Known(factors), factors), {}, 0.0, []
    while waiting or busy:
        for worker in sorted(factors.keys() - busy.keys()):
            now += 1 / 1024
            client = queue.take(worker, now)
            assert client == dealt(waiting, factors, busy, worker, now)
            if client is not None:
                order.append(client)
                expected = waiting.pop(client) * factors[worker]
                busy[worker] = client, now, now + expected, now + expected * surprises[client % len(surprises)]
        assert busy, "a deadlock"
        worker = min(busy, key=lambda each: (busy[each][3], each))
        client, _, _, end = busy.pop(worker)
        now = max(now, end)
        queue.done(worker, client)
    assert sorted(order) == list(range(len(seconds)))


HOSTS = ("a", "b", "c")


def waited_for_in_vain(left: set[int], homes: Mapping[int, str], hosts: Mapping[int, str], busy: set[int]) -> set[int]:
    """Clients left although all workers that may train them are idle, and there are some."""
    vain = set()
    for client in left:
        may = {worker for worker, host in hosts.items() if homes.get(client, host) == host}
        if may and not may & busy:
            vain.add(client)
    return vain


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_client_is_done_once(data: st.DataObject) -> None:
    """Hosts, homes, workers that differ and that ask in any order at the same moment."""
    works = dict(enumerate(data.draw(st.lists(st.floats(0.01, 30), min_size=1, max_size=20))))
    homes = data.draw(st.dictionaries(st.sampled_from(sorted(works)), st.sampled_from(HOSTS)))
    hosts = dict(enumerate(data.draw(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=6))))
    factors = {worker: data.draw(st.sampled_from([0.1, 0.5, 1.0, 1.01, 3.0, 50.0])) for worker in hosts}
    queue = PullQueue(works, Known(factors), hosts, hosts, homes)
    left, finished, now = set(works), [], 0.0
    while True:
        for worker in data.draw(st.permutations(sorted(hosts.keys() - queue.out.values()))):
            client = queue.take(worker, now)
            if client is not None:
                left.remove(client)
                assert homes.get(client, hosts[worker]) == hosts[worker]
        assert queue.left == len(left)
        assert not waited_for_in_vain(left, homes, hosts, set(queue.out.values()))
        if not queue.out:
            break
        client = data.draw(st.sampled_from(sorted(queue.out)))
        now += data.draw(st.sampled_from([0.0, 0.5, 20.0]))
        queue.done(queue.out[client], client)
        finished.append(client)
    assert sorted(finished + list(queue.stranded)) == sorted(works)


@pytest.mark.parametrize("slow", [1.0, 2.0])
def test_a_thousand_clients_are_scheduled_in_no_time(slow: float) -> None:
    """About 10 to 30 ms; the bound is for busy machines."""
    draws, factors = np.random.default_rng(0), {worker: (1.0, slow)[worker % 2] for worker in range(16)}
    works = dict(enumerate(draws.lognormal(0, 0.7, 1000).tolist()))
    began = time.process_time()
    queue, running = PullQueue(works, Known(factors), factors), []
    idle, now = list(factors), 0.0
    while idle:
        for worker in sorted(idle):
            client = queue.take(worker, now)
            if client is not None:
                idle.remove(worker)
                heappush(running, (now + works[client] * factors[worker], worker, client))
        if not running:
            break
        now, worker, client = heappop(running)
        queue.done(worker, client)
        idle.append(worker)
    assert time.process_time() - began < 0.4
    assert queue.left == 0
    assert now <= 1.01 * sum(works.values()) / sum(1 / factor for factor in factors.values())
