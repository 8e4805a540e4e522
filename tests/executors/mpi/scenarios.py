"""What rank 0 does in each test; ``echo.py`` starts it, with this folder on the path."""

from __future__ import annotations

import os
import sys
import time

from echo import BREAK, BURNED, DIE, FAIL, LARGE, LEAVE, SLEEP, answer, ask, burned, hub, order, same, tell

from fedkd.executors.mpi import MpiHub, World
from fedkd.executors.parcels import Kind, Parcel

WHILE = 0.5
"""Seconds over which idle ranks are watched."""


def exchange(world: World) -> int:
    """All that works, in one start: two workers; then another job, where rank 0 is a worker, too."""
    crew = hub(world)
    found = {
        "seats": [(seat.rank, seat.device) for seat in crew.seats],
        "sizes": sizes(crew),
        "small": small(crew),
        "crossing": crossing(crew),
        "idle": idle(crew),
    }
    crew.send(0, Parcel(Kind.TRAIN, parts=(b"an answer that nobody awaits",)))
    crew.close()
    crew = hub(world, server_trains=True)
    found |= {"trains": sizes(crew), "thread": thread_fails(crew), "hosts": len({seat.host for seat in crew.seats})}
    crew.close()
    tell(**found)
    return 0


def sizes(crew: MpiHub) -> bool:
    """Parcels of every shape come back as they were, from every worker."""
    mixed = (LARGE[:7], b"", memoryview(LARGE), LARGE[5:])
    parcels = [
        Parcel(Kind.TRAIN, 0, 4, (0.5, -1.0), parts) for parts in ((), (b"",), (b"x",), (b"", b"ab"), (LARGE,), mixed)
    ]
    workers = range(len(crew.seats))
    return all(same(parcel, ask(crew, worker, parcel)) for parcel in parcels for worker in workers)


def small(crew: MpiHub) -> bool:
    """Many small ones at once come back in order."""
    for client in range(300):
        crew.send(client % 2, Parcel(Kind.TRAIN, client=client, parts=(b"%d" % client,)))
    came: dict[int, list[int]] = {0: [], 1: []}
    for _ in range(300):
        worker, parcel = answer(crew)
        came[worker].append(parcel.client)
    return came == {0: list(range(0, 300, 2)), 1: list(range(1, 300, 2))}


def crossing(crew: MpiHub) -> bool:
    """Both ends send large ones at once: all is sent before anything is received."""
    parcel = Parcel(Kind.TRAIN, parts=(LARGE,))
    for _ in range(4):
        crew.send(0, parcel)
        crew.send(1, parcel)
    return all(same(parcel, answer(crew)[1]) for _ in range(8))


def idle(crew: MpiHub) -> list[float]:
    """CPU seconds a second: of rank 0 while it waits for worker 0, which sleeps, and of worker 1 meanwhile."""
    first = ask(crew, 1, order(BURNED)).numbers
    began, used = time.perf_counter(), burned()
    ask(crew, 0, order(SLEEP, WHILE))
    server = (burned() - used) / (time.perf_counter() - began)
    last = ask(crew, 1, order(BURNED)).numbers
    return [server, (last[0] - first[0]) / (last[1] - first[1])]


def thread_fails(crew: MpiHub) -> list[str]:
    """How the end of rank 0's own worker is told."""
    crew.send(0, order(BREAK))
    event = crew.wait()
    assert event.parcel is not None
    return [event.parcel.kind.name, bytes(event.parcel.parts[0]).decode()]


def settings_wrong(world: World) -> int:
    """Rank 0 ends before there are workers."""
    tell()
    sys.stderr.write("configuration: rounds=two\n")
    sys.exit(2)


def server_breaks(world: World) -> int:
    """Rank 0 fails while its workers wait."""
    hub(world)
    tell()
    raise RuntimeError("nobody catches this")


def server_breaks_early(world: World) -> int:
    """Rank 0 fails while a worker is busy, and will be for long."""
    hub(world).send(0, order(SLEEP, 60.0))
    tell()
    raise RuntimeError("nobody catches this")


def _all_get(world: World, way: int) -> int:
    """Every worker gets the order; rank 0 fails with what they say."""
    crew = hub(world)
    tell()
    for worker, _ in enumerate(crew.seats):
        crew.send(worker, order(way))
    return answer(crew)[0]


def worker_tells(world: World) -> int:
    return _all_get(world, FAIL)


def workers_break(world: World) -> int:
    return _all_get(world, BREAK)


def workers_leave(world: World) -> int:
    return _all_get(world, LEAVE)


def nobody_listens(world: World) -> int:
    """A worker fails while rank 0 is busy elsewhere."""
    hub(world).send(0, order(BREAK))
    tell()
    time.sleep(60)
    return 0


def waits(world: World) -> int:
    """For a signal, to rank 0 or to the worker, which waits, too."""
    crew = hub(world)
    tell(ranks=[os.getpid(), int(ask(crew, 0, order(BURNED)).numbers[2])])
    return answer(crew)[0]


def works(world: World) -> int:
    """As ``waits``, while the worker is busy."""
    crew = hub(world)
    pid = int(ask(crew, 0, order(BURNED)).numbers[2])
    crew.send(0, order(SLEEP, 60.0))
    tell(ranks=[os.getpid(), pid])
    return answer(crew)[0]


def goes_on(world: World) -> int:
    """Worker 0 is killed, and the other one works on, in this job and the next."""
    crew, parcel = hub(world), Parcel(Kind.TRAIN, parts=(LARGE,))
    crew.send(0, order(DIE))
    died = crew.wait()
    crew.send(0, parcel)
    found = {"died": [died.worker, died.parcel, died.died], "replaced": crew.replace(0)}
    found["other"] = same(parcel, ask(crew, 1, parcel))
    crew.close()
    crew = hub(world, server_trains=True)
    found |= {"left": len(crew.seats), "next": sizes(crew)}
    tell(**found)
    crew.close()
    return 0


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        exchange,
        settings_wrong,
        server_breaks,
        server_breaks_early,
        worker_tells,
        workers_break,
        workers_leave,
        nobody_listens,
        waits,
        works,
        goes_on,
    )
}
