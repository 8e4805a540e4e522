"""Started under mpirun by the tests beside it: workers that echo, and what rank 0 does with them.

python echo.py SCENARIO FOLDER; rank 0 leaves what it found in the folder. Nothing here loads torch.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fedkd.deferred import defer

defer("torch")

from fedkd.executors.lines import Line  # noqa: E402
from fedkd.executors.loop import failure  # noqa: E402
from fedkd.executors.mpi import MpiHub, World, muster, post, rank_of_environment, run  # noqa: E402
from fedkd.executors.parcels import Kind, Parcel  # noqa: E402

SCENARIO, FOLDER = sys.argv[1], Path(sys.argv[2])
LARGE = os.urandom(6_400_000)
post.CHUNK = 1_000_003
muster.local_devices = lambda: ("cuda:0", "cuda:1")


def echo(line: Line) -> None:
    """Send back what comes; an order that names a round asks for something else."""
    while (order := line.receive()).kind is not Kind.STOP:
        try:
            line.send(WAYS.get(order.round, _echo)(order))
        except ValueError as error:
            line.send(failure(order, error))
            return


def _echo(order: Parcel) -> Parcel:
    return Parcel(Kind.REPLY, order.round, order.client, order.numbers, order.parts)


def _burned(order: Parcel) -> Parcel:
    return Parcel(Kind.REPLY, numbers=(burned(), time.perf_counter(), os.getpid()))


def _fail(order: Parcel) -> Parcel:
    raise ValueError("told by the loop")


def _break(order: Parcel) -> Parcel:
    raise RuntimeError("nobody catches this")


def _leave(order: Parcel) -> Parcel:
    sys.exit(0)


def _sleep(order: Parcel) -> Parcel:
    time.sleep(order.numbers[0])
    return _echo(order)


def _die(order: Parcel) -> Parcel:
    os.kill(os.getpid(), signal.SIGKILL)
    return order


BURNED, FAIL, BREAK, LEAVE, SLEEP, DIE = range(1, 7)
WAYS: Mapping[int, Callable[[Parcel], Parcel]] = {
    BURNED: _burned,
    FAIL: _fail,
    BREAK: _break,
    LEAVE: _leave,
    SLEEP: _sleep,
    DIE: _die,
}


def burned() -> float:
    """CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def hub(world: World, server_trains: bool = False) -> MpiHub:
    return MpiHub(world, lambda _, line: echo(line), "auto", server_trains)


def order(way: int, *numbers: float) -> Parcel:
    return Parcel(Kind.TRAIN, way, numbers=numbers)


def answer(crew: MpiHub) -> tuple[int, Parcel]:
    """The next one, which must be good news."""
    event = crew.wait()
    if event.parcel is None or event.parcel.kind is Kind.FAILED:
        raise RuntimeError(event.died if event.parcel is None else bytes(event.parcel.parts[1]).decode())
    return event.worker, event.parcel


def ask(crew: MpiHub, worker: int, order: Parcel) -> Parcel:
    crew.send(worker, order)
    sender, parcel = answer(crew)
    assert sender == worker
    return parcel


def same(sent: Parcel, got: Parcel) -> bool:
    parts = [bytes(part) for part in sent.parts] == [bytes(part) for part in got.parts]
    return parts and (sent.round, sent.client, sent.numbers) == (got.round, got.client, got.numbers)


def tell(**found: object) -> None:
    """Leave it for the test, whole."""
    (FOLDER / "new").write_text(json.dumps(found))
    (FOLDER / "new").rename(FOLDER / "found.json")


def follow(world: World) -> int:
    while (line := world.line()) is not None:
        echo(line)
    return 0


def main() -> None:
    """Scenarios are in modules of their own, which know this one by its name."""
    sys.modules["echo"] = sys.modules[__name__]
    import meetings
    import scenarios

    if SCENARIO == "unequal" and rank_of_environment() == 1:
        tell()
        sys.modules["mpi4py"] = None  # As if it were not installed here.

    def play(world: World) -> int:
        if SCENARIO in meetings.MEETINGS:
            meetings.MEETINGS[SCENARIO](world)
        elif world.rank == 0:
            return scenarios.SCENARIOS[SCENARIO](world)
        return follow(world)

    run(play)


if __name__ == "__main__":
    main()
