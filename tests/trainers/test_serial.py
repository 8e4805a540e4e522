"""The serial trainer goes through as many samples as it says beforehand, and statistics move as torch moves them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd.keys import key
from fedkd.tasks import Supervised
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Batched, Fastest, ForeignTrainer, Gradient, Serial, Sgd
from fedkd.trainers.descents import PlainDescent
from fedkd.vectors import flatten, unflatten
from tests.laws.test_trainers import CLASSES, NORMED, SERIAL, SHAPE, learner_of, pupils_of

STREAM = key(0, "train", 3, 1)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    trainer=st.builds(Serial, st.integers(1, 4), st.integers(0, 9), st.integers(0, 12), st.just("auto")),
    samples=st.integers(1, 20),
)
def test_work_is_what_is_really_gone_through(trainer: Serial, samples: int) -> None:
    assert trainer.work(samples) == sum(map(len, trainer.orders(samples, STREAM)))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    trainer=st.builds(Serial, st.integers(1, 4), st.integers(0, 9), st.integers(0, 12), st.just("auto")),
    samples=st.integers(1, 20),
)
def test_steps_are_the_batches_that_are_really_taken(trainer: Serial, samples: int) -> None:
    learner, taken = learner_of("mlp", Supervised(0.0), torch.float64), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainDescent, "begin", lambda _, size: taken.append(size))
        trainer.train(learner, Sgd(0.01, 0.0, 0.0, 0.0), pupils_of(learner, (samples,)))
    assert (len(taken), sum(taken)) == (trainer.steps(samples), trainer.work(samples))


def test_a_client_without_samples_has_nothing_to_do() -> None:
    trainers = [Serial(2, size, limit, "auto") for size in (0, 5) for limit in (0, 3)]
    assert [trainer.work(0) for trainer in trainers] == [0, 0, 0, 0]
    assert [trainer.steps(0) for trainer in trainers] == [0, 0, 0, 0]


def test_other_trainers_take_as_many_steps() -> None:
    serial, fastest = Serial(2, 4, 5, "auto"), Fastest(2, 4, 5)
    batched = Batched(2, 4, 5, "auto", "auto", graph=False, precision="float32")
    assert [trainer.steps(9) for trainer in (serial, fastest, batched)] == [5, 5, 5]
    assert ForeignTrainer().steps(9) == 1, "theirs are not known"


def built(name: str) -> torch.nn.Module:
    return NORMED[name].build(SHAPE, CLASSES, key(0, "model")).double()


@pytest.mark.parametrize("fused", ["auto", "off"])
@pytest.mark.parametrize("name", NORMED)
def test_statistics_move_with_every_batch(name: str, fused: str) -> None:
    """As those of a network that torch trains, whose parameters and buffers lie where torch has put them."""
    learner, module = NetworkLearner(built(name), Supervised(0.1)), built(name)
    trainer, solver = replace(SERIAL, fused=fused), Sgd(0.05, 0.9, 0.0, 0.0)
    for pupil in pupils_of(learner):
        unflatten(module, pupil.x)
        steps = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
        for order in trainer.orders(pupil.samples.size, pupil.key):
            for chunk in order.split(trainer.batch_size):
                batch = pupil.samples.take(chunk)
                steps.zero_grad()
                torch.autograd.backward(learner.task.loss(module(batch.x), batch))
                steps.step()
        [update] = trainer.train(learner, solver, [pupil])
        torch.testing.assert_close(update.vector, pupil.x - flatten(module), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NORMED)
def test_of_statistics_x_minus_local_is_sent_whatever_the_solver(name: str) -> None:
    learner = NetworkLearner(built(name), Supervised(0.1))
    pupil, parameters = pupils_of(learner)[1], learner.flat.buffer.numel()
    [update] = replace(SERIAL, epochs=1).train(learner, Gradient(), [pupil])
    assert torch.equal(learner.vector[:parameters], pupil.x[:parameters]), "gradients are taken where it stands"
    assert torch.equal(update.vector[parameters:], (pupil.x - learner.vector)[parameters:])
    assert update.vector.shape == pupil.x.shape
    assert bool((update.vector[parameters:] != 0).all())
