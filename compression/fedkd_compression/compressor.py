"""Operator + codec + wire: rows to real bytes and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fedkd_compression import kernels, wire
from fedkd_compression.code import Code
from fedkd_compression.codecs import decode_positions, decode_symbols, encode_positions, encode_symbols
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.wire import FLOATS, Frame, Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator

    Contexts = Callable[[], NDArray[np.uint8]]


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
    code, decoded = operator.transmit(work, key)
    received = rows if operator.traits.lossless else decoded.to(rows.dtype)
    if not operator.traits.lossless and not _finite(received):
        raise OperatorError(f"{operator}: the received rows exceed {rows.dtype}; scale the rows down")
    named, dtype = wire.fingerprint(operator), _dtype_index(rows)
    contexts = _contexts(operator, key, rows.shape[1])
    frames = [
        wire.pack(_frame(code.row(i), named, rows.shape[1], dtype, contexts(i))) for i in range(rows.shape[0])
    ]
    return frames, received


def decompress(operator: Operator, frames: Sequence[bytes], key: Key, dim: int) -> Tensor:
    """The rows [n, dim] that ``compress`` returned, from their frames and the key.

    Raises:
        WireError: a frame is damaged, of another operator or dimension, or malformed; nothing else is raised for
            any bytes, and memory is bounded by dim.
    """
    parsed = [_parsed(operator, frame, dim) for frame in frames]
    if len(key.rows) != len(parsed):
        raise WireError(f"frames: {len(parsed)} for a key of {len(key.rows)} rows")
    if not parsed:
        return torch.empty(0, dim)
    contexts = _contexts(operator, key, dim)
    code = _stacked([_code(frame, contexts(i)) for i, frame in enumerate(parsed)])
    if len({frame.dtype for frame in parsed}) > 1:
        raise WireError("frames: rows of one batch differ in dtype")
    return _decoded(operator, code, key, dim).to(getattr(torch, FLOATS[parsed[0].dtype]))


def _prepared(operator: Operator, rows: Tensor, key: Key) -> Tensor:
    """The rows in the operator's compute dtype, contiguous, on the CPU, after all checks."""
    if rows.ndim != 2 or len(key.rows) != rows.shape[0]:
        raise OperatorError(f"compress: rows {tuple(rows.shape)} with a key of {len(key.rows)} rows; give rows [n, d] and n keys")
    _dtype_index(rows)
    operator.check(rows.shape[1])
    work = rows.detach().cpu().contiguous()
    if not _finite(work):
        raise OperatorError(f"{operator}: rows hold NaN or infinity; give finite rows")
    if operator.traits.lossless or work.dtype in (torch.float32, torch.float64):
        return work
    return work.float()


def _finite(values: Tensor) -> bool:
    if values.dtype in (torch.float32, torch.float64):
        return kernels.backend().all_finite(values.numpy().reshape(-1))
    return bool(torch.isfinite(values).all())


def _dtype_index(values: Tensor) -> int:
    name = str(values.dtype).removeprefix("torch.")
    if name not in FLOATS:
        raise OperatorError(f"compress: dtype {name} is not a float; give one of {', '.join(FLOATS)}")
    return FLOATS.index(name)


def _contexts(operator: Operator, key: Key, dim: int) -> Callable[[int], Contexts | None]:
    """For each row, a function that draws its contexts, if the operator has any; drawn only when needed."""

    def of_row(i: int) -> Contexts:
        def drawn() -> NDArray[np.uint8]:
            contexts = operator.contexts(key.row(i), dim)
            return np.empty(0, np.uint8) if contexts is None else contexts.numpy()[0]

        return drawn

    has = type(operator).contexts is not _base_contexts()
    return lambda i: of_row(i) if has else None


def _base_contexts() -> Any:
    from fedkd_compression.operators.base import Operator

    return Operator.contexts


def _frame(code: Code, named: int, dim: int, dtype: int, contexts: Contexts | None) -> Frame:
    symbols, positions, values, side = code.parts()
    return Frame(
        named,
        dim,
        dtype,
        side=_raw(side),
        side_dtype=2 if side is None else _dtype_index(side),
        values=_raw(values),
        values_dtype=2 if values is None else _dtype_index(values),
        positions=None
        if positions is None
        else Stream(positions.shape[1], _octets(encode_positions(positions[0].numpy(), dim))),
        symbols=None
        if symbols is None
        else Stream(symbols.shape[1], _octets(encode_symbols(symbols[0].numpy(), contexts))),
    )


def _raw(values: Tensor | None) -> Stream | None:
    if values is None:
        return None
    whole = values.view(torch.int16) if values.dtype == torch.bfloat16 else values
    return Stream(values.shape[1], np.ascontiguousarray(whole.numpy()).reshape(-1).view(np.uint8))


def _octets(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _parsed(operator: Operator, data: bytes, dim: int) -> Frame:
    frame = wire.unpack(data)
    if frame.dim != dim:
        raise WireError(f"frame: dim={frame.dim} where dim={dim} is expected")
    if frame.fingerprint != wire.fingerprint(operator):
        raise WireError(f"frame: made by another operator than {operator}")
    return frame


def _code(frame: Frame, contexts: Contexts | None) -> Code:
    return Code(
        None if frame.symbols is None else torch.from_numpy(decode_symbols(frame.symbols.data, frame.symbols.count, contexts))[None],
        None if frame.positions is None else torch.from_numpy(decode_positions(frame.positions.data, frame.positions.count, frame.dim))[None],
        _floats(frame.values, frame.values_dtype),
        _floats(frame.side, frame.side_dtype),
    )


def _floats(stream: Stream | None, dtype: int) -> Tensor | None:
    if stream is None:
        return None
    return torch.from_numpy(stream.data.copy()).view(getattr(torch, FLOATS[dtype])).reshape(1, stream.count)


def _stacked(codes: list[Code]) -> Code:
    if len(codes) == 1:
        return codes[0]
    try:
        return Code(*(None if parts[0] is None else torch.cat(parts) for parts in zip(*(code.parts() for code in codes), strict=True)))
    except (TypeError, RuntimeError):
        raise WireError("frames: rows of one batch differ in their parts") from None


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
