"""Codes to frames and back: each part of a code through its codec, children as their own operators say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import wire
from fedkd_compression.body import Body, Stream, Unread, most, put_count
from fedkd_compression.code import Code
from fedkd_compression.codecs import decode_positions, decode_symbols, encode_positions, encode_symbols, symbol_lengths
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.operators.base import Operator, Part
from fedkd_compression.wire import FLOATS, Frame, Lengths, Pieces

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Counts, Octets, Symbols
    from fedkd_compression.keys import Key

    Contexts = Callable[[], Octets]

_FLOAT32 = FLOATS.index("float32")


def frames(operator: Operator, code: Code, key: Key, dim: int, dtype: int) -> list[Pieces]:
    """One frame for each row of a code, in pieces; ``dtype`` is that of the rows, as an index into FLOATS."""
    named, host = wire.fingerprint(operator), code.map(lambda part: part.detach().cpu())
    return [
        wire.pieces(Frame(named, dim, dtype, _body(host.row(i), Part(operator, key.row(i), dim))))
        for i in range(len(key.rows))
    ]


def lengths(operator: Operator, code: Code, key: Key, dim: int, dtype: int) -> Lengths:
    """The lengths of the ``frames`` of a code, which are made only where it has positions or children."""
    if code.positions is not None or code.children:
        made = [wire.sizes(b"".join(pieces)) for pieces in frames(operator, code, key, dim, dtype)]
        columns = np.array([(sizes.header, sizes.side, sizes.body) for sizes in made], np.int64).T
        return Lengths(*columns)
    host, count = code.map(lambda part: part.detach().cpu()), len(key.rows)
    parts = [part for part in (host.side, host.values, host.symbols) if part is not None]
    header = wire.least_header(dim) + sum(len(put_count(part.shape[1], dim)) for part in parts)
    body = np.full(count, _octets(host.values))
    if host.symbols is not None:
        body += _lengths(host.symbols, Part(operator, key, dim))
    return Lengths(np.full(count, header), np.full(count, _octets(host.side)), body)


def _octets(part: Tensor | None) -> int:
    """Bytes a row."""
    return 0 if part is None else part.shape[1] * part.element_size()


def _lengths(symbols: Tensor, part: Part) -> Counts:
    contexts = np.empty((len(symbols), 0), np.uint8)
    if type(part.operator).contexts is not Operator.contexts:
        drawn = part.operator.contexts(part.key, part.dim)
        contexts = contexts if drawn is None else np.ascontiguousarray(drawn.cpu().numpy())
    if symbols.dtype not in (torch.int8, torch.int32):
        raise OperatorError(f"Code: symbols are {symbols.dtype}; make them int32")
    return symbol_lengths(symbols.contiguous().numpy(), contexts, *part.operator.coding(part.dim))


def code(
    operator: Operator, data: Sequence[bytes | memoryview], key: Key, dim: int, lent: bool = False
) -> tuple[Code, int]:
    """The code of one frame a row, and the dtype of the rows as an index into FLOATS.

    Its floats may be ``lent``: where that can be done they are then the frames' own memory.

    Raises:
        WireError: a frame is damaged, of another operator or dimension, or malformed.
    """
    parsed = [_parsed(operator, frame, dim) for frame in data]
    if len({frame.dtype for frame in parsed}) > 1:
        raise WireError("frames: rows of one batch differ in dtype")
    rows = [_code(frame.body, Part(operator, key.row(i), dim), lent) for i, frame in enumerate(parsed)]
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


def _contexts(part: Part) -> Contexts | None:
    """A function that draws the contexts of a code, if its operator may have any."""
    if type(part.operator).contexts is Operator.contexts:
        return None
    return lambda: _drawn(part)


def _drawn(part: Part) -> Octets:
    contexts = part.operator.contexts(part.key, part.dim)
    return np.empty(0, np.uint8) if contexts is None else contexts.cpu().numpy().reshape(-1)


def _encoded(symbols: Tensor, part: Part) -> Stream:
    # The encoder needs the contexts in any case; a wrapper says only with them whether its operator has some.
    contexts = _drawn(part)
    known = (lambda: contexts) if len(contexts) else None
    return _stream(encode_symbols(_whole(symbols), known, *part.operator.coding(part.dim)), symbols)


def _body(row: Code, part: Part) -> Body:
    symbols, positions, values, side = row.parts()
    length = part.dim * len(part.key.rows)
    inner = part.operator.children(part.key, part.dim) if row.children else ()
    return Body(
        side=_raw(side),
        side_dtype=_FLOAT32 if side is None else dtype_index(side),
        values=_raw(values),
        values_dtype=_FLOAT32 if values is None else dtype_index(values),
        positions=None
        if positions is None
        else _stream(encode_positions(positions[0].numpy(), most(length)), positions),
        children=tuple(_body(child, own) for child, own in zip(row.children, inner, strict=True)),
        symbols=None if symbols is None else _encoded(symbols, part),
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


def _code(body: Body, part: Part, lent: bool) -> Code:
    """The code of a body; nothing is read that is larger than the part's dimension allows."""
    length = part.dim * len(part.key.rows)
    body.check(length)
    symbols = positions = None
    if body.symbols is not None:
        shared = part.operator.coding(part.dim).shared
        read = decode_symbols(body.symbols.data, body.symbols.count, _contexts(part), shared)
        symbols = torch.from_numpy(read if part.operator.traits.narrow else read.astype(np.int32, copy=False))[None]
    if body.positions is not None:
        read_positions = decode_positions(body.positions.data, body.positions.count, most(length))
        positions = torch.from_numpy(read_positions)[None]
    side, values = _floats(body.side, body.side_dtype, lent), _floats(body.values, body.values_dtype, lent)
    return Code(symbols, positions, values, side, _children(body, part, lent))


def _children(body: Body, part: Part, lent: bool) -> tuple[Code, ...]:
    if not isinstance(body.children, Unread):
        return ()
    inner = part.operator.children(part.key, part.dim)
    return tuple(_code(child, own, lent) for child, own in zip(body.children.read(len(inner)), inner, strict=True))


def _floats(stream: Stream | None, dtype: int, lent: bool) -> Tensor | None:
    if stream is None:
        return None
    kind = getattr(torch, FLOATS[dtype])
    if stream.count == 0:
        return torch.empty(1, 0, dtype=kind)
    # Torch takes no memory that may not be written to, and tensors lie aligned.
    own = lent and stream.data.flags.writeable and stream.data.ctypes.data % kind.itemsize == 0
    return torch.from_numpy(stream.data if own else stream.data.copy()).view(kind)[None]


def _stacked(codes: list[Code]) -> Code:
    """The codes of single rows as one; narrow symbols become as wide as the widest."""
    if len(codes) == 1:
        return codes[0]
    if len({len(code.children) for code in codes}) > 1:
        raise WireError("frames: rows of one batch differ in their parts")
    children = tuple(_stacked(list(same)) for same in zip(*(code.children for code in codes), strict=True))
    parts = list(zip(*(row.parts() for row in codes), strict=True))
    try:
        symbols, positions, values, side = (
            None if all(part is None for part in same) else torch.cat(same) for same in parts
        )
    except (TypeError, RuntimeError):
        raise WireError("frames: rows of one batch differ in their parts") from None
    return Code(symbols, positions, values, side, children)
