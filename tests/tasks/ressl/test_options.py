"""Where teachers and queues come from, what is kept, and what travels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.tasks import Schedule
from fedkd.tasks.ressl.learner import RelationalLearner
from fedkd.trainers import Pupil, Serial, Sgd, Update
from fedkd.vectors import flatten
from tests.tasks.ressl.toys import BATCH, RATE, TASK, learner_of, network, samples

KEYS, PARAMETERS = 16, len(flatten(network()))
QUEUE = KEYS * 4 + KEYS + 1


def trained(
    learner: RelationalLearner, x: torch.Tensor, kept: torch.Tensor | None = None, round_: int = 0, steps: int = 3
) -> Update:
    learner.begin(round_)
    pupil = Pupil(x, samples(), key(0, "train", round_, 1), kept)
    [update] = Serial(1, BATCH, steps, "auto").train(learner, Sgd(RATE, 0.0, 0.0, 0.0), [pupil])
    return update


@pytest.mark.parametrize(
    ("changes", "length"),
    [
        ({}, PARAMETERS + QUEUE),
        ({"teacher": "from_global"}, QUEUE),
        ({"teacher": "average"}, QUEUE),
        ({"queue": "reset"}, PARAMETERS),
        ({"queue": "anchors"}, PARAMETERS),
        ({"mixing": 0.5}, 2 * PARAMETERS + QUEUE),
        ({"teacher": "from_global", "queue": "reset"}, 0),
    ],
)
def test_a_client_keeps_what_its_options_need(changes: dict[str, object], length: int) -> None:
    learner = learner_of(replace(TASK, **changes), anchors=9)
    assert learner.keeps == length
    kept = trained(learner, learner.vector).kept
    assert (0 if kept is None else len(kept)) == length


def test_a_local_teacher_goes_on_where_it_was() -> None:
    """With momentum 1 it never moves: what was kept is kept, whatever is received."""
    learner = learner_of(replace(TASK, momentum=1.0))
    first = trained(learner, learner.vector)
    again = trained(learner, torch.zeros(PARAMETERS, dtype=torch.float64) + 0.1, first.kept, 1)
    assert first.kept is not None
    assert again.kept is not None
    assert torch.equal(first.kept[:PARAMETERS], flatten(network()))
    assert torch.equal(again.kept[:PARAMETERS], flatten(network()))


def test_a_teacher_from_the_received_model_is_that_model() -> None:
    """Momentum 1 keeps a teacher for the round, and a client that has been here before has no other."""
    learner = learner_of(replace(TASK, teacher="from_global", momentum=1.0))
    first, other = trained(learner, learner.vector), flatten(network()) * 0.5
    trained(learner, other, first.kept, 1)
    assert torch.equal(learner.alone.teachers.read(), other)


def test_an_averaged_teacher_travels_after_the_parameters() -> None:
    """Its update is received - local, as the server averages it; statistics follow it."""
    learner = learner_of(replace(TASK, teacher="average", momentum=0.5), tracks=True)
    assert learner.dim == 2 * PARAMETERS + 2 * 6
    assert [tensor.name for tensor in learner.tensors][10:12] == ["teacher:1:weight", "teacher:1:bias"]
    x = learner.vector
    assert torch.equal(x[:PARAMETERS], x[PARAMETERS : 2 * PARAMETERS])
    update = trained(learner, x, steps=1)
    # One step: the teacher moves first, towards a student that is where it is.
    torch.testing.assert_close(update.vector[PARAMETERS : 2 * PARAMETERS], torch.zeros(PARAMETERS).double())
    moved = trained(learner, x, steps=2).vector
    student = x[:PARAMETERS] - update.vector[:PARAMETERS]
    torch.testing.assert_close(moved[PARAMETERS : 2 * PARAMETERS], x[:PARAMETERS] - (x[:PARAMETERS] + student) / 2)


def test_a_teacher_that_is_received_is_used() -> None:
    learner = learner_of(replace(TASK, teacher="average", momentum=1.0))
    x = learner.vector
    other = torch.cat([x[:PARAMETERS], x[PARAMETERS:] * 0.5])
    assert not torch.equal(trained(learner, x).vector[:PARAMETERS], trained(learner, other).vector[:PARAMETERS])


def test_mixing_begins_between_the_received_model_and_the_own() -> None:
    """Mu = min(weight |received - local|, 1); the update is told from the received model."""
    learner = learner_of(replace(TASK, mixing=0.25))
    first = trained(learner, learner.vector)
    assert first.kept is not None
    local = learner.vector
    torch.testing.assert_close(first.kept[PARAMETERS : 2 * PARAMETERS], local)
    received = local + 1 / PARAMETERS**0.5
    pupil = Pupil(received, samples(), key(0, "train", 1, 1), first.kept)
    learner.gather(learner.alone)
    torch.testing.assert_close(learner.alone.enter(0, pupil), 0.25 * local + 0.75 * received)
    far = Pupil(local + 100, samples(), key(0, "train", 1, 1), first.kept)
    torch.testing.assert_close(learner.alone.enter(0, far), local)
    descent = Sgd(1e-300, 0.0, 0.0, 0.0)
    learner.begin(1)
    [update] = Serial(1, BATCH, 1, "auto").train(learner, descent, [pupil])
    torch.testing.assert_close(update.vector, 0.25 * (received - local))


def test_mixing_may_begin_later() -> None:
    """What it needs is kept from the first round on."""
    later = replace(TASK, mixing=0.5, schedules={"mixing": Schedule("constant", 0.0, 1)})
    learner, never = learner_of(later), learner_of(TASK)
    first, plain = trained(learner, learner.vector), trained(never, never.vector)
    assert torch.equal(first.vector, plain.vector)
    received = learner.vector * 0.9
    assert learner.keeps == 2 * PARAMETERS + QUEUE
    assert not torch.equal(
        trained(learner, received, first.kept, 1).vector, trained(never, received, plain.kept, 1).vector
    )


def test_a_first_model_from_elsewhere_brings_its_teacher_or_is_its_teacher() -> None:
    learner = learner_of(replace(TASK, teacher="average"))
    x = learner.vector
    learner.load(torch.cat([x[:PARAMETERS] * 2, x[PARAMETERS:]]))
    learner.completed(["2.weight"])
    assert torch.equal(learner.vector[PARAMETERS:], x[PARAMETERS:])
    learner.completed(["teacher:1:weight"])
    assert torch.equal(learner.vector[PARAMETERS:], x[:PARAMETERS] * 2)


def test_anchors_are_the_teachers_embeddings_of_public_samples() -> None:
    learner = learner_of(replace(TASK, queue="anchors", momentum=1.0), anchors=9)
    trained(learner, learner.vector)
    outputs = network()(samples().split.x[:9]).detach()
    torch.testing.assert_close(learner.alone.queue.keys[0], outputs / outputs.norm(dim=1, keepdim=True))


def test_anchors_are_no_more_than_the_queue_holds() -> None:
    task = replace(TASK, queue="anchors")
    assert learner_of(task, anchors=23).alone.queue.keys.shape[1] == 16
    assert learner_of(replace(task, queue_size=5), anchors=9).alone.queue.keys.shape[1] == 5


def test_anchors_need_public_samples() -> None:
    with pytest.raises(ConfigurationError, match="queue='anchors' needs 2 public samples, not 0; choose another"):
        learner_of(replace(TASK, queue="anchors"))


def test_queues_grow_older_and_are_renewed() -> None:
    """16 keys; a round of three steps of six renews them all, one of one step only six."""
    learner = learner_of(TASK)
    first = trained(learner, learner.vector, None, 0)
    assert first.numbers[3] == 0
    later = trained(learner, learner.vector, first.kept, 4, steps=1)
    assert later.numbers[3] == pytest.approx(4 * (1 - 6 / KEYS))


def test_a_reset_queue_is_another_in_every_round() -> None:
    learner = learner_of(replace(TASK, queue="reset"))
    x = learner.vector
    assert not torch.equal(trained(learner, x, None, 0).vector, trained(learner, x, None, 1).vector)


def test_another_device_gets_the_same_learner() -> None:
    learner = learner_of(replace(TASK, teacher="average"), tracks=True)
    other = learner.on("cpu")
    assert torch.equal(other.vector, learner.vector)
    assert other.tensors == learner.tensors
    assert torch.equal(trained(other, other.vector).vector, trained(learner, learner.vector).vector)
