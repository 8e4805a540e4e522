"""Reader of idx files, MNIST's format: plain or gzip, checked before anything is believed."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UINT8 = 0x08
_GZIP = b"\x1f\x8b"


def find(folder: Path, name: str) -> Path | None:
    """Path of ``name``, else of ``name.gz``, in the folder, or None."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def locate(folder: Path, name: str) -> Path:
    """Path of ``name``, else of ``name.gz``, in the folder.

    Raises:
        ConfigurationError: neither is there; names the folder and the fix.
    """
    path = find(folder, name)
    if path is None:
        raise ConfigurationError(
            f"{folder / name}[.gz] is missing; install the Debian package dataset-fashion-mnist "
            "or set data.path to a folder of idx files"
        )
    return path


def peek(path: Path) -> int:
    """Number of items that the header of the file promises; reads a few bytes only."""
    with path.open("rb") as file:
        start = file.read(4096)
    if start[:2] == _GZIP:
        start = _inflate(path, start, limit=16)
    return _header(path, start)[0][0]


def read(path: Path) -> tuple[NDArray[np.uint8], str]:
    """The array of the file and the sha256 of its decompressed bytes.

    Raises:
        ConfigurationError: the file is truncated, too long, corrupt, or not an idx file of bytes.
    """
    content = path.read_bytes()
    if content[:2] == _GZIP:
        content = _inflate(path, content, limit=0)
    shape, offset = _header(path, content)
    expected = offset + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise ConfigurationError(
            f"{path}: {len(content)} bytes where its header {shape} promises {expected}; download it again"
        )
    array = np.frombuffer(content, dtype=np.uint8, offset=offset).reshape(shape)
    return array, hashlib.sha256(content).hexdigest()


def _inflate(path: Path, content: bytes, limit: int) -> bytes:
    """Decompress gzip bytes: the whole stream with its check sum, or ``limit`` bytes of its start."""
    stream = zlib.decompressobj(wbits=31)
    try:
        inflated = stream.decompress(content, limit)
    except zlib.error as error:
        raise ConfigurationError(f"{path}: corrupt gzip file ({error}); download it again") from None
    if limit == 0 and not stream.eof:
        raise ConfigurationError(f"{path}: gzip file of {len(content)} bytes is cut short; download it again")
    return inflated


def _header(path: Path, content: bytes) -> tuple[tuple[int, ...], int]:
    """Shape and offset of the items: two zero bytes, type, dimensions, then one big-endian uint32 each."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UINT8 or not 1 <= content[3] <= 3:
        raise ConfigurationError(
            f"{path}: starts with {content[:4].hex() or 'nothing'}, not an idx file of bytes; "
            "give files in MNIST's format"
        )
    dimensions = content[3]
    offset = 4 + 4 * dimensions
    if len(content) < offset:
        raise ConfigurationError(f"{path}: {len(content)} bytes cut its header short; download it again")
    return tuple(int(n) for n in np.frombuffer(content, dtype=">u4", count=dimensions, offset=4)), offset
