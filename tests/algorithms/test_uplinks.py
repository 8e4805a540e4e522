"""Sums of updates are the same bits whoever adds them; an update against another memory is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from fedkd.admission import admit
from fedkd.algorithms import Algorithm, Partial, ServerState, Uplink
from fedkd.algorithms.gate import OPEN
from fedkd.clients import FixedCohort
from fedkd.executors import InProcess
from fedkd.federation import run
from fedkd.links import Link, Shift
from fedkd.messages import Message
from fedkd_compression import Identity, WireError, compress
from fedkd_compression.keys import Key
from tests.equivalence.quadratic import CLIENTS, DIM, DITHER, Case, federation

ROUNDS = 6
KINDS = [(estimator, start) for estimator in ("PP1", "PP2") for start in ("zero", "first")]


def case_of(estimator: str, start: str, row: str = "mcm") -> Case:
    uplink = Link(DITHER, Shift(0.4, start))
    return Case(row, estimator=estimator, weights="samples", uplink=uplink, participation=FixedCohort(3))


Round = tuple[Algorithm, ServerState, tuple[Message, ...], dict[int, Tensor | None]]


def rounds(case: Case) -> Iterator[Round]:
    """Of every round: the state before its end, the replies, and each client's memory before its own."""
    whole, model = federation(case)
    algorithm, executor = whole.algorithm, whole.executor
    assert isinstance(executor, InProcess)
    state, chance = algorithm.start(model), random.Random(5)  # noqa: S311
    for round_ in range(ROUNDS):
        cohort = tuple(sorted(chance.sample(range(CLIENTS), 3)))
        broadcast, state = algorithm.broadcast(state, cohort)
        store = executor.workers[0].store
        memories = {client: store.before(client, round_).uplink for client in cohort}
        replies = admit(executor.exchange(broadcast, tuple), broadcast, partial(whole.expected, state)).updates
        yield algorithm, state, replies, memories
        state = algorithm.aggregate(state, algorithm.collect(state, replies))


def spread(uplink: Uplink, replies: Sequence[Message], memories: dict[int, Tensor | None], seed: int) -> Partial:
    """What up to three workers add up, in any order, merged in any order after they have travelled."""
    chance = random.Random(seed)  # noqa: S311
    workers = [uplink.nothing() for _ in range(chance.randint(1, 3))]
    for reply in chance.sample(replies, len(replies)):
        uplink.add(chance.choice(workers), reply, memories[reply.client], OPEN)
    merged, *others = [Partial.unpack(worker.pack(), DIM) for worker in chance.sample(workers, len(workers))]
    for other in others:
        merged.merge(other)
    return merged


@pytest.mark.parametrize(("estimator", "start"), KINDS)
def test_any_split_over_workers_in_any_order_gives_the_same_bits(estimator: str, start: str) -> None:
    for algorithm, state, replies, memories in rounds(case_of(estimator, start)):
        alone = algorithm.aggregate(state, algorithm.collect(state, replies))
        receipts = [replace(reply, frame=b"") for reply in replies]
        for seed in range(6):
            added = spread(algorithm.uplink, replies, memories, seed)
            after = algorithm.aggregate(state, algorithm.collect(state, receipts, added))
            assert torch.equal(after.model, alone.model)
            assert after.uplink.taken == alone.uplink.taken
            if estimator == "PP2":
                assert torch.equal(after.uplink.mean, alone.uplink.mean)


@pytest.mark.parametrize(("estimator", "start"), KINDS)
def test_a_run_whose_workers_add_is_the_run_whose_server_adds(estimator: str, start: str) -> None:
    trajectories = []
    for workers, reduces in ((1, False), (1, True), (3, True)):
        whole, model = federation(case_of(estimator, start, "artemis").but(workers=workers, reduces=reduces))
        states = [state for state, _ in run(whole, whole.algorithm.start(model), ROUNDS)]
        trajectories.append(torch.stack([state.model for state in states]))
        assert bool(states[-1].uplink.own) is (estimator == "PP1" and not reduces)
    assert torch.equal(trajectories[0], trajectories[1])
    assert torch.equal(trajectories[0], trajectories[2])
    assert trajectories[0].isfinite().all()


@pytest.mark.parametrize("estimator", ["PP1", "PP2"])
def test_update_that_is_too_large_to_be_added_is_refused(estimator: str) -> None:
    whole, model = federation(Case("diana", estimator=estimator, uplink=Link(Identity(), Shift(0.4, "zero"))))
    frames, _ = compress(Identity(), torch.full((1, DIM), 1e30, dtype=torch.float64), Key.of(0))
    (reply,) = next(rounds(Case("diana")))[2][:1]
    state, algorithm = whole.algorithm.start(model), whole.algorithm
    collected = algorithm.collect(state, [replace(reply, frame=frames[0])])
    why = "a value of 1e+30 exceeds 4.295e+09; scale down, or the training diverged"
    assert (collected.refused, collected.replies) == ({reply.client: why}, [])
    assert collected.uplink.own == collected.uplink.taken == {}


@pytest.mark.parametrize("parts", [0, 4])
def test_neither_one_sum_nor_two_nor_three_is_no_partial(parts: int) -> None:
    (packed,) = Partial(federation(Case())[0].algorithm.uplink.nothing().total).pack()
    with pytest.raises(WireError, match=f"^sum: {parts} parts, not the one to three"):
        Partial.unpack([packed] * parts, DIM)


def test_with_nobody_left_the_mean_memory_begins_again_though_no_memory_was_kept() -> None:
    whole, model = federation(case_of("PP2", "zero"))
    *_, (state, _) = run(whole, whole.algorithm.start(model), 3)
    assert state.uplink.mean is not None
    assert not state.uplink.own
    after = whole.algorithm.forget(state, range(CLIENTS))
    assert after.uplink.mean is None
