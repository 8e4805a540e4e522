"""A teacher that learns beside the student: both steps, what is kept, and what is never sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedkd.build import build
from fedkd.clients import ClientSamples
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.data import Split
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.models import Mlp, Projected
from fedkd.tasks import Batch, CoTrained, Distillation, Matching, Task
from fedkd.tasks.co_trained_learner import CoTrainedLearner
from fedkd.tasks.learner import NetworkLearner
from fedkd.tasks.losses import Adaptive
from fedkd.trainers import Fastest, Pupil, Serial, Sgd, Solver, Update
from fedkd.vectors import flatten
from tests.e2e.runs import DIGITS, SMALL, STUDENT, kept, rounds_of, run

TASKS: dict[str, Task] = {
    "FedKD": Matching(1.0, 1.0, 0.0, Adaptive(), {}),
    "TS": Distillation(2.0, 2.0, 2.0, 0.5, "none", clamp=False, label_smoothing=0.0, schedules={}),
}
SOLVERS = {"plain": Sgd(0.1, 0.0, 0.0, 0.0), "momentum": Sgd(0.1, 0.9, 0.0, 0.0)}
SAMPLES, BATCH, STREAM = 23, 6, key(0, "train", 3, 1)
TEACHER = ("teacher.model.channels=[4]", "teacher.model.hidden=8", "teacher.model.groups=2")
RUN = (*SMALL, *DIGITS, *STUDENT, "experiment=fedkd", *TEACHER)


def network(hidden: int, stream: str, norm: str = "") -> torch.nn.Module:
    model = Projected(Mlp(hidden=(hidden,)), 4, 3, norm) if norm else Mlp(hidden=(hidden,))
    return model.build((4,), 3, key(0, "model").fold(stream)).double()


def learner_of(task: Task, norm: str = "") -> CoTrainedLearner:
    return CoTrainedLearner(NetworkLearner(network(5, "s", norm), task), NetworkLearner(network(9, "t", norm), task))


def samples() -> ClientSamples:
    generator = key(0, "data").generator()
    x = torch.from_numpy(generator.standard_normal((SAMPLES, 4)))
    return ClientSamples(Split(x, torch.from_numpy(generator.integers(0, 3, SAMPLES))), torch.arange(SAMPLES), None)


def trained(learner: CoTrainedLearner, solver: Solver, trainer: Serial, norm: str = "") -> Update:
    student, teacher = flatten(network(5, "s", norm)), flatten(network(9, "t", norm))
    [update] = trainer.train(learner, solver, [Pupil(student, samples(), STREAM, teacher)])
    return update


def batches(epochs: int) -> Iterator[Batch]:
    for epoch in range(epochs):
        order = torch.from_numpy(STREAM.fold(epoch).permutation(SAMPLES))
        yield from (samples().take(chunk) for chunk in order.split(BATCH))


@pytest.mark.parametrize("fused", ["auto", "off"])
@pytest.mark.parametrize("norm", ["", "batch"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", TASKS)
def test_both_take_the_steps_of_autograd(name: str, solver: str, norm: str, fused: str) -> None:
    """Two networks, two optimizers, each loss with the other's answers as they are; statistics go with either."""
    task, rule = TASKS[name], SOLVERS[solver]
    update = trained(learner_of(task, norm), rule, Serial(2, BATCH, 0, fused), norm)
    student, teacher = network(5, "s", norm), network(9, "t", norm)
    steps = [
        torch.optim.SGD(one.parameters(), lr=rule.learning_rate, momentum=rule.momentum) for one in (student, teacher)
    ]
    for batch in batches(2):
        z, f = student(batch.x), teacher(batch.x)
        loss = task.loss(z, batch._replace(teacher=f.detach())) + task.loss(f, batch._replace(teacher=z.detach()))
        for step in steps:
            step.zero_grad()
        torch.autograd.backward(loss)
        for step in steps:
            step.step()
    torch.testing.assert_close(update.vector, flatten(network(5, "s", norm)) - flatten(student), rtol=0, atol=1e-12)
    assert update.kept is not None
    torch.testing.assert_close(update.kept, flatten(teacher), rtol=0, atol=1e-12)


def test_the_report_holds_the_student_against_what_the_teacher_answered() -> None:
    task = TASKS["TS"]
    update = trained(learner_of(task), Sgd(1e-12, 0.0, 0.0, 0.0), Serial(2, BATCH, 0, "auto"))
    order = torch.from_numpy(STREAM.fold(1).permutation(SAMPLES))
    seen = samples().take(order)
    with torch.no_grad():
        expected = task.diagnose(network(5, "s")(seen.x), seen._replace(teacher=network(9, "t")(seen.x)))
    assert update.numbers == pytest.approx(expected, rel=1e-6)


def test_nothing_of_one_client_reaches_the_next() -> None:
    learner, trainer = learner_of(TASKS["FedKD"]), Serial(1, BATCH, 0, "auto")
    first = trained(learner, SOLVERS["momentum"], trainer)
    learner.student.load(torch.zeros(learner.dim, dtype=torch.float64))
    again = trained(learner, SOLVERS["momentum"], trainer)
    assert torch.equal(first.vector, again.vector)
    assert first.kept is not None
    assert again.kept is not None
    assert torch.equal(first.kept, again.kept)


def test_only_one_client_after_another_is_worth_a_trial() -> None:
    candidates = Fastest(1, BATCH, 0).candidates(learner_of(TASKS["FedKD"]), 20)
    assert {type(candidate) for candidate in candidates} == {Serial}


def test_the_batched_trainer_is_refused() -> None:
    settings = Settings.of(compose(["experiment=fedkd", "trainer=batched"]))
    with pytest.raises(ConfigurationError, match="Batched trains students alone, .*; choose trainer=serial"):
        check(settings)


def test_each_client_begins_with_a_teacher_of_its_own() -> None:
    setup = build(Settings.of(compose(RUN)), lambda _: None)
    shop = setup.workshop("cpu", Path())
    assert shop.fresh is not None
    assert torch.equal(shop.fresh(1), shop.fresh(1))
    assert not torch.equal(shop.fresh(1), shop.fresh(2))
    assert setup.learner.keeps == len(shop.fresh(0))


def test_what_travels_does_not_depend_on_the_teachers_size(tmp_path: Path) -> None:
    sizes = []
    for place, hidden in enumerate((8, 64)):
        run(tmp_path / str(place), [*RUN, "algorithm=sgd", f"teacher.model.hidden={hidden}"])
        sizes.append([(line["bytes_up"], line["bytes_down_broadcast"]) for line in rounds_of(tmp_path / str(place))])
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("store", ["memory", "folder"])
def test_teachers_go_on_where_they_were(store: str, tmp_path: Path) -> None:
    """The second round by hand, from what the first one left."""
    overrides = [*RUN, "algorithm=sgd", f"store={store}"]
    after = []
    for rounds in (1, 2):
        run(tmp_path / str(rounds), [*overrides, f"rounds={rounds}"])
        setup = build(Settings.of(compose(overrides)), lambda _: None)
        learner = setup.learner
        held = setup.settings.store.open(tmp_path / str(rounds), learner.dim, learner.dtype, learner.keeps, 2)
        carried = kept(tmp_path / str(rounds)).carried.states
        after.append({client: carried.get(client, held.before(client, rounds)).task for client in range(4)})
    shop, model = setup.workshop("cpu", tmp_path), kept(tmp_path / "1").server.model
    for client in range(4):
        [update] = shop.trainer.train(shop.learner, shop.solver, [shop.pupil(1, client, model, after[0][client])])
        assert after[0][client] is not None
        assert torch.equal(update.kept, after[1][client])


def test_a_teacher_needs_a_task_that_listens() -> None:
    settings = Settings.of(compose(["experiment=fedkd"]))
    assert isinstance(settings.teacher, CoTrained)
    assert settings.task.metrics == TASKS["FedKD"].metrics
    with pytest.raises(ConfigurationError, match="teacher: given, but this task takes none"):
        check(replace(settings, task=Settings.of(compose(["task=supervised"])).task))
