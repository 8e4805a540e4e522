"""With lossless links every algorithm is plain SGD, bit for bit; a memory that never moves is no memory."""

import math

import pytest
import torch

from fedkd.algorithms import Momentum
from fedkd.clients import Bernoulli
from fedkd.federation import run
from fedkd.keys import key
from fedkd.links import ErrorFeedback, Link, NoMemory, Shift
from fedkd_compression import Identity, SubtractiveDither
from tests.equivalence.quadratic import CLIENTS, DIM, ROWS, SAMPLES, SEED, STEP_SIZE, Case, data, federation

ROUNDS = 20
MEMORIES = {
    "none": NoMemory(),
    "shift": Shift(rate=0.5, start="zero"),
    "shift from the first": Shift(rate=0.5, start="first"),
    "error feedback": ErrorFeedback(1.0),
}


def plain_sgd(rounds, participation=None):
    """w -= gamma mean(g_i), of sums that are rounded once: no link, no message, no memory."""
    x, y = (torch.from_numpy(array) for array in data())
    w = torch.zeros(DIM, dtype=torch.float64)
    for k in range(rounds):
        cohort = participation.draw(CLIENTS, key(SEED, "participation", k)) if participation else range(CLIENTS)
        order = {i: torch.from_numpy(key(SEED, "train", k, i).fold(0).permutation(SAMPLES)) for i in cohort}
        gradients = []
        for i in cohort:
            xi, yi = x[i][order[i]], y[i][order[i]]
            gradients.append(xi.T @ ((xi @ w - yi) / SAMPLES))
        if cohort:
            total = torch.tensor([math.fsum(g) for g in torch.stack(gradients).T.tolist()], dtype=torch.float64)
            w = w - total / len(cohort) * STEP_SIZE
    return w


def final(case, rounds=ROUNDS):
    whole, model = federation(case)
    *_, (state, _) = run(whole, whole.algorithm.start(model), rounds)
    return state.model


@pytest.mark.sampled(4)
@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", ROWS)
def test_identity_links_equal_plain_sgd_bit_for_bit(name, memory):
    compresses = ROWS[name][0]
    up = MEMORIES[memory]
    down = NoMemory() if compresses == "step" and memory.startswith("shift") else up
    case = Case(name, uplink=Link(Identity(), up), downlink=Link(Identity(), down))
    assert torch.equal(final(case), plain_sgd(ROUNDS))


@pytest.mark.parametrize("name", ROWS)
def test_identity_links_equal_plain_sgd_under_partial_participation(name):
    participation = Bernoulli(0.5)
    links = Link(Identity(), NoMemory())
    case = Case(name, uplink=links, downlink=links, participation=participation, workers=CLIENTS)
    assert torch.equal(final(case), plain_sgd(ROUNDS, participation))


def test_rate_zero_equals_no_memory():
    """Refused in a configuration, since it stalls; built by hand it must change nothing."""
    operator = SubtractiveDither(step=1.0)
    frozen = Link(operator, Shift(rate=0.0, start="zero"))
    memoryless = Link(operator, NoMemory())
    x = torch.linspace(-1, 2, DIM, dtype=torch.float64)
    stream = key(0, "uplink", 1, 2)
    sent, plain = frozen.send(x, torch.zeros_like(x), stream), memoryless.send(x, None, stream)
    assert torch.equal(sent.change, plain.change)
    assert sent.frame == plain.frame
    assert not sent.memory.any()


def test_server_momentum_equals_its_recursion():
    whole, model = federation(Case(server=Momentum(step_size=0.1, momentum=0.5)))
    steps = []
    state = whole.algorithm.start(model)
    velocity = torch.zeros(DIM, dtype=torch.float64)
    for after, _ in run(whole, state, 5):
        steps.append(after.model)
    x, y = (torch.from_numpy(array) for array in data())
    w = model
    for seen in steps:
        velocity = 0.5 * velocity + torch.stack(
            [xi.T @ (xi @ w - yi) / SAMPLES for xi, yi in zip(x, y, strict=True)]
        ).mean(0)
        w = w - 0.1 * velocity
        torch.testing.assert_close(seen, w, rtol=0, atol=1e-12)
