"""One federated run on one page.

Every line of ``run`` is one stage of a round; each stage is a value in, a value out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.admission import admit
from fedkd.algorithms import Algorithm, ServerState
from fedkd.clients import Participation
from fedkd.executors import Executor
from fedkd.keys import key
from fedkd.ledger import report
from fedkd.records import RoundReport

if TYPE_CHECKING:
    from fedkd.evaluation import Evaluator


@dataclass(frozen=True)
class Federation:
    """Everything that a run is made of.

    Args:
        run: the number that this run's messages carry.
        evaluator: gives the quality of the server's model.
    """

    algorithm: Algorithm
    participation: Participation
    executor: Executor
    evaluator: Evaluator
    seed: int
    run: int
    clients: int


def run(federation: Federation, state: ServerState, rounds: int) -> Iterator[tuple[ServerState, RoundReport]]:
    """Go from a state to the end of round ``rounds`` and yield the state and the report after each round."""
    algorithm, executor = federation.algorithm, federation.executor
    while state.round < rounds:
        began = time.perf_counter()
        cohort = federation.participation.draw(federation.clients, key(federation.seed, "participation", state.round))
        broadcast, state = algorithm.broadcast(state, cohort)
        replies = executor.exchange(broadcast)
        admitted = admit(replies, broadcast, federation.run)
        state = algorithm.aggregate(state, admitted)
        seconds = time.perf_counter() - began
        metrics = federation.evaluator.evaluate(state.round, state.model)
        yield state, report(broadcast, replies, admitted, seconds, metrics, federation.evaluator.names)
