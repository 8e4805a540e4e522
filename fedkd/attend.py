"""What an MPI rank above 0 does: it takes jobs from rank 0, one after another, until there are no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd.build import build
from fedkd.configuration.settings import Settings
from fedkd.executors import StartingOrder, Worker
from fedkd.executors.lines import Line
from fedkd.executors.loop import failure, serve
from fedkd.executors.parcels import Kind, Parcel

if TYPE_CHECKING:
    from fedkd.executors.mpi import World


def attend(world: World) -> int:
    """Work until rank 0 lets this rank go; the result is the exit code."""
    while (line := world.line()) is not None:
        _work(line)
    return 0


def _work(line: Line) -> None:
    """One job: make the worker that is asked for, and serve."""
    order = line.receive()
    try:
        worker = _worker(order)
    except Exception as error:
        line.send(failure(order, error))
        return
    line.send(Parcel(Kind.READY))
    serve(worker, line)


def _worker(order: Parcel) -> Worker:
    start, device = StartingOrder.read(order)
    setup = build(Settings.of(start.values), lambda _: None, start.lesson)
    return setup.worker(device, start.folder)
