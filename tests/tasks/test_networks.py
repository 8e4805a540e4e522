"""Supervised, Distillation and Matching: losses against NumPy, diagnostics in their order, refused values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from fedkd.errors import ConfigurationError
from fedkd.tasks import Batch, Distillation, Matching, Supervised, Task, decomposition
from fedkd.tasks.losses import Correlation, NotTrue, Standardised

SAMPLES, CLASSES = 40, 6
ATS = Distillation(
    tau_true=4.0,
    tau_other=2.0,
    tau_student=1.5,
    kd_weight=0.3,
    center="none",
    clamp=False,
    label_smoothing=0.0,
    schedules={},
)
PLAIN = dataclasses.replace(ATS, tau_student=1.0)
SMOOTHED = [dataclasses.replace(task, label_smoothing=0.2) for task in (ATS, PLAIN)]
NOT_TRUE = Matching(label_weight=0.7, kd_weight=1.3, label_smoothing=0.2, distance=NotTrue(2.0), schedules={})
LSKD = dataclasses.replace(NOT_TRUE, distance=Standardised(2.0))
DIST = dataclasses.replace(NOT_TRUE, distance=Correlation(1.0, 2.0, 1.5))


def draw(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Batch]:
    """Student logits and a batch whose teacher is right on half of the samples."""
    rng = np.random.default_rng(0)
    student, teacher = 3 * rng.standard_normal((2, SAMPLES, CLASSES))
    y = rng.integers(0, CLASSES, SAMPLES)
    y[::2] = teacher.argmax(1)[::2]
    batch = Batch(torch.empty(SAMPLES, 0), torch.from_numpy(y), torch.from_numpy(teacher).to(dtype))
    return torch.from_numpy(student).to(dtype), batch


def log_softmax(rows: np.ndarray) -> np.ndarray:
    top = rows.max(1, keepdims=True)
    return rows - top - np.log(np.exp(rows - top).sum(1, keepdims=True))


def reference_distillation(task: Distillation, student: Tensor, batch: Batch) -> float:
    z, f, y = student.double().numpy(), batch.teacher.double().numpy(), batch.y.numpy()
    rows = np.arange(len(y))
    temperatures = np.full(f.shape, task.tau_other)
    temperatures[rows, y] = task.tau_true
    q = np.exp(log_softmax(f / temperatures))
    kd = -(q * log_softmax(z / task.tau_student)).sum(1).mean() * task.tau_student**2
    return (1 - task.kd_weight) * reference_labels(z, y, task.label_smoothing) + task.kd_weight * kd


def reference_labels(z: np.ndarray, y: np.ndarray, smoothing: float) -> float:
    log_p = log_softmax(z)
    return -(1 - smoothing) * log_p[np.arange(len(y)), y].mean() - smoothing * log_p.mean()


@pytest.mark.parametrize(("dtype", "rel"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
@pytest.mark.parametrize("task", [ATS, PLAIN, *SMOOTHED], ids=repr)
def test_distillation_loss_equals_the_numpy_reference(task: Distillation, dtype: torch.dtype, rel: float) -> None:
    student, batch = draw(dtype)
    expected = reference_distillation(task, student, batch)
    assert task.loss(student, batch).item() == pytest.approx(expected, rel=rel)


def test_distillation_gradient_is_the_weighted_sum_of_both_terms() -> None:
    student, batch = draw()
    z = student.clone().requires_grad_()
    ATS.loss(z, batch).backward()
    q = ATS.target(batch.teacher, batch.y)
    label = torch.nn.functional.one_hot(batch.y, CLASSES)
    supervised = torch.softmax(student, -1) - label
    distilled = ATS.tau_student * (torch.softmax(student / ATS.tau_student, -1) - q)
    torch.testing.assert_close(z.grad, (0.7 * supervised + 0.3 * distilled) / SAMPLES)


@pytest.mark.parametrize(
    "task", [Supervised(0.0), Supervised(0.2), ATS, PLAIN, *SMOOTHED, NOT_TRUE, LSKD, DIST], ids=repr
)
def test_closed_gradient_is_that_of_the_loss(task: Task) -> None:
    student, batch = draw()
    z = student.clone().requires_grad_()
    task.loss(z, batch).backward()
    torch.testing.assert_close(task.gradient(student, batch), z.grad)
    aim = task.aim(batch, CLASSES, student.dtype)
    assert torch.equal(task.gradient(student, batch._replace(aim=aim)), task.gradient(student, batch))


@pytest.mark.parametrize("task", [Supervised(0.2), ATS, *SMOOTHED, NOT_TRUE, LSKD], ids=repr)
def test_closed_gradient_of_many_clients_is_that_of_each(task: Task) -> None:
    student, batch = draw()
    many = Batch(*(part.unflatten(0, (4, 10)) for part in batch[:3]))
    together = task.gradient(student.unflatten(0, (4, 10)), many)
    for client in range(4):
        alone = Batch(*(part[client] for part in many[:3]))
        expected = task.gradient(student.unflatten(0, (4, 10))[client], alone)
        torch.testing.assert_close(together[client], expected, rtol=1e-13, atol=1e-15)


def test_matching_weighs_labels_and_distance() -> None:
    student, batch = draw()
    labels = reference_labels(student.numpy(), batch.y.numpy(), 0.2)
    distance = NOT_TRUE.distance.loss(student, batch.teacher, batch.y).item()
    assert NOT_TRUE.loss(student, batch).item() == pytest.approx(0.7 * labels + 1.3 * distance, rel=1e-13)


def test_matching_without_weight_is_supervised_learning() -> None:
    student, batch = draw()
    task = dataclasses.replace(NOT_TRUE, label_weight=1.0, kd_weight=0.0)
    assert task.loss(student, batch).item() == Supervised(0.2).loss(student, batch).item()


@pytest.mark.parametrize("task", [NOT_TRUE, LSKD], ids=["not-true", "LSKD"])
def test_matching_diagnoses_the_softmax_that_it_compares_with(task: Matching) -> None:
    student, batch = draw()
    f, y = batch.teacher, batch.y
    if task is LSKD:
        f = (f - f.mean(-1, keepdim=True)) / f.std(-1, correction=0, keepdim=True)
    q = torch.softmax(f / 2, -1)
    measured = dict(zip(task.metrics, task.diagnose(student, batch), strict=True))
    assert measured["train_loss"] == task.loss(student, batch).item()
    assert measured["DA"] == pytest.approx(decomposition.derived_average(q, y).mean().item())
    assert measured["IV"] == pytest.approx(decomposition.inherent_variance(f, y, 2.0).mean().item())
    assert measured["inversion_rate"] == 0


def test_distillation_without_weight_is_supervised_learning() -> None:
    student, batch = draw()
    task = dataclasses.replace(ATS, kd_weight=0.0)
    assert task.loss(student, batch).item() == Supervised(0.0).loss(student, batch).item()


def test_center_and_clamp_reach_the_target() -> None:
    student, batch = draw()
    losses = {
        dataclasses.replace(ATS, center=center, clamp=clamp).loss(student, batch).item()
        for center in ("none", "mean", "wrong_mean")
        for clamp in (False, True)
    }
    assert len(losses) == 6


@pytest.mark.parametrize("task", [ATS, NOT_TRUE], ids=["ATS", "not-true"])
def test_distillation_without_teacher_is_refused(task: Task) -> None:
    student, batch = draw()
    with pytest.raises(ConfigurationError, match="teacher=None gives no logits; choose teacher="):
        task.loss(student, batch._replace(teacher=None))


def test_label_smoothing_mixes_the_uniform_target() -> None:
    student, batch = draw()
    log_p = log_softmax(student.numpy())
    expected = -0.8 * log_p[np.arange(SAMPLES), batch.y.numpy()].mean() - 0.2 * log_p.mean()
    assert Supervised(0.2).loss(student, batch).item() == pytest.approx(expected, rel=1e-13)


def test_distillation_diagnoses_what_its_metrics_name() -> None:
    student, batch = draw()
    f, y = batch.teacher, batch.y
    q = ATS.target(f, y)
    measured = dict(zip(ATS.metrics, ATS.diagnose(student, batch), strict=True))
    assert measured["train_loss"] == ATS.loss(student, batch).item()
    assert measured["train_accuracy"] == (student.argmax(1) == y).double().mean().item()
    assert measured["DA"] == decomposition.derived_average(q, y).mean().item()
    assert measured["DV"] == decomposition.derived_variance(q, y).mean().item()
    assert measured["IV"] == decomposition.inherent_variance(f, y, ATS.tau_other).mean().item()
    assert measured["entropy"] == pytest.approx(-(q * q.log()).sum(1).mean().item())
    assert measured["agreement"] == (student.argmax(1) == f.argmax(1)).double().mean().item()
    lost = (f.argmax(1) == y) & (q.argmax(1) != y)
    assert measured["inversion_rate"] == lost.double().mean().item() > 0


def test_clamp_leaves_no_inversion() -> None:
    student, batch = draw()
    task = dataclasses.replace(ATS, clamp=True)
    assert dict(zip(task.metrics, task.diagnose(student, batch), strict=True))["inversion_rate"] == 0.0


def test_supervised_diagnoses_what_its_metrics_name() -> None:
    student, batch = draw()
    task = Supervised(0.1)
    loss, accuracy = task.diagnose(student, batch)
    assert task.metrics == ("train_loss", "train_accuracy")
    assert loss == task.loss(student, batch).item()
    assert accuracy == (student.argmax(1) == batch.y).double().mean().item()


@pytest.mark.parametrize("task", [Supervised(0.3), ATS], ids=["supervised", "distillation"])
def test_evaluation_is_plain_cross_entropy_and_accuracy(task: Task) -> None:
    outputs = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    result = task.evaluate(outputs, torch.tensor([0, 1, 1]))
    expected = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-1)) + np.log1p(np.exp(1))) / 3
    assert result["loss"] == pytest.approx(expected, rel=1e-13)
    assert result["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("field", "value", "fix"),
    [
        ("tau_true", 0.0, "choose tau_true > 0"),
        ("tau_other", float("nan"), "choose tau_other > 0"),
        ("tau_student", float("inf"), "choose tau_student > 0"),
        ("kd_weight", 1.5, "choose 0 <= kd_weight <= 1"),
        ("center", "median", "choose one of none, mean, wrong_mean"),
        ("label_smoothing", 1.0, "choose 0 <= label_smoothing < 1"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_with_the_fix(field: str, value: object, fix: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        dataclasses.replace(ATS, **{field: value})
    message = str(error.value)
    assert message.startswith(f"Distillation: {field}={value!r}" if field == "center" else "Distillation: ")
    assert str(value) in message
    assert message.endswith(fix)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("field", "value", "fix"),
    [
        ("label_weight", -1.0, "choose label_weight >= 0"),
        ("kd_weight", float("nan"), "choose kd_weight >= 0"),
        ("label_smoothing", -0.1, "choose 0 <= label_smoothing < 1"),
    ],
)
def test_a_bad_weight_is_refused_in_one_line_with_the_fix(field: str, value: float, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^Matching: {field}={value} is .*; {fix}$"):
        dataclasses.replace(NOT_TRUE, **{field: value})


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_label_smoothing_outside_its_range_is_refused(smoothing: float) -> None:
    with pytest.raises(ConfigurationError, match=f"label_smoothing={smoothing} is outside"):
        Supervised(smoothing)
