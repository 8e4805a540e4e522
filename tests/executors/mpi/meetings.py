"""What all ranks do together in each test; ``echo.py`` starts it, and afterwards ranks above 0 stay until the end."""

from __future__ import annotations

import json
import os
import time

import numpy as np
from echo import burned, tell

from fedkd.executors.mpi import Collective, World

WHILE = 0.5
"""Seconds over which waiting ranks are watched."""
SIZES = (0, 1, 25, 3_000_000)
"""Bytes; some are more than post.CHUNK."""


def gathers(world: World) -> None:
    """All that works, in one start."""
    ranks = Collective(world)
    found = {
        "whole": all(_whole(ranks, turn) for turn in range(len(SIZES))),
        "often": all(_same(ranks, turn) for turn in range(200)),
        "waited": _waited(ranks),
        "burned": _burned(ranks),
    }
    said = [json.loads(bytes(part)) for part in ranks.gathered(np.frombuffer(json.dumps(found).encode(), np.uint8))]
    if world.rank == 0:
        tell(ranks=[(ranks.rank, ranks.size)], said=said)


def _whole(ranks: Collective, turn: int) -> bool:
    """Every rank tells another number of bytes, which all get as they are."""
    parts = [np.random.default_rng(rank).bytes(SIZES[(rank + turn) % len(SIZES)]) for rank in range(ranks.size)]
    heard = ranks.gathered(np.frombuffer(parts[ranks.rank], np.uint8))
    return [bytes(part) for part in heard] == parts


def _same(ranks: Collective, turn: int) -> bool:
    """Call after call; the parts of each are its own."""
    heard = ranks.gathered(np.full(ranks.rank + 1, turn, np.uint8))
    return all(part.tolist() == [turn] * (rank + 1) for rank, part in enumerate(heard))


def _waited(ranks: Collective) -> bool:
    """Nobody leaves a meeting before the last has come."""
    for late in range(ranks.size):
        ranks.meet()
        began = time.perf_counter()
        if ranks.rank == late:
            time.sleep(0.1)
        ranks.meet()
        if time.perf_counter() - began < 0.09:
            return False
    return True


def _burned(ranks: Collective) -> float:
    """CPU seconds a second of a rank that waits; the last one sleeps."""
    began, used = time.perf_counter(), burned()
    if ranks.rank == ranks.size - 1:
        time.sleep(WHILE)
    ranks.meet()
    return (burned() - used) / (time.perf_counter() - began)


def one_breaks(world: World) -> None:
    """Rank 1 fails while the others wait for it."""
    ranks = Collective(world)
    ranks.meet()
    if world.rank == 0:
        tell()
    if world.rank == 1:
        raise RuntimeError("nobody catches this")
    ranks.meet()


def the_first_breaks(world: World) -> None:
    """Rank 0 fails while the others wait for it."""
    ranks = Collective(world)
    ranks.meet()
    if world.rank == 0:
        tell()
        raise RuntimeError("nobody catches this")
    ranks.meet()


def meets(world: World) -> None:
    """For a signal: the last rank is busy, all others wait for it."""
    ranks = Collective(world)
    numbers = ranks.gathered(np.array([os.getpid()], np.int64).view(np.uint8))
    if world.rank == 0:
        tell(ranks=[int(part.view(np.int64)[0]) for part in numbers])
    if world.rank == world.size - 1:
        time.sleep(0.5)
        # By now the signal has come, wherever it came.
        while world.hear() is None and not world.dismissed:
            time.sleep(0.01)
    ranks.meet()


MEETINGS = {meeting.__name__: meeting for meeting in (gathers, one_breaks, the_first_breaks, meets)}
