"""The batched trainer beside the law: other tasks and networks, memory, what it keeps, what it refuses."""

from __future__ import annotations

import copy
import itertools
import os
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.tasks import Batch, Matching, Schedule, Supervised, Task
from fedkd.tasks.learner import NetworkLearner
from fedkd.tasks.losses import NotTrue
from fedkd.trainers import Batched, Serial
from fedkd.trainers.batched import capacity
from fedkd.trainers.batched.cohort import Cohort, Report
from fedkd.trainers.batched.rewritten import rewrite
from fedkd.trainers.batched.team import MOST, Team
from tests.laws.test_trainers import (
    MODELS,
    NORMED,
    SERIAL,
    SOLVERS,
    TASKS,
    batched,
    check,
    compare,
    learner_of,
    pupils_of,
)

PLAIN = SOLVERS["plain"]
TRAINER = batched(SERIAL)


class Open(Supervised):
    """A task of somebody else's, that gives its loss only."""

    def aim(self, batch: Batch, classes: int, dtype: torch.dtype) -> None:
        return None

    gradient = Task.gradient


class Doubled(torch.nn.Module):
    """Weights that are used twice, and a convolution that is no plain one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, 4, 3, stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=False)
        self.second = torch.nn.Conv2d(4, 6, 2, groups=2)
        self.shared = torch.nn.Linear(6, 6)
        self.last = torch.nn.Linear(6, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.second(torch.tanh(self.first(x))).mean((-2, -1))
        return self.last(self.shared(torch.relu(self.shared(hidden))))


def test_a_task_that_gives_only_its_loss() -> None:
    for model in ("mlp", "resnet"):
        learner = learner_of(model, Open(0.1), torch.float64)
        check(learner, PLAIN, SERIAL, TRAINER)


def test_a_group_norm_takes_channels_in_any_order() -> None:
    module = learner_of("resnet", TASKS["labels"], torch.float32).module
    assert module[0].weight.is_contiguous(memory_format=torch.channels_last), "as convolutions on a CPU read them"
    stacked = {name: torch.stack([value.detach()] * 2) for name, value in module.named_parameters()}
    stacked["0.weight"] = stacked["0.weight"].permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    x = torch.from_numpy(key(0, "x").generator().standard_normal((4, 1, 8, 8))).float()
    expected, plain = module(x), rewrite(copy.deepcopy(module), unfold=False)
    outputs = torch.vmap(lambda values: torch.func.functional_call(plain, values, (x,)))(stacked)
    for answer in outputs:
        torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("convolutions", ["grouped", "unfold", "auto"])
def test_any_network_that_torch_can_vectorise(convolutions: str) -> None:
    torch.manual_seed(0)
    learner = NetworkLearner(Doubled().double(), TASKS["ATS"])
    check(learner, SOLVERS["momentum"], SERIAL, batched(SERIAL, "auto", convolutions))


def test_dropout_is_drawn_for_every_client_apart() -> None:
    parts = torch.nn.Flatten(), torch.nn.Linear(64, 500), torch.nn.Dropout(0.5), torch.nn.Linear(500, 5, bias=False)
    torch.manual_seed(0)
    learner = NetworkLearner(torch.nn.Sequential(*parts), TASKS["labels"])
    first, *_ = pupils_of(learner)
    pupils = [first._replace(key=key(3, "train", 1, client)) for client in range(2)]
    trainer = replace(TRAINER, epochs=1, batch_size=0)
    dropped = [update.vector[-2500:-2000] == 0 for update in trainer.train(learner, SOLVERS["gradient"], pupils)]
    assert not torch.equal(dropped[0], dropped[1])


@pytest.mark.parametrize(
    ("model", "solver", "tolerance"),
    [("linear", "plain", 0.02), ("mlp", "plain", 0.05), ("cnn", "gradient", 0.2), ("resnet", "gradient", 0.2)],
)
def test_bfloat16_is_close_and_steps_are_in_float32(model: str, solver: str, tolerance: float) -> None:
    """Maxima and signs that are close flip: tiny batches of noise show it most."""
    learner = learner_of(model, TASKS["smoothed"], torch.float32)
    pupils, trainer = pupils_of(learner), replace(TRAINER, precision="bfloat16")
    exact, rounded = (each.train(learner, SOLVERS[solver], pupils) for each in (SERIAL, trainer))
    for one, other in zip(exact, rounded, strict=True):
        assert other.vector.dtype == torch.float32
        difference = (one.vector - other.vector).norm() / one.vector.norm()
        assert 1e-4 < difference < tolerance
        assert other.numbers == pytest.approx(one.numbers, rel=0.1, abs=0.1)


@pytest.mark.parametrize("model", ["cnn", "batch cnn"])
def test_the_resident_model_stays_as_it_is(model: str) -> None:
    learner = learner_of(model, TASKS["ATS"], torch.float32)
    before = learner.vector
    TRAINER.train(learner, SOLVERS["adam"], pupils_of(learner))
    assert torch.equal(learner.vector, before)


@pytest.mark.parametrize("sizes", [(), (0, 5), (5, 0)])
def test_nobody_and_nothing_as_in_serial(sizes: tuple[int, ...]) -> None:
    learner = learner_of("mlp", TASKS["ATS"], torch.float64)
    pupils = pupils_of(learner, sizes)
    try:
        expected = SERIAL.train(learner, PLAIN, pupils)
    except ValueError as error:
        with pytest.raises(type(error)):
            TRAINER.train(learner, PLAIN, pupils)
    else:
        compare(expected, TRAINER.train(learner, PLAIN, pupils), 1e-9)


@pytest.mark.parametrize("model", [*MODELS, *NORMED])
def test_training_waits_for_no_device(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors without values have nothing to wait for; reports are made of values."""
    monkeypatch.setattr(Cohort, "reports", lambda self: [Report(())] * len(self.members))
    shape = (1, 16, 16)
    learner = learner_of(model, TASKS["ATS"], torch.float32, shape).on("meta")
    pupils = pupils_of(learner, shape=shape)
    assert batched(SERIAL, 3).train(learner, SOLVERS["momentum"], pupils)[0].vector.is_meta


@dataclass(frozen=True)
class Hungry(Supervised):
    """Memory for so many clients at once."""

    room: int

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        if outputs.ndim == 3 and len(outputs) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().gradient(outputs, batch)


@pytest.mark.parametrize("clients", [3, "auto"])
def test_groups_are_halved_where_memory_runs_out(clients: int | str) -> None:
    learner = learner_of("mlp", Hungry(0.0, room=1), torch.float64)
    trainer = batched(SERIAL, clients)
    check(learner, SOLVERS["momentum"], SERIAL, trainer)
    assert trainer.method(learner).startswith("batched, 1 clients at once")
    assert trainer.train(learner, PLAIN, pupils_of(learner))


def test_one_client_that_does_not_fit_is_refused() -> None:
    learner = learner_of("mlp", Hungry(0.0, room=0), torch.float64)
    with pytest.raises(ConfigurationError, match=r"memory is too small for one client; choose a smaller .*batch_size"):
        TRAINER.train(learner, PLAIN, pupils_of(learner))


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_as_many_clients_as_fit_into_half_of_the_free_memory(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = 0
    real = os.sysconf
    monkeypatch.setattr(os, "sysconf", lambda name: pages if name == "SC_AVPHYS_PAGES" else real(name))
    found = []
    for pages in (1, 2_000, 8_000, 10**9):  # noqa: B007
        learner = learner_of(model, TASKS["ATS"], torch.float32)
        check(learner, PLAIN, SERIAL, TRAINER, 1e-4)
        assert isinstance(learner.kept, Team)
        found.append(learner.kept.size)
    assert found[0] == 1
    assert found == sorted(found)
    assert 1 < found[1] < found[2] < found[3] == MOST


def test_a_gpu_is_asked_for_its_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client takes 7, two take 10: each takes 3, and 4 are taken anyway; half of 200 are free."""
    peak = 0

    def use(clients: int) -> None:
        nonlocal peak
        peak = 50 + 4 + 3 * clients

    fake = {
        "memory_allocated": 50,
        "memory_reserved": 80,
        "reset_peak_memory_stats": None,
        "mem_get_info": (170, 1000),
    }
    for name, value in fake.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peak)
    assert capacity.capacity(torch.device("cuda"), 1000, 1, use) == (100 - 4) // 3
    assert capacity.capacity(torch.device("cuda"), 5, 1, use) == 5


def test_buffers_stay_from_round_to_round() -> None:
    learner = learner_of("mlp", TASKS["ATS"], torch.float32)
    TRAINER.train(learner, PLAIN, pupils_of(learner))
    team = learner.kept
    assert isinstance(team, Team)
    bench = team._bench
    TRAINER.train(learner, PLAIN, pupils_of(learner, (4, 3)))
    assert learner.kept is team
    assert team._bench is bench
    TRAINER.train(learner, SOLVERS["adam"], pupils_of(learner))
    assert learner.kept is not team, "another solver keeps other things"


def test_kinds_of_convolution_are_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("fedkd.trainers.batched.team._timed", lambda run, device: float(next(clock)))
    learner = learner_of("cnn", TASKS["ATS"], torch.float32)
    trainer = batched(SERIAL, 2, "auto")
    assert trainer.method(learner) == "batched, 2 clients at once, auto, float32, no graph (cpu)"
    trainer.train(learner, PLAIN, pupils_of(learner))
    assert next(clock) == 6, "a warm-up and two timings of each"
    assert trainer.method(learner) == "batched, 2 clients at once, grouped, float32, no graph (cpu)"
    trainer.train(learner, PLAIN, pupils_of(learner))
    assert next(clock) == 7


def test_kinds_of_convolution_are_timed_again_in_much_larger_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("fedkd.trainers.batched.team._timed", lambda run, device: float(next(clock)))
    learner = learner_of("cnn", TASKS["ATS"], torch.float32)
    for sizes, timings in (((3,), 6), ((3, 4, 3, 2), 6), ((3, 4, 3, 2, 1), 12)):
        batched(SERIAL, 9, "auto").train(learner, PLAIN, pupils_of(learner, sizes))
        assert next(clock) == timings
        clock = itertools.count(timings)


@pytest.mark.parametrize(
    ("model", "changes", "expected"),
    [
        ("mlp", {}, "batched, auto clients at once, fused, float32, no graph (cpu)"),
        ("mlp", {"precision": "bfloat16"}, "batched, auto clients at once, vmap, bfloat16, no graph (cpu)"),
        ("resnet", {"clients": 8}, "batched, 8 clients at once, unfold, float32, no graph (cpu)"),
        ("resnet", {"graph": False}, "batched, auto clients at once, unfold, float32, no graph"),
    ],
)
def test_the_method_is_told_in_a_few_words(model: str, changes: dict[str, object], expected: str) -> None:
    assert replace(TRAINER, **changes).method(learner_of(model, TASKS["ATS"], torch.float32)) == expected


@pytest.mark.parametrize(("clients", "most"), [(1, 1), (50, 50), ("auto", MOST)])
def test_workers_are_told_how_many_clients_are_best(clients: int | str, most: int) -> None:
    assert batched(SERIAL, clients).together == most


@pytest.mark.parametrize(
    ("field", "value", "fix"),
    [
        ("clients", 0, "clients=0 is below 1; choose clients >= 1 or auto"),
        ("epochs", 0, "epochs=0 is below 1; choose epochs >= 1"),
        ("batch_size", -1, "batch_size=-1 is negative; choose 0 for no limit"),
        ("batches", -2, "batches=-2 is negative; choose 0 for no limit"),
    ],
)
def test_a_number_out_of_bounds_is_refused_in_one_line(field: str, value: int, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^Batched: {fix}$"):
        replace(TRAINER, **{field: value})


def test_both_trainers_go_through_as_many_samples() -> None:
    assert isinstance(TRAINER, Batched)
    assert isinstance(SERIAL, Serial)
    assert [TRAINER.work(size) for size in range(9)] == [SERIAL.work(size) for size in range(9)]


def test_a_task_says_whether_it_takes_many_models_at_once() -> None:
    assert {name for name, task in {**TASKS, "open": Open(0.0)}.items() if not task.separable} == {"DIST", "open"}


def test_a_round_s_task_is_trained_on_with_what_was_found_out_before() -> None:
    schedules = {"kd_weight": Schedule("linear", 0.0, 2)}
    task = Matching(1.0, 1.0, 0.0, NotTrue(1.0), schedules)
    learner, trainer = learner_of("mlp", task, torch.float64), batched(SERIAL)
    teams = []
    for round_ in range(4):
        learner.begin(round_)
        assert learner.task.kd_weight == min(round_ / 2, 1.0)
        check(learner, PLAIN, SERIAL, trainer)
        teams.append(learner.kept)
    assert all(team is teams[0] for team in teams)
