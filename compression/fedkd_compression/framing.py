"""Codes to frames and back: each part of a code through its codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import wire
from fedkd_compression.code import Code
from fedkd_compression.codecs import decode_positions, decode_symbols, encode_positions, encode_symbols
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.operators.base import Operator
from fedkd_compression.wire import FLOATS, Frame, Stream

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Octets, Symbols
    from fedkd_compression.keys import Key

    Contexts = Callable[[], Octets]

_FLOAT32 = FLOATS.index("float32")


def frames(operator: Operator, code: Code, key: Key, dim: int, dtype: int) -> list[bytes]:
    """One frame for each row of a code; ``dtype`` is that of the rows, as an index into FLOATS."""
    named = wire.fingerprint(operator)
    return [
        wire.pack(_frame(code.row(i), Frame(named, dim, dtype), _contexts(operator, key.row(i), dim)))
        for i in range(len(key.rows))
    ]


def code(operator: Operator, data: Sequence[bytes | memoryview], key: Key, dim: int) -> tuple[Code, int]:
    """The code of one frame a row, and the dtype of the rows as an index into FLOATS.

    Raises:
        WireError: a frame is damaged, of another operator or dimension, or malformed.
    """
    parsed = [_parsed(operator, frame, dim) for frame in data]
    if len({frame.dtype for frame in parsed}) > 1:
        raise WireError("frames: rows of one batch differ in dtype")
    rows = [_code(operator, frame, _contexts(operator, key.row(i), dim)) for i, frame in enumerate(parsed)]
    return _stacked(rows), parsed[0].dtype


def dtype_index(values: Tensor) -> int:
    """The dtype of a tensor as an index into FLOATS.

    Raises:
        OperatorError: it is not one of them.
    """
    name = str(values.dtype).removeprefix("torch.")
    if name not in FLOATS:
        raise OperatorError(f"compress: dtype {name} is not one of {', '.join(FLOATS)}; convert the tensor first")
    return FLOATS.index(name)


def _contexts(operator: Operator, key: Key, dim: int) -> Contexts | None:
    """A function that draws the contexts of a row, if the operator has any: they are drawn only where needed."""
    if type(operator).contexts is Operator.contexts:
        return None

    def drawn() -> Octets:
        contexts = operator.contexts(key, dim)
        return np.empty(0, np.uint8) if contexts is None else contexts.numpy()[0]

    return drawn


def _frame(row: Code, frame: Frame, contexts: Contexts | None) -> Frame:
    symbols, positions, values, side = row.parts()
    return Frame(
        frame.fingerprint,
        frame.dim,
        frame.dtype,
        side=_raw(side),
        side_dtype=_FLOAT32 if side is None else dtype_index(side),
        values=_raw(values),
        values_dtype=_FLOAT32 if values is None else dtype_index(values),
        positions=None if positions is None else _stream(encode_positions(positions[0].numpy(), frame.dim), positions),
        symbols=None if symbols is None else _stream(encode_symbols(_whole(symbols), contexts), symbols),
    )


def _whole(symbols: Tensor) -> Symbols:
    if symbols.dtype not in (torch.int8, torch.int32):
        raise OperatorError(f"Code: symbols are {symbols.dtype}; make them int32")
    return np.ascontiguousarray(symbols.numpy()[0])


def _raw(values: Tensor | None) -> Stream | None:
    if values is None:
        return None
    whole = values.view(torch.int16) if values.dtype == torch.bfloat16 else values
    return Stream(values.shape[1], np.ascontiguousarray(whole.numpy()).reshape(-1).view(np.uint8))


def _stream(data: bytes, part: Tensor) -> Stream:
    return Stream(part.shape[1], np.frombuffer(data, np.uint8))


def _parsed(operator: Operator, data: bytes | memoryview, dim: int) -> Frame:
    frame = wire.unpack(data)
    if frame.dim != dim:
        raise WireError(f"frame: dim={frame.dim} where dim={dim} is expected")
    if frame.fingerprint != wire.fingerprint(operator):
        raise WireError(f"frame: made by another operator than {operator}")
    return frame


def _code(operator: Operator, frame: Frame, contexts: Contexts | None) -> Code:
    symbols = positions = None
    if frame.symbols is not None:
        read = decode_symbols(frame.symbols.data, frame.symbols.count, contexts)
        symbols = torch.from_numpy(read if operator.traits.narrow else read.astype(np.int32, copy=False))[None]
    if frame.positions is not None:
        positions = torch.from_numpy(decode_positions(frame.positions.data, frame.positions.count, frame.dim))[None]
    return Code(symbols, positions, _floats(frame.values, frame.values_dtype), _floats(frame.side, frame.side_dtype))


def _floats(stream: Stream | None, dtype: int) -> Tensor | None:
    if stream is None:
        return None
    kind = getattr(torch, FLOATS[dtype])
    if stream.count == 0:
        return torch.empty(1, 0, dtype=kind)
    return torch.from_numpy(stream.data.copy()).view(kind)[None]


def _stacked(codes: list[Code]) -> Code:
    """The codes of single rows as one; narrow symbols become as wide as the widest."""
    if len(codes) == 1:
        return codes[0]
    parts = list(zip(*(row.parts() for row in codes), strict=True))
    try:
        return Code(*(None if all(part is None for part in same) else torch.cat(same) for same in parts))
    except (TypeError, RuntimeError):
        raise WireError("frames: rows of one batch differ in their parts") from None
