"""One federated run on one page.

Every line of ``play`` is one stage of a round; each stage is a value in, a value out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from fedkd.admission import admit
from fedkd.algorithms import Algorithm, ServerState
from fedkd.clients import Participation
from fedkd.evaluation import Evaluation
from fedkd.executors.executor import Executor
from fedkd.keys import key
from fedkd.ledger import report
from fedkd.records import RoundReport


@dataclass(frozen=True)
class Federation:
    """Everything that a run is made of.

    Args:
        run: the number that this run's messages carry.
        evaluation: when the server's model is evaluated.
        quorum: share of a cohort without which a round fails.
    """

    algorithm: Algorithm
    participation: Participation
    executor: Executor
    evaluation: Evaluation
    seed: int
    run: int
    clients: int
    quorum: float = 1.0


def run(federation: Federation, state: ServerState, rounds: int) -> Iterator[tuple[ServerState, RoundReport]]:
    """Go from a state to the end of round ``rounds`` and yield the state and the report after each round."""
    while state.round < rounds:
        state, told = play(federation, state)
        yield state, told


def play(federation: Federation, state: ServerState) -> tuple[ServerState, RoundReport]:
    """One round; nothing of its messages is kept after it, so that the memory they lie in is free for the next."""
    algorithm, executor = federation.algorithm, federation.executor
    began = time.perf_counter()
    cohort = federation.participation.draw(federation.clients, key(federation.seed, "participation", state.round))
    refresh = partial(algorithm.refresh, state)
    broadcast, state = algorithm.broadcast(state, cohort)
    exchange = executor.exchange(broadcast, refresh)
    names, beside = federation.evaluation.names, algorithm.beside.up if algorithm.beside is not None else 0
    admitted = admit(exchange, broadcast, federation.run, state.uplink.taken, len(names), beside)
    admitted.require(federation.quorum, broadcast.round)
    state = algorithm.aggregate(state, admitted.updates, exchange.partial, admitted.missing)
    seconds = time.perf_counter() - began
    metrics = executor.evaluate(state.model) if federation.evaluation.due(state.round) else {}
    return state, report(broadcast, exchange, admitted, seconds, metrics, names)
