"""Operator + codec + wire: rows to real bytes and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd_compression import framing, kernels
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.framing import dtype_index
from fedkd_compression.wire import FLOATS

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator


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
    work = _prepared(operator, rows, key)
    if operator.traits.lossless:
        code, received = operator.encode(work, key), rows
    else:
        code, decoded = operator.transmit(work, key)
        received = decoded.to(device=rows.device, dtype=rows.dtype)
        if not _finite(received):
            raise OperatorError(f"{operator}: the received rows exceed {rows.dtype}; scale the rows down")
    return framing.frames(operator, code, key, rows.shape[1], dtype_index(rows)), received


def decompress(operator: Operator, frames: Sequence[bytes | memoryview], key: Key, dim: int) -> Tensor:
    """The rows [n, dim] that ``compress`` returned, from their frames and the key.

    Raises:
        WireError: a frame is damaged, of another operator or dimension, or malformed; nothing else is raised for
            any bytes, and memory is bounded by dim.
    """
    if len(key.rows) != len(frames):
        raise WireError(f"frames: {len(frames)} for a key of {len(key.rows)} rows")
    if not frames:
        return torch.empty(0, dim)
    code, dtype = framing.code(operator, frames, key, dim)
    return _decoded(operator, code, key, dim).to(getattr(torch, FLOATS[dtype]))


def _prepared(operator: Operator, rows: Tensor, key: Key) -> Tensor:
    """The rows in the operator's compute dtype, contiguous, on the CPU, after all checks."""
    if rows.ndim != 2 or len(key.rows) != rows.shape[0]:
        raise OperatorError(
            f"compress: rows {tuple(rows.shape)} with a key of {len(key.rows)} rows; give rows [n, d] and n keys"
        )
    dtype_index(rows)
    operator.check(rows.shape[1])
    work = rows.detach().cpu().contiguous()
    if not _finite(work):
        raise OperatorError(f"{operator}: rows hold NaN or infinity; give finite rows")
    if operator.traits.lossless or work.dtype in (torch.float32, torch.float64):
        return work
    return work.float()


def _finite(values: Tensor) -> bool:
    if values.dtype in (torch.float32, torch.float64):
        return kernels.backend().all_finite(values.detach().cpu().contiguous().numpy())
    return bool(torch.isfinite(values).all())


def _decoded(operator: Operator, code: Code, key: Key, dim: int) -> Tensor:
    try:
        rows = operator.decode(code, key, dim)
    except WireError:
        raise
    except Exception as error:
        # A decoder of a user may meet a code that its encoder never made: that is a malformed frame.
        raise WireError(f"frame: {operator} cannot decode it ({error})") from error
    if rows.shape != (len(key.rows), dim):
        raise WireError(f"frame: {operator} decodes it to {tuple(rows.shape)}, not to {(len(key.rows), dim)}")
    return rows
