"""Loss, gradients, teacher and queue against the same algorithm written in NumPy alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedkd.keys import key
from fedkd.tasks.ressl.learner import RelationalLearner
from fedkd.trainers import Pupil, Serial, Sgd, Update
from fedkd.vectors import flatten
from tests.tasks.ressl.restatement import Array, Restated
from tests.tasks.ressl.toys import BATCH, RATE, learner_of, network, samples, task_of, views_of_step

STEPS, TIGHT = 20, 1e-10


def restated(learner: RelationalLearner, momentum: float) -> Restated:
    first = flatten(network()).numpy()
    drawn = key(0, "train", 0, 1).fold("queue").generator().standard_normal((learner.task.queue_size, 4))
    queue = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    task = learner.task
    return Restated(first, first.copy(), queue, RATE, momentum, task.tau_student, task.tau_teacher)


def round_of(learner: RelationalLearner, round_: int, x: torch.Tensor, kept: torch.Tensor | None, steps: int) -> Update:
    learner.begin(round_)
    pupil = Pupil(x, samples(), key(0, "train", round_, 1), kept)
    [update] = Serial(steps, BATCH, steps, "auto").train(learner, Sgd(RATE, 0.0, 0.0, 0.0), [pupil])
    return update


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_twenty_rounds_of_one_step(momentum: float, crops: int) -> None:
    """Plain SGD's update is rate times gradient, so every step's gradient is seen from outside."""
    learner = learner_of(task_of(momentum=momentum, crops=crops))
    other = restated(learner, momentum)
    x, kept = flatten(network()), None
    for round_ in range(STEPS):
        weak, contrastive = views_of_step(learner.task, round_, 0)
        other.step(weak, contrastive)
        update = round_of(learner, round_, x, kept, 1)
        x, kept = x - update.vector, update.kept
        assert kept is not None
        teacher, queue = kept[: len(x)].numpy(), kept[len(x) : -1 - len(other.queue)].numpy()
        assert_close(update.numbers[0], other.losses[-1])
        assert_close(update.vector.numpy() / RATE, other.gradients[-1])
        assert_close(x.numpy(), other.student)
        assert_close(teacher, other.teacher)
        assert_close(queue.reshape(other.queue.shape), other.queue)
        assert int(kept[-1]) == other.place


def test_one_round_of_twenty_steps() -> None:
    learner = learner_of(task_of(momentum=0.9))
    other = restated(learner, 0.9)
    update = round_of(learner, 0, flatten(network()), None, STEPS)
    shown = [views_of_step(learner.task, 0, step) for step in range(STEPS)]
    for weak, contrastive in shown:
        other.step(weak, contrastive)
    assert update.kept is not None
    assert_close(update.numbers[0], np.average(other.losses, weights=[len(weak) for weak, _ in shown]))
    assert_close(flatten(network()).numpy() - update.vector.numpy(), other.student)
    assert_close(update.kept[: len(other.teacher)].numpy(), other.teacher)


def test_the_restatement_differs_where_it_should() -> None:
    """The comparison can fail: a teacher that moves after its forward pass is another algorithm."""
    learner = learner_of(task_of(momentum=0.5))
    other = restated(learner, 0.9)
    update = round_of(learner, 0, flatten(network()), None, 5)
    for step in range(5):
        other.step(*views_of_step(learner.task, 0, step))
    assert np.abs(flatten(network()).numpy() - update.vector.numpy() - other.student).max() > 1e-6


def assert_close(found: float | Array, expected: float | Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TIGHT)
