"""Files of one JSON object a line, one line a round: written while the run goes on, readable after a crash."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from io import SEEK_END, FileIO
from pathlib import Path
from typing import TypeVar

from fedkd.durable import explained, replace_text
from fedkd.errors import ConfigurationError

T = TypeVar("T")


class RoundLines:
    """Appends a line after every round, as a whole or not at all; every line is an object with a ``round``.

    A resumed run drops the lines from its first round on: they are of rounds that happen again. What the system refuses
    is a StorageError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def touch(self) -> None:
        """Make sure that there is a file."""
        with explained(self._path):
            self._path.touch()

    def write(self, round_: int, line: str) -> None:
        """Append a line; before the first one, drop lines that this run replaces."""
        if self._file is None:
            _keep_before(self._path, round_)
            with explained(self._path):
                self._file = self._path.open("ab", buffering=0)
        with explained(self._path):
            _append(self._file, f"{line}\n".encode())

    def sync(self) -> None:
        """Wait until all lines are on the disk."""
        if self._file is not None:
            with explained(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _append(file: FileIO, data: bytes) -> None:
    """All of it or, on a full disk, nothing."""
    size, rest = file.seek(0, SEEK_END), memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except BaseException:
        with contextlib.suppress(OSError):
            file.truncate(size)
        raise


def read_lines(path: Path, read: Callable[[str], T]) -> list[T]:
    """What ``read`` makes of every line; a last line that was cut off by a crash is passed over.

    Raises:
        ConfigurationError: a line before the last cannot be read.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(read(line))
        except (ValueError, TypeError, KeyError):
            if number < len(lines):
                raise ConfigurationError(f"{path} line {number}: is no report of a round; delete the line") from None
    return values


def _keep_before(path: Path, first: int) -> None:
    """Rewrite the file without its lines of round ``first`` and later."""
    known = read_lines(path, lambda line: (int(json.loads(line)["round"]), line))
    replace_text(path, "".join(line + "\n" for round_, line in known if round_ < first))
