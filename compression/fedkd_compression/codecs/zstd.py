"""Zstandard, where the installation has it: the standard library's from Python 3.14, or the package ``zstandard``.

Layout: bytes of a symbol 1 (1, 2 or 4) | a Zstandard frame of the symbols, little endian.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.errors import OperatorError, WireError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Symbols

_LEVEL, _QUICK = 9, 1
_PIECES, _PIECE = 16, 1 << 12
_SHORTEST = 1 << 12
_GAIN = 0.9
_SMALLEST_WINDOW, _LARGEST_WINDOW = 10, 27
_WIDTHS = {1: "<i1", 2: "<i2", 4: "<i4"}


def available() -> bool:
    """Whether this installation can encode and decode it."""
    return _module() is not None


def promising(symbols: Symbols, others: float) -> bool:
    """Whether a sample from all over symbols [m] lets hope for fewer bytes than ``others``, those of the best code."""
    if len(symbols) < _SHORTEST:
        return False
    starts = (len(symbols) - _PIECE) * np.arange(_PIECES) // (_PIECES - 1)
    sample = symbols if len(symbols) <= _PIECES * _PIECE else symbols[starts[:, None] + np.arange(_PIECE)].reshape(-1)
    return len(_compressed(_plain(sample), _QUICK)) * len(symbols) / len(sample) < _GAIN * others


def encode(symbols: Symbols) -> bytes:
    """Code symbols [m].

    Raises:
        OperatorError: this installation does not have it.
    """
    plain = _plain(symbols)
    return bytes((plain.itemsize,)) + _compressed(plain, _LEVEL)


def decode(data: Octets, count: int) -> Symbols:
    """Read ``count`` symbols, int8 or int32 [count]; never more bytes than they have are made.

    Raises:
        WireError: the data are not that, or this installation cannot read them.
    """
    kind = _WIDTHS.get(int(data[0])) if len(data) else None
    if kind is None:
        raise WireError("frame: a Zstandard code without a valid width")
    plain = _decompressed(data[1:].tobytes(), count * int(data[0]))
    symbols: Symbols = np.frombuffer(plain, kind)
    return symbols.astype(np.int8 if kind == _WIDTHS[1] else np.int32)


def _plain(symbols: Symbols) -> Symbols:
    """Symbols in as few bytes each as hold them all."""
    if symbols.dtype == np.int8:
        return symbols
    bits = max(int(symbols.max()), -int(symbols.min()) - 1).bit_length()
    return symbols.astype(_WIDTHS[1] if bits < 8 else _WIDTHS[2] if bits < 16 else _WIDTHS[4])


def _module() -> ModuleType | None:
    # Before 3.14 the name ``compression`` may be a folder of ours on the path.
    if sys.version_info >= (3, 14):
        return import_module("compression.zstd") if find_spec("compression.zstd") else None
    return import_module("zstandard") if find_spec("zstandard") else None


def _compressed(plain: Symbols, level: int) -> bytes:
    module = _module()
    if module is None:
        raise OperatorError("zstd: this installation does not have it; pip install zstandard, or do not ask for it")
    if sys.version_info >= (3, 14):
        return bytes(module.compress(plain.tobytes(), level=level))
    return bytes(module.ZstdCompressor(level=level).compress(plain.tobytes()))


def _decompressed(data: bytes, size: int) -> bytes:
    """Exactly ``size`` bytes, with a window that is no larger."""
    module = _module()
    if module is None:
        raise WireError("frame: symbols are in a Zstandard code, which this end cannot read; pip install zstandard")
    window = min(max(size.bit_length(), _SMALLEST_WINDOW), _LARGEST_WINDOW)
    try:
        if sys.version_info >= (3, 14):
            options = {module.DecompressionParameter.window_log_max: window}
            plain = module.ZstdDecompressor(options=options).decompress(data, max_length=size + 1)
        else:
            reader = module.ZstdDecompressor(max_window_size=1 << window).stream_reader(data)
            plain = reader.read(size + 1)
    except (module.ZstdError, MemoryError) as error:
        raise WireError(f"frame: a Zstandard code that cannot be read ({error})") from None
    if len(plain) != size:
        raise WireError(f"frame: a Zstandard code of another size than {size} bytes")
    return bytes(plain)
