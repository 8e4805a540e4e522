"""Where the ranks are: every rank tells rank 0 its host and devices, rank 0 gives each worker a seat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from fedkd.executors.mpi.post import Note
from fedkd.executors.placement import Seat, local_devices, place

if TYPE_CHECKING:
    from mpi4py import MPI

ASK, HERE, SEAT = "ask", "here", "seat"
VISIBLE = "CUDA_VISIBLE_DEVICES"

Greeting = Mapping[str, Any]


def leader(comm: MPI.Comm) -> tuple[int, str]:
    """The lowest rank on this host, and the host's name; a collective call.

    Names alone do not tell hosts apart: containers may share one.
    """
    from mpi4py import MPI

    shared = comm.Split_type(MPI.COMM_TYPE_SHARED)
    lowest = MPI.Group.Translate_ranks(shared.Get_group(), [0], comm.Get_group())[0]
    shared.Free()
    return int(lowest), MPI.Get_processor_name()


def greeting(home: tuple[int, str]) -> Note:
    """What a rank says about itself."""
    values = {"leader": home[0], "name": home[1], "devices": list(local_devices()), "visible": os.environ.get(VISIBLE)}
    return Note(HERE, values)


def assign(greetings: Sequence[Greeting], workers_per_gpu: int | Literal["auto"]) -> list[Seat]:
    """A seat for every worker, from what their ranks said.

    Ranks of a host that see different GPUs, since a launcher gave each its own, share none.

    Raises:
        ConfigurationError: as ``place``.
    """
    hosts = _hosts(greetings)
    pools = [_pool(host, said) for host, said in zip(hosts, greetings, strict=True)]
    together = {host: len({pool for pool, at in zip(pools, hosts, strict=True) if at == host}) == 1 for host in hosts}
    names = [host if together[host] else pool for host, pool in zip(hosts, pools, strict=True)]
    devices = {name: said["devices"] for name, said in zip(names, greetings, strict=True)}
    seats = place(names, devices, workers_per_gpu)
    return [replace(seat, host=host) for seat, host in zip(seats, hosts, strict=True)]


def seat_note(seat: Seat) -> Note:
    """A seat, for its rank."""
    return Note(SEAT, asdict(seat))


def seat_of(note: Note) -> Seat:
    """The seat that a note gives."""
    return Seat(**note.values)


def _hosts(greetings: Sequence[Greeting]) -> list[str]:
    """Names of the hosts; with their lowest ranks, where two have the same name."""
    known = {said["leader"]: said["name"] for said in greetings}
    times = Counter(known.values())
    return [said["name"] if times[said["name"]] == 1 else f"{said['name']}/{said['leader']}" for said in greetings]


def _pool(host: str, said: Greeting) -> str:
    """What two ranks have in common that see the same GPUs."""
    return f"{host} ({VISIBLE}={said['visible']}, {len(said['devices'])} GPUs)"
