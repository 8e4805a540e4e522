"""The batched engine and the framework send the same messages: equal bytes, and equal models but for rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd.build import build
from fedkd.clients import Bernoulli, Full, Memory
from fedkd.compose import compose, configurations
from fedkd.configuration import Settings
from fedkd.federation import run
from fedkd.tasks import LeastSquares, Logistic
from sims.convex.engine import Plan, simulate
from sims.convex.methods import Method, method
from sims.convex.problems import Quadratic, Samples, stacked

ROUNDS, CLIENTS, SEED = 12, 5, 3
SIZE = (f"clients={CLIENTS}", f"rounds={ROUNDS}", f"seed={SEED}", "data.samples_per_client=30", "data.dim=12")
HERE = ("threads=1", "executor=local", "algorithm.weights=uniform")
ALGORITHMS = sorted(path.stem for path in (configurations() / "algorithm").glob("*.yaml"))
PARTS = {
    "full": (),
    "PP1": ("participation=bernoulli", "participation.p=0.5", "algorithm.estimator=PP1"),
    "PP2": ("participation=bernoulli", "participation.p=0.5", "algorithm.estimator=PP2"),
    "few": ("participation=bernoulli", "participation.p=0.15", "algorithm.estimator=PP2"),
}
MEMORIES = ["artemis", "dore", "mcm", "rand_mcm"]
CASES = [(name, part) for part in ("full", "PP2") for name in ALGORITHMS]
CASES += [("mcm", "PP1"), ("rand_mcm", "PP1"), ("artemis", "PP1"), ("mcm", "few"), ("dore", "few"), ("biqsgd", "few")]


def one_level(side: str) -> list[str]:
    return [f"{side}=qsgd", f"{side}.operator.levels=1", f"{side}.operator.norm=l2"]


def compare(overrides: Sequence[str]) -> None:
    """Every round's bytes, up, to all and to single clients; and the last model."""
    settings = Settings.of(compose([*overrides, *SIZE, *HERE]))
    setup = build(replace(settings, store=Memory()), lambda _: None)
    train, state, sent = setup.data.train, setup.algorithm.start(setup.model), []
    for after, report in run(setup.open(Path(), {}), state, ROUNDS):
        sent.append((report.bytes_up, report.bytes_down_broadcast, report.bytes_down_unicast))
        state = after
    parts = [(train.x[torch.from_numpy(part)], train.y[torch.from_numpy(part)]) for part in setup.parts]
    problem = stacked(settings.task, parts, settings.trainer.batch_size, (SEED,))
    asked = Method("any", settings.algorithm, settings.uplink, settings.downlink)
    plan = Plan((SEED,), ROUNDS, settings.server.step_size, settings.participation)
    course = simulate(problem, asked, plan)
    found = np.stack([course.up[0], course.broadcast[0], course.unicast[0]], axis=1)
    np.testing.assert_array_equal(np.diff(found, axis=0), sent)
    np.testing.assert_allclose(course.models[0], state.model, rtol=0, atol=1e-12)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("algorithm", "part"), CASES)
def test_every_algorithm_sends_what_the_framework_sends(algorithm: str, part: str) -> None:
    compare(["task=logistic", f"algorithm={algorithm}", *PARTS[part]])


@pytest.mark.sampled(4)
@pytest.mark.parametrize("algorithm", MEMORIES)
def test_one_level_stochastic_gradients_and_first_memories(algorithm: str) -> None:
    links = [*one_level("uplink"), *one_level("downlink"), "uplink.memory.start=first"]
    batch = ["trainer.batch_size=7", "trainer.batches=1"]
    compare(["task=least_squares", f"algorithm={algorithm}", *links, *batch, *PARTS["PP2"]])


def samples(task: LeastSquares | Logistic, seeds: tuple[int, ...], batch: int) -> Samples:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(CLIENTS, 40, 12, generator=random, dtype=torch.float64)
    y = torch.randn(CLIENTS, 40, generator=random, dtype=torch.float64).sign()
    return stacked(task, list(zip(x, y, strict=True)), batch, seeds)


@pytest.mark.parametrize("name", ["mcm", "rand_mcm", "artemis"])
@pytest.mark.parametrize("participation", [Full(), Bernoulli(0.5)])
def test_seeds_together_are_as_each_alone(name: str, participation: Full | Bernoulli) -> None:
    asked = method(name, [f"algorithm={name}"])
    together = simulate(samples(Logistic(0.01), (0, 5, 9), 6), asked, Plan((0, 5, 9), 9, 0.5, participation))
    for place, seed in enumerate((0, 5, 9)):
        alone = simulate(samples(Logistic(0.01), (seed,), 6), asked, Plan((seed,), 9, 0.5, participation))
        np.testing.assert_array_equal(together.bits[place], alone.bits[0])
        np.testing.assert_allclose(together.excess[place], alone.excess[0], rtol=0, atol=1e-13)
        assert (together.heard[place] >= alone.broadcast[0]).all()


@pytest.mark.parametrize("task", [LeastSquares(0.1), Logistic(0.01)])
def test_excess_is_the_tasks_loss_less_its_minimum(task: LeastSquares | Logistic) -> None:
    whole = samples(task, (0,), 0)
    models = torch.randn(3, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = [task.loss(w, whole.x, whole.y, whole.weights).item() - whole.best.loss for w in models]
    np.testing.assert_allclose(whole.excess(models), expected, rtol=1e-12)
    assert abs(whole.excess(whole.best.w[None])[0]) < 1e-14


def test_a_quadratic_is_measured_from_its_minimum() -> None:
    base = Quadratic.drawn(4, 6, 0.05, seed=0)
    least = base.centres.mean(0)
    assert base.excess(least[None])[0] == 0
    everyone = np.arange(4)
    mean = base.gradients(least.expand(4, 6), everyone, np.zeros(4, int), 0).mean(0)
    assert mean.abs().max() < 1e-14
    values = torch.linalg.eigvalsh(base.matrix)
    np.testing.assert_allclose([values[0], values[-1]], [0.05, 1.0])
