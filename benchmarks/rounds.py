"""Seconds a round of fedkd beside a plain PyTorch FedAvg loop that does the same work.

    python benchmarks/rounds.py [--model cnn|mlp] [--rounds 12] [--threads 1] [--out FILE.json]

100 clients x 100 samples of 28x28, cohort 10, batch 20, one local epoch, SGD .05; the FedAvg CNN (1,663,370
parameters) or an MLP 784-200-200-10 (199,210). The rows take turns, round by round, so that a ratio holds on a
machine whose speed drifts. The plain loop is given the same cohorts and the same batches, so that it must end
with the same loss as fedkd with identity links.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from fedkd.algorithms import Context, Row, Sgd, assemble
from fedkd.clients import FixedCohort, MemoryStore
from fedkd.data import Split
from fedkd.evaluation import Evaluation
from fedkd.executors import InProcess, Worker
from fedkd.executors.workshop import Workshop
from fedkd.federation import Federation, run
from fedkd.keys import key
from fedkd.links import Link, NoMemory, Shift
from fedkd.models import Mlp, PlainCnn
from fedkd.tasks import Supervised
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Serial
from fedkd.trainers import Sgd as LocalSgd
from fedkd_compression import Identity, SubtractiveDither

SEED, CLIENTS, SAMPLES, COHORT, BATCH, RATE, CLASSES = 7, 100, 100, 10, 20, 0.05, 10
MODELS = {"cnn": PlainCnn((32, 64), 5, 2, 512), "mlp": Mlp(hidden=(200, 200))}
WARM_UP = 2
PARTICIPATION = FixedCohort(COHORT)


@dataclass
class Timed:
    """One row: an iterator whose every step is a round."""

    name: str
    rounds: Iterator[torch.Tensor]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    vector: torch.Tensor | None = None

    def step(self) -> None:
        """Time one round."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.vector = next(self.rounds)
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def images() -> Split:
    """Ten noisy prototypes."""
    generator = np.random.default_rng(SEED)
    prototypes = generator.standard_normal((CLASSES, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    y = generator.integers(0, CLASSES, CLIENTS * SAMPLES)
    x = 0.5 * prototypes[y] + generator.standard_normal((len(y), 28, 28))
    return Split(torch.from_numpy(x[:, None].astype(np.float32)), torch.from_numpy(y))


def network(model: str) -> torch.nn.Module:
    """The initial network of every row."""
    return MODELS[model].build((1, 28, 28), CLASSES, key(SEED, "model"))


def plain(model: str, data: Split) -> Iterator[torch.Tensor]:
    """FedAvg as one would write it: a model object, an optimizer, state dicts."""
    server, local, round_ = network(model), network(model), 0
    while True:
        cohort = PARTICIPATION.draw(CLIENTS, key(SEED, "participation", round_))
        total: dict[str, torch.Tensor] = {}
        for client in cohort:
            local.load_state_dict(server.state_dict())
            order = key(SEED, "train", round_, client).fold(0).permutation(SAMPLES) + client * SAMPLES
            local_epoch(local, data.x[order], data.y[order])
            for name, value in local.state_dict().items():
                total[name] = total[name] + value if name in total else value.clone()
        server.load_state_dict({name: value / COHORT for name, value in total.items()})
        round_ += 1
        yield torch.cat([parameter.detach().flatten() for parameter in server.parameters()])


def local_epoch(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """The usual inner loop."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for start in range(0, SAMPLES, BATCH):
        optimizer.zero_grad()
        outputs = model(x[start : start + BATCH])
        torch.nn.functional.cross_entropy(outputs, y[start : start + BATCH]).backward()
        optimizer.step()


def fedkd(model: str, data: Split, uplink: Link, downlink: Link) -> Iterator[torch.Tensor]:
    """The framework's own round."""
    learner = NetworkLearner(network(model), Supervised(label_smoothing=0.0))
    vector = learner.vector
    context = Context(SEED, 1, len(vector), (SAMPLES,) * CLIENTS, COHORT / CLIENTS)
    row = Row("row", "model", "all", "PP2", "uniform")
    algorithm = assemble(row, uplink, downlink, Sgd(1.0), context)
    trainer, solver = Serial(1, BATCH, 0, "auto"), LocalSgd(RATE, 0.0, 0.0, 0.0)
    parts = [np.arange(SAMPLES) + client * SAMPLES for client in range(CLIENTS)]
    shop = Workshop(learner, trainer, solver, data, data, parts, None, algorithm.uplink.link, SEED, 1)
    evaluation = Evaluation(Supervised.metrics, 10**9, 10**9)
    executor = InProcess([Worker(shop, algorithm.receiver(), MemoryStore(), None)])
    federation = Federation(algorithm, PARTICIPATION, executor, evaluation, SEED, 1, CLIENTS)
    for state, _ in run(federation, algorithm.start(vector), 10**9):
        yield state.model


def rows(model: str, data: Split) -> list[Timed]:
    """The reference and what is held beside it."""
    identity, dither = Link(Identity(), NoMemory()), SubtractiveDither(step=1.0)
    up, down = Link(dither, Shift("auto", "zero")), Link(dither, Shift("auto", "first"))
    return [
        Timed("plain PyTorch", plain(model, data)),
        Timed("fedkd, identity", fedkd(model, data, identity, identity)),
        Timed("fedkd, MCM r=1", fedkd(model, data, up, down)),
    ]


def loss(model: str, vector: torch.Tensor, data: Split) -> float:
    """Mean loss of a model on all clients' samples."""
    learner = NetworkLearner(network(model), Supervised(label_smoothing=0.0))
    return learner.evaluate(vector, data)["loss"]


def measure(model: str, rounds: int) -> list[dict[str, float | str]]:
    """Medians over rounds; ratios are medians of the ratios round by round."""
    data = images()
    timed = rows(model, data)
    for _ in range(WARM_UP + rounds):
        for row in timed:
            row.step()
    reference = timed[0]
    return [
        {
            "row": row.name,
            "seconds": statistics.median(row.wall[WARM_UP:]),
            "cpu_seconds": statistics.median(row.cpu[WARM_UP:]),
            "ratio": statistics.median(a / b for a, b in zip(row.cpu[WARM_UP:], reference.cpu[WARM_UP:], strict=True)),
            "loss": loss(model, row.vector, data),
        }
        for row in timed
    ]


def main() -> None:
    """Print the table of each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=[*MODELS, "all"], default="all")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tables = {}
    for model in MODELS if options.model == "all" else [options.model]:
        tables[model] = measure(model, options.rounds)
        print(f"\n{model}: {options.rounds} rounds, {options.threads} thread(s); ratio = CPU seconds beside plain")
        for row in tables[model]:
            print("  {row:<18} {seconds:8.4f} s {cpu_seconds:8.4f} CPU-s {ratio:6.2f} x  loss {loss:.6f}".format(**row))
    if options.out:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        options.out.write_text(json.dumps({"machine": machine, "threads": options.threads, "tables": tables}, indent=1))


if __name__ == "__main__":
    main()
