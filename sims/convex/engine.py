"""The round of ``fedkd.federation`` for all clients and seeds of a convex problem at once.

Same recursions, same operators, same keys, so the same messages: ``tests/sims/test_convex_engine.py`` holds models and
bytes against the framework's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.clients import Bernoulli, Full, Participation
from fedkd.keys import key
from sims.convex.downs import down
from sims.convex.ends import zeros
from sims.convex.methods import Method
from sims.convex.problems import Problem
from sims.convex.ups import Up

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

EVERYONE = Full()
DIVERGED = 1e12
"""An excess beyond which a run ends: what follows is written as infinite."""


@dataclass(frozen=True)
class Plan:
    """What all methods of a study have in common.

    Args:
        seeds: each a run of its own.
        rounds: of each run.
        step_size: gamma.
        participation: the law of the cohort.
        every: rounds between measurements.
        until: the excess at which a study ends early, once all seeds have reached it; 0 never.
    """

    seeds: tuple[int, ...]
    rounds: int
    step_size: float
    participation: Participation = EVERYONE
    every: int = 1
    until: float = 0.0

    def active(self, clients: int, round_: int) -> NDArray[np.bool_]:
        """Who takes part [N, S]."""
        out = np.ones((clients, len(self.seeds)), bool)
        if isinstance(self.participation, Full):
            return out
        out[:] = False
        for run, seed in enumerate(self.seeds):
            out[list(self.participation.draw(clients, key(seed, "participation", round_))), run] = True
        return out


@dataclass(frozen=True, eq=False)
class Course:
    """How a method went.

    Args:
        rounds: that were over at each measurement [T], from 0 on.
        excess: F(w) - F* of the server's model [S, T].
        up: bytes from all clients until then [S, T].
        broadcast: bytes to all, counted once.
        unicast: bytes to single clients.
        heard: bytes that clients received: a broadcast counts once for each of them.
        models: the last [S, d].
    """

    method: Method
    rounds: NDArray[np.int64]
    excess: NDArray[np.float64]
    up: NDArray[np.int64]
    broadcast: NDArray[np.int64]
    unicast: NDArray[np.int64]
    heard: NDArray[np.int64]
    models: Tensor

    @property
    def bits(self) -> NDArray[np.int64]:
        """All bits that were sent, both ways, a broadcast once [S, T]."""
        total: NDArray[np.int64] = 8 * (self.up + self.broadcast + self.unicast)
        return total

    @property
    def bits_links(self) -> NDArray[np.int64]:
        """All bits on the links between server and clients, a broadcast once a link [S, T]."""
        total: NDArray[np.int64] = 8 * (self.up + self.heard)
        return total


def simulate(problem: Problem, method: Method, plan: Plan) -> Course:
    """Run a method from w = 0.

    Raises:
        ConfigurationError: a link cannot serve the dimension.
    """
    seeds, clients, dim = plan.seeds, problem.clients, problem.dim
    weights = tuple(map(float, problem.samples)) if method.row.weights == "samples" else (1.0,) * clients
    uplink = Up(method, seeds, dim, weights, plan.participation.probability(clients))
    downlink = down(method, seeds, clients, dim)
    models, sent = zeros(len(seeds), dim), np.zeros((4, len(seeds)), np.int64)
    times, excess, spent = [0], [problem.excess(models)], [sent.copy()]
    for k in range(plan.rounds):
        active = plan.active(clients, k)
        heard = downlink.send(models, active, k)
        who, runs = np.nonzero(active)
        gradients = problem.gradients(heard.models[who, runs], who, runs, k)
        mean = uplink.collect(gradients, active, k)
        models = downlink.step(models, mean.value * plan.step_size, mean.there, k)
        received = heard.unicast + heard.broadcast * active.sum(axis=0)
        sent += np.stack([mean.lengths, heard.broadcast, heard.unicast, received])
        if (k + 1) % plan.every == 0 or k + 1 == plan.rounds:
            times.append(k + 1)
            excess.append(problem.excess(models))
            spent.append(sent.copy())
            if (excess[-1] <= plan.until).all() or not (excess[-1] < DIVERGED).all():
                break
    return Course(method, np.array(times), np.stack(excess, axis=1), *np.stack(spent, axis=2), models)


def partly(p: float) -> Participation:
    """Everyone, or each with probability p."""
    return Full() if p == 1 else Bernoulli(p)
