"""Both ends of every link hold the same memory after every round, whoever takes part."""

import pytest
import torch

from fedkd.clients import Bernoulli, FixedCohort, Full
from fedkd.federation import run
from fedkd.links import Link, Shift
from fedkd_compression import SubtractiveDither
from tests.equivalence.quadratic import CLIENTS, DIM, ROWS, Case, federation

ROUNDS = 12
PARTICIPATIONS = {"full": Full(), "bernoulli": Bernoulli(0.4), "fixed": FixedCohort(2)}
ALGORITHMS = [(name, start) for name in ROWS for start in ("zero", "first")]


def case_of(name, start, **changes):
    _, _, up, down = ROWS[name]
    up, down = (
        Link(link.operator, Shift(0.4, start)) if isinstance(link.memory, Shift) else link for link in (up, down)
    )
    return Case(name, uplink=up, downlink=down, **changes)


def client_memory(worker, client, link):
    memory = worker.store.before(client, ROUNDS).uplink
    return torch.zeros(DIM, dtype=torch.float64) if memory is None else memory


@pytest.mark.sampled(4)
@pytest.mark.parametrize("participation", PARTICIPATIONS)
@pytest.mark.parametrize(("name", "start"), ALGORITHMS)
def test_downlink_memories_are_equal_after_every_round(name, start, participation):
    """With a worker a client, so that every client must really be brought up to date by its own messages."""
    whole, model = federation(case_of(name, start, participation=PARTICIPATIONS[participation], workers=CLIENTS))
    compresses, sent_to = ROWS[name][:2]
    checked = 0
    for state, report in run(whole, whole.algorithm.start(model), ROUNDS):
        for client in report.cohort:
            worker = whole.executor.workers[client]
            if name == "marina_p":
                assert worker.store.before(client, ROUNDS).received == state.downlink.version
            elif sent_to == "each":
                kept = worker.store.before(client, ROUNDS)
                assert torch.equal(kept.downlink, state.downlink.own[client][0])
                assert kept.received == state.downlink.own[client][1]
            elif compresses == "model" and whole.algorithm.downlink.link.remembers:
                assert torch.equal(worker.receiver.state.memory, state.downlink.memory)
                assert worker.receiver.state.version == state.downlink.version
            checked += 1
    assert checked > ROUNDS


@pytest.mark.parametrize("participation", PARTICIPATIONS)
@pytest.mark.parametrize("name", ["biqsgd", "artemis", "doublesqueeze", "dore"])
def test_compressed_steps_keep_one_model_on_both_ends(name, participation):
    whole, model = federation(Case(name, participation=PARTICIPATIONS[participation], workers=CLIENTS))
    held, checked = model, 0
    for state, report in run(whole, whole.algorithm.start(model), ROUNDS):
        for client in report.cohort:
            assert torch.equal(whole.executor.workers[client].receiver.state.memory, held)
            checked += 1
        held = state.model
    assert checked > ROUNDS


@pytest.mark.sampled(4)
@pytest.mark.parametrize("start", ["zero", "first"])
@pytest.mark.parametrize("participation", PARTICIPATIONS)
@pytest.mark.parametrize("name", [name for name in ROWS if isinstance(ROWS[name][2].memory, Shift)])
def test_uplink_memories_are_equal_after_every_round(name, participation, start):
    """PP1: h_i on both ends, bit for bit. PP2: the server's h is the mean of all h_i."""
    law = PARTICIPATIONS[participation]
    for estimator in ("PP1", "PP2"):
        whole, model = federation(case_of(name, start, estimator=estimator, participation=law))
        link = whole.algorithm.uplink.link
        (worker,) = whole.executor.workers
        for state, _ in run(whole, whole.algorithm.start(model), ROUNDS):
            memories = torch.stack([client_memory(worker, client, link) for client in range(CLIENTS)])
            if estimator == "PP2":
                torch.testing.assert_close(state.uplink.mean, memories.mean(0), rtol=0, atol=1e-12)
                continue
            for client, memory in state.uplink.own.items():
                assert torch.equal(memory, memories[client])


@pytest.mark.sampled(4)
@pytest.mark.parametrize("participation", PARTICIPATIONS)
@pytest.mark.parametrize("name", ROWS)
def test_a_worker_a_client_gives_the_trajectory_of_one_worker(name, participation):
    law = PARTICIPATIONS[participation]
    trajectories = []
    for workers in (1, CLIENTS):
        whole, model = federation(Case(name, participation=law, workers=workers))
        run_ = run(whole, whole.algorithm.start(model), ROUNDS)
        trajectories.append([(state.model, report.bytes_down_unicast) for state, report in run_])
    for (one, sent_one), (many, sent_many) in zip(*trajectories, strict=True):
        assert torch.equal(one, many)
        assert sent_one == sent_many


def test_a_gap_is_refused_never_silent():
    from fedkd.algorithms import StaleMemoryError

    whole, model = federation(Case("mcm", workers=1))
    algorithm, worker = whole.algorithm, whole.executor.workers[0]
    state = algorithm.start(model)
    _, state = algorithm.broadcast(state, (0,))
    second, state = algorithm.broadcast(state, (0,))
    with pytest.raises(StaleMemoryError, match="changes version 1, here is 0"):
        worker.receiver.hear(second.shared)


def test_both_ends_derive_one_rate():
    link = Link(SubtractiveDither(step=2.0), Shift("auto", "zero")).resolve(DIM)
    assert link.memory.rate == pytest.approx(1 / (2 * (4 / 12 + 1)))
