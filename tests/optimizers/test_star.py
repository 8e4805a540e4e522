"""STAR as an optimizer of torch: its steps, its state, and what it refuses."""

from __future__ import annotations

import copy
import dataclasses
import io
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.optimizers import STAR, STAR_FORM, Theta, before, drawn, read_theta, star_update

FORM = dataclasses.replace(STAR_FORM, nominal_step=0.05, nominal_exponent=0.5, free_step=0.1, free_exponent=0.5)
THETA = drawn(FORM, key(0, "optimizer"))


def network(channels_last: bool = False) -> nn.Module:
    """A convolution, a normalisation and a layer, with weights of a fixed seed."""
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.GroupNorm(1, 5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 4))
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) / 3)
    return module.to(memory_format=torch.channels_last) if channels_last else module


def loss_of(module: nn.Module, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    x, y = torch.randn(16, 3, 4, 4, generator=random), torch.randint(0, 4, (16,), generator=random)
    return nn.functional.cross_entropy(module(x), y)


def train(module: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    for seed in range(first, last):
        optimizer.zero_grad()
        loss_of(module, seed).backward()
        optimizer.step()


def numbers(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("step_size", [1.0, 0.3])
@pytest.mark.parametrize("weight_decay", [0.0, 0.02])
def test_a_step_is_step_size_times_the_update_and_decay_beside_it(step_size: float, weight_decay: float) -> None:
    """P (1 - decay) - step_size f, with f = p - p' of the form without decay."""
    module, plain = network(), Theta(FORM, THETA.vector)
    optimizer = STAR(module.parameters(), THETA, step_size, weight_decay)
    state = [before(one) for one in numbers(module)]
    for seed in range(3):
        params = numbers(module)
        train(module, optimizer, seed, seed + 1)
        grads = [parameter.grad for parameter in module.parameters()]
        after, state = star_update(plain, state, params, grads, seed)
        for found, p, q in zip(module.parameters(), params, after, strict=True):
            expected = p * (1 - weight_decay) - step_size * (p - q)
            torch.testing.assert_close(found.detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_state_continues_bit_for_bit(channels_last: bool) -> None:
    module = network(channels_last)
    optimizer = STAR(module.parameters(), THETA, 0.5)
    train(module, optimizer, 0, 3)
    torch.save({"model": module.state_dict(), "optimizer": optimizer.state_dict()}, file := io.BytesIO())
    train(module, optimizer, 3, 6)
    file.seek(0)
    kept = torch.load(file, weights_only=True)
    other = network(channels_last)
    other.load_state_dict(kept["model"])
    resumed = STAR(other.parameters(), THETA)
    resumed.load_state_dict(kept["optimizer"])
    train(other, resumed, 3, 6)
    assert same(numbers(other), numbers(module))


def test_a_state_follows_its_parameters_type() -> None:
    module, wide = network(), network().double()
    train(module, optimizer := STAR(module.parameters(), THETA), 0, 2)
    (resumed := STAR(wide.parameters(), THETA)).load_state_dict(optimizer.state_dict())
    found = resumed.state[next(iter(wide.parameters()))]
    assert found["step"] == 2
    assert {part.dtype for name, part in found.items() if name != "step"} == {torch.float64}


def test_a_copy_goes_on_alone() -> None:
    module = network()
    train(module, optimizer := STAR(module.parameters(), THETA), 0, 2)
    twin, again = copy.deepcopy((module, optimizer))
    train(twin, again, 2, 4)
    assert not same(numbers(twin), numbers(module))
    train(module, optimizer, 2, 4)
    assert same(numbers(twin), numbers(module))


def test_a_closure_is_called_once_with_gradients_and_its_loss_given_back() -> None:
    module, losses = network(), []
    optimizer = STAR(module.parameters(), THETA)

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses.append(loss_of(module, 0))
        losses[-1].backward()
        return losses[-1]

    other = network()
    train(other, STAR(other.parameters(), THETA), 0, 1)
    with torch.no_grad():
        assert optimizer.step(closure) is losses[0]
    assert len(losses) == 1
    assert same(numbers(module), numbers(other))


def test_a_parameter_without_a_gradient_waits() -> None:
    """And begins at its own first step."""
    late, always = (nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = STAR([late, always], THETA)
    for given in (False, False, True):
        late.grad, always.grad = torch.ones(3) if given else None, torch.ones(3)
        optimizer.step()
        if not given:
            assert torch.equal(late.detach(), torch.ones(3))
            assert late not in optimizer.state
    assert (optimizer.state[late]["step"], optimizer.state[always]["step"]) == (1, 3)
    alone = nn.Parameter(torch.ones(3))
    alone.grad = torch.ones(3)
    STAR([alone], THETA).step()
    assert torch.equal(alone, late)


def test_groups_have_sizes_of_their_own_and_schedules_change_them() -> None:
    module = network()
    first, *others = module.parameters()
    optimizer = STAR([{"params": [first], "lr": 0.1, "weight_decay": 0.5}, {"params": others}], THETA)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.1, 0.5), (1.0, 0.0)]
    train(module, optimizer, 0, 1)
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]
    halved = network()
    train(halved, STAR(halved.parameters(), THETA), 0, 1)
    assert same(numbers(module)[1:], numbers(halved)[1:])
    assert not same(numbers(module)[:1], numbers(halved)[:1])


def test_it_takes_the_place_of_adam() -> None:
    """A nominal step alone, of Adam's direction, trains."""
    theta = Theta(dataclasses.replace(STAR_FORM, free_step=0.0, nominal_exponent=0.0), THETA.vector)
    module = network()
    begun = float(loss_of(module, 0).detach())
    optimizer = STAR(module.parameters(), theta, step_size=2.0)
    for _ in range(40):
        optimizer.zero_grad()
        loss_of(module, 0).backward()
        optimizer.step()
    assert float(loss_of(module, 0).detach()) < begun / 2


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"step_size": -1.0}, "step_size=-1 is not in [0, inf); choose step_size = 1"),
        ({"step_size": float("nan")}, "step_size=nan is not in [0, inf); choose step_size = 1"),
        ({"weight_decay": 1.0}, "weight_decay=1 is outside [0, 1); choose 0"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1 is outside [0, 1); choose 0"),
    ],
)
def test_wrong_sizes_are_refused_in_one_line(sizes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        STAR([nn.Parameter(torch.ones(2))], THETA, **sizes)
    assert str(refused.value).endswith(message)
    assert "\n" not in str(refused.value)


def test_a_name_and_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(THETA.pack({}))
    for given, expected in (("client", read_theta("client")), (str(path), THETA)):
        named, held = network(), network()
        train(named, STAR(named.parameters(), given), 0, 2)
        train(held, STAR(held.parameters(), expected), 0, 2)
        assert same(numbers(named), numbers(held))
    with pytest.raises(ConfigurationError, match=r"^theta=clients: no such file; choose one of client, server, or a"):
        STAR(network().parameters(), "clients")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_parameters_of_half_types_are_refused_before_anything_moves(kind: torch.dtype) -> None:
    assert torch.tensor(0.999, dtype=torch.bfloat16) == 1, "the reason"
    wide, half = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=kind))
    wide.grad, half.grad = torch.ones_like(wide), torch.ones_like(half)
    optimizer = STAR([wide, half], THETA)
    with pytest.raises(ConfigurationError) as refused:
        optimizer.step()
    assert str(refused.value) == f"STAR: a parameter is {kind}; choose float32 parameters"
    assert torch.equal(wide.detach(), torch.ones(2))


def test_sparse_gradients_are_refused_before_anything_moves() -> None:
    embedding = nn.Embedding(4, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    dense = nn.Parameter(torch.ones(2))
    dense.grad = torch.ones(2)
    optimizer = STAR([dense, *embedding.parameters()], THETA)
    with pytest.raises(ConfigurationError, match=r"^STAR: a gradient is torch.sparse_coo; choose layers with dense"):
        optimizer.step()
    assert torch.equal(dense.detach(), torch.ones(2))
    assert optimizer.state[dense]["step"] == 0
