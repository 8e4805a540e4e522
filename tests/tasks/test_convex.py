"""Convex tasks: gradients, Hessians, constants and optima against independent computations, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedkd.errors import ConfigurationError
from fedkd.tasks import ConvexTask, LeastSquares, Logistic, client_weights

SAMPLES, DIM = 60, 5
TASKS = [LeastSquares(0.0), LeastSquares(0.1), Logistic(0.0), Logistic(0.01)]


def draw(task: ConvexTask, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Correlated features, and targets that no w explains."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((SAMPLES, DIM)) @ np.diag([2.0, 1.0, 1.0, 0.5, 0.1])
    y = x @ rng.standard_normal(DIM) + rng.standard_normal(SAMPLES)
    return torch.from_numpy(x), torch.from_numpy(np.sign(y) if isinstance(task, Logistic) else y)


def reference_loss(task: ConvexTask, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """The formula, one sample after another."""
    total = 0.0
    for row, value in zip(x, y, strict=True):
        score = float(row @ w)
        total += np.log(1 + np.exp(-value * score)) if isinstance(task, Logistic) else (score - value) ** 2 / 2
    return total / len(y) + task.l2 / 2 * float(w @ w)


def some_w(seed: int = 3) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(DIM))


def some_weights() -> Tensor:
    weights = torch.from_numpy(np.random.default_rng(4).random(SAMPLES))
    return weights / weights.sum()


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_loss_equals_the_numpy_reference(task: ConvexTask) -> None:
    (x, y), w = draw(task), some_w()
    expected = reference_loss(task, w.numpy(), x.numpy(), y.numpy())
    assert task.loss(w, x, y).item() == pytest.approx(expected, rel=1e-13)
    assert task.evaluate(w, x, y)["loss"] == task.loss(w, x, y).item()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_gradient_equals_finite_differences(task: ConvexTask, weighted: bool) -> None:
    (x, y), w = draw(task), some_w()
    weights = some_weights() if weighted else None
    eye = torch.eye(DIM, dtype=torch.float64) * 1e-6
    slopes = [(task.loss(w + e, x, y, weights) - task.loss(w - e, x, y, weights)) / 2e-6 for e in eye]
    torch.testing.assert_close(task.gradient(w, x, y, weights), torch.stack(slopes), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_hessian_equals_finite_differences_of_the_gradient(task: ConvexTask) -> None:
    (x, y), w = draw(task), some_w()
    eye = torch.eye(DIM, dtype=torch.float64) * 1e-6
    columns = [(task.gradient(w + e, x, y) - task.gradient(w - e, x, y)) / 2e-6 for e in eye]
    torch.testing.assert_close(task.hessian(w, x), torch.stack(columns, 1), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_constants_bound_the_hessian_and_are_attained(task: ConvexTask) -> None:
    x, _ = draw(task)
    smoothness, convexity = task.smoothness(x), task.strong_convexity(x)
    values = np.linalg.eigvalsh(task.hessian(torch.zeros(DIM, dtype=torch.float64), x).numpy())
    assert smoothness == pytest.approx(values[-1], rel=1e-12)
    elsewhere = np.linalg.eigvalsh(task.hessian(5 * some_w(), x).numpy())
    assert elsewhere[-1] <= smoothness * (1 + 1e-12)
    assert elsewhere[0] >= convexity * (1 - 1e-9)
    if isinstance(task, LeastSquares):
        assert convexity == pytest.approx(np.linalg.svd(x.numpy())[1][-1] ** 2 / SAMPLES + task.l2, rel=1e-9)
    else:
        assert convexity == task.l2


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_optimum_has_a_vanishing_gradient_and_the_least_loss(task: ConvexTask) -> None:
    x, y = draw(task)
    best = task.optimum(x, y)
    assert task.gradient(best.w, x, y).norm() < 1e-12
    assert best.loss == task.loss(best.w, x, y).item()
    assert task.loss(best.w + 1e-3 * some_w(), x, y) > best.loss


def test_least_squares_optimum_is_the_solution_of_the_normal_equations() -> None:
    task = LeastSquares(0.1)
    x, y = draw(task)
    a, b = x.numpy().T @ x.numpy() / SAMPLES + 0.1 * np.eye(DIM), x.numpy().T @ y.numpy() / SAMPLES
    np.testing.assert_allclose(task.optimum(x, y).w, np.linalg.solve(a, b), rtol=1e-12)


def test_least_squares_optimum_without_unique_solution_is_that_of_least_norm() -> None:
    task = LeastSquares(0.0)
    x, y = draw(task)
    expected = np.linalg.lstsq(x[:3].numpy(), y[:3].numpy(), rcond=None)[0]
    best = task.optimum(x[:3], y[:3])
    np.testing.assert_allclose(best.w, expected, rtol=1e-9)
    assert task.strong_convexity(x[:3]) < 1e-15


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_client_weights_make_the_mean_over_clients(task: ConvexTask) -> None:
    (x, y), w = draw(task), some_w()
    parts = [np.arange(0, 7), np.arange(7, 30), np.arange(30, SAMPLES)]
    weights = client_weights(parts, SAMPLES)
    losses = torch.stack([task.loss(w, x[part], y[part]) for part in parts])
    gradients = torch.stack([task.gradient(w, x[part], y[part]) for part in parts])
    torch.testing.assert_close(task.loss(w, x, y, weights), losses.mean())
    torch.testing.assert_close(task.gradient(w, x, y, weights), gradients.mean(0))
    best = task.optimum(x, y, weights).w
    at_best = torch.stack([task.gradient(best, x[part], y[part]) for part in parts])
    assert at_best.mean(0).norm() < 1e-12
    assert at_best[0].norm() > 1e-3


def test_a_client_without_samples_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="client 1 has 0 samples"):
        client_weights([np.arange(3), np.arange(0)], 3)


def test_logistic_loss_is_exact_at_large_margins() -> None:
    x, y = torch.tensor([[25.0], [-800.0]], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    w = torch.ones(1, dtype=torch.float64)
    assert Logistic(0.0).loss(w, x[:1], y[:1]).item() == pytest.approx(np.log1p(np.exp(-25.0)), rel=1e-13)
    assert Logistic(0.0).loss(w, x[1:], y[1:]).item() == 800.0


def test_logistic_without_ridge_refuses_separable_classes() -> None:
    x = torch.tensor([[1.0, 0.2], [2.0, -0.1], [-1.0, 0.3], [-0.5, 0.1]], dtype=torch.float64)
    y = x[:, 0].sign()
    with pytest.raises(ConfigurationError, match="choose l2 > 0"):
        Logistic(0.0).optimum(x, y)
    best = Logistic(1e-3).optimum(x, y)
    assert Logistic(1e-3).gradient(best.w, x, y).norm() < 1e-12


def test_newton_is_damped_where_full_steps_would_not_converge() -> None:
    rows = [[-1.4, -0.5, -10.2, 18.8], [-1.0, 11.8, 2.4, -2.3], [-1.1, 0.3, -0.6, 0.4], [-0.7, 0.9, 0.2, 0.8]]
    rows += [[-1.3, -9.9, 1.0, 0.9], [-0.8, 2.0, 0.3, 0.3], [0.2, -0.4, 0.7, 2.3]]
    x, y, task = torch.tensor(rows, dtype=torch.float64), torch.ones(7, dtype=torch.float64), Logistic(1e-8)
    best = task.optimum(x, y)
    assert task.gradient(best.w, x, y).norm() < 1e-18
    assert (x @ best.w).min() > 5


def test_logistic_refuses_labels_zero_and_one() -> None:
    x, y = torch.ones(2, 1, dtype=torch.float64), torch.tensor([0.0, 1.0])
    with pytest.raises(ConfigurationError, match=r"label 0 is not -1 or \+1"):
        Logistic(0.1).optimum(x, y)


def test_logistic_accuracy_counts_right_signs() -> None:
    x, w = torch.tensor([[1.0], [2.0], [-1.0], [-3.0]]), torch.ones(1)
    assert Logistic(0.1).evaluate(w, x, torch.tensor([1.0, 1.0, 1.0, -1.0]))["accuracy"] == 0.75


@pytest.mark.parametrize("kind", [LeastSquares, Logistic])
@pytest.mark.parametrize("l2", [-0.1, float("nan"), float("inf")])
def test_a_ridge_below_zero_or_not_finite_is_refused(kind: type[LeastSquares | Logistic], l2: float) -> None:
    with pytest.raises(ConfigurationError, match=f"l2={l2} is not in .*; choose l2 >= 0"):
        kind(l2)
