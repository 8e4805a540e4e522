"""The noise floor on a heterogeneous quadratic: preserving the central model costs MCM next to nothing.

With a constant step size the excess loss settles at a floor. The uplink puts (1 + omega_up) sigma^2/N into G; a
degraded server model adds omega_dwn times the whole of it (Artemis), while MCM's downlink enters only through the
point at which gradients are taken, at the order of gamma L omega_dwn.
"""

import numpy as np
import pytest

from fedkd.algorithms import Sgd
from fedkd.federation import run
from fedkd.links import Link, NoMemory, Shift
from fedkd.trainers import Serial
from fedkd_compression import Identity, SubtractiveDither
from tests.equivalence.quadratic import Case, federation

# One worker for both, so that what they share is run once.
pytestmark = [pytest.mark.theory, pytest.mark.exhaustive, pytest.mark.xdist_group("noise_floor")]
BURN_IN, ROUNDS, BLOCK = 200, 1200, 100
COARSE = SubtractiveDither(step=4.0)  # omega = 16/12
REMEMBERING = Link(COARSE, Shift("auto", "zero"))
FEW_SAMPLES = Serial(epochs=1, batch_size=8, batches=1, fused="auto")
DIM, SAMPLES = 128, 160
SIGMAS = 5


def floor(name: str, downlink: Link) -> tuple[float, float]:
    """Mean excess loss after the burn-in and its standard error, from means of blocks of rounds."""
    links = {"uplink": REMEMBERING, "downlink": downlink}
    case = Case(name, trainer=FEW_SAMPLES, server=Sgd(0.05), dim=DIM, samples=SAMPLES, **links)
    whole, _ = federation(case)
    optimum = whole.executor.workers[0].workshop.learner.common.optimum.w
    start = whole.algorithm.start(optimum.clone())
    reports = [report for _, report in run(whole, start, BURN_IN + ROUNDS)]
    excess = np.array([report.metrics["excess_loss"] for report in reports[BURN_IN:]])
    blocks = excess.reshape(-1, BLOCK).mean(axis=1)
    return blocks.mean(), blocks.std(ddof=1) / np.sqrt(len(blocks))


@pytest.fixture(scope="module")
def diana() -> tuple[float, float]:
    return floor("diana", Link(Identity(), NoMemory()))


def ratio(above: tuple[float, float], below: tuple[float, float]) -> tuple[float, float]:
    """A ratio of two means and its standard error."""
    value = above[0] / below[0]
    return value, value * np.hypot(above[1] / above[0], below[1] / below[0])


def test_mcm_has_the_floor_of_diana(diana):
    value, error = ratio(floor("mcm", REMEMBERING), diana)
    assert error < 0.05
    assert value <= 1.15 + SIGMAS * error


def test_artemis_has_a_higher_floor(diana):
    value, error = ratio(floor("artemis", Link(COARSE, NoMemory())), diana)
    assert value - SIGMAS * error >= 1.8
