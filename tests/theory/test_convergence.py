"""What the recursions promise without gradient noise, on a heterogeneous least-squares problem with s = 1.

Memories make the linear rate possible down to rounding; without them compression stalls. The downlink's memory must
move, but not by all of what was sent; and the server must step from its preserved model.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from fedkd.algorithms import Sgd
from fedkd.algorithms.broadcast_model import BroadcastModel
from fedkd.errors import ConfigurationError
from fedkd.federation import run
from fedkd.links import Difference, Link, NoMemory, Shift
from fedkd_compression import QSGD, DeadZone, Identity, SubtractiveDither
from tests.equivalence.quadratic import Case, federation

DIM, SAMPLES = 20, 40
ROUNDS, STALLED = 420, 200
"""Rounding is reached after 350; after 100, whatever converges is below what stalls."""
ONE_LEVEL = QSGD(levels=1, norm="l2")
AUTO, PLAIN = Shift("auto", "zero"), NoMemory()
REMEMBERING, FORGETTING = Link(ONE_LEVEL, AUTO), Link(ONE_LEVEL, PLAIN)
EXACT = Link(Identity(), PLAIN)
MOVED = Link(SubtractiveDither(step=3.0), Difference(0.1))
ESTIMATED = Link(DeadZone(step=1.5), Shift(1.0, "zero"))
CASES = {
    "diana": (REMEMBERING, EXACT),
    "artemis": (REMEMBERING, FORGETTING),
    "mcm": (REMEMBERING, REMEMBERING),
    "rand_mcm": (REMEMBERING, REMEMBERING),
    "qsgd": (FORGETTING, EXACT),
    "biqsgd": (FORGETTING, FORGETTING),
    "ef21": (ESTIMATED, EXACT),
    "ef21_bc": (ESTIMATED, ESTIMATED),
    "ef21_p_diana": (REMEMBERING, ESTIMATED),
    "marina_p": (EXACT, MOVED),
}


def excess(name: str, rounds: int = ROUNDS, **changes: object) -> np.ndarray:
    """Excess loss after every round, until it passes 1e12."""
    uplink, downlink = CASES[name]
    case = Case(name, server=Sgd(0.15), uplink=uplink, downlink=downlink, dim=DIM, samples=SAMPLES, **changes)
    whole, model = federation(case)
    values = []
    for _, report in run(whole, whole.algorithm.start(model), rounds):
        values.append(report.metrics["excess_loss"])
        if values[-1] > 1e12:
            break
    return np.array(values)


@pytest.mark.sampled(4)
@pytest.mark.theory
@pytest.mark.slow
@pytest.mark.parametrize("name", ["diana", "artemis", "mcm", "rand_mcm", "ef21", "ef21_bc", "ef21_p_diana", "marina_p"])
def test_memories_converge_to_rounding(name):
    values = excess(name)
    assert values[0] > 1
    # F - F* is a difference of numbers near 5: 1e-13 is all that float64 can tell.
    assert values[-20:].max() < 1e-13


@pytest.mark.sampled(2)
@pytest.mark.theory
@pytest.mark.parametrize("name", ["qsgd", "biqsgd"])
def test_without_memories_compression_stalls(name):
    values = excess(name, rounds=STALLED)
    assert np.median(values[-100:]) > 1e-4


@pytest.mark.theory
def test_a_downlink_memory_that_never_moves_stalls():
    values = excess("mcm", rounds=STALLED, forced=Link(ONE_LEVEL, Shift(0.0, "zero")))
    assert 1e-2 < np.median(values[-100:]) < 1e3


@pytest.mark.theory
def test_a_downlink_memory_that_moves_fully_diverges():
    values = excess("mcm", rounds=400, forced=Link(ONE_LEVEL, Shift(1.0, "zero")))
    assert values[-1] > 1e12


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_such_rates_are_refused(rate):
    with pytest.raises(ConfigurationError, match=r"outside \(0, 0.1827\].*choose rate = auto"):
        Link(ONE_LEVEL, Shift(rate, "zero")).resolve(DIM)


@dataclass(frozen=True)
class Degraded(BroadcastModel):
    """MCM with one change: the server steps from what its clients received, H + Om."""

    def broadcast(self, state, model, round_, cohort):
        messages, after = super().broadcast(state, model, round_, cohort)
        sent = self.link.send(model, state.memory, self.key(round_))
        received = self.link.apply(sent.change, state.memory).received
        return messages, type(after)(**{**after.__dict__, "pending": {0: (received, 0)}})

    def step(self, state, model, step, round_):
        return state.pending[0][0] - step, state


@pytest.mark.exhaustive
@pytest.mark.theory
def test_stepping_from_the_degraded_model_diverges_where_mcm_converges():
    assert excess("mcm", rounds=400)[-1] < 1e-8
    assert excess("mcm", rounds=400, downlink_end=Degraded)[-1] > 1e3
