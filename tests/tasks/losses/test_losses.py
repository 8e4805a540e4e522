"""Every loss against its restatement, its gradient against differences and autograd, and what each leaves alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from fedkd.errors import ConfigurationError
from fedkd.tasks.losses import (
    Correlation,
    Decoupled,
    Distance,
    Normalised,
    NotTrue,
    Standardised,
    Transformed,
    WeightedTransformed,
    decoupled_terms,
    pearson,
)
from tests.tasks.losses import reference

SAMPLES, CLASSES, TAU = 12, 5, 2.5
CASES: dict[str, tuple[Distance, Callable[..., float]]] = {
    "not-true": (NotTrue(TAU), partial(reference.not_true, tau=TAU)),
    "DKD": (Decoupled(1.5, 4.0, TAU), partial(reference.decoupled, alpha=1.5, beta=4.0, tau=TAU)),
    "LSKD": (Standardised(TAU), partial(reference.standardised, tau=TAU)),
    "DIST": (Correlation(1.0, 3.0, TAU), partial(reference.correlation, inter=1.0, intra=3.0, tau=TAU)),
    "NKD": (Normalised(1.5, TAU), partial(reference.normalised, gamma=1.5, tau=TAU)),
    "TTM": (Transformed(TAU), partial(reference.transformed, tau=TAU)),
    "WTTM": (WeightedTransformed(TAU), partial(reference.weighted_transformed, tau=TAU)),
}
EVERY = pytest.mark.parametrize("name", CASES)


def draw(seed: int = 0, scale: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    random = np.random.default_rng(seed)
    z, f = scale * random.standard_normal((2, SAMPLES, CLASSES))
    return torch.from_numpy(z), torch.from_numpy(f), torch.from_numpy(random.integers(0, CLASSES, SAMPLES))


@EVERY
@pytest.mark.parametrize(("dtype", "relative"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_the_loss_is_that_of_the_reference(name: str, dtype: torch.dtype, relative: float) -> None:
    distance, restated = CASES[name]
    z, f, y = draw()
    found = distance.loss(z.to(dtype), f.to(dtype), y)
    assert (found.shape, found.dtype) == ((), dtype)
    assert found.item() == pytest.approx(restated(z.numpy(), f.numpy(), y.numpy()), rel=relative)


@EVERY
def test_the_slope_is_that_of_the_reference(name: str) -> None:
    distance, restated = CASES[name]
    z, f, y = draw()
    gradient, step = distance.gradient(z, f, y), 1e-5
    for place in ((0, int(y[0])), (0, int(y[0]) - 1), (SAMPLES - 1, 2)):
        ends = []
        for moved in (step, -step):
            at = z.numpy().copy()
            at[place] += moved
            ends.append(restated(at, f.numpy(), y.numpy()))
        assert gradient[place].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-9)


@EVERY
def test_the_gradient_is_that_of_autograd(name: str) -> None:
    distance, _ = CASES[name]
    z, f, y = draw()
    assert torch.autograd.gradcheck(lambda values: distance.loss(values, f, y), z.clone().requires_grad_())
    torch.testing.assert_close(distance.gradient(z, f, y), Distance.gradient(distance, z, f, y), rtol=1e-12, atol=1e-14)


@EVERY
def test_many_models_at_once_are_each_alone(name: str) -> None:
    distance, _ = CASES[name]
    z, f, y = (torch.stack(parts) for parts in zip(*(draw(seed) for seed in range(3)), strict=True))
    losses, gradients = distance.loss(z, f, y), distance.gradient(z, f, y)
    for model in range(3):
        alone = z[model], f[model], y[model]
        torch.testing.assert_close(losses[model], distance.loss(*alone))
        torch.testing.assert_close(gradients[model], distance.gradient(*alone))


@EVERY
def test_vmap_gives_the_same(name: str) -> None:
    distance, _ = CASES[name]
    z, f, y = (torch.stack(parts) for parts in zip(*(draw(seed) for seed in range(3)), strict=True))
    mapped = torch.vmap(torch.func.grad(distance.loss))(z, f, y)
    torch.testing.assert_close(mapped, distance.gradient(z, f, y))


@EVERY
def test_a_separable_loss_is_a_mean_of_one_term_a_sample(name: str) -> None:
    distance, _ = CASES[name]
    z, f, y = draw()
    alone = torch.stack([distance.loss(z[i : i + 1], f[i : i + 1], y[i : i + 1]) for i in range(SAMPLES)])
    assert torch.allclose(alone.mean(), distance.loss(z, f, y)) == distance.separable


@EVERY
def test_the_student_that_answers_as_the_teacher_has_no_distance(name: str) -> None:
    distance, _ = CASES[name]
    _, f, y = draw()
    z = distance.softened(f) if name in ("TTM", "WTTM") else f
    assert distance.gradient(z, f, y).abs().max() < 1e-12 or name == "NKD"
    assert distance.loss(z, f, y).item() == pytest.approx(0, abs=1e-12) or name == "NKD"
    assert distance.loss(z + 5, f + 3, y).item() == pytest.approx(distance.loss(z, f, y).item(), abs=1e-12)


@EVERY
@pytest.mark.parametrize("scale", [1e4, 1e-9, 0.0])
def test_extreme_logits_give_finite_numbers_in_float32(name: str, scale: float) -> None:
    distance, _ = CASES[name]
    z, f, y = draw()
    for student, teacher in ((scale * z, f), (z, scale * f), (scale * z, scale * f)):
        assert distance.loss(student.float(), teacher.float(), y).isfinite()
        assert distance.gradient(student.float(), teacher.float(), y).isfinite().all()


def test_not_true_ignores_both_sides_logit_of_the_label() -> None:
    z, f, y = draw()
    rows = torch.arange(SAMPLES)
    other_z, other_f = z.clone(), f.clone()
    other_z[rows, y], other_f[rows, y] = 100.0, -7.0
    assert torch.equal(NotTrue(TAU).loss(other_z, other_f, y), NotTrue(TAU).loss(z, f, y))
    assert not NotTrue(TAU).gradient(z, f, y)[rows, y].any()


def test_not_true_of_two_classes_says_nothing() -> None:
    z, f, y = draw()
    assert NotTrue(TAU).loss(z[:, :2], f[:, :2], y % 2).item() == 0
    assert not NotTrue(TAU).gradient(z[:, :2], f[:, :2], y % 2).any()


def test_the_usual_divergence_is_decoupled_with_the_teacher_s_doubt_as_weight() -> None:
    z, f, y = draw()
    terms = decoupled_terms(z, f, y, TAU)
    doubt = 1 - torch.softmax(f / TAU, -1)[torch.arange(SAMPLES), y]
    usual = TAU**2 * (terms.target + doubt * terms.other).mean()
    assert usual.item() == pytest.approx(reference.plain(z.numpy(), f.numpy(), y.numpy(), TAU), rel=1e-12)


def test_the_wrong_classes_part_of_dkd_is_not_true_distillation() -> None:
    z, f, y = draw()
    torch.testing.assert_close(Decoupled(0.0, 1.0, TAU).loss(z, f, y), NotTrue(TAU).loss(z, f, y))


def test_dkd_keeps_its_digits_where_both_are_sure() -> None:
    z, f = torch.tensor([[40.0, 0.0, 1.0]]), torch.tensor([[30.0, 0.0, 2.0]])
    exact = Decoupled(1.0, 8.0, 1.0).loss(z.double(), f.double(), torch.tensor([0])).item()
    assert Decoupled(1.0, 8.0, 1.0).loss(z, f, torch.tensor([0])).item() == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(("factor", "shift"), [(10.0, 0.0), (0.1, -4.0), (1.0, 7.0)])
def test_lskd_does_not_see_range_and_zero_point(factor: float, shift: float) -> None:
    z, f, y = draw()
    expected = Standardised(TAU).loss(z, f, y)
    torch.testing.assert_close(Standardised(TAU).loss(factor * z + shift, f, y), expected)
    torch.testing.assert_close(Standardised(TAU).loss(z, factor * f + shift, y), expected)
    assert (Standardised(TAU).gradient(z, f, y) * z).sum(-1).abs().max() < 1e-12, "along z nothing changes"


@pytest.mark.parametrize("dim", [-1, -2])
def test_correlations_are_those_of_numpy_and_see_no_positive_affine_change(dim: int) -> None:
    z, f, _ = draw()
    rows = (z, f) if dim == -1 else (z.T, f.T)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(each.numpy() for each in rows), strict=True)]
    np.testing.assert_allclose(pearson(z, f, dim), expected, rtol=1e-12)
    torch.testing.assert_close(pearson(3 * z + 2, f / 5 - 1, dim), pearson(z, f, dim))
    torch.testing.assert_close(pearson(-z, f, dim), -pearson(z, f, dim))


def test_dist_of_one_sample_has_no_slope_within_classes() -> None:
    z, f, y = (part[:1] for part in draw())
    assert Correlation(0.0, 1.0, TAU).loss(z, f, y).item() == pytest.approx(TAU**2)
    assert not Correlation(0.0, 1.0, TAU).gradient(z, f, y).any()


def test_ttm_s_slope_is_that_of_temperature_scaling_with_a_student_at_one() -> None:
    z, f, y = draw()
    expected = (torch.softmax(z, -1) - torch.softmax(f / TAU, -1)) / SAMPLES
    torch.testing.assert_close(Transformed(TAU).gradient(z, f, y), expected)


def test_wttm_weighs_a_sure_answer_by_one_and_none_at_all_by_the_most() -> None:
    z, sure, none = torch.randn(1, CLASSES), torch.full((1, CLASSES), -1e3), torch.zeros(1, CLASSES)
    sure[0, 1] = 1e3
    for f, weight in ((sure, 1.0), (none, CLASSES ** (1 - 1 / TAU))):
        y = torch.tensor([0])
        ratio = WeightedTransformed(TAU).loss(z, f, y) / Transformed(TAU).loss(z, f, y)
        assert ratio.item() == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize("kind", [type(distance) for distance, _ in CASES.values()])
def test_a_number_out_of_bounds_is_refused_in_one_line(kind: type[Distance]) -> None:
    names = [field.name for field in dataclasses.fields(kind)]
    for name in names:
        values = dict.fromkeys(names, 1.0) | {name: -1.0}
        fix = "choose tau > 0" if name == "tau" else f"choose {name} >= 0"
        with pytest.raises(ConfigurationError, match=rf"^{kind.__name__}: {name}=-1.0 is not .*; {fix}$"):
            kind(**values)
