"""Local solvers against torch's own optimizers, and the trainer's batches."""

import pytest
import torch

from fedkd.clients import ClientSamples
from fedkd.data import Split
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.models import Mlp
from fedkd.tasks import Supervised
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Adam, Gradient, Pupil, Serial, Sgd, Solver
from fedkd.vectors import flatten

SAMPLES, BATCH = 22, 5
STREAM = key(0, "train", 3, 1)
BOTH = pytest.mark.parametrize("fused", ["auto", "off"])


def network():
    return Mlp(hidden=(6,)).build((4,), 3, key(0, "model")).double()


@pytest.fixture
def samples():
    generator = key(0, "data").generator()
    x = torch.from_numpy(generator.standard_normal((30, 4)))
    y = torch.from_numpy(generator.integers(0, 3, 30))
    return ClientSamples(Split(x, y), torch.arange(4, 4 + SAMPLES), None)


def batches(samples, epochs):
    for epoch in range(epochs):
        order = torch.from_numpy(STREAM.fold(epoch).permutation(SAMPLES))
        yield from (samples.take(chunk) for chunk in order.split(BATCH))


def by_torch(optimizer_of, samples, epochs):
    module = network()
    optimizer = optimizer_of(module.parameters())
    for batch in batches(samples, epochs):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(batch.x), batch.y).backward()
        optimizer.step()
    return flatten(network()) - flatten(module)


@BOTH
@pytest.mark.parametrize(
    ("solver", "optimizer"),
    [
        (Sgd(0.1, 0.0, 0.0, 0.0), lambda p: torch.optim.SGD(p, lr=0.1)),
        (Sgd(0.1, 0.9, 0.01, 0.0), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
        (Adam(0.01, 0.9, 0.99, 1e-8, 0.1, 0.0), lambda p: torch.optim.AdamW(p, 0.01, (0.9, 0.99), 1e-8, 0.1)),
    ],
)
def test_local_steps_equal_those_of_torch(solver, optimizer, samples, fused):
    learner = NetworkLearner(network(), Supervised(label_smoothing=0.0))
    x = learner.vector.clone()
    trainer = Serial(epochs=3, batch_size=BATCH, batches=0, fused=fused)
    [update] = trainer.train(learner, solver, [Pupil(x, samples, STREAM)])
    torch.testing.assert_close(update.vector, by_torch(optimizer, samples, 3), rtol=0, atol=1e-12)


def near(module, x, strength):
    """FedProx's term: strength / 2 |w - x|^2."""
    parameters = torch.cat([parameter.flatten() for parameter in module.parameters()])
    return strength / 2 * (parameters - x).square().sum()


@BOTH
@pytest.mark.parametrize(
    ("solver", "optimizer"),
    [
        (Sgd(0.1, 0.0, 0.0, 0.3), lambda p: torch.optim.SGD(p, lr=0.1)),
        (Sgd(0.1, 0.0, 0.02, 0.3), lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.02)),
        (Sgd(0.1, 0.9, 0.02, 0.3), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.02)),
        (Adam(0.01, 0.9, 0.99, 1e-8, 0.1, 0.3), lambda p: torch.optim.AdamW(p, 0.01, (0.9, 0.99), 1e-8, 0.1)),
    ],
)
def test_proximal_steps_are_those_of_the_loss_with_its_term(solver, optimizer, samples, fused):
    learner, x = NetworkLearner(network(), Supervised(label_smoothing=0.0)), flatten(network())
    trainer = Serial(epochs=3, batch_size=BATCH, batches=0, fused=fused)
    [update] = trainer.train(learner, solver, [Pupil(x, samples, STREAM)])
    module = network()
    steps = optimizer(module.parameters())
    for batch in batches(samples, 3):
        steps.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(batch.x), batch.y) + near(module, x, solver.proximal)
        torch.autograd.backward(loss)
        steps.step()
    torch.testing.assert_close(update.vector, x - flatten(module), rtol=0, atol=1e-12)
    plain = by_torch(optimizer, samples, 3)
    assert (update.vector - plain).norm() > 1e-3 * plain.norm(), "and the term matters"


@pytest.mark.parametrize("bad", [-0.1, float("inf"), float("nan")])
def test_a_proximal_weight_that_is_none_is_refused(bad):
    with pytest.raises(ConfigurationError, match="Sgd: proximal=.* choose proximal >= 0"):
        Sgd(0.1, 0.0, 0.0, bad)


@BOTH
def test_solvers_keep_nothing_between_clients(samples, fused):
    learner = NetworkLearner(network(), Supervised(label_smoothing=0.0))
    x, trainer = learner.vector.clone(), Serial(epochs=1, batch_size=BATCH, batches=0, fused=fused)
    for solver in (Sgd(0.1, 0.9, 0.0, 0.0), Adam(0.01, 0.9, 0.99, 1e-8, 0.0, 0.0)):
        [first] = trainer.train(learner, solver, [Pupil(x, samples, STREAM)])
        [again] = trainer.train(learner, solver, [Pupil(x, samples, STREAM)])
        assert torch.equal(first.vector, again.vector)
        assert first.numbers == again.numbers


@BOTH
def test_gradient_is_taken_at_the_received_model(samples, fused):
    learner = NetworkLearner(network(), Supervised(label_smoothing=0.0))
    x = learner.vector.clone()
    trainer = Serial(epochs=1, batch_size=BATCH, batches=0, fused=fused)
    [update] = trainer.train(learner, Gradient(), [Pupil(x, samples, STREAM)])
    module = network()
    everything = samples.take(torch.arange(SAMPLES))
    torch.nn.functional.cross_entropy(module(everything.x), everything.y).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in module.parameters()])
    torch.testing.assert_close(update.vector, expected, rtol=0, atol=1e-13)
    assert torch.equal(learner.vector, x)


@pytest.mark.parametrize(("limit", "seen"), [(0, 2 * SAMPLES), (1, BATCH), (6, SAMPLES + BATCH)])
def test_batches_bound_the_work_of_a_round(limit, seen):
    trainer = Serial(epochs=2, batch_size=BATCH, batches=limit, fused="auto")
    assert sum(len(order) for order in trainer.orders(SAMPLES, STREAM)) == seen


@pytest.mark.parametrize(
    ("solver", "unit"),
    [
        (Gradient(), 1.0),
        (Sgd(0.02, 0.0, 0.0, 0.0), 0.15),
        (Sgd(0.02, 0.5, 0.3, 0.3), 0.02 * (7.5 - 1 + 0.5**7.5) / 0.5),
        (Adam(0.02, 0.9, 0.99, 1e-8, 0.1, 0.3), 0.15),
    ],
)
def test_an_update_of_so_many_steps_is_about_so_many_gradients(solver: Solver, unit: float) -> None:
    assert solver.unit(7.5) == pytest.approx(unit)


@pytest.mark.parametrize("solver", [Gradient(), Sgd(1e-6, 0.0, 0.0, 0.0), Sgd(1e-6, 0.9, 0.0, 0.0)])
def test_divided_by_its_unit_an_update_is_a_gradient(solver: Solver, samples) -> None:
    """Of small steps, which see one gradient after another at the same place."""
    learner = NetworkLearner(network(), Supervised(label_smoothing=0.0))
    x, trainer = learner.vector.clone(), Serial(epochs=3, batch_size=0, batches=0, fused="auto")
    [update] = trainer.train(learner, solver, [Pupil(x, samples, STREAM)])
    learner.load(x)
    [gradient] = trainer.train(learner, Gradient(), [Pupil(x, samples, STREAM)])
    found = update.vector / solver.unit(trainer.steps(SAMPLES))
    assert (found - gradient.vector).norm() <= 1e-5 * gradient.vector.norm()
