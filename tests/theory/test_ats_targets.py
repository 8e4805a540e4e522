"""Properties of the ATS target and of its decomposition, in float64, against a NumPy restatement."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedkd.tasks import decomposition
from fedkd.tasks.targets import distillation_loss, target, taus

SAMPLES, CLASSES = 200, 7
TAU_TRUE, TAU_OTHER = 3.0, 2.0


def draw(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 4 * rng.standard_normal((SAMPLES, CLASSES)), rng.integers(0, CLASSES, SAMPLES)


def softmax(rows: np.ndarray) -> np.ndarray:
    shifted = np.exp(rows - rows.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def reference_target(logits: np.ndarray, y: np.ndarray, tau_true: float, tau_other: float) -> np.ndarray:
    """One sample after another, one class after another."""
    rows = []
    for f, label in zip(logits, y, strict=True):
        rows.append(softmax(np.array([f[c] / (tau_true if c == label else tau_other) for c in range(len(f))])))
    return np.stack(rows)


def wrong(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The wrong classes of every row, [n, C - 1], in their order."""
    return np.stack([np.delete(row, label) for row, label in zip(rows, y, strict=True)])


def target_of(logits: np.ndarray, y: np.ndarray, tau_true: float, tau_other: float) -> np.ndarray:
    return target(torch.from_numpy(logits), torch.from_numpy(y), tau_true, tau_other).numpy()


def test_taus_are_tau_true_at_the_label_and_tau_other_elsewhere() -> None:
    expected = [[2.0, 3.0, 2.0], [3.0, 2.0, 2.0]]
    assert taus(torch.tensor([1, 0]), 3, tau_true=3.0, tau_other=2.0).tolist() == expected


def test_target_equals_the_numpy_reference() -> None:
    logits, y = draw()
    expected = reference_target(logits, y, TAU_TRUE, TAU_OTHER)
    np.testing.assert_allclose(target_of(logits, y, TAU_TRUE, TAU_OTHER), expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
def test_equal_temperatures_are_plain_temperature_scaling_bit_for_bit(tau: float, dtype: torch.dtype) -> None:
    logits, y = draw()
    f = torch.from_numpy(logits).to(dtype)
    assert torch.equal(target(f, torch.from_numpy(y), tau, tau), torch.softmax(f / tau, -1))


def test_da_is_the_mean_of_the_wrong_probabilities() -> None:
    logits, y = draw()
    q = target_of(logits, y, TAU_TRUE, TAU_OTHER)
    measured = decomposition.derived_average(torch.from_numpy(q), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(measured, wrong(q, y).mean(1), rtol=1e-13)
    np.testing.assert_allclose(measured, (1 - q[np.arange(SAMPLES), y]) / (CLASSES - 1), atol=1e-15)


def test_da_of_an_over_confident_teacher_keeps_its_digits_in_float32() -> None:
    f = torch.tensor([[30.0, 1.0, 0.0]])
    q = target(f, torch.tensor([0]), 1.0, 1.0)
    exact = (np.exp(-29.0) + np.exp(-30.0)) / (1 + np.exp(-29.0) + np.exp(-30.0)) / 2
    assert decomposition.derived_average(q, torch.tensor([0])).item() == pytest.approx(exact, rel=1e-6)


def test_dv_and_iv_are_variances_of_the_wrong_classes() -> None:
    logits, y = draw()
    f, labels = torch.from_numpy(logits), torch.from_numpy(y)
    q = target(f, labels, TAU_TRUE, TAU_OTHER)
    dv = decomposition.derived_variance(q, labels).numpy()
    iv = decomposition.inherent_variance(f, labels, TAU_OTHER).numpy()
    np.testing.assert_allclose(dv, wrong(q.numpy(), y).var(1), rtol=1e-10, atol=1e-18)
    np.testing.assert_allclose(iv, softmax(wrong(logits, y) / TAU_OTHER).var(1), rtol=1e-10)


def test_dv_is_the_square_of_da_times_iv() -> None:
    logits, y = draw()
    f, labels = torch.from_numpy(logits), torch.from_numpy(y)
    q = target(f, labels, TAU_TRUE, TAU_OTHER)
    dv = decomposition.derived_variance(q, labels)
    da = decomposition.derived_average(q, labels)
    iv = decomposition.inherent_variance(f, labels, TAU_OTHER)
    assert (dv - (CLASSES - 1) ** 2 * da**2 * iv).abs().max() < 1e-15


@pytest.mark.parametrize("tau_student", [1.0, 2.5])
def test_three_terms_sum_to_the_cross_entropy(tau_student: float) -> None:
    logits, y = draw()
    student = np.random.default_rng(1).standard_normal(logits.shape)
    q = target_of(logits, y, TAU_TRUE, TAU_OTHER)
    terms = decomposition.decompose(torch.from_numpy(student), torch.from_numpy(q), torch.from_numpy(y), tau_student)
    log_p = np.log(softmax(student / tau_student))
    e = wrong(q, y).mean(1)
    rows = np.arange(SAMPLES)
    np.testing.assert_allclose(terms.correct, -q[rows, y] * log_p[rows, y], rtol=1e-12)
    np.testing.assert_allclose(terms.smooth, -e * wrong(log_p, y).sum(1), rtol=1e-12)
    np.testing.assert_allclose(sum(terms).numpy(), -(q * log_p).sum(1), rtol=1e-12)


def test_entropy_is_in_nats_and_defined_at_zero_probability() -> None:
    q = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    np.testing.assert_allclose(decomposition.entropy(q), [np.log(2), 0.0], atol=1e-16)


def test_agreement_is_the_fraction_of_equal_argmax() -> None:
    student = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    teacher = torch.tensor([[3.0, 1.0], [0.0, 1.0], [0.0, 5.0], [0.0, 5.0]])
    assert decomposition.agreement(student, teacher).item() == 0.75


@pytest.mark.parametrize("tau_student", [1.0, 2.0])
def test_gradient_of_the_loss_is_tau_student_times_p_minus_q(tau_student: float) -> None:
    logits, y = draw()
    q = target_of(logits, y, TAU_TRUE, TAU_OTHER)
    student = np.random.default_rng(1).standard_normal(logits.shape)
    z = torch.from_numpy(student).requires_grad_()
    distillation_loss(z, torch.from_numpy(q), tau_student).backward()
    expected = tau_student * (softmax(student / tau_student) - q) / SAMPLES
    np.testing.assert_allclose(z.grad, expected, rtol=1e-12, atol=1e-17)


def test_loss_of_extreme_student_logits_is_finite_in_float32() -> None:
    z = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = distillation_loss(z, torch.tensor([[0.2, 0.3, 0.5]]), 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(0.3 * 2e4 + 0.5 * 1e4)
    assert z.grad.isfinite().all()
