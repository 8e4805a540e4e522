"""Batched trainers give every client the update and the report of the serial trainer, to rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from fedkd.clients import ClientSamples
from fedkd.configuration.construct import construct
from fedkd.data import Split
from fedkd.keys import key
from fedkd.models import Cnn, Mlp, Model, Projected, ResNet
from fedkd.tasks import Distillation, Matching, Supervised, Task
from fedkd.tasks.learner import NetworkLearner
from fedkd.tasks.losses import (
    Correlation,
    Decoupled,
    Normalised,
    NotTrue,
    Standardised,
    Transformed,
    WeightedTransformed,
)
from fedkd.trainers import Adam, Batched, Gradient, Pupil, Serial, Sgd, Solver, Star, Update

MODELS = {
    path.stem: path
    for path in sorted(Path("configs/model").glob("*.yaml"))
    if not path.stem.startswith(("none", "projected"))
}
"""Those that classify."""
CONVOLUTIONAL = ("cnn", "fedavg_cnn", "resnet")
SHAPE, CLASSES = (1, 8, 8), 5
NORMED: dict[str, Model] = {
    "batch cnn": Cnn((4, 8), 6, 2, "batch"),
    "batch resnet": ResNet(4, 1, 2, "batch"),
    "local cnn": Cnn((4, 8), 6, 2, "local_batch"),
    "projected cnn": Projected(Cnn((4,), 6, 2, "batch"), 7, CLASSES, "batch"),
    "projected mlp": Projected(Mlp((9,)), 7, CLASSES, "batch"),
}
"""Networks with BatchNorm."""
SIZES = (3, 9, 17, 12, 8)
"""Below the batch, no multiple of it, some alike."""
TASKS: dict[str, Task] = {
    "labels": Supervised(0.0),
    "smoothed": Supervised(0.1),
    "TS": Distillation(2.0, 2.0, 1.0, 0.5, "none", clamp=False, label_smoothing=0.1, schedules={}),
    "ATS": Distillation(3.0, 2.0, 1.5, 0.4, "mean", clamp=True, label_smoothing=0.0, schedules={}),
    "DKD": Matching(1.0, 0.5, 0.1, Decoupled(1.0, 8.0, 4.0), {}),
    "LSKD": Matching(0.1, 2.0, 0.0, Standardised(2.0), {}),
    "DIST": Matching(1.0, 1.0, 0.0, Correlation(1.0, 2.0, 1.5), {}),
    "NKD": Matching(1.0, 1.0, 0.0, Normalised(1.5, 1.0), {}),
    "TTM": Matching(1.0, 1.0, 0.0, Transformed(4.0), {}),
    "WTTM": Matching(1.0, 1.0, 0.0, WeightedTransformed(4.0), {}),
    "not-true": Matching(1.0, 1.0, 0.1, NotTrue(1.0), {}),
}
SOLVERS: dict[str, Solver] = {
    "gradient": Gradient(),
    "plain": Sgd(0.05, 0.0, 0.01, 0.0),
    "momentum": Sgd(0.05, 0.9, 0.01, 0.0),
    "proximal": Sgd(0.05, 0.0, 0.0, 0.5),
    "proximal momentum": Sgd(0.05, 0.9, 0.0, 0.5),
    "adam": Adam(1e-3, 0.9, 0.99, 1e-8, 0.1, 0.0),
    "star": Star("client", 1.0, 0.01, 0.0),
}
SERIAL = Serial(epochs=2, batch_size=4, batches=0, fused="off")


def batched(serial: Serial, clients: int | str = "auto", convolutions: str = "unfold", **changes: str) -> Batched:
    trainer = Batched(serial.epochs, serial.batch_size, serial.batches, "auto", "auto", graph=True, precision="float32")
    return replace(trainer, clients=clients, convolutions=convolutions, **changes)


def learner_of(name: str, task: Task, dtype: torch.dtype, shape: tuple[int, ...] = SHAPE) -> NetworkLearner:
    model = NORMED.get(name) or construct(Model, yaml.safe_load(MODELS[name].read_text()), "model")
    return NetworkLearner(model.build(shape, CLASSES, key(0, "model")).to(dtype), task)


def pupils_of(learner: NetworkLearner, sizes: Sequence[int] = SIZES, shape: tuple[int, ...] = SHAPE) -> list[Pupil]:
    """Clients with models, samples and keys of their own."""
    generator, like = key(1, "data").generator(), learner.vector
    total = sum(sizes)
    x = torch.from_numpy(generator.standard_normal((total, *shape))).to(like)
    y = torch.from_numpy(generator.integers(0, CLASSES, total)).to(like.device)
    teacher = torch.from_numpy(3 * generator.standard_normal((total, CLASSES))).to(like)
    moved = torch.from_numpy(0.01 * generator.standard_normal((len(sizes), learner.dim))).to(like)
    split, parts = Split(x, y), torch.from_numpy(key(2, "parts").permutation(total))
    return [
        Pupil(like + moved[client], ClientSamples(split, part, teacher[part]), key(3, "train", 1, client))
        for client, part in enumerate(parts.split(list(sizes)))
    ]


def compare(serial: Sequence[Update], together: Sequence[Update], tolerance: float) -> None:
    assert len(serial) == len(together)
    for alone, among in zip(serial, together, strict=True):
        assert (alone.vector - among.vector).norm() <= tolerance * alone.vector.norm()
        assert among.numbers == pytest.approx(alone.numbers, rel=10 * tolerance, abs=10 * tolerance)


def check(
    learner: NetworkLearner,
    solver: Solver,
    serial: Serial,
    other: Batched,
    tolerance: float = 1e-9,
    shape: tuple[int, ...] = SHAPE,
) -> None:
    pupils = pupils_of(learner, shape=shape)
    compare(serial.train(learner, solver, pupils), other.train(learner, solver, pupils), tolerance)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_every_task_and_solver(model: str, task: str, solver: str) -> None:
    learner = learner_of(model, TASKS[task], torch.float64)
    check(learner, SOLVERS[solver], SERIAL, batched(SERIAL), 1e-7 if solver == "adam" else 1e-9)


@pytest.mark.parametrize("convolutions", ["grouped", "unfold"])
@pytest.mark.parametrize("model", CONVOLUTIONAL)
def test_both_kinds_of_convolution(model: str, convolutions: str) -> None:
    learner = learner_of(model, TASKS["ATS"], torch.float32)
    check(learner, SOLVERS["momentum"], SERIAL, batched(SERIAL, convolutions=convolutions), 1e-4)


@pytest.mark.parametrize("convolutions", ["grouped", "unfold"])
def test_several_channels_and_sides_that_are_not_even(convolutions: str) -> None:
    shape = (3, 9, 10)
    learner = learner_of("resnet", TASKS["labels"], torch.float64, shape)
    check(learner, SOLVERS["plain"], SERIAL, batched(SERIAL, 3, convolutions), 1e-9, shape)


@pytest.mark.parametrize("clients", [1, 2, 5, 7])
@pytest.mark.parametrize(("epochs", "batch_size", "batches"), [(1, 0, 0), (3, 0, 2), (1, 32, 0), (3, 4, 5), (2, 1, 4)])
def test_every_way_to_cut_passes_and_groups(clients: int, epochs: int, batch_size: int, batches: int) -> None:
    serial = Serial(epochs, batch_size, batches, "off")
    for solver in SOLVERS.values():
        learner = learner_of("mlp", TASKS["smoothed"], torch.float64)
        check(learner, solver, serial, batched(serial, clients), 1e-7)
