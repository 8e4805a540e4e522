"""A flat buffer and its views: whatever the order in memory, vectors are in the order of the parameters."""

from __future__ import annotations

import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.models import Cnn
from fedkd.vectors import Flat, bind, bind_carried, flatten, unflatten

SHAPES = [(4, 3, 2, 2), (4,), (5, 4)]
DIM = 4 * 3 * 2 * 2 + 4 + 20


@pytest.mark.parametrize("channels_last", [False, True])
def test_what_is_loaded_is_read_and_stands_in_the_views(channels_last: bool) -> None:
    flat, x = Flat(torch.zeros(DIM), SHAPES, channels_last), torch.arange(float(DIM))
    flat.load(x)
    assert torch.equal(flat.read(), x)
    assert torch.equal(torch.cat([view.reshape(-1) for view in flat.views]), x)
    flat.buffer.mul_(2)
    assert torch.equal(flat.views[0], 2 * x[:48].view(SHAPES[0])), "views follow the buffer"
    flat.views[2].fill_(7)
    assert torch.equal(flat.read()[-20:], torch.full((20,), 7.0)), "and the buffer the views"


@pytest.mark.parametrize("channels_last", [False, True])
def test_difference_is_that_of_the_vectors(channels_last: bool) -> None:
    flat, x = Flat(torch.zeros(DIM), SHAPES, channels_last), torch.arange(float(DIM))
    flat.load(x.flip(0))
    assert torch.equal(flat.difference(x), x - x.flip(0))


def test_channels_are_innermost_in_memory_only_where_they_should_be() -> None:
    turned, plain = (Flat(torch.zeros(DIM), SHAPES, channels_last).views for channels_last in (True, False))
    assert turned[0].is_contiguous(memory_format=torch.channels_last)
    assert plain[0].is_contiguous()
    assert turned[2].is_contiguous()


def test_zeros_lie_as_the_parameters_do() -> None:
    flat = Flat(torch.ones(DIM), SHAPES, channels_last=True)
    zeros = flat.zeros()
    assert zeros.views[0].stride() == flat.views[0].stride()
    assert not zeros.read().any()


def test_several_models_lie_behind_each_other() -> None:
    many, x = Flat(torch.zeros(3, DIM), SHAPES), torch.arange(3.0 * DIM).view(3, DIM)
    many.load(x)
    assert [tuple(view.shape) for view in many.views] == [(3, *shape) for shape in SHAPES]
    assert torch.equal(many.views[1][2], x[2, 48:52])
    first = many.first(2)
    first.buffer.zero_()
    assert torch.equal(many.read(), torch.cat([torch.zeros(2, DIM), x[2:]])), "views of the same memory"


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_bound_network_computes_what_it_did(channels_last: bool) -> None:
    module = Cnn(channels=(4, 8), hidden=6, groups=2, norm="group").build((1, 8, 8), 3, key(0, "model"))
    x, vector = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)), flatten(module)
    before = module(x)
    flat = bind(module, channels_last)
    torch.testing.assert_close(module(x), before)
    assert torch.equal(flat.read(), vector)
    flat.buffer.fill_(2.0)
    assert all(bool((parameter == 2).all()) for parameter in module.parameters())


def normed() -> torch.nn.Module:
    return Cnn(channels=(4, 8), hidden=6, groups=2, norm="batch").build((1, 8, 8), 3, key(0, "model"))


def test_buffers_travel_after_the_parameters() -> None:
    module = normed()
    module.train()(torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    parts = [*module.parameters(), *module.buffers()]
    assert torch.equal(flatten(module), torch.cat([part.detach().reshape(-1) for part in parts]))
    other = normed()
    unflatten(other, flatten(module))
    assert torch.equal(flatten(other), flatten(module))
    for one, same in zip(other.state_dict().values(), module.state_dict().values(), strict=True):
        assert torch.equal(one, same)


def test_buffers_become_views_of_one() -> None:
    module, before = normed(), dict(normed().named_buffers())
    flat, carried = bind(module), bind_carried(module)
    assert torch.equal(torch.cat((flat.read(), carried.read())), flatten(normed()))
    assert [tuple(value.shape) for value in before.values()] == list(carried.shapes)
    carried.buffer.fill_(3.0)
    assert all(bool((buffer == 3).all()) for buffer in module.buffers())
    module.train()(torch.ones(2, 1, 8, 8))
    assert not bool((carried.read() == 3).any()), "training moves them where they lie"
    assert torch.equal(flat.read(), flatten(normed())[: flat.buffer.numel()]), "and no parameter"


def test_of_no_buffers_nothing_is_carried() -> None:
    module = torch.nn.Linear(2, 2).double()
    carried = bind_carried(module)
    assert (carried.shapes, carried.read().shape, carried.buffer.dtype) == ((), (0,), torch.float64)


def test_buffers_that_count_are_refused() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    with pytest.raises(
        ConfigurationError, match="buffer 1.num_batches_tracked of torch.int64 would not travel; choose fl"
    ):
        bind_carried(module)
