"""Laws of what an operator says of itself: its traits, its sums, its counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from fedkd_compression.compressor import compress, decompress, decompress_sum
from fedkd_compression.keys import Key
from fedkd_compression.operators.base import Named
from fedkd_compression.testing.ends import both_ends_agree
from fedkd_compression.testing.law import law
from fedkd_compression.testing.rows import computed, near, same

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.operators.base import Operator

_WEIGHTS = (0.5, -2.0, 3.0)
_BINS = 16


@law(lambda operator, dim: operator.traits.lossless)
def is_lossless(operator: Operator, x: Tensor, key: Key) -> None:
    """A lossless operator gives the sent bits."""
    frames, received = compress(operator, x[None], key)
    same(received[0], x, "received and sent rows")
    same(decompress(operator, frames, key, len(x))[0], x, "decoded and sent rows")


@law(lambda operator, dim: operator.traits.additive)
def is_additive(operator: Operator, x: Tensor, key: Key) -> None:
    """C(x) + C(y) = C(x + y) under one key, up to rounding."""
    y = x.flip(0) * 0.5
    one, other, both = (compress(operator, row[None], key)[1] for row in (x, y, x + y))
    near(one.double() + other.double(), both, (one, other, both), "C(x) + C(y) and C(x + y)")


@law()
def total_is_the_weighted_sum(operator: Operator, x: Tensor, key: Key) -> None:
    """``decompress_sum`` of frames of one key is the weighted sum of the decoded rows, up to rounding."""
    rows = (x, -0.5 * x, x.flip(0))
    frames = [compress(operator, row[None], key)[0][0] for row in rows]
    decoded = [
        decompress(operator, [frame], key, len(x))[0] * weight for frame, weight in zip(frames, _WEIGHTS, strict=True)
    ]
    total = decompress_sum(operator, frames, key, len(x), _WEIGHTS)
    assert total.dtype == torch.float64, f"the sum is {total.dtype}, not float64"
    near(total, torch.stack(decoded).double().sum(0), decoded, "the sum of frames and of decoded rows")


@law(lambda operator, dim: operator.traits.fixed_size)
def has_fixed_size(operator: Operator, x: Tensor, key: Key) -> None:
    """The size of a frame depends on dimension and dtype alone."""
    rows = (x, -x.sort().values, torch.zeros_like(x))
    found = [len(compress(operator, row[None], key)[0][0]) for row in rows]
    assert len(set(found)) == 1, f"frames of x, of -x sorted and of zeros have {found} bytes"


@law(lambda operator, dim: operator.traits.narrow)
def narrow_symbols_are_read(operator: Operator, x: Tensor, key: Key) -> None:
    """``decode`` makes the same rows of symbols in int8 as of the same symbols in int32."""
    code = operator.encode(computed(x)[None], key)
    assert code.symbols is not None, "narrow, but no symbols"
    if _fits(code.symbols):
        rows = [operator.decode(replace(code, symbols=code.symbols.to(kind)), key, len(x)) for kind in _widths()]
        same(rows[0], rows[1], "rows of int8 and of int32 symbols")


@law(lambda operator, dim: operator.kept(_one_row(), dim) is not None)
def keeps_as_many_as_it_says(operator: Operator, x: Tensor, key: Key) -> None:
    """No more coordinates than ``kept`` says come back."""
    kept, received = operator.kept(key, len(x)), compress(operator, x[None], key)[1]
    found = int((received != 0).sum())
    assert kept is not None
    assert found <= kept, f"{found} coordinates came back; kept says {kept}"


@law(lambda operator, dim: operator.contexts(_one_row(), dim) is not None)
def contexts_are_bins(operator: Operator, x: Tensor, key: Key) -> None:
    """``contexts`` gives a uint8 below 16 for each symbol."""
    contexts, symbols = operator.contexts(key, len(x)), operator.encode(computed(x)[None], key).symbols
    assert contexts is not None
    assert symbols is not None, "contexts, but no symbols"
    assert contexts.dtype == torch.uint8, f"contexts are {contexts.dtype}"
    assert contexts.shape == symbols.shape, f"contexts {tuple(contexts.shape)} of symbols {tuple(symbols.shape)}"
    assert not (contexts >= _BINS).any(), f"a context is {int(contexts.max())}"


@law()
def named_tensors_are_served(operator: Operator, x: Tensor, key: Key) -> None:
    """An operator that wants to know which tensors a row holds serves the row when it does."""
    half = len(x) // 4
    shaped = operator.shaped((Named("matrix", (2, half)), Named("vector", (len(x) - 2 * half,))))
    if shaped is not operator:
        both_ends_agree(shaped, x, key)


def _one_row() -> Key:
    return Key((0,))


def _widths() -> tuple[torch.dtype, torch.dtype]:
    return torch.int8, torch.int32


def _fits(symbols: Tensor) -> bool:
    """Whether int8 holds the symbols."""
    return symbols.numel() == 0 or -128 <= int(symbols.min()) <= int(symbols.max()) <= 127
