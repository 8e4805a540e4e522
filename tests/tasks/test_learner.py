"""A learner on a device is one of its own: the same values, other memory."""

from __future__ import annotations

import pytest
import torch

from fedkd.data import Split
from fedkd.keys import key
from fedkd.models import Cnn, Mlp
from fedkd.tasks import Batch, Distillation, LeastSquares, Supervised
from fedkd.tasks.convex_learner import ConvexLearner, objective
from fedkd.tasks.learner import Learner, NetworkLearner
from fedkd.trainers import Gradient
from fedkd.vectors import flatten

X = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(6, 4)
BATCHES = {"network": Batch(X.float(), torch.tensor([0, 1, 2] * 2), None), "convex": Batch(X, X.sum(1), None)}


def learner_of(name: str) -> Learner:
    if name == "network":
        return NetworkLearner(Mlp(hidden=(5,)).build((4,), 3, key(0, "model")), Supervised(0.0))
    task = LeastSquares(l2=0.1)
    return ConvexLearner(task, objective(task, Split(X, X.sum(1)), torch.full((6,), 1 / 6, dtype=torch.float64)))


def gradient_at(learner: Learner, batch: Batch) -> torch.Tensor:
    descent = Gradient().start(learner.flat)
    descent.begin(len(batch.y))
    learner.backward("auto")(batch, descent)
    return descent.update(learner.vector)


@pytest.mark.parametrize("name", BATCHES)
def test_same_values_in_memory_of_its_own(name: str) -> None:
    here = learner_of(name)
    here.load(torch.arange(len(here.vector)).to(here.vector) / 50)
    there, values = here.on("cpu"), here.vector.clone()
    assert torch.equal(there.vector, values)
    assert there.vector.dtype == here.vector.dtype
    assert there.names == here.names
    assert there.tensors == here.tensors
    gradient = gradient_at(here, BATCHES[name])
    assert torch.equal(gradient_at(there, BATCHES[name]), gradient)
    there.load(torch.ones_like(values))
    assert torch.equal(here.vector, values)
    assert torch.equal(gradient_at(here, BATCHES[name]), gradient)
    assert all(bool((parameter == 1).all()) for parameter in there.flat.views), "views of its buffer"
    here.load(values * 2)
    assert torch.equal(there.vector, torch.ones_like(values))


def test_network_goes_to_the_device_with_all_its_parameters() -> None:
    there = learner_of("network").on(torch.float64)  # Stands for a device: it shows in whatever has been moved.
    assert {parameter.dtype for parameter in (there.vector, *there.flat.views)} == {torch.float64}


def test_closed_forms_stay_where_they_are() -> None:
    assert learner_of("convex").on("cuda:0").vector.device.type == "cpu"


IMAGES = Batch(torch.linspace(-1, 2, 6 * 64).view(6, 1, 8, 8).sin(), torch.tensor([0, 1, 2] * 2), None)
ATS = Distillation(3.0, 2.0, 1.5, 0.4, "none", clamp=False, label_smoothing=0.0, schedules={})


def normed(task: Supervised | Distillation) -> NetworkLearner:
    return NetworkLearner(Cnn((4,), 5, 2, "batch").build((1, 8, 8), 3, key(0, "model")), task)


def test_statistics_are_a_part_of_the_model_after_its_parameters() -> None:
    learner = normed(Supervised(0.0))
    parameters = learner.flat.buffer.numel()
    assert learner.names[-3:] == ("7.bias", "1.running_mean", "1.running_var")
    assert [(named.name, named.shape) for named in learner.tensors[-2:]] == [
        ("1.running_mean", (4,)),
        ("1.running_var", (4,)),
    ]
    assert learner.dim == len(learner.vector) == parameters + 8
    assert torch.equal(learner.vector, flatten(learner.module))
    x = torch.arange(float(learner.dim))
    learner.load(x)
    assert torch.equal(learner.vector, x)
    assert torch.equal(learner.module.get_buffer("1.running_var"), x[-4:])
    there = learner.on("cpu")
    there.load(torch.zeros_like(x))
    assert torch.equal(learner.vector, x)
    assert not flatten(there.module).any()


def test_evaluation_is_by_running_statistics_and_leaves_them_alone() -> None:
    learner = normed(Supervised(0.0))
    x = learner.vector
    x[-8:] = torch.linspace(0.5, 2, 8)
    result = learner.evaluate(x, Split(IMAGES.x, IMAGES.y))
    assert torch.equal(learner.vector, x)
    assert learner.module.training
    with torch.no_grad():
        outputs = learner.module.eval()(IMAGES.x)
    assert result == pytest.approx(learner.task.evaluate(outputs, IMAGES.y))
    one = learner.evaluate(x, Split(IMAGES.x[:1], IMAGES.y[:1]))
    assert one == pytest.approx(learner.task.evaluate(outputs[:1], IMAGES.y[:1])), "no sample sees another"


def test_samples_are_prepared_without_a_trace_in_statistics() -> None:
    learner = normed(ATS)
    before = learner.vector
    assert learner.prepared(IMAGES._replace(teacher=torch.zeros(6, 3))).aim is not None
    assert torch.equal(learner.vector, before)
    assert learner.module.training


def test_networks_with_batch_norm_are_trained_by_autograd() -> None:
    assert normed(Supervised(0.0)).backward("auto").name == "autograd (BatchNorm is no plain layer)"
    plain = NetworkLearner(Cnn((4,), 5, 2, "none").build((1, 8, 8), 3, key(0, "model")), Supervised(0.0))
    assert plain.backward("auto").name == "fused", "without a norm all layers are plain"
