"""Checkpoints: going on to the same bits on any number of ranks, what is kept, and what is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from fedkd.checkpoints.tensors import write_tensors
from fedkd.errors import ConfigurationError
from fedkd.metatraining import kept
from fedkd.metatraining.exchange import Alone, Exchange
from fedkd.metatraining.terms import Terms
from fedkd.metatraining.training import MetaTraining
from fedkd.optimizers import read_theta
from tests.metatraining.ranks import together

STEPS = 6


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    return Terms(
        families=("quadratics", "quadratics", "quadratics"),
        particles=2,
        steps=STEPS,
        truncation=2,
        shortest=2,
        longest=8,
        warm_up=2,
        output=str(tmp_path / "theta"),
    )


def until(step: int, terms: Terms) -> Callable[[Exchange], Tensor]:
    """A rank's work: go on, or begin, and keep what there is then; the result is theta."""

    def work(exchange: Exchange) -> Tensor:
        training = MetaTraining(terms, exchange)
        kept.resume(training)
        while training.learner.step < step:
            training.advance()
        kept.save(training)
        return training.learner.vector

    return work


@pytest.mark.parametrize("sizes", [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_training_goes_on_to_the_same_bits_on_another_number_of_ranks(sizes: tuple[int, int], terms: Terms) -> None:
    whole = until(STEPS, replace(terms, output=terms.output + "-whole"))(Alone())
    together(sizes[0], until(3, terms))
    for theta in together(sizes[1], until(STEPS, terms)):
        assert torch.equal(theta, whole)


def test_an_empty_folder_begins_anew(terms: Terms) -> None:
    training = MetaTraining(terms, Alone())
    assert not kept.resume(training)
    kept.save(training)
    assert kept.resume(MetaTraining(terms, Alone()))


def test_theta_is_there_to_be_used(terms: Terms) -> None:
    """As float32, with its form and the terms on which it learned; not where, which is nobody's business."""
    vector = until(3, terms)(Alone())
    name = f"{terms.output}/theta.safetensors"
    theta = read_theta(name)
    assert theta.form == terms.form()
    assert torch.equal(theta.vector, vector.float())
    with safe_open(name, "pt") as file:
        facts = file.metadata()
    told = json.loads(facts["terms"])
    assert (facts["step"], told["particles"], told["longest"]) == ("3", 2, 8)
    assert "output" not in told


@pytest.mark.parametrize("size", [1, 2])
def test_one_file_a_group_is_left(size: int, terms: Terms) -> None:
    for step in (2, 4):
        together(size, until(step, terms))
        files = [f"group-{group}-{step}.safetensors" for group in range(3)]
        left = sorted(path.name for path in Path(terms.output).iterdir())
        assert left == [*files, "theta.safetensors", "training.safetensors"]


def test_a_save_that_was_cut_off_leaves_the_checkpoint_before(terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are written, theta's file is not: all go on from the step before."""
    whole = until(STEPS, replace(terms, output=terms.output + "-whole"))(Alone())
    until(2, terms)(Alone())

    def cut(path: Path, *others: object) -> None:
        if path.name == kept.STATE:
            raise KeyboardInterrupt
        write_tensors(path, *others)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(kept, "write_tensors", cut)
        with pytest.raises(KeyboardInterrupt):
            until(4, terms)(Alone())
    training = MetaTraining(terms, Alone())
    assert kept.resume(training)
    assert training.learner.step == 2
    assert torch.equal(until(STEPS, terms)(Alone()), whole)
    assert len(list(Path(terms.output).glob("group-*"))) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 7}, "steps=7: {} holds a meta-training with steps=6; choose another output"),
        ({"sigma": 0.02}, "sigma=0.02: {} holds a meta-training with sigma=0.01; choose another output"),
        ({"seed": 1}, "seed=1: {} holds"),
        ({"families": ("quadratics",)}, "families=['quadratics']: {} holds"),
    ],
)
def test_another_training_is_refused(changes: dict[str, object], said: str, terms: Terms) -> None:
    until(1, terms)(Alone())
    with pytest.raises(ConfigurationError) as caught:
        kept.resume(MetaTraining(replace(terms, **changes), Alone()))  # type: ignore[arg-type]
    assert str(caught.value).startswith(said.format(terms.output))
    assert "\n" not in str(caught.value)


def test_where_and_how_often_may_change(terms: Terms) -> None:
    until(1, terms)(Alone())
    other = Path(terms.output).rename(terms.output + "-moved")
    assert kept.resume(MetaTraining(replace(terms, output=str(other), checkpoint_every=1), Alone()))


@pytest.mark.parametrize("name", ["training.safetensors", "group-0-1.safetensors", "group-2-1.safetensors"])
@pytest.mark.parametrize("how", ["empty", "cut", "missing"])
@pytest.mark.parametrize("size", [1, 2])
def test_a_broken_checkpoint_is_refused_by_all_ranks(name: str, how: str, size: int, terms: Terms) -> None:
    until(1, terms)(Alone())
    path = Path(terms.output) / name
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if how == "cut" else b"")

    def work(exchange: Exchange) -> str:
        try:
            return str(kept.resume(MetaTraining(terms, exchange)))
        except ConfigurationError as error:
            return str(error)

    for said in together(size, work):
        if how == "missing" and name == kept.STATE:
            # Nothing says that there is anything.
            assert said == "False"
        else:
            assert said.startswith(f"{path}: cannot be read (")
            assert said.endswith("); delete the folder to begin anew")
            assert "\n" not in said
