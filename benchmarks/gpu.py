"""Rounds a second of serial and batched training on one GPU, and how fast the dither is there.

    python benchmarks/gpu.py [--device cuda:0] [--models cifar_cnn mlp resnet8] [--rounds 5] [--out FILE.json]
    python benchmarks/gpu.py --device cpu --quick                  the same program where there is no GPU

1,000 clients x 50 samples of 3x32x32, cohort 50, batch 10, one local epoch, SGD .05. First, for every model, updates
of eight clients computed serially on the CPU are held against batched ones on the device, in float64 (in float32 a unit
of a ReLU may fall on the other side of 0, and a residual network makes much of that); where they differ nothing is
timed. Then rounds are timed, rows in turn: one client after another, in one process and in four; batched, with and
without a CUDA graph, and in bfloat16; each with identity links and with MCM. ``share`` is that of the device's limit:
counted floating-point operations a second over those of a large matrix product in the same precision. Last, encoding
and decoding with the dither, without the entropy stage, in GB/s of float32.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from fedkd.algorithms import Context, Row, Sgd, assemble
from fedkd.clients import FixedCohort, FolderStore
from fedkd.data import Split
from fedkd.evaluation import Evaluation
from fedkd.executors import Executor, Processes, Site, StartingOrder, Worker
from fedkd.executors.in_process import Local
from fedkd.executors.workshop import Workshop
from fedkd.federation import Federation, run
from fedkd.keys import key
from fedkd.links import Link, NoMemory, Shift
from fedkd.models import Mlp, ResNet
from fedkd.tasks import Supervised
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Batched, Serial, Trainer
from fedkd.trainers import Sgd as LocalSgd
from fedkd_compression import Identity, Key, SubtractiveDither

SEED, SAMPLES, BATCH, RATE, CLASSES, SHAPE, RUN = 7, 50, 10, 0.05, 10, (3, 32, 32), 1
WARM_UP, CHECKED, TOLERANCE = 2, 8, 1e-9
SOLVER = LocalSgd(RATE, 0.0, 0.0, 0.0)
LINKS = {
    "identity": (Link(Identity(), NoMemory()), Link(Identity(), NoMemory())),
    "MCM r=1": (
        Link(SubtractiveDither(1.0), Shift("auto", "zero")),
        Link(SubtractiveDither(1.0), Shift("auto", "first")),
    ),
}


@dataclass(frozen=True)
class Size:
    """How much is done: clients, of which so many take part in a round, and values of a row for the dither."""

    clients: int
    cohort: int
    row: int


WHOLE, QUICK = Size(1000, 50, 1 << 26), Size(20, 8, 1 << 16)


@dataclass(frozen=True)
class Way:
    """One row: a trainer, and in how many processes."""

    name: str
    trainer: Serial | Batched
    processes: int = 1
    half: bool = False


def ways() -> list[Way]:
    """The rows of a table."""
    serial = Serial(1, BATCH, 0, "auto")
    plain, graph, half = (
        Batched(1, BATCH, 0, "auto", "auto", recorded, precision)
        for recorded, precision in ((False, "float32"), (True, "float32"), (True, "bfloat16"))
    )
    return [
        Way("serial", serial),
        Way("serial x 4", serial, processes=4),
        Way("batched", plain),
        Way("batched, graph", graph),
        Way("batched, bfloat16", half, half=True),
    ]


def network(model: str) -> torch.nn.Module:
    """The first network; ``cifar_cnn`` is that of pfl-research's CIFAR-10 benchmark, without dropout."""
    if model == "mlp":
        return Mlp(hidden=(200, 200)).build(SHAPE, CLASSES, key(SEED, "model"))
    if model == "resnet8":
        return ResNet(width=16, blocks=1, groups=4, norm="group").build(SHAPE, CLASSES, key(SEED, "model"))
    nn = torch.nn
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        convolutions = [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(12544, 128), nn.ReLU(), nn.Linear(128, CLASSES))


MODELS = ("cifar_cnn", "mlp", "resnet8")


def images(clients: int) -> Split:
    """Ten noisy prototypes."""
    generator = np.random.default_rng(SEED)
    y = generator.integers(0, CLASSES, clients * SAMPLES)
    x = 0.5 * generator.standard_normal((CLASSES, *SHAPE))[y] + generator.standard_normal((len(y), *SHAPE))
    return Split(torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y))


@dataclass(frozen=True)
class Bench:
    """One row at work."""

    model: str
    links: str
    way: Way
    size: Size

    def federation(self, data: Split, device: str, folder: Path) -> tuple[Federation, torch.Tensor]:
        """With its workers, and the first model."""
        vector = NetworkLearner(network(self.model), Supervised(0.0)).vector
        context = Context(SEED, RUN, len(vector), (SAMPLES,) * self.size.clients, self.size.cohort / self.size.clients)
        row = Row("row", "model", "all", "PP2", "uniform")
        algorithm = assemble(row, *LINKS[self.links], Sgd(1.0), context)
        parts = [np.arange(SAMPLES) + client * SAMPLES for client in range(self.size.clients)]

        def worker(given: str) -> Worker:
            torch.set_num_threads(1)
            learner = NetworkLearner(network(self.model), Supervised(0.0)).on(device)
            here = data.on(device)
            uplink = algorithm.uplink.link
            shop = Workshop(learner, self.way.trainer, SOLVER, here, here, parts, None, uplink, SEED, RUN)
            return Worker(shop, algorithm.receiver(), FolderStore(folder, learner.dim, torch.float32), None)

        site = Site(
            make_worker=worker,
            rehearse=lambda: algorithm.rehearse(vector),
            dim=len(vector),
            work=[SAMPLES] * self.size.clients,
            cohort=self.size.cohort,
            together=self.way.trainer.together,
            shared_states=True,
            start=StartingOrder(folder, {}, b""),
            run=RUN,
        )
        # Forked also for one process: this one must not touch the GPU before others are forked.
        here = device == "cpu" and self.way.processes == 1
        executor: Executor = (Local() if here else Processes(self.way.processes, "auto")).start(site)
        evaluation = Evaluation(Supervised.metrics, 10**9, 10**9)
        cohort = FixedCohort(self.size.cohort)
        return Federation(algorithm, cohort, executor, evaluation, SEED, RUN, self.size.clients), vector

    def seconds(self, data: Split, device: str, rounds: int) -> float:
        """The median round."""
        with tempfile.TemporaryDirectory() as folder:
            federation, vector = self.federation(data, device, Path(folder))
            try:
                played = run(federation, federation.algorithm.start(vector), WARM_UP + rounds)
                times = [report.seconds for _, report in played]
            finally:
                federation.executor.close()
        return statistics.median(times[WARM_UP:])


def apart(request: tuple[str, ...]) -> object:
    """The answer of a process of its own: this one stays without CUDA, so that workers can be forked from it."""
    done = subprocess.run([sys.executable, __file__, *request], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def difference(model: str, device: str) -> float:
    """Largest relative difference of a client's update: serial on the CPU, batched on the device."""
    updates, data = [], images(CHECKED)
    data = Split(data.x.double(), data.y)
    trainers: tuple[tuple[str, Trainer], ...] = (
        ("cpu", Serial(1, BATCH, 0, "off")),
        (device, Batched(1, BATCH, 0, "auto", "auto", graph=True, precision="float32")),
    )
    for where, trainer in trainers:
        learner = NetworkLearner(network(model).double(), Supervised(0.0)).on(where)
        here, parts = data.on(where), [np.arange(SAMPLES) + client * SAMPLES for client in range(CHECKED)]
        shop = Workshop(learner, trainer, SOLVER, here, here, parts, None, LINKS["identity"][0], SEED, RUN)
        pupils = [shop.pupil(0, client, learner.vector) for client in range(CHECKED)]
        updates.append(torch.stack([update.vector.cpu() for update in trainer.train(learner, SOLVER, pupils)]))
    return float(((updates[1] - updates[0]).norm(dim=1) / updates[0].norm(dim=1)).max())


def limit(device: str, half: bool) -> float:
    """Floating-point operations a second of a large matrix product."""
    side, kind = (8192 if device != "cpu" else 512), torch.bfloat16 if half else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    return 2 * side**3 / best(lambda: torch.mm(a, b), device)


def dither(device: str, row: int) -> dict[str, float]:
    """GB/s of float32 rows, encoding with the received row, and decoding."""
    operator, stream, x = SubtractiveDither(1.0), Key.of(SEED, "row"), torch.randn(1, row, device=device)
    code, _ = operator.transmit(x, stream)
    encode = best(lambda: operator.transmit(x, stream), device)
    decode = best(lambda: operator.decode(code, stream, row), device)
    return {"encode": 4e-9 * row / encode, "decode": 4e-9 * row / decode}


def best(work: Callable[[], object], device: str) -> float:
    """Seconds of the fastest of ten."""
    seconds = []
    for _ in range(12):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - began)
    return min(seconds[2:])


def wait(device: str) -> None:
    """Until the device has done all."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def operations(model: str, size: Size) -> float:
    """Floating-point operations of a round's training: products and convolutions, forward and backward."""
    net, x = network(model), torch.randn(BATCH, *SHAPE)
    with FlopCounterMode(display=False) as counter:
        net(x).sum().backward()
    return float(counter.get_total_flops()) * size.cohort * SAMPLES / BATCH


def measured(options: argparse.Namespace, size: Size) -> dict[str, list[dict[str, object]]]:
    """The tables."""
    data, tables = images(size.clients), dict[str, list[dict[str, object]]]()
    limits = {half: float(str(apart(("--ask", "limit", options.device, str(int(half)))))) for half in (False, True)}
    for model in options.models:
        off = float(str(apart(("--ask", "difference", model, options.device))))
        print(f"\n{model}: batched on {options.device} differs from serial on the CPU by {off:.1e}", flush=True)
        if off > TOLERANCE:
            raise SystemExit(f"{model}: beyond {TOLERANCE}, not timed")
        tables[model] = []
        for links in LINKS:
            for way in ways():
                seconds = Bench(model, links, way, size).seconds(data, options.device, options.rounds)
                share = operations(model, size) / seconds / limits[way.half]
                tables[model].append({"links": links, "way": way.name, "seconds": seconds, "share": share})
                print(f"  {links:<9} {way.name:<18} {1 / seconds:8.2f} rounds/s  {share:6.1%} of the limit", flush=True)
    return tables


def answer(question: Sequence[str]) -> object:
    """What ``apart`` asks."""
    if question[0] == "limit":
        return limit(question[1], bool(int(question[2])))
    if question[0] == "name":
        return platform.processor() if question[1] == "cpu" else torch.cuda.get_device_name(question[1])
    if question[0] == "difference":
        return difference(question[1], question[2])
    return dither(question[1], int(question[2]))


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few clients: to see that it runs")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ask", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.ask:
        print(json.dumps(answer(options.ask)))
        return
    size = QUICK if options.quick else WHOLE
    tables = measured(options, size)
    speeds = apart(("--ask", "dither", options.device, str(size.row)))
    print(f"\ndither, GB/s: {speeds}")
    if options.out:
        machine = {"device": str(apart(("--ask", "name", options.device))), "torch": torch.__version__}
        options.out.write_text(json.dumps({"machine": machine, "tables": tables, "dither": speeds}, indent=1))


if __name__ == "__main__":
    main()
