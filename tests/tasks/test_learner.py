"""A learner on a device is one of its own: the same values, other memory."""

from __future__ import annotations

import pytest
import torch

from fedkd.data import Split
from fedkd.keys import key
from fedkd.models import Mlp
from fedkd.tasks import Batch, LeastSquares, Supervised
from fedkd.tasks.convex_learner import ConvexLearner, objective
from fedkd.tasks.learner import Learner, NetworkLearner
from fedkd.trainers import Gradient

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
