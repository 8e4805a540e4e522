"""A client that is late goes back, one that lost its memories is started anew: both ends are then equal again."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import pytest
import torch

from fedkd.admission import Admission
from fedkd.algorithms import StaleMemoryError
from fedkd.algorithms.moved_model import MovedModel
from fedkd.clients import MemoryStore
from fedkd.executors import ClientError, Exchange, Executor, InProcess, Reply
from fedkd.executors.orders import Order, lost, opening
from fedkd.federation import run
from fedkd.links import Link, Shift
from tests.equivalence.quadratic import CLIENTS, DIM, ROWS, RUN, Case, federation

FAULT, VICTIM, ROUNDS = 3, 2, 8
FAULTS = {"late": [FAULT], "twice": [FAULT, FAULT + 2], "lost": [FAULT]}
"""Rounds in which the client is missing; a memory that comes back late is found out when it is used."""
RESTARTS = {"late": [], "twice": [FAULT + 3], "lost": [FAULT + 1]}
"""Rounds in which it begins anew."""
KINDS = [(name, estimator) for name in ROWS for estimator in ("PP1", "PP2")]


@dataclass
class Flaky(InProcess):
    """A worker a client, as nodes are; one of them fails in round FAULT.

    ``late``: it trains, but its reply does not count. ``twice``: so it does, and what it then remembers comes back
    after the next round. ``lost``: it begins the round without any memory.
    """

    fault: str = ""

    def __init__(self, inner: InProcess, fault: str) -> None:
        super().__init__(inner.workers)
        self.fault, self._late = fault, None

    def exchange(self, broadcast, refresh):
        replies, missing = [], {}
        for client in broadcast.cohort:
            worker, messages = self.workers[client], broadcast.to(client)
            struck = client == VICTIM and broadcast.round == FAULT
            if opening(messages).anew or (struck and self.fault == "lost"):
                worker.receiver.state, worker.store = type(worker.receiver.state)(), MemoryStore()
            try:
                [reply] = worker.run(broadcast.round, [Order(client, messages)])
            except StaleMemoryError:
                reply = Reply(client, lost(RUN, broadcast.round, client), 0.0, 0.0)
            if struck and self.fault in ("late", "twice"):
                missing[client], self._late = "late", (worker.receiver.state, deepcopy(worker.store))
            else:
                replies.append(reply)
            if client == VICTIM and broadcast.round == FAULT + 1 and self.fault == "twice":
                worker.receiver.state, worker.store = self._late
        return Exchange(replies, None, (), missing)


def flaky(case: Case, fault: str, quorum: float = 0.5):
    whole, model = federation(replace(case, workers=CLIENTS, volatile=True))
    return replace(whole, executor=Flaky(whole.executor, fault), admission=Admission("drop", None, quorum)), model


def uplink_memory(executor: Executor, client: int) -> torch.Tensor:
    memory = executor.workers[client].store.before(client, ROUNDS).uplink
    return torch.zeros(DIM, dtype=torch.float64) if memory is None else memory


def check_ends(whole, state, model_before):
    """Both ends of every client's links hold the same."""
    algorithm, workers = whole.algorithm, whole.executor.workers
    if algorithm.uplink.link.remembers:
        memories = [uplink_memory(whole.executor, client) for client in range(CLIENTS)]
        for client, memory in state.uplink.own.items():
            assert torch.equal(memory, memories[client])
        if state.uplink.mean is not None:
            torch.testing.assert_close(state.uplink.mean, torch.stack(memories).mean(0), rtol=0, atol=1e-12)
    for client in range(CLIENTS):
        heard, kept = workers[client].receiver.state, workers[client].store.before(client, ROUNDS)
        assert state.uplink.taken[client] == kept.sent
        if isinstance(algorithm.downlink, MovedModel):
            assert kept.received == state.downlink.version
        elif algorithm.row.sent_to == "each":
            assert torch.equal(state.downlink.own[client][0], kept.downlink)
        elif algorithm.row.compresses == "step":
            assert torch.equal(heard.memory, model_before)
        elif algorithm.downlink.link.remembers:
            assert (heard.version, torch.equal(heard.memory, state.downlink.memory)) == (state.downlink.version, True)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("start", ["zero", "first"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("name", "estimator"), KINDS)
def test_both_ends_are_equal_after_the_next_round(name, estimator, fault, start):
    up, down = (
        replace(link, memory=Shift(0.4, start)) if isinstance(link.memory, Shift) else link for link in ROWS[name][2:]
    )
    whole, model = flaky(Case(name, estimator=estimator, uplink=up, downlink=down), fault)
    missing, restarted, held = {}, {}, model
    for state, report in run(whole, whole.algorithm.start(model), ROUNDS):
        missing |= {report.round: set(report.missing)} if report.missing else {}
        restarted |= {report.round: report.restarted} if report.restarted else {}
        if report.round < FAULT or report.round > FAULTS[fault][-1]:
            check_ends(whole, state, held)
        held = state.model
    assert missing == {round_: {VICTIM} for round_ in FAULTS[fault]}
    assert restarted == dict.fromkeys(RESTARTS[fault], (VICTIM,))


@pytest.mark.parametrize("fault", ["late", "lost"])
def test_what_brings_the_client_back_is_counted(fault):
    sent = {}
    for case in ("", fault):
        whole, model = flaky(Case("mcm"), case)
        reports = [report for _, report in run(whole, whole.algorithm.start(model), FAULT + 2)]
        sent[case] = reports[-1].bytes_down_unicast
    assert sent[""] == 0
    assert sent[fault] > 32, "a message that says so, and what was missed"


def test_without_failures_nothing_is_sent_and_the_trajectory_is_the_same():
    for name in ("mcm", "artemis"):
        plain, model = federation(Case(name))
        steady, _ = flaky(Case(name), "")
        for (one, sent), (other, also) in zip(
            run(plain, plain.algorithm.start(model), ROUNDS),
            run(steady, steady.algorithm.start(model), ROUNDS),
            strict=True,
        ):
            assert torch.equal(one.model, other.model)
            assert (sent.bytes_total, also.restarted) == (also.bytes_total, ())


def test_without_a_quorum_the_round_fails():
    whole, model = flaky(Case("mcm"), "late", quorum=1.0)
    with pytest.raises(ClientError, match="client 2, round 3: late"):
        list(run(whole, whole.algorithm.start(model), ROUNDS))


def test_the_mean_memory_still_leads_to_the_optimum_after_a_client_was_lost():
    """Without taking w_i h_i out of h, every later G would be off by it, and the run would end beside the optimum."""
    uplink = Link(ROWS["diana"][2].operator, Shift(0.4, "zero"))
    models = []
    for fault in ("", "lost"):
        whole, model = flaky(Case("diana", estimator="PP2", uplink=uplink), fault)
        *_, (state, _) = run(whole, whole.algorithm.start(model), 100)
        models.append(state.model)
    torch.testing.assert_close(*models, rtol=0, atol=1e-4)
