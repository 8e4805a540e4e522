"""The learned update equals its independent restatement; it may be mapped, and changes nothing in place."""

from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np
import pytest
import torch

from fedkd.keys import key
from fedkd.optimizers import BLACK_BOX, STAR_FORM, Form, Moments, Theta, before, drawn, star_update
from fedkd.optimizers.form import Nominal
from tests.optimizers.forms import FORMS, NOMINALS
from tests.optimizers.restated import Restated

STEPS, CLOSE = 10, 1e-10
SHAPES = {
    "tall": (7, 3),
    "wide": (3, 7),
    "square": (4, 4),
    "vector": (5,),
    "scalar": (),
    "3-D": (2, 5, 4),
    "kernel": (6, 2, 3, 3),
    "ties": (2, 3, 3, 2),
    "one row": (1, 6),
}


def shaken(form: Form, seed: int) -> Theta:
    """Drawn, then with decays moved by up to a factor of e in 1 - d, and biases that are not zero."""
    theta = drawn(form, key(seed, "optimizer"), torch.float64)
    noise = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, form.size))
    noise[:7] /= 10
    noise[7:] /= 3
    return Theta(form, theta.vector + noise)


def gradients(shape: tuple[int, ...], seed: int, steps: int = STEPS) -> np.ndarray:
    """Of sizes over five decades, some of them zero, the first wholly; the last slice of every axis tiny."""
    rng = np.random.default_rng(seed)
    found = rng.standard_normal((steps, *shape)) * 10 ** rng.uniform(-4, 1, (steps, *shape))
    found *= rng.random(found.shape) > 0.2
    for axis in range(1, found.ndim):
        np.moveaxis(found, axis, 0)[-1] *= 1e-6
    found[0] = 0
    return found


def course(theta: Theta, start: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The parameter after every step."""
    params, found = [torch.from_numpy(start.copy())], []
    state = [before(params[0])]
    for step, gradient in enumerate(given):
        params, state = star_update(theta, state, params, [torch.from_numpy(np.array(gradient))], step)
        found.append(params[0].numpy())
    return np.stack(found)


def restated(theta: Theta, start: np.ndarray, given: np.ndarray) -> np.ndarray:
    other, found = Restated(dataclasses.asdict(theta.form), theta.vector.numpy(), start), []
    for gradient in given:
        other.step(np.array(gradient))
        found.append(other.p)
    return np.stack(found)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", FORMS)
def test_ten_steps_equal_the_restatement(name: str, shape: tuple[int, ...]) -> None:
    start, given = np.random.default_rng(1).standard_normal(shape), gradients(shape, 2)
    for theta in (drawn(FORMS[name], key(3, "optimizer"), torch.float64), shaken(FORMS[name], 3)):
        expected = restated(theta, start, given)
        np.testing.assert_allclose(course(theta, start, given), expected, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("name", NOMINALS)
def test_the_restatement_would_notice_every_learned_number(name: str) -> None:
    """Each but those that feed units which ReLU shuts, which no step can see."""
    theta, start, given = shaken(NOMINALS[name], 3), np.ones((3, 4)), gradients((3, 4), 2)
    whole = course(theta, start, given)
    seen = []
    for place in range(theta.form.size):
        moved = theta.vector.clone()
        moved[place] += 0.01
        seen.append(np.abs(course(Theta(theta.form, moved), start, given) - whole).max() > 100 * CLOSE)
    assert all(seen[:7])
    assert np.mean(seen) > 0.7


@pytest.mark.parametrize("name", get_args(Nominal))
def test_without_anything_learned_a_step_is_the_nominal_term(name: str) -> None:
    """The last of three steps, for which means are written out."""
    form = dataclasses.replace(STAR_FORM, nominal=name)
    p, (a, b, c) = np.linspace(-1, 1, 6).reshape(2, 3), np.random.default_rng(4).standard_normal((3, 2, 3))
    theta = Theta(form, torch.zeros(form.size, dtype=torch.float64))
    *_, earlier, last = course(theta, p, np.stack([a, b, c]))
    mean = {d: (1 - d) * (d**2 * a + d * b + c) for d in (0.9, 0.99, 0.999)}
    v = 0.001 * (0.999**2 * a**2 + 0.999 * b**2 + c**2)
    every = (mean[0.9] + mean[0.99] + mean[0.999]) / 3
    direction = {"SGD": c, "SGDM": mean[0.9], "AggMo": every}
    direction |= {"Adam": mean[0.9] / np.sqrt(v + 1e-6), "AdamAggMo": every / np.sqrt(v + 1e-6)}
    np.testing.assert_allclose(last, earlier - form.nominal_step * direction[name], rtol=0, atol=1e-15)


def test_a_black_box_that_learned_nothing_stays_where_it_is() -> None:
    theta = Theta(BLACK_BOX, torch.zeros(BLACK_BOX.size, dtype=torch.float64))
    start = np.random.default_rng(5).standard_normal((4, 3))
    assert (course(theta, start, gradients((4, 3), 6)) == start).all()


def many(form: Form, shape: tuple[int, ...], count: int) -> tuple[list[Theta], torch.Tensor, torch.Tensor]:
    """Thetas, parameters and gradients of several models."""
    thetas = [shaken(form, seed) for seed in range(count)]
    p = torch.from_numpy(np.random.default_rng(7).standard_normal((count, *shape)))
    return thetas, p, torch.from_numpy(gradients((count, *shape), 8, steps=4))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("own", [True, False], ids=["own thetas", "one theta"])
def test_mapped_over_models_it_is_a_loop(shape: tuple[int, ...], own: bool) -> None:
    form, count = NOMINALS["AdamAggMo"], 3
    thetas, params, given = many(form, shape, count)
    if not own:
        thetas = [thetas[0]] * count
    vectors = torch.stack([theta.vector for theta in thetas]) if own else thetas[0].vector

    def one(vector: torch.Tensor, state: Moments, p: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, Moments]:
        [changed], [after] = star_update(Theta(form, vector), [state], [p], [g], step)
        return changed, after

    mapped, state = params, before(params, models=count)
    singles, states = list(params), [before(p) for p in params]
    for step, gradient in enumerate(given):
        mapped, state = torch.func.vmap(one, in_dims=(0 if own else None, 0, 0, 0))(vectors, state, mapped, gradient)
        for at in range(count):
            [singles[at]], [states[at]] = star_update(thetas[at], [states[at]], [singles[at]], [gradient[at]], step)
    np.testing.assert_allclose(mapped, torch.stack(singles), rtol=1e-12, atol=1e-12)
    for part, parts in zip(state, zip(*states, strict=True), strict=True):
        np.testing.assert_allclose(part, torch.stack(parts), rtol=1e-12, atol=1e-12)


def test_several_tensors_are_as_many_updates() -> None:
    theta, rng = shaken(NOMINALS["AdamAggMo"], 0), np.random.default_rng(9)
    params = [torch.from_numpy(rng.standard_normal(shape)) for shape in ((7, 3), (5,))]
    grads = [torch.from_numpy(rng.standard_normal(p.shape)) for p in params]
    together, _ = star_update(theta, [before(p) for p in params], params, grads, 3)
    for found, p, g in zip(together, params, grads, strict=True):
        assert torch.equal(found, star_update(theta, [before(p)], [p], [g], 3)[0][0])


def test_a_step_may_be_a_tensor_and_counts() -> None:
    theta, p = shaken(NOMINALS["AdamAggMo"], 0), torch.ones(3, 2, dtype=torch.float64)

    def at(step: int | torch.Tensor) -> torch.Tensor:
        return star_update(theta, [before(p)], [p], [p / 3], step)[0][0]

    assert torch.equal(at(torch.tensor(7)), at(7))
    assert (at(7) - at(8)).abs().max() > 1e-6


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_nothing_is_changed_in_place(shape: tuple[int, ...]) -> None:
    theta, (gradient, other) = shaken(STAR_FORM, 0), torch.from_numpy(gradients(shape, 10, steps=3))[1:]
    p = torch.ones(shape, dtype=torch.float64)
    [p], [state] = star_update(theta, [before(p)], [p], [gradient], 0)
    given = [theta.vector, p, other, *state]
    kept = [each.clone() for each in given]
    [changed], [after] = star_update(theta, [state], [p], [other], 1)
    assert all(torch.equal(now, then) for now, then in zip(given, kept, strict=True))
    places = {each.untyped_storage().data_ptr() for each in given if each.numel()}
    assert not places & {each.untyped_storage().data_ptr() for each in (changed, *after) if each.numel()}
