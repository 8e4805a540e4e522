"""The launcher's end of the relay."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fedkd.flower.relay import INTERRUPT

PAUSE = 0.2
"""Seconds after which silence is reported."""
CHUNK = 65536


class Listener:
    """Hears one ServerApp.

    Args:
        address: of the socket that is made.
    """

    def __init__(self, address: Path) -> None:
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(address))
        self._door.listen(1)
        self._door.settimeout(PAUSE)
        self._line: socket.socket | None = None
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Hang up."""
        self._door.close()
        if self._line is not None:
            self._line.close()

    @property
    def connected(self) -> bool:
        """Whether the ServerApp has called."""
        return self._line is not None

    def interrupt(self) -> None:
        """Ask the run to end."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.sendall(INTERRUPT)

    def hear(self) -> Iterator[dict[str, Any] | None]:
        """Lines, until the other end hangs up; None when nothing was said for a while.

        May be called again after an exception: nothing that was said is lost.
        """
        while True:
            line, newline, rest = self._heard.partition(b"\n")
            if newline:
                self._heard = rest
                said: dict[str, Any] = json.loads(line)
                yield said
                continue
            try:
                more = self._answer().recv(CHUNK)
            except TimeoutError:
                yield None
                continue
            except ConnectionError:
                return
            if not more:
                return
            self._heard += more

    def _answer(self) -> socket.socket:
        if self._line is None:
            self._line, _ = self._door.accept()
            self._line.settimeout(PAUSE)
        return self._line
