"""Descents of several models at once do to each what they do to it alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.trainers import Adam, Gradient, Sgd, Solver, Star
from fedkd.vectors import Flat

SHAPES = [(3, 4), (3,), (2, 1, 2, 2)]
DIM, MODELS, SAMPLES = 23, 4, 5
SOLVERS = [
    Gradient(),
    Sgd(0.1, 0.0, 0.0, 0.0),
    Sgd(0.1, 0.0, 0.2, 0.0),
    Sgd(0.1, 0.0, 0.0, 0.7),
    Sgd(0.1, 0.0, 0.2, 0.7),
    Sgd(0.1, 0.9, 0.2, 0.7),
    Adam(0.01, 0.9, 0.99, 1e-8, 0.1, 0.7),
    Star("client", 2.0, 0.1, 0.0),
    Star("client", 2.0, 0.0, 0.7),
]
EVERY = pytest.mark.parametrize("solver", SOLVERS, ids=repr)
GOING = [4, 4, 3, 1]
"""Models that go on at every step."""


def draw(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(key(0, name).generator().standard_normal(shape))


def start(solver: Solver, models: Tensor):
    """A descent from a copy of models [d] or [K, d]."""
    return solver.start(Flat(models.clone(), SHAPES))


def sizes(step: int) -> Tensor:
    """Samples of every model's batch; the weights of a mean gradient."""
    return torch.tensor([5, 2, 7, 1], dtype=torch.float64) + step


def left(step: int) -> Tensor:
    return draw(f"left {step}", MODELS, 3, SAMPLES)


def right(step: int) -> Tensor:
    return draw(f"right {step}", MODELS, SAMPLES, 4)


def give(descent, step: int, models: slice | int, product: bool) -> None:
    """A batch's gradients; the first parameter's as a product, or multiplied out."""
    count = sizes(step)[models]
    descent.begin(count if isinstance(models, slice) else int(count))
    if product:
        descent.give_product(0, left(step)[models], right(step)[models])
    else:
        descent.give(0, left(step)[models] @ right(step)[models])
    for index in (1, 2):
        descent.give(index, draw(f"gradient {step} {index}", MODELS, *SHAPES[index])[models])
    descent.end()


def alone(solver: Solver, model: int, product: bool = False) -> Tensor:
    x = draw("x", MODELS, DIM)[model]
    descent = start(solver, x)
    for step, going in enumerate(GOING):
        if model < going:
            give(descent, step, model, product)
    return descent.update(x)


def together(descent, x: Tensor, product: bool) -> Tensor:
    for step, going in enumerate(GOING):
        descent.narrow(going)
        give(descent, step, slice(going), product)
    return descent.update(x)


@EVERY
@pytest.mark.parametrize("product", [False, True])
def test_models_that_leave_one_after_another(solver: Solver, product: bool) -> None:
    x = draw("x", MODELS, DIM)
    updates = together(start(solver, x), x, product)
    for model in range(MODELS):
        torch.testing.assert_close(updates[model], alone(solver, model, product), rtol=0, atol=1e-12)


@EVERY
def test_a_product_is_the_gradient_multiplied_out(solver: Solver) -> None:
    torch.testing.assert_close(alone(solver, 0, product=True), alone(solver, 0, product=False), rtol=0, atol=1e-12)


@EVERY
def test_nothing_is_left_after_a_restart(solver: Solver) -> None:
    x = draw("x", MODELS, DIM)
    fresh = together(start(solver, x), x, product=False)
    descent = start(solver, x)
    buffer = descent.flat.buffer
    together(descent, x, product=True)
    buffer.copy_(x)
    descent.restart(MODELS)
    assert torch.equal(together(descent, x, product=False), fresh)


@EVERY
def test_a_restart_with_fewer_models_leaves_the_others_alone(solver: Solver) -> None:
    x = draw("x", MODELS, DIM)
    descent = start(solver, x)
    descent.restart(2)
    give(descent, 0, slice(2), product=True)
    kept = start(solver, x[:2])
    give(kept, 0, slice(2), product=True)
    assert torch.equal(descent.update(x[:2]), kept.update(x[:2]))


@EVERY
def test_state_is_changed_where_it_is(solver: Solver) -> None:
    """A recorded step reads and writes the same memory whenever it is replayed."""
    x = draw("x", MODELS, DIM)
    descent = start(solver, x)
    give(descent, 0, slice(MODELS), product=False)
    held = [value for value in vars(descent).values() if isinstance(value, Tensor)]
    flats = [descent.flat, *descent._states, *descent._anchors]
    places = {value.data_ptr() for value in [*held, *(flat.buffer for flat in flats)]}
    give(descent, 1, slice(MODELS), product=False)
    shares = (
        {getattr(descent, "_share", x).data_ptr()} if isinstance(getattr(descent, "_share", None), Tensor) else set()
    )
    now = [value for value in vars(descent).values() if isinstance(value, Tensor)]
    after = {value.data_ptr() for value in [*now, *(flat.buffer for flat in [descent.flat, *descent._states])]}
    assert after - shares <= places


def test_one_batch_gives_its_gradient_exactly() -> None:
    x = draw("x", MODELS, DIM)
    descent = start(Gradient(), x)
    give(descent, 0, slice(MODELS), product=False)
    expected = (left(0) @ right(0)).flatten(1)
    assert torch.equal(descent.update(x)[:, :12], expected)
