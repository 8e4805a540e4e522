"""Laws of the two ends: the receiver has what the sender was told, and nothing else plays a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression.compressor import compress, decompress, measure
from fedkd_compression.keys import Key
from fedkd_compression.testing.law import law
from fedkd_compression.testing.rows import computed, parts_of, same
from fedkd_compression.wire import sizes

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.operators.base import Operator


@law()
def both_ends_agree(operator: Operator, x: Tensor, key: Key) -> None:
    """What the receiver decodes from the bytes is what the sender was told, bit for bit, in shape and dtype of x."""
    frames, received = compress(operator, x[None], key)
    decoded = decompress(operator, frames, key, len(x))
    assert received.shape == (1, len(x)), f"the sender was told rows {tuple(received.shape)} of {(1, len(x))}"
    assert received.dtype == x.dtype, f"the sender was told {received.dtype} of {x.dtype}"
    same(decoded, received, "decoded and told rows")


@law(lambda operator, dim: not operator.traits.lossless)
def one_pass_is_two(operator: Operator, x: Tensor, key: Key) -> None:
    """``transmit`` gives the code of ``encode``, and the rows that ``decode`` makes of it."""
    rows = computed(x)[None]
    code, received = operator.transmit(rows, key)
    parts, others = parts_of(code), parts_of(operator.encode(rows, key))
    assert parts.keys() == others.keys(), f"transmit gives {', '.join(parts)}, and encode {', '.join(others)}"
    for name, other in others.items():
        same(parts[name].to(other.dtype), other, f"the {name} of transmit and encode")
    same(operator.decode(code, key, len(x)), received, "the rows of decode and transmit")


@law()
def bytes_are_counted(operator: Operator, x: Tensor, key: Key) -> None:
    """Header, side information and body are the whole frame: a size is a number of bytes, also of a frame not made."""
    (frame,), received = compress(operator, x[None], key)
    found, (lengths, again) = sizes(frame), measure(operator, x[None], key)
    measured = tuple(int(part[0]) for part in lengths)
    assert measured == (found.header, found.side, found.body), f"{found} is measured as {measured}"
    same(again, received, "the rows of measure and compress")
    assert found.total == len(frame), f"{found} of a frame of {len(frame)} bytes"
    assert min(found.header, found.side, found.body) >= 0, f"{found} has a negative part"


@law()
def same_key_same_bytes(operator: Operator, x: Tensor, key: Key) -> None:
    """An operator is a function of rows and key: again is the same."""
    first, again = compress(operator, x[None], key), compress(operator, x[None], key)
    assert first[0] == again[0], "two frames of one row and one key differ"
    same(again[1], first[1], "two received rows of one row and one key")


@law()
def batch_is_loop(operator: Operator, x: Tensor, key: Key) -> None:
    """Rows of a batch do not meet: each has the bytes and the received row that it has alone."""
    keys = [key.fold(i) for i in range(3)]
    rows = torch.stack((x, torch.zeros_like(x), _first_only(x)))
    frames, received = compress(operator, rows, Key.stack(keys))
    for i, own in enumerate(keys):
        (frame,), alone = compress(operator, rows[i : i + 1], own)
        assert frame == frames[i], f"row {i} of a batch has other bytes than alone"
        same(received[i : i + 1], alone, f"row {i} of a batch and alone")
    same(decompress(operator, frames, Key.stack(keys), len(x)), received, "a batch that was decoded and told")


@law()
def no_rows_give_no_frames(operator: Operator, x: Tensor, key: Key) -> None:
    """A batch of no rows is no frames, and back."""
    frames, received = compress(operator, x[None][:0], Key(()))
    assert frames == [], f"{len(frames)} frames of no rows"
    decoded = decompress(operator, [], Key(()), len(x))
    assert received.shape == decoded.shape == (0, len(x)), f"no rows became {tuple(received.shape)}"


@law()
def strides_do_not_matter(operator: Operator, x: Tensor, key: Key) -> None:
    """Rows that do not lie densely in memory are sent as if they did."""
    keys = Key.stack([key, key.fold(1)])
    dense = torch.stack((x, -x))
    strided = torch.stack((dense, torch.ones_like(dense)), dim=2).permute(1, 2, 0)[:, 0].T
    assert torch.equal(strided, dense)
    expected, found = compress(operator, dense, keys), compress(operator, strided, keys)
    assert found[0] == expected[0], "strided rows have other bytes than dense ones"
    same(found[1], expected[1], "received rows of strided and dense rows")


@law()
def input_is_unchanged(operator: Operator, x: Tensor, key: Key) -> None:
    """Compressing writes nothing into its input."""
    before = x.clone()
    compress(operator, x[None], key)
    same(x, before, "the input after and before")


@law()
def zero_stays_zero(operator: Operator, x: Tensor, key: Key) -> None:
    """C(0) = 0 at both ends."""
    frames, received = compress(operator, torch.zeros_like(x)[None], key)
    decoded = decompress(operator, frames, key, len(x))
    peak = float(torch.cat((received, decoded)).abs().amax()) if len(x) else 0.0
    assert peak == 0, f"a row of zeros came back with {peak:g}"


def _first_only(x: Tensor) -> Tensor:
    row = torch.zeros_like(x)
    row[:1] = x[:1]
    return row
