"""Points of a round, and of what is written after it, at which the server's process is killed."""

from __future__ import annotations

import functools
import mmap
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fedkd import federation
from fedkd.admission import Admission
from fedkd.algorithms import Algorithm
from fedkd.executors import Worker
from fedkd.federation import Federation
from fedkd.records import Jsonl, lines

When = Literal["before", "after", "halfway"]
VECTORS = 512
"""Bytes that may be written in part: heads of client states are smaller, and no kill cuts them in two."""


@dataclass(frozen=True)
class Point:
    """A call of the server, or of a worker, at which the server is killed.

    Args:
        owner: of the attribute.
        attribute: that is called.
        when: "halfway": half of what the call is to write, or to flush, has been written.
        file: the name of the file that the call concerns, as a regular expression; any if it is empty.
        call: which of these calls, counted from the beginning of the round on.
    """

    owner: Any
    attribute: str
    when: When
    file: str = ""
    call: int = 1

    def concerns(self, given: tuple[Any, ...]) -> bool:
        """Whether it is one of these calls."""
        return not self.file or re.fullmatch(self.file, _name(given)) is not None

    def reach(self, work: Callable[..., object], given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Do what is done before the kill."""
        if self.when == "after":
            work(*given, **named)
        elif self.when == "halfway":
            _halfway(work, given)


def _states(when: When) -> Point:
    return Point(os, "pwritev", when, r"\d{6}\.states")


POINTS = {
    "before the broadcast": Point(Algorithm, "broadcast", "before"),
    "after the broadcast": Point(Algorithm, "broadcast", "after"),
    "after the first client has trained": Point(Worker, "run", "after"),
    "in the middle of a client's state": _states("halfway"),
    "after a client's state, before its head": _states("after"),
    "after the exchange": Point(Federation, "finish", "before"),
    "after the updates were decoded and admitted": Point(Admission, "require", "after"),
    "after the step": Point(Algorithm, "aggregate", "after"),
    "after evaluation": Point(federation, "report", "before"),
    "in the middle of the metrics line": Point(lines, "_append", "halfway", r"metrics\.jsonl"),
    "after the metrics line": Point(Jsonl, "record", "after"),
    "after the lines were flushed": Point(Jsonl, "commit", "after"),
    "after the clients' states were committed": Point(Worker, "commit", "after"),
    "in the middle of the tensor file": Point(os, "fsync", "halfway", r"\d{6}\.safetensors\.tmp"),
    "after the tensor file's rename, before the JSON": Point(Path, "replace", "after", r"\d{6}\.safetensors"),
    "in the middle of the JSON": Point(os, "fsync", "halfway", r"\d{6}\.json\.tmp"),
    "after the JSON's rename, before old ones are removed": Point(Path, "replace", "after", r"\d{6}\.json"),
    "in the middle of removing, after a JSON": Point(Path, "unlink", "after", r"\d{6}\.json"),
    "in the middle of removing, after a tensor file": Point(Path, "unlink", "after", r"\d{6}\.safetensors"),
    "after the model's rename": Point(Path, "replace", "after", r"model\.safetensors"),
    "while the manifest is being written": Point(os, "fsync", "halfway", r"manifest\.json\.tmp"),
}
"""By what has happened last. Whatever is written after the last round comes after every round."""
IN_FILES = ("in the middle of a client's state", "after a client's state, before its head")
"""Those that only runs have which keep vectors of clients in a folder."""


def arm(point: Point, round_: int) -> None:
    """Let this process be killed at a point of a round, or at the first one after it; also by what it forks."""
    server, reached = os.getpid(), mmap.mmap(-1, 1)
    play, work, left = federation.play, getattr(point.owner, point.attribute), point.call

    def played(run: Federation, state: Any) -> Any:
        reached[0] = state.round >= round_
        return play(run, state)

    @functools.wraps(work)
    def watched(*given: Any, **named: Any) -> Any:
        nonlocal left
        left -= bool(reached[0]) and point.concerns(given)
        if left:
            return work(*given, **named)
        point.reach(work, given, named)
        os.kill(server, signal.SIGKILL)
        raise SystemExit

    federation.play = played
    setattr(point.owner, point.attribute, watched)


def _name(given: tuple[Any, ...]) -> str:
    """Of the file that the arguments of a call name: a descriptor or a file first, or a path last."""
    first, last = given[0], given[-1]
    if isinstance(last, Path):
        return last.name
    if isinstance(first, int) and len(given) == 3 and sum(map(len, given[1])) <= VECTORS:
        return ""
    return Path(f"/proc/self/fd/{first if isinstance(first, int) else first.fileno()}").readlink().name


def _halfway(work: Callable[..., object], given: tuple[Any, ...]) -> None:
    """Write half of what is to be written; where all of it was, and is to be flushed, leave half of it there."""
    if len(given) == 1:
        os.ftruncate(given[0], os.fstat(given[0]).st_size // 2)
    elif len(given) == 2:
        work(given[0], given[1][: len(given[1]) // 2])
    else:
        descriptor, buffers, offset = given
        work(descriptor, [buffers[0][: len(buffers[0]) // 2]], offset)
