"""A pool over scripted workers: sums, evaluation and checkpoints, and what becomes of them when workers die."""

from __future__ import annotations

import random

import pytest
import torch

from fedkd.executors import ClientError
from fedkd.executors.dispatch import DEATHS
from fedkd.executors.parcels import Kind, Parcel
from fedkd_compression import Sizes, WireError
from tests.executors.fake_hub import COHORT, KILLED, REFRESH, SHARED, Doom, FakeHub, broadcast, is_whole, pool, refresh


def test_receipts_come_with_sums_that_are_merged() -> None:
    hub = FakeHub("aaa", reduces=True)
    exchange = pool(hub).exchange(broadcast(COHORT), refresh)
    assert is_whole(exchange, reduces=True)
    assert exchange.replies[0].sizes == Sizes(1, 2, 3)


def test_a_death_between_two_rounds_is_made_good_in_the_next() -> None:
    hub = FakeHub("aa", reduces=True)
    crew = pool(hub)
    crew.exchange(broadcast(COHORT, 0), refresh)
    hub.dies(1)
    assert is_whole(crew.exchange(broadcast(COHORT, 1), refresh), reduces=True)
    assert hub.workers[1].heard == [(REFRESH, SHARED)]


def test_workers_that_cannot_be_replaced_leave_the_others_the_work() -> None:
    hub = FakeHub("aaa", [Doom(Kind.TRAIN, worker=0), Doom(Kind.TRAIN, worker=2, skip=1)], reduces=True, replaces=False)
    crew = pool(hub)
    assert is_whole(crew.exchange(broadcast(COHORT), refresh), reduces=True)
    assert crew.alive == {1}
    assert is_whole(crew.exchange(broadcast(COHORT, 1), refresh), reduces=True)


def test_without_a_worker_the_job_ends() -> None:
    hub = FakeHub("aa", [Doom(Kind.TRAIN, times=2)], replaces=False)
    with pytest.raises(ClientError, match=rf"^worker \d on a \(cpu\) {KILLED}, and no other is left$"):
        pool(hub).exchange(broadcast(COHORT), refresh)


def test_a_worker_that_keeps_memories_must_not_die() -> None:
    hub = FakeHub("aa", [Doom(Kind.TRAIN, worker=1)])
    with pytest.raises(ClientError, match=r"^worker 1 .*, and its clients' memories with it; choose store=folder$"):
        pool(hub, shared_states=False).exchange(broadcast(COHORT), refresh)


@pytest.mark.parametrize(
    "dooms",
    [
        [Doom(Kind.SUM, worker=0)],
        [Doom(Kind.SUM, worker=0), Doom(Kind.SUM, worker=1), Doom(Kind.SUM, worker=2)],
        [Doom(Kind.SUM, worker=0, after=True), Doom(Kind.SUM, worker=1)],
        [Doom(Kind.SUM, worker=2, after=True)],
        [Doom(Kind.SUM, worker=0), Doom(Kind.SUM, worker=0), Doom(Kind.TRAIN, worker=0, skip=6)],
    ],
)
@pytest.mark.parametrize("replaces", [True, False])
def test_deaths_while_sums_are_collected(dooms: list[Doom], replaces: bool) -> None:
    hub = FakeHub("aaaa", [Doom(**vars(doom)) for doom in dooms], reduces=True, replaces=replaces)
    crew = pool(hub)
    assert is_whole(crew.exchange(broadcast(COHORT), refresh), reduces=True)
    assert is_whole(crew.exchange(broadcast(COHORT, 1), refresh), reduces=True)


def test_an_idle_worker_that_dies_beside_a_summing_one_is_told_of_the_round() -> None:
    hub = FakeHub("aaa", reduces=True)
    crew = pool(hub)
    idle = lambda: next(n for n, worker in enumerate(hub.workers) if not worker.clients)  # noqa: E731
    summed = hub._answers
    hub.ways[Kind.SUM] = lambda worker, order: (hub.dies(idle()), summed(worker, order))[1]
    hub.dooms = [Doom(Kind.SUM, skip=1)]
    exchange = crew.exchange(broadcast(range(2)), refresh)
    assert exchange.partial is not None
    assert exchange.partial.total.total().tolist() == [2.0, 1.0]


@pytest.mark.parametrize("seed", range(60))
def test_any_deaths_leave_a_whole_round(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    reduces, replaces = bool(seed % 2), bool(seed % 3)
    kinds = [Kind.TRAIN, Kind.SUM, Kind.ROUND]
    dooms = [
        Doom(chance.choice(kinds), skip=chance.randrange(30), after=chance.random() < 0.3) for _ in range(DEATHS - 1)
    ]
    hub = FakeHub("aaaa", dooms, reduces=reduces, replaces=replaces, seconds=lambda _: chance.random(), turns=chance)
    crew = pool(hub)
    for round_ in range(4):
        assert is_whole(crew.exchange(broadcast(COHORT, round_), refresh), reduces)


def test_evaluation_is_one_workers_also_when_the_first_dies() -> None:
    hub = FakeHub("aa", [Doom(Kind.EVALUATE, worker=0)], replaces=False)
    crew = pool(hub)
    assert crew.evaluate(torch.zeros(3)) == {"loss": 0.5, "worker": 1.0}
    hub = FakeHub("aa", [Doom(Kind.EVALUATE, worker=0)])
    assert pool(hub).evaluate(torch.zeros(3)) == {"loss": 0.5, "worker": 0.0}


def test_checkpoint_goes_on_without_a_worker_that_dies_in_it() -> None:
    hub = FakeHub("aaa", [Doom(Kind.COMMIT, worker=1)])
    crew = pool(hub)
    crew.exchange(broadcast(COHORT, 4), refresh)
    kept = crew.commit((5,), {})
    assert {client: state.sent for client, state in kept.states.items()} == {0: 5, 2: 5}
    crew.exchange(broadcast(COHORT, 5), refresh)
    assert (hub.workers[1].heard, hub.workers[1].committed) == ([(REFRESH, SHARED)], [(5,)])


def test_restored_clients_are_at_home_where_their_states_are() -> None:
    hub = FakeHub("aa")
    kept = pool(FakeHub("aaaaa")).commit((3,), {})
    crew = pool(hub, shared_states=False)
    crew.restore((2, 3), kept)
    assert crew.homes == {0: "0", 2: "0", 4: "0", 1: "1", 3: "1"}
    crew.exchange(broadcast(range(6), 3), refresh)
    assert hub.restored == {0: 3, 1: 2}
    assert all(worker == client % 2 for worker, client in hub.trained if client < 5)
    assert hub.workers[0].committed == [(2, 3)]


def failed(worker: int, order: Parcel) -> list[Parcel]:
    return [Parcel(Kind.FAILED, order.round, order.client, parts=(b"ValueError: odd", b"line 3\n"))]


def test_failure_is_told_with_client_round_and_worker() -> None:
    hub = FakeHub("a")
    hub.ways[Kind.TRAIN] = failed
    with pytest.raises(ClientError, match=r"^client 39, round 2, worker 0 on a \(cpu\): ValueError: odd$") as error:
        pool(hub, work=list(range(40))).exchange(broadcast(COHORT, 2), refresh)
    assert error.value.trace == "line 3\n"
    hub = FakeHub("a")
    hub.ways[Kind.EVALUATE] = failed
    with pytest.raises(ClientError, match=r"^round 0, worker 0 on a \(cpu\): ValueError: odd$"):
        pool(hub).evaluate(torch.zeros(3))


def test_answer_of_a_worker_that_was_not_asked_is_refused() -> None:
    hub = FakeHub("aa")
    hub.send(1, Parcel(Kind.EVALUATE))
    with pytest.raises(WireError, match=r"^worker 1 on a \(cpu\): METRICS, which it was not asked for$"):
        pool(hub).evaluate(torch.zeros(3))


def test_close_closes_the_hub() -> None:
    hub = FakeHub("a")
    pool(hub).close()
    assert hub.closed
