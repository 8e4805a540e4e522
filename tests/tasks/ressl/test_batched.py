"""The batched trainer: the serial one's updates, states and reports, to rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from fedkd.keys import key
from fedkd.models import Cnn, Projected
from fedkd.models.norms import Norm
from fedkd.tasks import Schedule
from fedkd.tasks.ressl.learner import RelationalLearner
from fedkd.tasks.ressl.task import ReSSL
from fedkd.trainers import Adam, Batched, Pupil, Serial, Sgd, Solver, Update
from fedkd.trainers.batched import team
from tests.tasks.ressl.toys import SHAPE, TASK, VIEWS, learner_of, samples
from tests.trainers.tape import tape

SIZES = (23, 9, 14, 4, 1)
"""Of the clients: batches are filled up, and some finish early."""
SOLVERS: dict[str, Solver] = {
    "momentum": Sgd(0.1, 0.9, 0.0, 0.01),
    # Biases before BatchNorm have no gradient but rounding: with a smaller epsilon Adam would step by it.
    "adam": Adam(0.01, 0.9, 0.999, 1e-4, 0.01, 0.0),
}
TASKS: dict[str, ReSSL] = {
    "local, keep": TASK,
    "from global, reset": replace(TASK, teacher="from_global", queue="reset"),
    "average, mixing": replace(TASK, teacher="average", mixing=0.5),
    "anchors": replace(TASK, queue="anchors"),
    "three views": replace(TASK, views=replace(VIEWS, crops=3)),
    "mixing later": replace(TASK, mixing=0.5, schedules={"mixing": Schedule("linear", 0.0, 2)}),
    "scheduled": replace(
        TASK,
        schedules={
            "momentum": Schedule("cosine", 0.5, 3),
            "tau_teacher": Schedule("linear", 0.08, 3),
            "tau_student": Schedule("linear", 0.2, 3),
        },
    ),
}


def rounds(learner: RelationalLearner, trainer: Serial | Batched, solver: Solver) -> list[Update]:
    """Two rounds, the second from what the first left."""
    x, kept, told = learner.vector, [None] * len(SIZES), []
    for round_ in range(2):
        learner.begin(round_)
        pupils = [
            Pupil(x, samples(size, client), key(0, "train", round_, client), state)
            for client, (size, state) in enumerate(zip(SIZES, kept, strict=True))
        ]
        updates = trainer.train(learner, solver, pupils)
        told += updates
        x, kept = x - torch.stack([update.vector for update in updates]).mean(0), [one.kept for one in updates]
    return told


@pytest.mark.parametrize("tracks", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", TASKS)
def test_equal_to_the_serial_trainer(name: str, solver: str, tracks: bool) -> None:
    task, rule = TASKS[name], SOLVERS[solver]
    serial = rounds(learner_of(task, tracks, anchors=9), Serial(2, 6, 0, "auto"), rule)
    batched = Batched(2, 6, 0, clients=3, convolutions="auto", graph=False, precision="float32")
    together = rounds(learner_of(task, tracks, anchors=9), batched, rule)
    for one, other in zip(serial, together, strict=True):
        torch.testing.assert_close(other.vector, one.vector, rtol=1e-7, atol=1e-9)
        assert other.numbers == pytest.approx(one.numbers, rel=1e-6, abs=1e-9)
        torch.testing.assert_close(other.kept, one.kept, rtol=1e-7, atol=1e-9)
        assert (one.kept is None) is (name == "from global, reset")


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("kind", ["grouped", "unfold"])
def test_convolutions_and_clients_of_one_sample(kind: str, norm: Norm) -> None:
    """A network as models build it: biases of BatchNorm are 0, so a single sample's outputs are too, exactly."""
    model = Projected(Cnn(channels=(4,), hidden=8, groups=1, norm=norm), hidden=6, output=4, norm=norm)

    def learner() -> RelationalLearner:
        module = model.build(SHAPE, 2, key(0, "model")).double()
        everything = samples().split
        return RelationalLearner(module, TASK, everything, everything.x[:0], key(0, "probe"))

    batched = Batched(2, 6, 0, clients=3, convolutions=kind, graph=False, precision="float32")
    expected = rounds(learner(), Serial(2, 6, 0, "auto"), SOLVERS["momentum"])
    for one, other in zip(expected, rounds(learner(), batched, SOLVERS["momentum"]), strict=True):
        torch.testing.assert_close(other.vector, one.vector, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(other.kept, one.kept, rtol=1e-7, atol=1e-9)


def test_how_many_clients_at_once_is_found_by_trial() -> None:
    """A trial leaves nothing behind."""
    learner = learner_of(TASK)
    auto = Batched(1, 6, 0, clients="auto", convolutions="auto", graph=False, precision="float32")
    found = rounds(learner, auto, SOLVERS["momentum"])
    expected = rounds(learner_of(TASK), Serial(1, 6, 0, "auto"), SOLVERS["momentum"])
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other.vector, one.vector, rtol=1e-7, atol=1e-9)


def test_its_method_is_told() -> None:
    batched = Batched(1, 6, 0, clients=4, convolutions="auto", graph=False, precision="float32")
    assert batched.method(learner_of(TASK)) == "batched, 4 clients at once, vmap, float32, no graph"


@pytest.mark.parametrize("name", TASKS)
def test_replayed_steps_are_the_same_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded once for each shape of step, whatever the round: all that changes lies in tensors that stay."""
    recordings: list[int] = []

    def record(program: Callable[[], None]) -> Callable[[], None]:
        recordings.append(1)
        return tape(program)

    monkeypatch.setattr(team, "_recording", lambda learner, terms: "graph" if terms.graph else "no graph")
    monkeypatch.setattr(team, "cuda_graphs", lambda: record)
    drawn = Batched(2, 3, 0, clients=5, convolutions="auto", graph=True, precision="float32")
    replayed = rounds(learner_of(TASKS[name], tracks=True, anchors=9), drawn, SOLVERS["momentum"])
    assert len(recordings) == 4, "shapes of step in the first round; the second has the same"
    expected = rounds(learner_of(TASKS[name], tracks=True, anchors=9), replace(drawn, graph=False), SOLVERS["momentum"])
    for one, other in zip(replayed, expected, strict=True):
        assert torch.equal(one.vector, other.vector)
        assert one.numbers == other.numbers


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", TASKS)
def test_on_a_gpu(name: str) -> None:
    task = TASKS[name]
    serial = rounds(learner_of(task, tracks=True, anchors=9).on("cuda"), Serial(2, 6, 0, "auto"), SOLVERS["momentum"])
    for graph in (True, False):
        batched = Batched(2, 6, 0, clients=3, convolutions="auto", graph=graph, precision="float32")
        together = rounds(learner_of(task, tracks=True, anchors=9).on("cuda"), batched, SOLVERS["momentum"])
        for one, other in zip(serial, together, strict=True):
            torch.testing.assert_close(other.vector, one.vector, rtol=1e-6, atol=1e-8)
