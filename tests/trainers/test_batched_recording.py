"""Recorded steps: on a tape, which replays operations as a CUDA graph does; on a GPU, as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedkd.errors import ConfigurationError
from fedkd.tasks import Batch, Task
from fedkd.trainers import Solver, Update
from fedkd.trainers.batched import recording, team
from tests.laws.test_trainers import SERIAL, SOLVERS, TASKS, batched, learner_of, pupils_of
from tests.trainers.tape import tape

ALIKE = (12,) * 4
"""Full batches only."""


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps are recorded on a tape; the list grows with every recording."""
    count: list[int] = []

    def record(program: Callable[[], None]) -> Callable[[], None]:
        count.append(1)
        return tape(program)

    monkeypatch.setattr(team, "_recording", lambda learner, terms: "graph" if terms.graph else "no graph")
    monkeypatch.setattr(team, "cuda_graphs", lambda: record)
    # Loops that were compiled for a CPU are no operations of torch; a GPU has none.
    monkeypatch.setattr("fedkd.optimizers.compiled.call._KINDS", ())
    return count


def rounds(model: str, solver: Solver, sizes: tuple[int, ...], graph: bool, clients: int) -> list[Update]:
    """Two rounds of one learner from different models."""
    learner = learner_of(model, TASKS["ATS"], torch.float64)
    trainer = replace(batched(SERIAL, clients), graph=graph)
    first = trainer.train(learner, solver, pupils_of(learner, sizes))
    again = [pupil._replace(x=pupil.x * 1.01) for pupil in pupils_of(learner, sizes)]
    return first + trainer.train(learner, solver, again)


@pytest.mark.parametrize("model", ["mlp", "cnn", "batch cnn"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_replayed_steps_are_the_same_steps(model: str, solver: str, recorded: list[int]) -> None:
    replayed = rounds(model, SOLVERS[solver], ALIKE, graph=True, clients=2)
    assert len(recorded) == 1, "one shape, whatever the group and the round"
    for one, other in zip(replayed, rounds(model, SOLVERS[solver], ALIKE, graph=False, clients=2), strict=True):
        assert torch.equal(one.vector, other.vector)
        assert one.numbers == other.numbers


@pytest.mark.parametrize("model", ["mlp", "projected mlp"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_clients_that_leave_and_batches_that_are_filled_up(model: str, solver: str, recorded: list[int]) -> None:
    sizes = (17, 9, 6, 3)
    replayed = rounds(model, SOLVERS[solver], sizes, graph=True, clients=4)
    assert len(recorded) > 1
    for one, other in zip(replayed, rounds(model, SOLVERS[solver], sizes, graph=False, clients=4), strict=True):
        assert torch.equal(one.vector, other.vector)


def test_recordings_are_bounded(recorded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST", 2)
    rounds("linear", SOLVERS["plain"], (17, 9, 6, 3), graph=True, clients=4)
    assert len(recorded) == 2


class Waiting(Task):
    """A closed form that asks the device for a number."""

    metrics = ()

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        raise NotImplementedError

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        return outputs * outputs.sum().item()

    def diagnose(self, outputs: Tensor, batch: Batch) -> tuple[float, ...]:
        return ()

    def evaluate(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        return {}


def test_a_tape_refuses_what_waits_for_the_device(recorded: list[int]) -> None:
    learner = learner_of("mlp", Waiting(), torch.float64)
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        batched(SERIAL).train(learner, SOLVERS["plain"], pupils_of(learner, ALIKE))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet", "batch cnn", "projected mlp"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("sizes", [ALIKE, (17, 9, 6, 3)])
def test_on_a_gpu(model: str, solver: str, sizes: tuple[int, ...]) -> None:
    learner = learner_of(model, TASKS["ATS"], torch.float64).on("cuda")
    results = []
    for trainer in (SERIAL, batched(SERIAL, 4), replace(batched(SERIAL, 4), graph=False)):
        runs = [trainer.train(learner, SOLVERS[solver], pupils_of(learner, sizes)) for _ in range(3)]
        results.append(torch.stack([update.vector for update in runs[-1]]))
    for other in results[1:]:
        assert (other - results[0]).norm() <= 1e-7 * results[0].norm()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_refuses_in_one_line_what_waits_for_it() -> None:
    learner = learner_of("mlp", Waiting(), torch.float32).on("cuda")
    with pytest.raises(ConfigurationError, match=r"graph=true cannot record .* choose trainer.graph=false"):
        batched(SERIAL).train(learner, SOLVERS["plain"], pupils_of(learner, ALIKE))
