"""Gradients taken layer by layer are those of autograd, for every network of configs/ and every solver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from fedkd.clients import ClientSamples
from fedkd.configuration.construct import construct
from fedkd.data import Split
from fedkd.keys import key
from fedkd.models import Model
from fedkd.tasks import Distillation, Matching, Supervised
from fedkd.tasks.learner import NetworkLearner
from fedkd.tasks.losses import Correlation
from fedkd.trainers import Adam, Gradient, Pupil, Serial, Sgd, Solver

MODELS = sorted(
    path for path in Path("configs/model").glob("*.yaml") if not path.stem.startswith(("none", "projected"))
)
"""Those that classify."""
SHAPE, CLASSES, SAMPLES = (1, 16, 16), 7, 23
TASKS = [
    Supervised(0.1),
    Distillation(3.0, 2.0, 1.5, 0.4, "mean", clamp=True, label_smoothing=0.1, schedules={}),
    Matching(1.0, 0.1, 0.0, Correlation(1.0, 1.0, 1.0), {}),
]
SOLVERS = [
    Gradient(),
    Sgd(0.05, 0.0, 0.0, 0.0),
    Sgd(0.05, 0.0, 0.01, 0.0),
    Sgd(0.05, 0.9, 0.01, 0.0),
    Sgd(0.05, 0.0, 0.01, 0.5),
    Adam(1e-3, 0.9, 0.99, 1e-8, 0.1, 0.0),
]
FUSED = {"cnn", "fashion_cnn", "fedavg_cnn", "linear", "mlp", "mnist_cnn"}
KEY = key(3, "train", 1, 4)


def network(path: Path) -> Model:
    model: Model = construct(Model, yaml.safe_load(path.read_text()), "model")
    return model


def samples(shape: tuple[int, ...], dtype: torch.dtype) -> ClientSamples:
    generator = key(1, "data").generator()
    x = torch.from_numpy(generator.standard_normal((SAMPLES, *shape))).to(dtype)
    y = torch.from_numpy(generator.integers(0, CLASSES, SAMPLES))
    teacher = torch.from_numpy(3 * generator.standard_normal((SAMPLES, CLASSES))).to(dtype)
    return ClientSamples(Split(x, y), torch.arange(SAMPLES), teacher)


def update(learner: NetworkLearner, solver: Solver, own: ClientSamples, fused: str) -> torch.Tensor:
    trainer = Serial(epochs=2, batch_size=6, batches=0, fused="auto")
    [trained] = replace(trainer, fused=fused).train(learner, solver, [Pupil(learner.vector, own, KEY)])
    return trained.vector


@pytest.mark.sampled(3)
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
@pytest.mark.parametrize("shape", [SHAPE, (3, 17, 18)], ids=str)
def test_fused_equals_autograd(path: Path, shape: tuple[int, ...]) -> None:
    model = network(path)
    for task in TASKS:
        learner = NetworkLearner(model.build(shape, CLASSES, key(0, "model")).double(), task)
        assert (learner.backward("auto").name == "fused") == (path.stem in FUSED)
        own, start = samples(shape, torch.float64), learner.vector
        for solver in SOLVERS:
            updates = []
            for fused in ("auto", "off"):
                learner.load(start)
                updates.append(update(learner, solver, own, fused))
            # Adam divides by the root of a square: rounding of a gradient near 0 is not small there.
            torch.testing.assert_close(*updates, rtol=0, atol=1e-7 if isinstance(solver, Adam) else 1e-12)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_in_float32_gradients_differ_by_rounding(path: Path) -> None:
    model = network(path)
    learner = NetworkLearner(model.build(SHAPE, CLASSES, key(0, "model")), TASKS[0])
    own = samples(SHAPE, torch.float32)
    fused, autograd = (update(learner, Gradient(), own, choice) for choice in ("auto", "off"))
    assert (fused - autograd).norm() <= 1e-6 * autograd.norm()
