"""The compiled update has the formulas' numbers, wherever tensors lie; what loops do not serve, formulas do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.optimizers import Form, Moments, Theta, before, drawn, star_update, star_update_
from fedkd.optimizers.compiled.call import advanced
from fedkd.optimizers.compiled.compiler import compiled
from fedkd.optimizers.compiled.exponential import exponential
from fedkd.vectors import Flat
from fedkd_compression.kernels import use_threads
from tests.optimizers.forms import FORMS, LOUD_FORM

STEPS = 10
KINDS = pytest.mark.parametrize("kind", [torch.float64, torch.float32], ids=["float64", "float32"])
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5}
SHAPES = [(), (1,), (7,), (300,), (64, 32), (10, 64), (16, 16), (1, 6), (5, 1), (1, 1), (3, 700), (700, 3)]
DEEPER = [
    (4, 3, 5),
    (6, 4, 3, 3),
    (4, 6, 3, 3),
    (3, 3, 3, 3),
    (32, 1, 5, 5),
    (2, 2, 5, 7),
    (2, 3, 40, 30),
    (40, 30, 3, 3),
]


def shaken(form: Form, kind: torch.dtype, models: int | None = None) -> Theta:
    """Drawn, with decays and biases that are moved; or one for each of several models."""
    vectors = []
    for seed in range(models or 1):
        noise = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, form.size)) / 3
        noise[:7] /= 10
        vectors.append(drawn(form, key(seed, "optimizer"), torch.float64).vector + noise)
    return Theta(form, (vectors[0] if models is None else torch.stack(vectors)).to(kind))


def normal(kind: torch.dtype, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(kind)


def start(params: list[Tensor]) -> tuple[list[Moments], list[Tensor], list[Tensor]]:
    """State, parameters and gradients of one."""
    return [before(one) for one in params], params, [torch.ones_like(one) for one in params]


def copied(state: list[Moments]) -> list[Moments]:
    return [Moments(*[part.clone() for part in moments]) for moments in state]


def alike(found: Tensor, expected: Tensor) -> None:
    """To rounding, of an element or of the largest in its tensor."""
    close, most = CLOSE[found.dtype], float(expected.abs().max()) if expected.numel() else 0.0
    torch.testing.assert_close(found, expected, rtol=close, atol=close * most)


def compare(theta: Theta, params: list[Tensor], grads: list[list[Tensor]], steps: list | None = None) -> None:
    """Ten steps both ways, the second in place and without any tensor left to formulas."""
    expected, after, state = params, [before(one) for one in params], [before(one) for one in params]
    params = [one.clone() for one in params]
    for index, gradients in enumerate(grads):
        step = index if steps is None else steps[index]
        expected, after = star_update(theta, after, expected, gradients, step)
        assert advanced(theta, state, params, gradients, step) == []
    for one, other, kept, moments in zip(params, expected, state, after, strict=True):
        alike(one, other)
        for part, same in zip(kept, moments, strict=True):
            alike(part, same)


@KINDS
@pytest.mark.parametrize("shape", SHAPES + DEEPER, ids=str)
def test_every_shape_has_the_formulas_numbers(shape: tuple[int, ...], kind: torch.dtype) -> None:
    grads = [[normal(kind, *shape, seed=1 + step)] for step in range(STEPS)]
    compare(shaken(LOUD_FORM, kind), [normal(kind, *shape)], grads)


@KINDS
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_has_the_formulas_numbers(form: Form, kind: torch.dtype) -> None:
    grads = [[normal(kind, *shape, seed=step) for shape in ((20, 30), (9,))] for step in range(STEPS)]
    compare(shaken(form, kind), [normal(kind, 20, 30), normal(kind, 9)], grads)


@KINDS
@pytest.mark.parametrize("shape", [shape for shape in DEEPER if len(shape) == 4], ids=str)
def test_channels_may_be_innermost(shape: tuple[int, ...], kind: torch.dtype) -> None:
    def turned(x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)

    grads = [[turned(normal(kind, *shape, seed=1 + step))] for step in range(STEPS)]
    compare(shaken(LOUD_FORM, kind), [turned(normal(kind, *shape))], grads)


@KINDS
def test_gradients_of_many_sizes_and_none(kind: torch.dtype) -> None:
    """Five decades, a fifth of them zero, one row and one column of next to nothing; the first zero wholly."""
    grads = []
    for step in range(STEPS):
        rng = np.random.default_rng(step)
        g = rng.standard_normal((12, 31)) * 10 ** rng.uniform(-4, 1, (12, 31)) * (rng.random((12, 31)) > 0.2)
        g[-1] *= 1e-6
        g[:, -1] *= 1e-6
        grads.append([torch.from_numpy(g * (step > 0)).to(kind)])
    compare(shaken(LOUD_FORM, kind), [normal(kind, 12, 31)], grads)


@pytest.mark.parametrize("own", [False, True], ids=["one theta", "their own"])
@pytest.mark.parametrize("staggered", [False, True], ids=["one step", "their own steps"])
@KINDS
def test_several_models_have_the_numbers_of_each_alone(own: bool, staggered: bool, kind: torch.dtype) -> None:
    models, shapes = 5, [(10, 64), (), (7,), (4, 3, 3, 3)]
    dim = sum(math.prod(shape) for shape in shapes)
    theta = shaken(LOUD_FORM, kind, models if own else None)
    many = Flat(normal(kind, models, dim), shapes)
    states = [[before(one) for one in many.row(model).views] for model in range(models)]
    expected = [[one.clone() for one in many.row(model).views] for model in range(models)]
    state = [before(one, models) for one in many.views]
    for step in range(STEPS):
        grads = Flat(normal(kind, models, dim, seed=1 + step), shapes)
        at = 3 * torch.arange(models) + step if staggered else step
        assert advanced(theta, state, many.views, grads.views, at, models) == []
        for model in range(models):
            one = Theta(theta.form, theta.vector[model]) if own else theta
            when = at[model] if isinstance(at, Tensor) else at
            gradients = grads.row(model).views
            expected[model], states[model] = star_update(one, states[model], expected[model], gradients, when)
    for model in range(models):
        for found, kept, one, moments in zip(many.views, state, expected[model], states[model], strict=True):
            alike(found[model], one)
            for part, same in zip(kept, moments, strict=True):
                alike(part[model], same)


def test_a_step_may_be_a_tensor_and_is_far_from_the_last() -> None:
    params, grads = [normal(torch.float64, 5, 4)], [[normal(torch.float64, 5, 4, seed=1)]] * 3
    compare(shaken(LOUD_FORM, torch.float64), params, grads, [torch.tensor(0), torch.tensor(7), 10**5])


@KINDS
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("shape", [(6,), (5, 300), (4, 3, 3, 3)], ids=str)
def test_what_is_not_finite_stays_so_in_its_tensor_alone(
    shape: tuple[int, ...], wrong: float, kind: torch.dtype
) -> None:
    theta, params = shaken(LOUD_FORM, kind), [normal(kind, *shape), normal(kind, 3, 2)]
    grads = [normal(kind, *shape, seed=1), normal(kind, 3, 2, seed=1)]
    grads[0].view(-1)[2] = wrong
    (expected, fine), _ = star_update(theta, [before(one) for one in params], params, grads, 0)
    advanced(theta, [before(one) for one in params], params, grads, 0)
    assert bool(expected.isnan().all())
    assert bool(params[0].isnan().all())
    alike(params[1], fine)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 4)], ids=str)
def test_a_tensor_without_elements_is_left_alone(shape: tuple[int, ...]) -> None:
    theta, params = shaken(LOUD_FORM, torch.float32), [torch.zeros(shape), normal(torch.float32, 3, 2)]
    expected, _ = star_update(theta, *start(params[1:]), 0)
    star_update_(theta, *start(params), 0)
    alike(params[1], expected[0])


@pytest.mark.parametrize(
    "gradient",
    [
        lambda g: g.contiguous(memory_format=torch.channels_last),
        lambda g: g.transpose(0, 1).contiguous().transpose(0, 1),
        lambda g: g[:, :1].expand_as(g),
    ],
    ids=["channels last", "turned", "expanded"],
)
def test_a_gradient_may_lie_otherwise(gradient) -> None:
    params, grads = [normal(torch.float64, 4, 5, 3, 2)], [gradient(normal(torch.float64, 4, 5, 3, 2, seed=1))]
    compare(shaken(LOUD_FORM, torch.float64), params, [grads] * 2)


@pytest.mark.parametrize(
    "parameter",
    [
        normal(torch.float32, 6, 8)[:, ::2],
        normal(torch.float32, 6, 8).to(torch.bfloat16),
        normal(torch.float32, 6, 8).T[2:5, 1:3],
    ],
    ids=["strided", "bfloat16", "cut"],
)
def test_formulas_serve_what_loops_do_not(parameter: Tensor) -> None:
    theta, other = shaken(LOUD_FORM, torch.float32), normal(torch.float32, 3)
    state, params, grads = start([other, parameter])
    expected, after = star_update(theta, copied(state), params, grads, 4)
    assert advanced(theta, copied(state), [other.clone(), parameter], grads, 4) == [1]
    star_update_(theta, state, params, grads, 4)
    alike(params[0], expected[0])
    assert torch.equal(params[1], expected[1]), "the very same numbers"
    assert all(torch.equal(part, same) for part, same in zip(state[1], after[1], strict=True))


def test_moments_that_lie_otherwise_are_left_to_formulas() -> None:
    """As those of a file, in which everything is contiguous."""
    parameter = normal(torch.float32, 4, 5, 3, 2).contiguous(memory_format=torch.channels_last)
    state, params, grads = start([parameter])
    read = [Moments(*[part.contiguous() for part in state[0]])]
    expected, _ = star_update(shaken(LOUD_FORM, torch.float32), copied(read), params, grads, 0)
    star_update_(shaken(LOUD_FORM, torch.float32), read, params, grads, 0)
    assert torch.equal(params[0], expected[0])


def test_a_theta_of_another_type_is_converted() -> None:
    theta, (state, params, grads) = shaken(LOUD_FORM, torch.float64), start([normal(torch.float32, 4, 5)])
    expected, _ = star_update(theta, copied(state), params, grads, 0)
    star_update_(theta, state, params, grads, 0)
    alike(params[0], expected[0])


def test_results_are_the_same_bits_for_any_number_of_threads() -> None:
    theta, found = shaken(LOUD_FORM, torch.float32), []
    for threads in (1, 3):
        params = [normal(torch.float32, 4, 300, 300), normal(torch.float32, 4, 70_000)]
        state = [before(one, 4) for one in params]
        with use_threads(threads):
            for step in range(2):
                star_update_(theta, state, params, [one + step for one in params], step, 4)
        found.append([*params, *state[0], *state[1]])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_autograd_notices_that_a_parameter_was_changed() -> None:
    parameter = normal(torch.float32, 3, 3).requires_grad_()
    loss = (parameter * parameter).sum()
    star_update_(shaken(LOUD_FORM, torch.float32), *start([parameter]), 0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@compiled
def _exponentials(x, out):
    for j in range(x.size):
        out[j] = exponential(x[j])


@pytest.mark.parametrize(("kind", "least", "most"), [(np.float32, -87.3, 88.7), (np.float64, -708.3, 709.7)])
def test_the_exponential_is_exact_to_a_unit_of_its_last_place(kind, least, most) -> None:
    x = np.concatenate([np.linspace(least, most, 200_001), np.linspace(-1, 1, 200_001)]).astype(kind)
    _exponentials(x, out := np.empty_like(x))
    expected = np.exp(x.astype(np.longdouble))
    assert float(np.max(np.abs(out - expected) / expected)) < np.finfo(kind).eps


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_exponential_ends_as_it_should(kind) -> None:
    x = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e4, -1e4], kind)
    _exponentials(x, out := np.empty_like(x))
    np.testing.assert_array_equal(out, np.array([math.nan, math.inf, 0, 1, 1, math.inf, 0], kind))
