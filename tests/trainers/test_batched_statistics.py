"""BatchNorm among many clients: every one's running statistics are those of its own samples alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fedkd.keys import key
from fedkd.models import Mlp, Projected
from fedkd.models.batch_norm import BatchNorm
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Serial, Update
from fedkd.trainers.batched.rewritten import CountingBatchNorm, rewrite
from tests.laws.test_trainers import CLASSES, NORMED, SERIAL, SHAPE, SOLVERS, TASKS, batched, learner_of, pupils_of

TRACKING = [name for name in NORMED if name != "local cnn"]


def agree(alone: list[Update], among: list[Update], tolerance: float = 1e-9) -> None:
    for one, other in zip(alone, among, strict=True):
        torch.testing.assert_close(other.vector, one.vector, rtol=tolerance, atol=tolerance)
        assert other.numbers == pytest.approx(one.numbers, rel=1e-6)


def moved(learner: NetworkLearner, update: Update) -> torch.Tensor:
    """The part of an update that is statistics."""
    return update.vector[learner.flat.buffer.numel() :]


@pytest.mark.parametrize("convolutions", ["grouped", "unfold"])
@pytest.mark.parametrize("solver", ["plain", "momentum", "gradient"])
@pytest.mark.parametrize("model", NORMED)
def test_updates_and_statistics_are_those_of_the_serial_trainer(model: str, solver: str, convolutions: str) -> None:
    """Clients have other numbers of steps, and batches are filled up."""
    learner = learner_of(model, TASKS["labels"], torch.float64)
    pupils = pupils_of(learner)
    alone = SERIAL.train(learner, SOLVERS[solver], pupils)
    agree(alone, batched(SERIAL, 3, convolutions).train(learner, SOLVERS[solver], pupils))
    assert all(bool(moved(learner, update).abs().min() > 0) for update in alone if model in TRACKING)


@pytest.mark.parametrize(("epochs", "batch_size", "batches"), [(1, 0, 0), (3, 4, 5), (2, 1, 4), (1, 32, 0)])
@pytest.mark.parametrize("model", ["batch cnn", "projected mlp"])
def test_every_way_to_cut_passes(model: str, epochs: int, batch_size: int, batches: int) -> None:
    serial = Serial(epochs, batch_size, batches, "off")
    learner = learner_of(model, TASKS["ATS"], torch.float64)
    pupils = pupils_of(learner)
    agree(serial.train(learner, SOLVERS["plain"], pupils), batched(serial).train(learner, SOLVERS["plain"], pupils))


def test_what_fills_up_a_batch_enters_no_mean() -> None:
    """By hand: r <- .9 r + .1 (mean, unbiased variance) of the first layer's answers to a client's own samples."""
    model = Projected(Mlp(()), 7, CLASSES, "batch")
    learner = NetworkLearner(model.build(SHAPE, CLASSES, key(0, "model")).double(), TASKS["labels"])
    pupils = pupils_of(learner, (3, 8))
    trainer = replace(batched(SERIAL, 2), epochs=1, batch_size=0)
    for pupil, update in zip(pupils, trainer.train(learner, SOLVERS["gradient"], pupils), strict=True):
        learner.load(pupil.x)
        first, mean, variance = learner.flat.views, *learner.carried.views
        hidden = pupil.samples.take(torch.arange(pupil.samples.size)).x.flatten(1) @ first[0].T + first[1]
        expected = torch.cat((mean - hidden.mean(0), variance - hidden.var(0))) / 10
        torch.testing.assert_close(moved(learner, update), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", TRACKING)
def test_bfloat16_is_close_and_statistics_are_in_float32(model: str) -> None:
    learner = learner_of(model, TASKS["smoothed"], torch.float32)
    pupils = pupils_of(learner)
    exact = SERIAL.train(learner, SOLVERS["gradient"], pupils)
    rounded = batched(SERIAL, precision="bfloat16").train(learner, SOLVERS["gradient"], pupils)
    for one, other in zip(exact, rounded, strict=True):
        one_, other_ = moved(learner, one), moved(learner, other)
        assert other_.dtype == torch.float32
        assert 0 < (one_ - other_).norm() / one_.norm() < 0.02
        assert not torch.equal(other_, other_.bfloat16().float()), "nothing was rounded that was kept"


@pytest.mark.parametrize("model", TRACKING)
def test_trials_leave_no_trace(model: str) -> None:
    """Capacity, timings of convolutions, and the question how many outputs there are."""
    learner = learner_of(model, TASKS["ATS"], torch.float64)
    pupils, before = pupils_of(learner), learner.vector
    found = batched(SERIAL, "auto", "auto").train(learner, SOLVERS["plain"], pupils)
    assert torch.equal(learner.vector, before)
    assert learner.module.training
    agree(SERIAL.train(learner, SOLVERS["plain"], pupils), found)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5, 4)])
@pytest.mark.parametrize("counted", [6, 4, 1])
def test_only_samples_that_count_count(shape: tuple[int, ...], counted: int) -> None:
    plain, x = BatchNorm(3, tracks=True).double(), 1 + 2 * torch.from_numpy(key(0, "x").generator().normal(size=shape))
    other = rewrite(BatchNorm(3, tracks=True).double(), unfold=False)
    assert isinstance(other, CountingBatchNorm)
    other.counted = (torch.arange(6) < counted).double()
    torch.testing.assert_close(other(x)[:counted], plain(x[:counted]), rtol=0, atol=1e-9)
    assert bool(other(x).isfinite().all())
    plain(x[:counted])
    for ours, theirs in zip(other.buffers(), (*plain.buffers(), other.counted), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_clients_that_are_trained_together_do_not_see_each_other() -> None:
    learner = learner_of("batch cnn", TASKS["labels"], torch.float64)
    pupils, trainer = pupils_of(learner), batched(SERIAL, 5)
    together = trainer.train(learner, SOLVERS["plain"], pupils)
    apart = trainer.train(
        learner, SOLVERS["plain"], [pupils[0], *(pupil._replace(x=2 * pupil.x) for pupil in pupils[1:])]
    )
    torch.testing.assert_close(apart[0].vector, together[0].vector, rtol=0, atol=1e-12)
    assert not torch.allclose(apart[1].vector, together[1].vector)
