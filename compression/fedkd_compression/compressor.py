"""Operator + codec + wire: rows to real bytes and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from fedkd_compression import framing, kernels
from fedkd_compression.direct import direct
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.framing import dtype_index
from fedkd_compression.wire import FLOATS, Lengths, Pieces

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator

_TOGETHER = 64
"""Frames that are summed at a time: their symbols are in memory together."""


def compress(operator: Operator, rows: Tensor, key: Key) -> tuple[list[bytes], Tensor]:
    """One frame a row, and the rows as the receiver will decode them.

    Args:
        operator: what is lost.
        rows: [n, d], float16, bfloat16, float32 or float64; every value finite. They are not changed.
        key: n rows; the receiver needs the same.

    Returns:
        n frames, and the received rows [n, d] in the dtype of ``rows`` (``rows`` itself when nothing is lost).

    Raises:
        OperatorError: the rows are not finite, have another shape or dtype, or the operator cannot serve them.

    Example:
        >>> frames, received = compress(TopK(k=10), torch.randn(1, 1000), Key.of(0))
        >>> 8 * len(frames[0])     # bits sent
    """
    pieces, received = compress_in_pieces(operator, rows, key)
    return [b"".join(frame) for frame in pieces], received


def compress_in_pieces(operator: Operator, rows: Tensor, key: Key) -> tuple[list[Pieces], Tensor]:
    """``compress`` without its last copy: frames in pieces, some of which may be the memory of ``rows`` themselves.

    Example:
        >>> pieces, received = compress_in_pieces(Identity(), rows, Key.of(0))
        >>> message = b"".join((header, *pieces[0]))
    """
    work = _prepared(operator, rows, key)
    if not len(work):
        return [], rows
    if operator.traits.ragged and len(work) > 1:
        parts = [compress_in_pieces(operator, rows[i : i + 1], key.row(i)) for i in range(len(rows))]
        return [frames[0] for frames, _ in parts], torch.cat([received for _, received in parts])
    code, received = _sent(operator, rows, work, key)
    return framing.frames(operator, code, key, rows.shape[1], dtype_index(rows)), received


def measure(operator: Operator, rows: Tensor, key: Key) -> tuple[Lengths, Tensor]:
    """What ``compress`` would give, but the lengths of the frames in place of them: for studies of many small rows.

    Up to 8,191 symbols a row are not coded for it, only counted; the lengths are exact all the same.

    Raises:
        OperatorError: as ``compress``.

    Example:
        >>> lengths, received = measure(SubtractiveDither(step=1.0), torch.randn(100, 20), Key.of(0).spread(100))
        >>> 8 * lengths.total.sum()     # bits that would be sent
    """
    found = direct(operator, rows, key)
    if found is not None:
        return found
    work = _prepared(operator, rows, key)
    if operator.traits.ragged and len(work) > 1:
        parts = [measure(operator, rows[i : i + 1], key.row(i)) for i in range(len(rows))]
        return Lengths.joined([lengths for lengths, _ in parts]), torch.cat([received for _, received in parts])
    if not len(work):
        return Lengths.joined([]), rows
    code, received = _sent(operator, rows, work, key)
    return framing.lengths(operator, code, key, rows.shape[1], dtype_index(rows)), received


def decompress(
    operator: Operator,
    frames: Sequence[bytes | memoryview],
    key: Key,
    dim: int,
    device: torch.device | str = "cpu",
    lent: bool = False,
) -> Tensor:
    """The rows [n, dim] that ``compress`` returned, from their frames and the key.

    Args:
        operator: the one that made the frames, with the same fields.
        frames: n of them.
        key: n rows.
        dim: dimension of the rows.
        device: where the rows are wanted; an operator that works anywhere decodes there.
        lent: whether the rows may lie in the memory of the frames, which then must not change while they are used;
            this saves a copy where frames are writable buffers and their values lie aligned.

    Raises:
        WireError: a frame is damaged, of another operator or dimension, or malformed; nothing else is raised for
            any bytes, and memory is bounded by dim.
    """
    if len(key.rows) != len(frames):
        raise WireError(f"frames: {len(frames)} for a key of {len(key.rows)} rows")
    if not frames:
        return torch.empty(0, dim, device=device)
    if operator.traits.ragged and len(frames) > 1:
        alone = [decompress(operator, [frame], key.row(i), dim, device, lent) for i, frame in enumerate(frames)]
        return torch.cat(alone)
    code, dtype = framing.code(operator, frames, key, dim, lent)
    there = code.map(lambda part: part.to(device)) if operator.traits.anywhere else code
    return _decoded(operator, there, key, dim).to(device=device, dtype=getattr(torch, FLOATS[dtype]))


def decompress_sum(
    operator: Operator, frames: Sequence[bytes | memoryview], key: Key, dim: int, weights: Sequence[float] | None = None
) -> Tensor:
    """The weighted sum, float64 [dim], of rows that were all compressed with one key of one row.

    Operators whose codes can be added (``SubtractiveDither``, ``RandK``, ``CountSketch``) decode once for all frames.

    Args:
        operator: the one that made the frames.
        frames: n of them.
        key: one row, shared by all frames.
        dim: dimension of the rows.
        weights: one a frame; 1 when None.

    Raises:
        WireError: as ``decompress``.
        OperatorError: the numbers of frames and weights differ, or the key has several rows.

    Example:
        >>> decompress_sum(RandK(k=10), frames, Key.of(0, "round", 3), dim) / len(frames)     # the mean
    """
    shares = [1.0] * len(frames) if weights is None else list(weights)
    if len(shares) != len(frames) or len(key.rows) != 1:
        raise OperatorError(
            f"decompress_sum: {len(frames)} frames, {len(shares)} weights, {len(key.rows)} keys; "
            "give a weight a frame and one key"
        )
    total = torch.zeros(dim, dtype=torch.float64)
    together = 1 if operator.traits.ragged else _TOGETHER
    for start in range(0, len(frames), together):
        part = frames[start : start + together]
        code, _ = framing.code(operator, part, key.repeat(len(part)), dim)
        total += _summed(operator, code, torch.tensor(shares[start : start + together]).double(), key, dim)
    return total


def _sent(operator: Operator, rows: Tensor, work: Tensor, key: Key) -> tuple[Code, Tensor]:
    """The code of rows, which ``work`` are prepared for it, and what the receiver will decode it to."""
    if operator.traits.lossless:
        return operator.encode(work, key), rows
    code, decoded = operator.transmit(work, key)
    received = decoded.to(device=rows.device, dtype=rows.dtype)
    if not _finite(received):
        raise OperatorError(f"{operator}: the received rows exceed {rows.dtype}; scale the rows down")
    return code, received


def _prepared(operator: Operator, rows: Tensor, key: Key) -> Tensor:
    """The rows in the operator's compute dtype, contiguous, on the CPU, after all checks."""
    if rows.ndim != 2 or len(key.rows) != rows.shape[0]:
        raise OperatorError(
            f"compress: rows {tuple(rows.shape)} with a key of {len(key.rows)} rows; give rows [n, d] and n keys"
        )
    dtype_index(rows)
    operator.check(rows.shape[1])
    work = (rows.detach() if operator.traits.anywhere else rows.detach().cpu()).contiguous()
    if not _finite(work):
        raise OperatorError(f"{operator}: rows hold NaN or infinity; give finite rows")
    if operator.traits.lossless or work.dtype in (torch.float32, torch.float64):
        return work
    return work.float()


def _finite(values: Tensor) -> bool:
    if values.dtype in (torch.float32, torch.float64):
        return kernels.on(values.device).all_finite(values.detach().contiguous())
    return bool(torch.isfinite(values).all())


def _decoded(operator: Operator, code: Code, key: Key, dim: int) -> Tensor:
    rows = _guarded(operator, lambda: operator.decode(code, key, dim))
    if rows.shape != (len(key.rows), dim):
        raise WireError(f"frame: {operator} decodes it to {tuple(rows.shape)}, not to {(len(key.rows), dim)}")
    return rows


def _summed(operator: Operator, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
    total = _guarded(operator, lambda: operator.total(code, weights, key, dim))
    if total.shape != (dim,):
        raise WireError(f"frame: {operator} sums it to {tuple(total.shape)}, not to {(dim,)}")
    return total


def _guarded(operator: Operator, decode: Callable[[], Tensor]) -> Tensor:
    """What a decoder gives; a user's may meet a code that its encoder never made, which is a malformed frame."""
    try:
        return decode()
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"frame: {operator} cannot decode it ({error})") from error
