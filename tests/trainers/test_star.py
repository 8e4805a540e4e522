"""Local STAR steps are the learned update of every tensor by itself, wherever a network keeps its tensors."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.models import Cnn, Mlp, Model
from fedkd.optimizers import STAR_FORM, before, drawn, star_update
from fedkd.optimizers.scaled import scaled
from fedkd.tasks import Supervised
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Pupil, Serial, Star
from fedkd.vectors import Flat, flatten
from tests.laws.test_trainers import CLASSES, SHAPE, learner_of, pupils_of

MODELS: dict[str, Model] = {"mlp": Mlp((6,)), "cnn": Cnn((4, 8), 6, 2, "group")}
LOUD = dataclasses.replace(STAR_FORM, nominal_step=0.02, nominal_exponent=0.5, free_step=0.01, free_exponent=0.5)
"""Every output of the network matters."""


@pytest.fixture
def theta(tmp_path: Path) -> str:
    """A file of loud steps."""
    path = tmp_path / "loud.safetensors"
    path.write_bytes(drawn(LOUD, key(5, "optimizer")).pack({}))
    return str(path)


def network(model: str) -> nn.Module:
    return MODELS[model].build(SHAPE, CLASSES, key(0, "model")).double()


def by_hand(model: str, solver: Star, pupil: Pupil, serial: Serial) -> Tensor:
    """What a client sends, by autograd and the pure update, a tensor as the network declares it."""
    module, form = network(model), dataclasses.replace(LOUD, weight_decay=solver.weight_decay)
    form = dataclasses.replace(form, nominal_step=solver.step_size * 0.02, free_step=solver.step_size * 0.01)
    learned, tensors = drawn(form, key(5, "optimizer")), list(module.parameters())
    torch.nn.utils.vector_to_parameters(pupil.x, tensors)
    received = [tensor.detach().clone() for tensor in tensors]
    state, step = [before(tensor) for tensor in received], 0
    for order in serial.orders(pupil.samples.size, pupil.key):
        for rows in order.split(serial.batch_size):
            batch = pupil.samples.take(rows)
            loss = torch.nn.functional.cross_entropy(module(batch.x), batch.y)
            gradients = torch.autograd.grad(loss, tensors)
            given = [g + solver.proximal * (w - x) for g, w, x in zip(gradients, tensors, received, strict=True)]
            moved, state = star_update(learned, state, [tensor.detach() for tensor in tensors], given, step)
            torch.nn.utils.vector_to_parameters(torch.cat([one.flatten() for one in moved]), tensors)
            step += 1
    return pupil.x - flatten(module).detach()


@pytest.mark.parametrize("fused", ["auto", "off"])
@pytest.mark.parametrize(("step_size", "weight_decay", "proximal"), [(1.0, 0.0, 0.0), (0.5, 0.1, 0.3)])
@pytest.mark.parametrize("model", MODELS)
def test_updates_are_those_of_the_pure_function(
    model: str, step_size: float, weight_decay: float, proximal: float, fused: str, theta: str
) -> None:
    learner, solver = NetworkLearner(network(model), Supervised(0.0)), Star(theta, step_size, weight_decay, proximal)
    serial = Serial(epochs=2, batch_size=4, batches=0, fused=fused)
    for pupil in pupils_of(learner, (9, 12)):
        [update] = serial.train(learner, solver, [pupil])
        expected = by_hand(model, solver, pupil, serial)
        assert (update.vector - expected).norm() <= 1e-9 * expected.norm()


def test_all_numbers_matter(theta: str) -> None:
    """Else the test above would say little."""
    learner = learner_of("mlp", Supervised(0.0), torch.float64)
    [pupil], serial = pupils_of(learner, (12,)), Serial(2, 4, 0, "off")
    plain = Star(theta, 1.0, 0.0, 0.0)
    [reference] = serial.train(learner, plain, [pupil])
    for changes in ({"step_size": 0.5}, {"weight_decay": 0.1}, {"proximal": 0.3}, {"theta": "client"}):
        [update] = serial.train(learner, dataclasses.replace(plain, **changes), [pupil])
        assert (update.vector - reference.vector).norm() > 1e-3 * reference.vector.norm(), changes


@pytest.mark.parametrize("models", [None, 3])
def test_moments_and_steps_stay_where_they_are(models: int | None, theta: str) -> None:
    shapes = [(4, 3), (4,), (1,)]
    flat = Flat(torch.zeros(17) if models is None else torch.zeros(models, 17), shapes)
    descent = Star(theta, 1.0, 0.0, 0.0).start(flat)
    held = [descent._steps, *(part for moments in descent._moments for part in moments)]
    places = [part.data_ptr() for part in held]
    for _ in range(2):
        for index, view in enumerate(flat.views):
            descent.give(index, torch.ones_like(view))
        descent.end()
    assert [part.data_ptr() for part in held] == places
    assert descent._steps == 2
    assert all(part.any() for part in held if part.numel())
    if models is not None:
        descent.restart(2)
        assert [bool(part[2:].any()) for part in held[1:] if part.numel()] == [True] * 10
        assert not any(part[:2].any() for part in held[1:])
        assert (descent._steps, [len(moments.second) for moments in descent._moments]) == (0, [2, 2, 2])


def test_a_scaled_form_has_longer_steps_and_its_own_weight_decay() -> None:
    theta = drawn(STAR_FORM, key(0, "optimizer"))
    changed, known, free = scaled(theta, 2.0, 0.2), 2 * STAR_FORM.nominal_step, 2 * STAR_FORM.free_step
    assert changed.form == dataclasses.replace(STAR_FORM, nominal_step=known, free_step=free, weight_decay=0.2)
    assert changed.vector is theta.vector


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0.06),
        ({"nominal_step": 0.0}, 0.03),
        ({"nominal_step": 0.0, "free_step": 0.0}, 1.0),
    ],
    ids=["nominal", "free alone", "neither"],
)
def test_an_update_is_in_units_of_the_step(changes: dict[str, float], expected: float, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(drawn(dataclasses.replace(LOUD, **changes), key(5, "optimizer")).pack({}))
    assert Star(str(path), 0.5, 0.0, 0.0).unit(6) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"step_size": 0.0}, "Star: step_size=0 is not positive; choose step_size > 0"),
        ({"step_size": float("nan")}, "Star: step_size=nan is not positive; choose step_size > 0"),
        ({"weight_decay": 1.0}, "Star: weight_decay=1 is outside [0, 1); choose 0"),
        ({"proximal": -0.5}, "Star: proximal=-0.5 is not in [0, inf); choose proximal >= 0"),
        ({"theta": "clients"}, "theta=clients: no such file; choose one of client, server, or a .safetensors file"),
    ],
)
def test_wrong_values_are_named_before_any_work(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        dataclasses.replace(Star("client", 1.0, 0.0, 0.0), **wrong)
    assert str(caught.value) == message


@pytest.mark.parametrize("content", [b"", b"no tensors", None])
def test_a_file_that_holds_something_else_is_refused_before_any_work(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    if content is None:
        drawn_with_nan = drawn(STAR_FORM, key(0, "optimizer"))
        drawn_with_nan.vector[30] = float("nan")
        content = drawn_with_nan.pack({})
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"^theta=\S+other.safetensors: h.*; choose another file$"):
        Star(str(path), 1.0, 0.0, 0.0)
