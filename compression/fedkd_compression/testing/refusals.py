"""Laws of refusal: what must not be sent, and what must not be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd_compression.compressor import compress, decompress
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.testing.law import law
from fedkd_compression.testing.sealing import SEALED, sealed

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator

_PLACES = 20
"""Of a longer frame, as many places are damaged, evenly spread."""
_CHANGES = 12


@law()
def refuses_what_is_not_finite(operator: Operator, x: Tensor, key: Key) -> None:
    """NaN and infinity are refused with OperatorError, not sent."""
    for bad in (float("nan"), float("inf"), -float("inf")) if len(x) else ():
        row = x.clone()[None]
        row[0, -1] = bad
        try:
            compress(operator, row, key)
        except OperatorError:
            continue
        raise AssertionError(f"a row with {bad} was sent")


@law()
def refuses_damage(operator: Operator, x: Tensor, key: Key) -> None:
    """A frame with a flipped bit, one cut short or too long, and one of another dimension are refused."""
    (frame,), _ = compress(operator, x[None], key)
    places = range(0, len(frame), max(1, len(frame) // _PLACES))
    for at in places:
        flipped = frame[:at] + bytes((frame[at] ^ 1 << at % 8,)) + frame[at + 1 :]
        _refused(operator, flipped, key, len(x), f"with bit {at % 8} of byte {at} flipped")
        _refused(operator, frame[:at], key, len(x), f"of {len(frame)} cut to {at} bytes")
    _refused(operator, frame + b"\0", key, len(x), "with a byte too many")
    _refused(operator, frame, key, len(x) + 1, f"of dim={len(x)} where dim={len(x) + 1} is expected")


@law()
def any_bytes_decode_or_are_refused(operator: Operator, x: Tensor, key: Key) -> None:
    """Changed bytes under a right checksum give a row of the right shape or WireError, and no other error."""
    (frame,), _ = compress(operator, x[None], key)
    draws = key.fold("changes").words(3 * _CHANGES)[0].tolist()
    for place, octet, end in zip(draws[::3], draws[1::3], draws[2::3], strict=True):
        changed = bytearray(frame)
        # Two in three changes go to the start of the body, where its structure is.
        body = len(frame) - SEALED
        changed[SEALED + place % (min(body, 12) if place % 3 else body)] = octet & 0xFF
        data = sealed(changed if end % 4 else changed[: len(frame) - end % body])
        try:
            rows = decompress(operator, [data], key, len(x))
        except WireError:
            continue
        assert rows.shape == (1, len(x)), f"a changed frame gave rows {tuple(rows.shape)} of {(1, len(x))}"


def _refused(operator: Operator, data: bytes, key: Key, dim: int, what: str) -> None:
    try:
        decompress(operator, [data], key, dim)
    except WireError:
        return
    raise AssertionError(f"a frame {what} was decoded")
