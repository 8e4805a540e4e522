"""One round over scripted workers: who is told what, who trains whom, and what becomes of it when workers die."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fedkd.executors import ClientError
from fedkd.executors.dispatch import DEATHS, SHORT, SMALL
from fedkd.executors.loop import read_training
from fedkd.executors.parcels import Kind, Parcel
from fedkd_compression import WireError
from tests.executors.fake_hub import COHORT, KILLED, REFRESH, SHARED, Doom, FakeHub, broadcast, is_whole, pool, refresh


def test_every_worker_hears_a_broadcast_once_and_at_first_what_others_know() -> None:
    hub = FakeHub("aaa")
    crew = pool(hub)
    for round_ in range(3):
        assert is_whole(crew.exchange(broadcast(COHORT, round_), refresh), reduces=False)
    for worker in hub.workers:
        assert worker.heard == [(REFRESH, SHARED), (SHARED,), (SHARED,)]


def test_a_broadcast_says_which_rounds_the_checkpoints_are_of() -> None:
    hub = FakeHub("aa")
    crew = pool(hub)
    crew.exchange(broadcast(COHORT, 0), refresh)
    crew.commit((0, 1), {})
    crew.exchange(broadcast(COHORT, 1), refresh)
    assert hub.workers[1].committed == [(), (0, 1)]


def test_every_client_is_trained_once_by_the_worker_that_is_named() -> None:
    hub = FakeHub("aaa")
    exchange = pool(hub).exchange(broadcast(COHORT), refresh)
    assert sorted(client for _, client in hub.trained) == list(COHORT)
    assert sorted((placement.worker, placement.client) for placement in exchange.placements) == sorted(hub.trained)
    assert {worker for worker, _ in hub.trained} == {0, 1, 2}
    assert all(0 <= placement.begin <= placement.end for placement in exchange.placements)
    reply = exchange.replies[0]
    assert (reply.data, reply.seconds_train, reply.seconds_link, reply.sizes) == (b"reply", 1.0, 0.0, None)


def test_the_longest_goes_first_and_gets_its_own_messages() -> None:
    hub, seen = FakeHub("a"), []
    train = hub._answers
    hub.ways[Kind.TRAIN] = lambda worker, order: (seen.append((order.client, *order.parts)), train(worker, order))[1]
    unicast = {1: (b"one", b"more"), 2: (b"two",)}
    pool(hub, work=[5.0, 7.0, 6.0]).exchange(broadcast(range(3), 0, unicast), refresh)
    assert seen == [(1, b"one", b"more"), (2, b"two"), (0,)]


@pytest.mark.parametrize(("together", "sizes"), [(1, [1] * 10), (3, [3, 3, 3, 1]), (99, [5, 5])])
def test_clients_that_train_together_are_handed_out_in_groups_of_at_most_a_workers_share(
    together: int, sizes: list[int]
) -> None:
    hub, seen = FakeHub("aa"), list[list[int]]()
    train = hub._answers
    hub.ways[Kind.TRAIN] = lambda worker, order: (
        seen.append([client for client, _ in read_training(order)]),
        train(worker, order),
    )[1]
    exchange = pool(hub, together=together).exchange(broadcast(range(10)), refresh)
    assert sorted(reply.client for reply in exchange.replies) == list(range(10))
    assert sorted(client for group in seen for client in group) == list(range(10))
    assert sorted(map(len, seen), reverse=True) == sizes


def test_groups_of_a_dead_worker_are_given_out_again() -> None:
    hub = FakeHub("aa", [Doom(Kind.TRAIN, worker=1)])
    assert is_whole(pool(hub, together=4).exchange(broadcast(COHORT), refresh), reduces=False)
    assert sorted(client for _, client in hub.trained) == list(COHORT)


def test_nobody_trains_in_an_empty_round_but_everyone_hears_of_it() -> None:
    hub = FakeHub("aa", reduces=True)
    crew = pool(hub)
    exchange = crew.exchange(broadcast(()), refresh)
    assert (list(exchange.replies), exchange.partial, exchange.placements) == ([], None, ())
    crew.exchange(broadcast(COHORT, 1), refresh)
    assert [worker.heard for worker in hub.workers] == [[(REFRESH, SHARED), (SHARED,)]] * 2


def test_a_dead_workers_clients_are_given_out_again_and_its_replies_kept() -> None:
    hub = FakeHub("aa", [Doom(Kind.TRAIN, worker=1, skip=2)])
    crew = pool(hub)
    assert is_whole(crew.exchange(broadcast(COHORT), refresh), reduces=False)
    assert sorted(client for _, client in hub.trained) == list(COHORT)
    assert hub.workers[0].heard == hub.workers[1].heard == [(REFRESH, SHARED)]


def test_what_only_a_dead_worker_had_added_up_is_run_again() -> None:
    hub = FakeHub("aa", [Doom(Kind.TRAIN, worker=1, skip=2)], reduces=True)
    assert is_whole(pool(hub).exchange(broadcast(COHORT), refresh), reduces=True)
    assert sorted(Counter(client for _, client in hub.trained).values()) == [1] * (len(COHORT) - 2) + [2, 2]


def test_a_replacement_hears_what_the_others_know_and_they_hear_nothing_again() -> None:
    hub = FakeHub("aaa")
    crew = pool(hub)
    crew.exchange(broadcast(COHORT, 0), refresh)
    hub.dooms = [Doom(Kind.TRAIN, worker=2)]
    crew.exchange(broadcast(COHORT, 1), refresh)
    crew.exchange(broadcast(COHORT, 2), refresh)
    assert hub.workers[0].heard == [(REFRESH, SHARED), (SHARED,), (SHARED,)]
    assert hub.workers[2].heard == [(REFRESH, SHARED), (SHARED,)]


def test_a_client_may_bring_down_so_many_workers_and_no_more() -> None:
    hub = FakeHub("aaa", [Doom(Kind.TRAIN, client=6, times=DEATHS - 1)])
    crew = pool(hub)
    assert is_whole(crew.exchange(broadcast(COHORT), refresh), reduces=False)
    hub.dooms = [Doom(Kind.TRAIN, client=6, times=DEATHS)]
    with pytest.raises(ClientError, match=f"^client 6, round 7: its worker {KILLED}, {DEATHS} times$"):
        crew.exchange(broadcast(COHORT, 7), refresh)


def test_a_client_that_only_waited_at_a_dead_worker_is_not_blamed() -> None:
    hub = FakeHub("a", [Doom(Kind.TRAIN, client=0, times=DEATHS - 1), Doom(Kind.TRAIN, client=3, times=DEATHS - 1)])
    crew = pool(hub, work=list(range(40, 0, -1)))
    assert is_whole(crew.exchange(broadcast(COHORT), refresh), reduces=False)
    assert hub.ahead == 2


def test_memories_that_are_not_shared_stay_with_their_workers() -> None:
    hub = FakeHub("aaa")
    crew = pool(hub, shared_states=False)
    for round_ in range(4):
        crew.exchange(broadcast(COHORT, round_), refresh)
    assert all(len({worker for worker, client in hub.trained if client == each}) == 1 for each in COHORT)
    assert {worker for worker, _ in hub.trained} == {0, 1, 2}


def test_memories_of_a_host_are_free_to_all_its_workers_and_to_no_other() -> None:
    hub = FakeHub("abab", turns=random.Random(3), seconds=lambda client: 0.1 + client % 5)  # noqa: S311
    crew = pool(hub)
    for round_ in range(6):
        crew.exchange(broadcast(COHORT, round_), refresh)
    hosts = {client: {hub.seats[worker].host for worker, each in hub.trained if each == client} for client in COHORT}
    workers = {client: {worker for worker, each in hub.trained if each == client} for client in COHORT}
    assert all(len(host) == 1 for host in hosts.values())
    assert any(len(several) > 1 for several in workers.values())


def test_no_home_is_kept_where_all_are_at_home_everywhere() -> None:
    crew = pool(FakeHub("aa"))
    crew.exchange(broadcast(COHORT), refresh)
    assert crew.homes == {}


def test_a_host_that_is_lost_is_named() -> None:
    hub = FakeHub("ab", [Doom(Kind.ROUND, worker=1, skip=1)], replaces=False)
    crew = pool(hub)
    crew.exchange(broadcast(COHORT, 0), refresh)
    with pytest.raises(ClientError, match=r"^client \d+, round 1: no worker is left on b, its home$"):
        crew.exchange(broadcast(COHORT, 1), refresh)


@pytest.mark.parametrize(
    ("cohort", "seconds", "message", "most"),
    [
        (40, 10 * SHORT, SMALL - 1, 2),
        (40, SHORT / 10, SMALL, 1),
        (4, 10 * SHORT, 0, 1),
        (4, SHORT / 10, 0, 2),
    ],
    ids=["many are left", "large", "few are left", "few short ones"],
)
def test_one_client_is_sent_ahead_where_it_costs_nothing(cohort: int, seconds: float, message: int, most: int) -> None:
    hub = FakeHub("aa", seconds=lambda _: seconds)
    crew = pool(hub)
    for round_ in range(3):
        crew.exchange(broadcast(range(20), round_, {3: (bytes(SMALL),)}), refresh)
    assert hub.ahead == 1
    unicast = dict.fromkeys(range(cohort), (bytes(message),))
    crew.exchange(broadcast(range(cohort), 3, unicast), refresh)
    assert hub.ahead == most


@pytest.mark.parametrize(
    "answer", [Parcel(Kind.REPLY, 0, 98, (1.0, 0.0), (b"",)), Parcel(Kind.METRICS), Parcel(Kind.SUMMED, client=0)]
)
def test_answer_that_nobody_asked_for_is_refused(answer: Parcel) -> None:
    hub = FakeHub("a")
    hub.ways[Kind.TRAIN] = lambda worker, order: [answer]
    with pytest.raises(WireError, match=f"^worker 0: {answer.kind.name} of client {answer.client}, which it does not"):
        pool(hub).exchange(broadcast(COHORT), refresh)
