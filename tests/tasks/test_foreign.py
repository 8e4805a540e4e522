"""Foreign code: a function of the key alone, whose samples only it sees."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from fedkd.clients import ClientSamples
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.data import NaturalId, Split
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.tasks import ForeignData
from fedkd.tasks.foreign_learner import ForeignLearner
from fedkd.tasks.seeded import seeded
from fedkd.trainers import ForeignTrainer, Gradient, Pupil
from fedkd_compression import Key
from tests.tasks.foreign_code import COUNT, Blobs

CLIENTS = 3
NOTHING = Split(torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64))
CHOSEN = ["plugins=[tests]", "task=foreign", "task._target_=tests.tasks.foreign_code.Blobs"]


def learner(code: Blobs | None = None) -> ForeignLearner:
    return ForeignLearner.of(code or Blobs(), CLIENTS, key(0, "model"), key(0, "data"))


def draws() -> list[float]:
    """One number of each library's own generator."""
    return [torch.rand(1).item(), float(np.random.random()), random.gauss()]


@dataclass(frozen=True)
class Normed(Blobs):
    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


@dataclass(frozen=True)
class Double(Blobs):
    def model(self) -> nn.Module:
        return nn.Linear(2, 2).double()


@dataclass(frozen=True)
class Empty(Blobs):
    def samples(self, client: int, clients: int) -> int:
        return 1 - client


@dataclass(frozen=True)
class Streaming(Blobs):
    def loaders(self, client: int, clients: int) -> tuple[Any, Any]:
        return iter([]), iter([])


@dataclass(frozen=True)
class Central(Blobs):
    def held_out(self) -> DataLoader[Any]:
        return self.loaders(0, CLIENTS)[1]


def test_samples_are_counted_and_dealt_to_their_clients() -> None:
    data = ForeignData(Blobs(), CLIENTS).load(key(0, "data"))
    assert data.name == "blobs"
    assert data.train.shape == (0,), "nothing of a sample is known here"
    parts = NaturalId().partition(data.train.y.numpy(), CLIENTS, key(0, "partition"), data.owner)
    assert [len(part) for part in parts] == [COUNT - 4 + client for client in range(CLIENTS)]


def test_training_is_a_function_of_model_client_and_key() -> None:
    first, second = learner(), learner()
    x, stream = first.vector.clone(), key(0, "train", 0, 1)
    update, loss = first.train(1, x, stream)
    first.train(2, x, stream)
    draws()
    again, loss_again = second.train(1, x, stream)
    assert torch.equal(update, again)
    assert loss == loss_again
    assert not torch.equal(update, second.train(1, x, key(0, "train", 1, 1))[0])
    assert update.dtype == torch.float32
    assert torch.equal(x, first.vector), "the resident network is nobody's to train"


def test_generators_are_left_as_they_were() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    expected = draws()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    trained = learner()
    trained.train(0, trained.vector.clone(), key(0, "train"))
    trained.evaluate(trained.vector.clone(), NOTHING)
    with contextlib.suppress(ZeroDivisionError), seeded(Key.of(0), "cpu"):
        draws()
        raise ZeroDivisionError
    assert draws() == expected


def test_the_trainer_trains_the_client_whose_samples_they_are() -> None:
    data = ForeignData(Blobs(), CLIENTS).load(key(0, "data"))
    part = torch.arange(COUNT - 4, 2 * (COUNT - 4))
    trained, stream = learner(), key(0, "train", 0, 1)
    x = trained.vector.clone()
    pupil = Pupil(x, ClientSamples(data.train, part, None), stream)
    [update] = ForeignTrainer().train(trained, Gradient(), [pupil])
    vector, loss = trained.train(1, x, stream)
    assert torch.equal(update.vector, vector)
    assert update.numbers == (loss,)


def test_the_model_is_tested_on_every_clients_samples_or_on_those_held_out() -> None:
    everyone, central = learner(), learner(Central())
    vector = everyone.vector.clone()
    tested = everyone.evaluate(vector, NOTHING)
    assert tested == everyone.evaluate(vector, NOTHING)
    assert set(tested) == {"loss", "accuracy"}
    assert 0 <= tested["accuracy"] <= 1
    assert central.evaluate(vector, NOTHING) != tested


def test_a_network_is_tested_without_dropout() -> None:
    stranger = learner()
    vector = stranger.vector.clone()
    other = ForeignLearner(Blobs(), CLIENTS, stranger.module, key(1, "data"))
    loader = Blobs().loaders(0, CLIENTS)[1]
    assert stranger._test(vector, loader) == other._test(vector, loader), "dropout would draw from another key"


def test_a_copy_on_a_device_has_the_same_parameters() -> None:
    first = learner()
    second = first.on("cpu")
    second.load(torch.zeros_like(second.vector))
    assert first.vector.abs().sum() > 0
    assert [named.name for named in first.tensors] == ["0.weight", "0.bias", "2.weight", "2.bias"]


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "buffers": (lambda: learner(Normed()), "buffer 1.running_mean would not travel; choose GroupNorm"),
    "double": (lambda: learner(Double()), "parameter weight is torch.float64; make it float32"),
    "empty": (lambda: ForeignData(Empty(), 2).load(key(0, "data")), "client 1 has 0 training samples, needs 1"),
    "stream": (lambda: ForeignData(Streaming(), 1).load(key(0, "data")), "no dataset of known length"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused(case: str) -> None:
    attempt, answer = REFUSED[case]
    with pytest.raises(ConfigurationError, match=answer):
        attempt()


@pytest.mark.parametrize(
    ("overrides", "answer"),
    [
        ([*CHOSEN, "data=digits"], "data: Digits does not fit task Blobs; choose data=foreign"),
        ([*CHOSEN, "trainer=serial"], "trainer: Serial does not fit task Blobs; choose trainer=foreign"),
        (["task=supervised", "trainer=foreign"], "trainer: ForeignTrainer does not fit task Supervised"),
        (["task=foreign"], "fedkd.tasks.Foreign: lacks loaders, model, test, train; define it"),
        ([*CHOSEN, "task.rte=1"], "task.rte: unknown key; did you mean rate?"),
    ],
)
def test_choices_that_do_not_fit_are_refused(overrides: list[str], answer: str) -> None:
    with pytest.raises(ConfigurationError, match=answer):
        check(Settings.of(compose(overrides)))
