"""One federated run on one page.

Every line of ``play`` is one stage of a round; each stage is a value in, a value out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from fedkd.admission import Admission, admit
from fedkd.algorithms import Algorithm, ServerState
from fedkd.clients import Participation
from fedkd.clocks import Clock, Finish
from fedkd.evaluation import Evaluation
from fedkd.executors.executor import Exchange, Executor
from fedkd.expected import Expected
from fedkd.keys import key
from fedkd.ledger import Times, report
from fedkd.messages import Broadcast
from fedkd.records import RoundReport


def silent(diagnostics: Mapping[str, float]) -> str:
    """Nothing is wrong, whatever clients report."""
    return ""


@dataclass(frozen=True)
class Federation:
    """Everything that a run is made of.

    Args:
        run: the number that this run's messages carry.
        evaluation: when the server's model is evaluated.
        admission: which updates count, and how many must.
        samples: of each client.
        work: how much there is to do for each client: samples times local epochs.
        clock: how long clients take in virtual time, and how long the server waits.
        volatile: whether clients keep their states themselves.
        alarm: says in one line what is wrong with what clients report, or nothing.
    """

    algorithm: Algorithm
    participation: Participation
    executor: Executor
    evaluation: Evaluation
    seed: int
    run: int
    admission: Admission
    samples: Sequence[int]
    work: Sequence[float]
    clock: Clock
    volatile: bool = False
    alarm: Callable[[Mapping[str, float]], str] = silent

    def expected(self, state: ServerState, client: int) -> Expected:
        """What a client's reply must say of itself, after a broadcast."""
        beside = self.algorithm.beside.up if self.algorithm.beside is not None else 0
        version = state.uplink.taken.get(client, 0)
        numbers = len(self.evaluation.names)
        samples, volatile = self.samples[client], self.volatile
        return Expected(self.run, state.round, client, version, samples, numbers, beside, volatile)

    def finish(self, state: ServerState, broadcast: Broadcast, exchange: Exchange) -> Finish:
        """When the first reply of each client that was asked is there, in virtual time."""
        asked = set(broadcast.cohort)
        first = {reply.client: reply for reply in reversed(exchange.replies) if reply.client in asked}
        clients = sorted(first)
        work = [self.work[client] for client in clients]
        down = [sum(map(len, broadcast.to(client))) for client in clients]
        up = [first[client].size for client in clients]
        return self.clock.finish(broadcast.round, clients, work, down, up, self.seed, state.waiting)


def run(federation: Federation, state: ServerState, rounds: int) -> Iterator[tuple[ServerState, RoundReport]]:
    """Go from a state to the end of round ``rounds`` and yield the state and the report after each round."""
    while state.round < rounds:
        state, told = play(federation, state)
        yield state, told


def play(federation: Federation, state: ServerState) -> tuple[ServerState, RoundReport]:
    """One round; nothing of its messages is kept after it, so that the memory they lie in is free for the next."""
    algorithm, executor = federation.algorithm, federation.executor
    began = time.perf_counter()
    cohort = federation.participation.draw(len(federation.samples), key(federation.seed, "participation", state.round))
    refresh = partial(algorithm.refresh, state)
    broadcast, state = algorithm.broadcast(state, cohort)
    exchange = executor.exchange(broadcast, refresh)
    finish = federation.finish(state, broadcast, exchange)
    admitted = admit(exchange, broadcast, partial(federation.expected, state), finish.told)
    collected = algorithm.collect(state, admitted.updates, exchange.partial, federation.admission.gate)
    admitted = admitted.after(collected)
    federation.admission.require(admitted, broadcast.round)
    state = algorithm.aggregate(state, collected, admitted.missing)
    state = algorithm.forget(state, admitted.lost) if admitted.lost else state
    state = replace(state, waiting=federation.clock.learn(finish, state.waiting))
    seconds = time.perf_counter() - began
    metrics = executor.evaluate(state.model) if federation.evaluation.due(state.round) else {}
    times = Times(seconds, finish.round_seconds)
    told = report(broadcast, exchange, admitted, times, metrics, federation.evaluation.names)
    return state, replace(told, alarm=federation.alarm(told.diagnostics))
