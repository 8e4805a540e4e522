"""The server's STAR steps are the learned update of every tensor by itself, from G in units of a gradient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedkd.algorithms import Carrying, Momentum, Star, fitted
from fedkd.build import build
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.optimizers import before, read_theta, star_update
from fedkd.optimizers.scaled import scaled
from fedkd_compression import Named
from tests.e2e.runs import RESSL, SUPERVISED, run, settings_of

TENSORS = (Named("a", (4, 3)), Named("b", (4,)), Named("c", (2, 1, 3, 3)), Named("d", ()))
DIM, ROUNDS, STEP, UNIT = 35, 5, 2.0, 0.3
PLAIN = Star("server", STEP, UNIT)


def draw(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(key(0, name).generator().standard_normal(shape))


MEANS, W = draw("means", ROUNDS, DIM), draw("w", DIM)


def rounds(optimizer: Star | Carrying, model: Tensor, means: Tensor) -> Tensor:
    """The model after every round."""
    state, models = optimizer.start(model), []
    for mean in means:
        step, state = optimizer.step(mean, state, model)
        model = model - step
        models.append(model)
    return torch.stack(models)


def by_hand(shapes: list[tuple[int, ...]]) -> Tensor:
    def cut(vector: Tensor) -> list[Tensor]:
        parts = vector.split([torch.Size(shape).numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    theta = read_theta("server")
    theta = scaled(theta, STEP, theta.form.weight_decay)
    params, models = cut(W), []
    state = [before(part) for part in params]
    for number, mean in enumerate(MEANS):
        params, state = star_update(theta, state, params, cut(mean / UNIT), number)
        models.append(torch.cat([part.flatten() for part in params]))
    return torch.stack(models)


@pytest.mark.parametrize("tensors", [TENSORS, ()], ids=["shaped", "one vector"])
def test_steps_are_those_of_the_pure_function(tensors: tuple[Named, ...]) -> None:
    expected = by_hand([tensor.shape for tensor in tensors] or [(DIM,)])
    torch.testing.assert_close(rounds(PLAIN.shaped(tensors, 7.0), W, MEANS), expected, rtol=0, atol=1e-12)


def test_shapes_matter() -> None:
    apart = rounds(PLAIN.shaped(TENSORS, UNIT), W, MEANS) - rounds(PLAIN, W, MEANS)
    assert apart.abs().max() > 1e-6


def test_only_the_quotient_of_mean_and_unit_matters() -> None:
    whole, half = rounds(PLAIN, W, MEANS), rounds(replace(PLAIN, unit=UNIT / 2), W, MEANS / 2)
    assert torch.equal(whole, half)
    assert not torch.equal(whole, rounds(replace(PLAIN, unit=UNIT / 2), W, MEANS))


def test_a_unit_is_its_own_or_that_which_it_is_given_or_one() -> None:
    without = replace(PLAIN, unit=None)
    assert without.shaped(TENSORS, 7.0) == replace(PLAIN, unit=7.0).shaped(TENSORS, 3.0)
    assert torch.equal(rounds(without, W, MEANS), rounds(replace(PLAIN, unit=1.0), W, MEANS))


def star_of(overrides: tuple[str, ...]) -> Star:
    """As a run has it."""
    rule = build(settings_of([*overrides, "server=star"]), lambda _: None).algorithm.optimizer
    star = rule.rule if isinstance(rule, Carrying) else rule
    assert isinstance(star, Star)
    return star


HALVES = ("partitioner=iid", "clients=4", "data.samples=160", "trainer.batch_size=16", "trainer.epochs=2")
"""40 samples a client: 3 batches, twice."""


def gone(steps: int, momentum: float) -> float:
    """How far so many steps of size 1 go on gradients of 1."""
    place = velocity = 0.0
    for _ in range(steps):
        velocity = momentum * velocity + 1
        place += velocity
    return place


@pytest.mark.parametrize(
    ("overrides", "unit"),
    [
        ((), 0.02 * gone(6, 0.9)),
        (("trainer=auto",), 0.02 * gone(6, 0.9)),
        (("trainer.batches=4", "solver.momentum=0.5"), 0.02 * (1 + 1.5 + 1.75 + 1.875)),
        (("trainer=full_batch", "trainer.batch_size=0", "solver.momentum=0.0"), 2 * 0.02),
        (("solver=gradient",), 1.0),
        (("solver=adam",), 6 * 0.001),
        (("solver=star", "solver.step_size=0.5"), 6 * 0.5 * read_theta("client").form.nominal_step),
        (("server.unit=0.3",), 0.3),
    ],
    ids=["sgd", "auto", "batches", "full batch", "gradient", "adam", "star", "its own"],
)
def test_a_run_takes_the_unit_from_solver_and_trainer(overrides: tuple[str, ...], unit: float) -> None:
    assert star_of((*SUPERVISED, *HALVES, *overrides)).unit == pytest.approx(unit)


def test_steps_are_those_of_the_mean_client() -> None:
    """Of 3 clients one has 1 sample more: 6, 5 and 5 samples in batches of 5 are 2, 1 and 1."""
    few = ("partitioner=iid", "clients=3", "data.samples=16", "trainer.batch_size=5", "solver.momentum=0.0")
    assert star_of((*SUPERVISED, *few)).unit == pytest.approx(4 / 3 * 0.02)


def test_convex_clients_send_gradients() -> None:
    assert star_of(("task=least_squares", "clients=3")).unit == 1


@pytest.mark.e2e
def test_a_run_in_the_derived_unit_is_that_with_this_number(tmp_path: Path) -> None:
    common = [*SUPERVISED, "server=star"]
    unit = star_of(SUPERVISED).unit
    derived = run(tmp_path / "derived", common).model_sha256
    assert derived == run(tmp_path / "given", [*common, f"server.unit={unit}"]).model_sha256
    assert derived != run(tmp_path / "other", [*common, "server.unit=1e-3"]).model_sha256


def test_nothing_is_changed_in_place() -> None:
    optimizer = PLAIN.shaped(TENSORS, UNIT)
    state = optimizer.start(W)
    for mean in MEANS[:2]:
        kept = {name: tensor.clone() for name, tensor in state.items()}, mean.clone(), W.clone()
        first = optimizer.step(mean, state, W)
        again = optimizer.step(mean, state, W)
        now = state, mean, W
        assert all(torch.equal(kept[0][name], now[0][name]) for name in state)
        assert all(torch.equal(one, other) for one, other in zip(kept[1:], now[1:], strict=True))
        assert torch.equal(first[0], again[0])
        assert all(torch.equal(first[1][name], again[1][name]) for name in state)
        state = first[1]
    assert state["steps"] == 2


def test_what_is_carried_becomes_the_clients_mean() -> None:
    carrying = Carrying(PLAIN.shaped(TENSORS, UNIT), 3)
    model, means = torch.cat((W, draw("v", 3))), torch.cat((MEANS, draw("carried", ROUNDS, 3)), 1)
    moved = rounds(carrying, model, means)
    assert torch.equal(moved[:, :DIM], rounds(PLAIN.shaped(TENSORS, UNIT), W, MEANS))
    torch.testing.assert_close(moved[:, DIM:], model[DIM:] - means[:, DIM:].cumsum(0), rtol=0, atol=1e-14)


def test_another_optimizers_state_begins_afresh() -> None:
    optimizer, setup = PLAIN.shaped(TENSORS, UNIT), build(settings_of([*SUPERVISED, "server=star"]), lambda _: None)
    state = setup.algorithm.start(setup.model)
    kept = replace(state, optimizer=Momentum(1.0, 0.9).start(W), model=W)
    fresh = replace(state, optimizer=optimizer.start(W), model=W)
    assert fitted(kept, fresh).optimizer is fresh.optimizer
    _, after = optimizer.step(MEANS[0], fresh.optimizer, W)
    assert fitted(replace(fresh, optimizer=after), fresh).optimizer is after


@pytest.mark.parametrize(("base", "carries"), [(SUPERVISED, False), (RESSL, True)])
def test_a_run_tells_it_the_shapes_of_the_parameters(base: tuple[str, ...], carries: bool) -> None:
    setup = build(settings_of([*base, "server=star"]), lambda _: None)
    rule, learner = setup.algorithm.optimizer, setup.learner
    assert isinstance(rule, Carrying) == carries
    star = rule.rule if isinstance(rule, Carrying) else rule
    assert isinstance(star, Star)
    assert [tensor.shape for tensor in star.tensors] == list(learner.flat.shapes)
    moments = star.start(learner.flat.read())
    assert moments["second.0"].shape == learner.flat.shapes[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Star("server", -1.0, 0.1), "Star: step_size=-1 is not positive; choose step_size > 0"),
        (lambda: Star("server", 1.0, 0.0), "Star: unit=0 is not positive; choose unit > 0"),
        (lambda: Star("server", 1.0, -0.1), "Star: unit=-0.1 is not positive; choose unit > 0"),
        (
            lambda: settings_of([*SUPERVISED, "server=star", "server.unit=auto"]),
            "server.unit='auto': expected a number or null; change server.unit",
        ),
        (lambda: Star("no", 1.0, 0.1), "theta=no: no such file; choose one of client, server, or a .safetensors file"),
    ],
)
def test_wrong_values_are_named(make, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value) == message
