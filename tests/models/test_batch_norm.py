"""BatchNorm is torch's own, except where that makes NaN; evaluation uses running statistics and leaves them alone."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.models import evaluating
from fedkd.models.batch_norm import BatchNorm

SHAPES = {1: (6, 3), 2: (6, 3, 5, 4)}
TORCHS: dict[int, Callable[[int], torch.nn.Module]] = {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm2d}


def draw(name: str, *shape: int) -> Tensor:
    return 1 + 2 * torch.from_numpy(key(0, name).generator().standard_normal(shape))


def pair(dimensions: int, dtype: torch.dtype) -> tuple[BatchNorm, torch.nn.Module]:
    """Ours and torch's, with the same weights."""
    ours, theirs = BatchNorm(3, tracks=True).to(dtype), TORCHS[dimensions](3).to(dtype)
    with torch.no_grad():
        ours.weight.copy_(draw("weight", 3))
        ours.bias.copy_(draw("bias", 3))
    theirs.load_state_dict({**ours.state_dict(), "num_batches_tracked": torch.tensor(0)})
    return ours, theirs


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("dimensions", SHAPES)
def test_torchs_values_gradients_and_running_statistics(
    dimensions: int, dtype: torch.dtype, tolerance: float, channels_last: bool
) -> None:
    ours, theirs = pair(dimensions, dtype)
    for step in range(3):
        x = draw(f"x {step}", *SHAPES[dimensions]).to(dtype)
        x = x.contiguous(memory_format=torch.channels_last) if channels_last and x.ndim == 4 else x
        answers = []
        for norm in (ours, theirs):
            leaf = x.clone().requires_grad_()
            y = norm(leaf)
            gradients = torch.autograd.grad(y.square().sum() + y.pow(3).sum(), [leaf, *norm.parameters()])
            answers.append((y, *gradients, norm.running_mean, norm.running_var))
        for one, other in zip(*answers, strict=True):
            torch.testing.assert_close(one, other, rtol=tolerance, atol=100 * tolerance)
    x = draw("x", *SHAPES[dimensions]).to(dtype)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("tracks", [True, False])
@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_a_single_value_of_a_channel_is_its_own_mean(shape: tuple[int, ...], tracks: bool) -> None:
    norm, x = BatchNorm(3, tracks), draw("x", *shape).float().requires_grad_()
    y = norm(x)
    torch.testing.assert_close(y, torch.zeros_like(y), rtol=0, atol=1e-4)
    y.sum().backward()
    assert bool(x.grad.isfinite().all())
    if tracks:
        torch.testing.assert_close(norm.running_mean, x.detach().flatten() / 10)
        torch.testing.assert_close(norm.running_var, torch.full((3,), 0.9))


def test_evaluation_moves_nothing_and_takes_a_negative_variance_for_zero() -> None:
    norm, x = BatchNorm(3, tracks=True).eval(), draw("x", 6, 3).float()
    norm.running_mean.fill_(0.5)
    norm.running_var.copy_(torch.tensor([-1e-3, 0.0, 4.0]))
    before = [buffer.clone() for buffer in norm.buffers()]
    expected = (x - 0.5) / torch.tensor([1e-5, 1e-5, 4.00001]).sqrt()
    torch.testing.assert_close(norm(x), expected)
    assert all(torch.equal(*buffers) for buffers in zip(before, norm.buffers(), strict=True))


def test_without_running_statistics_those_of_the_batch_serve_in_evaluation_too() -> None:
    norm, x = BatchNorm(3, tracks=False), draw("x", 6, 3, 2, 2)
    assert not list(norm.buffers())
    trained = norm.double()(x)
    assert torch.equal(norm.eval()(x), trained)
    torch.testing.assert_close(trained.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dimensions", SHAPES)
def test_many_at_once_move_statistics_of_their_own(dimensions: int) -> None:
    norm, xs = BatchNorm(3, tracks=True).double(), draw("xs", 4, *SHAPES[dimensions])
    tensors = {**dict(norm.named_parameters()), **dict(norm.named_buffers())}
    stacked = {name: torch.stack([value.detach()] * 4) for name, value in tensors.items()}
    together = torch.vmap(lambda values, x: torch.func.functional_call(norm, values, (x,)))(stacked, xs)
    for place, x in enumerate(xs):
        alone = copy.deepcopy(norm)
        torch.testing.assert_close(together[place], alone(x))
        for name, buffer in alone.named_buffers():
            torch.testing.assert_close(stacked[name][place], buffer)


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_afterwards_in_the_mode_of_before(training: bool) -> None:
    norm = BatchNorm(3, tracks=True).train(training)

    def fail() -> None:
        with evaluating(norm):
            assert not norm.training
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert norm.training == training
