"""A flat buffer and its views: whatever the order in memory, vectors are in the order of the parameters."""

from __future__ import annotations

import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.models import Cnn
from fedkd.vectors import Flat, bind, flatten

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
    module = Cnn(channels=(4, 8), hidden=6, groups=2).build((1, 8, 8), 3, key(0, "model"))
    x, vector = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)), flatten(module)
    before = module(x)
    flat = bind(module, channels_last)
    torch.testing.assert_close(module(x), before)
    assert torch.equal(flat.read(), vector)
    flat.buffer.fill_(2.0)
    assert all(bool((parameter == 2).all()) for parameter in module.parameters())


def test_models_with_buffers_are_refused() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    with pytest.raises(ConfigurationError, match="buffer 1.running_mean would not travel; choose GroupNorm"):
        bind(module)
