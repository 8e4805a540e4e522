"""Seconds a round on one local worker process and on two, and where they go; what a round of bytes alone costs.

    python benchmarks/executors.py [training|bytes|all] [--model cnn|mlp|all] [--rounds 12] [--out FILE.json]

``training`` has the data, models and cohorts of ``rounds.py``: 100 clients x 100 samples, cohort 10, batch 20, one
epoch, one thread a worker. A round's wall is split into the clients' own seconds on the busiest worker, the server's
(broadcast, admission, decoding, adding, the step), and the rest: communication and scheduling. ``bytes`` has 50
clients that train nothing and send 6.65 MB each (1,663,370 float32, identity links), on forked workers and under
``mpirun -n 2``; beside it, as many bytes through a bare socket. Rows take turns; all end with the same model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rounds import BATCH, CLIENTS, COHORT, MODELS, RATE, SAMPLES, SEED, images, network
from timed import Line, Spent, Timed, measure

from fedkd.admission import admit
from fedkd.algorithms import Algorithm, Context, Row, Sgd, assemble
from fedkd.algorithms.abreast import cores
from fedkd.clients import FixedCohort, FolderStore
from fedkd.data import Split
from fedkd.executors import Executor, Mpi, Processes, Site, StartingOrder, Worker, mpi
from fedkd.executors.in_process import Local
from fedkd.executors.loop import serve
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.workshop import Workshop
from fedkd.expected import Expected
from fedkd.keys import key
from fedkd.links import Link, NoMemory, Shift
from fedkd.tasks import Supervised
from fedkd.tasks.learner import Learner, NetworkLearner
from fedkd.trainers import Pupil, Serial, Update
from fedkd.trainers import Sgd as LocalSgd
from fedkd_compression import Identity, SubtractiveDither

RUN, STILL, AS_RANK = 1, 50, "--rank"
DITHER = SubtractiveDither(step=1.0)
LINKS = {
    "identity": (Link(Identity(), NoMemory()), Link(Identity(), NoMemory())),
    "MCM r=1": (Link(DITHER, Shift("auto", "zero")), Link(DITHER, Shift("auto", "first"))),
}
CHOICES = {"1 process": Processes(1, "auto"), "2 processes": Processes(2, "auto"), "this process": Local()}


class Still:
    """A trainer that does nothing: what is left is the bytes."""

    together = 1

    def train(self, learner: Learner, solver: object, pupils: Sequence[Pupil]) -> list[Update]:
        """The same updates every time."""
        return [Update(learner.flat.buffer, ()) for _ in pupils]


@dataclass(frozen=True)
class Bench:
    """What is run: a model and links, for some clients of a population."""

    model: str
    links: str
    clients: int
    cohort: int
    trainer: Serial | Still

    def algorithm(self, dim: int) -> Algorithm:
        """As the configured rows are made."""
        context = Context(SEED, RUN, dim, (SAMPLES,) * self.clients, self.cohort / self.clients)
        return assemble(Row("row", "model", "all", "PP2", "uniform"), *LINKS[self.links], Sgd(1.0), context)

    def worker(self, data: Split, folder: Path) -> Worker:
        """One worker with a student of its own."""
        torch.set_num_threads(1)
        learner = NetworkLearner(network(self.model), Supervised(label_smoothing=0.0))
        algorithm = self.algorithm(learner.dim)
        parts = [np.arange(SAMPLES) + client * SAMPLES for client in range(self.clients)]
        solver = LocalSgd(RATE, 0.0, 0.0, 0.0)
        shop = Workshop(learner, self.trainer, solver, data, data, parts, None, algorithm.uplink.link, SEED, RUN)
        return Worker(shop, algorithm.receiver(), FolderStore(folder, learner.dim, torch.float32), None)

    def site(self, data: Split, folder: Path) -> Site:
        """What an executor is started with."""
        vector = NetworkLearner(network(self.model), Supervised(label_smoothing=0.0)).vector
        algorithm = self.algorithm(len(vector))
        return Site(
            make_worker=lambda device: self.worker(data, folder),
            rehearse=lambda: algorithm.rehearse(vector),
            dim=len(vector),
            work=[SAMPLES] * self.clients,
            cohort=self.cohort,
            together=1,
            shared_states=True,
            start=StartingOrder(folder, {}, b""),
            run=RUN,
        )


class Here(Timed):
    """Rounds whose server is this process."""

    def __init__(self, name: str, bench: Bench, executor: Executor) -> None:
        super().__init__(name)
        vector = NetworkLearner(network(bench.model), Supervised(label_smoothing=0.0)).vector
        self._bench, self._executor = bench, executor
        self._algorithm = bench.algorithm(len(vector))
        self._state = self._algorithm.start(vector.clone())

    def step(self) -> None:
        """As in ``fedkd.federation``, with a stop-watch around the exchange."""
        began, state, bench = time.perf_counter(), self._state, self._bench
        cohort = FixedCohort(bench.cohort).draw(bench.clients, key(SEED, "participation", state.round))
        broadcast, after = self._algorithm.broadcast(state, cohort)
        sent = time.perf_counter()
        exchange = self._executor.exchange(broadcast, lambda: self._algorithm.refresh(state))
        came = time.perf_counter()
        taken = after.uplink.taken
        admitted = admit(exchange, broadcast, lambda client: Expected(RUN, after.round, client, taken.get(client, 0)))
        collected = self._algorithm.collect(after, admitted.updates, exchange.partial)
        self._state = self._algorithm.aggregate(after, collected)
        ended = time.perf_counter()
        busy = dict.fromkeys((bar.worker for bar in exchange.placements), 0.0)
        for bar in exchange.placements:
            busy[bar.worker] += bar.end - bar.begin
        self.spent.append(Spent(ended - began, max(busy.values()), ended - came + sent - began))

    def digest(self) -> str:
        """The sha256 of its bytes."""
        return hashlib.sha256(self._state.model.numpy().tobytes()).hexdigest()

    def close(self) -> None:
        """Also their stores."""
        self._executor.close()


class Ranks(Timed):
    """Rounds of this program under ``mpirun -n 2``, which waits for a line before each."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        command = [str(Path(sys.executable).with_name("mpirun")), "-n", "2", sys.executable, __file__, AS_RANK]
        self._job = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._digest = ""

    def step(self) -> None:
        """Rank 0 answers with the round's seconds and its model."""
        assert self._job.stdin is not None
        assert self._job.stdout is not None
        self._job.stdin.write("\n")
        self._job.stdin.flush()
        *seconds, self._digest = json.loads(self._job.stdout.readline())
        self.spent.append(Spent(*seconds))

    def digest(self) -> str:
        """As rank 0 said."""
        return self._digest

    def close(self) -> None:
        """No more lines: the ranks leave."""
        self._job.communicate()


class Bare(Timed):
    """The replies' bytes through a socket pair into one buffer, from a forked process."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__(name)
        self._end, other = socket.socketpair()
        self._room = memoryview(bytearray(size))
        self._child = os.fork()
        if not self._child:
            self._end.close()
            while other.recv(1):
                for _ in range(STILL):
                    other.sendall(self._room)
            os._exit(0)
        other.close()

    def step(self) -> None:
        """All replies of a round."""
        began = time.perf_counter()
        self._end.sendall(b"!")
        for _ in range(STILL):
            rest = self._room
            while rest:
                rest = rest[self._end.recv_into(rest) :]
        self.spent.append(Spent(time.perf_counter() - began, 0.0, 0.0))

    def digest(self) -> str:
        """None."""
        return ""

    def close(self) -> None:
        """The other end leaves by itself."""
        self._end.close()
        os.waitpid(self._child, 0)


def started(bench: Bench, data: Split, folder: Path) -> list[Timed]:
    """The rows; processes are forked first, from a process that has not trained."""
    return [
        Here(name, bench, choice.start(bench.site(data, folder / str(i))))
        for i, (name, choice) in enumerate(CHOICES.items())
    ]


def training(model: str, links: str, rounds: int) -> list[Line]:
    """One worker, two, and this process."""
    bench = Bench(model, links, CLIENTS, COHORT, Serial(1, BATCH, 0, "auto"))
    with tempfile.TemporaryDirectory() as folder:
        return measure(started(bench, images(), Path(folder)), rounds, 0)


STILLNESS = Bench("cnn", "identity", STILL, STILL, Still())


def still_data() -> Split:
    """Nobody looks at it."""
    return Split(torch.zeros(STILL * SAMPLES, 1), torch.zeros(STILL * SAMPLES, dtype=torch.int64))


def still(rounds: int) -> list[Line]:
    """Bytes alone."""
    size = 4 * len(NetworkLearner(network("cnn"), Supervised(label_smoothing=0.0)).vector)
    with tempfile.TemporaryDirectory() as folder:
        forked = started(STILLNESS, still_data(), Path(folder))
        # Last, since a process that is forked later would hold on to the launcher's standard input.
        rows = [Bare("bare socket", size), *forked, Ranks("mpirun -n 2")]
        return measure(rows, rounds, 0)


def rank(world: mpi.World) -> int:
    """A rank of ``Ranks``: the server and a worker, or a worker."""
    data = still_data()
    while world.rank and (line := world.line()) is not None:
        start, _ = StartingOrder.read(line.receive())
        worker = STILLNESS.worker(data, start.folder)
        line.send(Parcel(Kind.READY))
        serve(worker, line)
    if world.rank == 0:
        with tempfile.TemporaryDirectory() as folder:
            row = Here("", STILLNESS, Mpi("auto", server_trains=True).start(STILLNESS.site(data, Path(folder))))
            while sys.stdin.readline():
                row.step()
                print(json.dumps([*row.spent[-1], row.digest()]), flush=True)
            row.close()
    return 0


def show(name: str, lines: list[Line]) -> None:
    """Where others keep the cores busy, two workers have no more of them than one."""
    print(f"\n{name} (load {os.getloadavg()[0]:.1f}); x: of the first row's wall; rest: communication and scheduling")
    for line in lines:
        print("  {row:<13} {seconds:8.4f} s {ratio:6.2f} x".format(**line), end="  ")
        print("clients {clients:8.4f} s  server {server:8.4f} s  rest {rest:6.1%}".format(**line))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["training", "bytes", "all"], default="all")
    parser.add_argument("--model", choices=[*MODELS, "all"], default="all")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tables: dict[str, Callable[[int], list[Line]]] = {}
    if options.what != "bytes":
        models = MODELS if options.model == "all" else [options.model]
        tables = {f"{model}, {links}": partial(training, model, links) for model in models for links in LINKS}
    if options.what != "training":
        tables["bytes"] = still
    torch.set_num_threads(1)
    results = {}
    for name, table in tables.items():
        show(name, results.setdefault(name, table(options.rounds)))
    if options.out:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        options.out.write_text(json.dumps({"machine": machine, "cores": cores(), "tables": results}, indent=1))


if __name__ == "__main__":
    if AS_RANK in sys.argv:
        torch.set_num_threads(1)
        mpi.run(rank)
    main()
