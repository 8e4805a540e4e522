"""The relay: a run in a ServerApp speaks to the command that launched it, in lines of JSON over a Unix socket.

| line | from the ServerApp |
|---|---|
| announce, workers, start, record, finish | what a recorder hears |
| fail | why the run ended without an outcome |

The other way there is one line, interrupt; it counts as sent when the launcher is gone.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fedkd.errors import ConfigurationError, StorageError
from fedkd.executors.executor import ClientError
from fedkd.executors.placement import Seat
from fedkd.records.jsonl import of_line, to_line
from fedkd.records.report import Commentator, Outcome, Placement, RoundReport, RunInfo

if TYPE_CHECKING:
    from types import TracebackType

INTERRUPT = b'{"call": "interrupt"}\n'


class Relay(Commentator):
    """The ServerApp's end: a recorder that sends on what it hears.

    Args:
        address: of the launcher's socket.
    """

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        self._interrupted = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Say why there is no outcome, and hang up: the launcher then knows that nothing follows."""
        if error is not None:
            self._say("fail", failure(error))
        # Shut down first: closing alone would leave the listening thread where it is.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def interrupted(self) -> bool:
        """Whether the user wants the run to end."""
        return self._interrupted.is_set()

    def announce(self, message: str) -> None:
        """Send a remark."""
        self._say("announce", message)

    def show_workers(self, seats: Sequence[Seat]) -> None:
        """Send where the workers run."""
        self._say("workers", [asdict(seat) for seat in seats])

    def start(self, info: RunInfo) -> None:
        """Send what the run is."""
        self._say("start", asdict(info))

    def record(self, report: RoundReport) -> None:
        """Send a round."""
        self._say("record", {"line": to_line(report), "placements": [astuple(bar) for bar in report.placements]})

    def finish(self, outcome: Outcome) -> None:
        """Send how it ended."""
        self._say("finish", asdict(outcome))

    def _say(self, call: str, value: object) -> None:
        line = json.dumps({"call": call, "value": value}, default=str) + "\n"
        try:
            self._socket.sendall(line.encode())
        except OSError:
            self._interrupted.set()

    def _listen(self) -> None:
        """Until the launcher says something, which can only be one thing, or is gone."""
        with contextlib.suppress(OSError):
            self._socket.recv(len(INTERRUPT))
        self._interrupted.set()


def replay(said: Mapping[str, Any], recorder: Commentator) -> None:
    """Let a recorder hear what a line says.

    Raises:
        ConfigurationError, StorageError, ClientError, KeyboardInterrupt: what the ServerApp failed with.
    """
    value = said["value"]
    match said["call"]:
        case "announce":
            recorder.announce(value)
        case "workers":
            recorder.show_workers([Seat(**seat) for seat in value])
        case "start":
            recorder.start(RunInfo(**{**value, "folder": Path(value["folder"])}))
        case "record":
            bars = tuple(Placement(*bar) for bar in value["placements"])
            recorder.record(replace(of_line(value["line"]), placements=bars))
        case "finish":
            recorder.finish(Outcome(**value))
        case "fail":
            raise raised(value)


def failure(error: BaseException) -> dict[str, str]:
    """What the launcher shall raise: the errors that it knows, else a ClientError with the traceback."""
    if isinstance(error, ConfigurationError):
        return {"kind": "configuration", "message": str(error), "trace": ""}
    if isinstance(error, StorageError):
        return {"kind": "storage", "message": str(error), "trace": ""}
    if isinstance(error, KeyboardInterrupt):
        return {"kind": "interrupt", "message": "", "trace": ""}
    if isinstance(error, ClientError):
        return {"kind": "client", "message": str(error), "trace": error.trace}
    *trace, last = traceback.format_exception(error)
    return {"kind": "client", "message": last.strip(), "trace": "".join(trace)}


def raised(said: Mapping[str, str]) -> BaseException:
    """The error that ``failure`` described."""
    if said["kind"] == "configuration":
        return ConfigurationError(said["message"])
    if said["kind"] == "storage":
        return StorageError(said["message"])
    if said["kind"] == "interrupt":
        return KeyboardInterrupt()
    return ClientError(said["message"], said["trace"])
