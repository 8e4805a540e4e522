"""What a teacher has learned: made once, wherever it suits, and handed to every worker of the run."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd import vectors
from fedkd_compression import WireError

if TYPE_CHECKING:
    from torch import Tensor

_START = struct.Struct("<II")
LARGEST = 1 << 32
"""Rows, and classes, that a lesson may have."""


@dataclass(frozen=True)
class Lesson:
    """Answers of a frozen teacher.

    Args:
        table: logits of all training samples [n_train, classes].
        facts: what the manifest says about the teacher.
    """

    table: Tensor
    facts: dict[str, float]

    def pack(self) -> bytes:
        """Its bytes: size and checksum of an object of JSON, the object, and the table as one vector."""
        head = json.dumps({"facts": self.facts, "shape": list(self.table.shape)}).encode()
        return _START.pack(len(head), zlib.crc32(head)) + head + vectors.pack(self.table.reshape(-1))

    @staticmethod
    def unpack(data: bytes | memoryview) -> Lesson:
        """The lesson that was packed; any bytes give a lesson or WireError.

        Raises:
            WireError: the bytes are damaged.
        """
        rest = memoryview(data)[_START.size :]
        size, checksum = _START.unpack_from(data) if len(data) >= _START.size else (0, 1)
        if zlib.crc32(rest[:size]) != checksum:
            raise WireError("lesson: head damaged or cut off")
        rows, classes, facts = _head(bytes(rest[:size]))
        return Lesson(vectors.unpack(rest[size:], rows * classes).reshape(rows, classes), facts)


def _head(text: bytes) -> tuple[int, int, dict[str, float]]:
    """Rows, classes and facts."""
    try:
        head = json.loads(text)
        rows, classes = map(int, head["shape"])
        facts = {str(name): float(value) for name, value in head["facts"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        raise WireError("lesson: its head is no object with facts and a shape") from None
    if not 0 <= min(rows, classes) <= max(rows, classes) < LARGEST:
        raise WireError(f"lesson: a shape of {rows} x {classes}")
    return rows, classes, facts
