"""Where the time of one client's round goes, beside the floor that arithmetic and memory set.

    python benchmarks/round_profile.py [--model cnn|mlp|all] [--repeats 30] [--out FILE.json]

The data, models and batches of ``rounds.py``, one thread, one process, fused gradients, identity links and MCM. Every
stage is timed by itself, stages in turn, medians of the repeats. Floating-point operations are counted by torch's own
counter, bytes by what the stage must read and write once. The floor of a stage is the larger of its operations at the
speed of a large matrix product and of its bytes at the speed of a large copy, both measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rounds import BATCH, CLASSES, MODELS, RATE, SAMPLES, SEED, images, network
from torch.utils.flop_counter import FlopCounterMode

from fedkd.clients import ClientSamples
from fedkd.keys import key
from fedkd.links import Link, NoMemory, Shift
from fedkd.tasks import Supervised
from fedkd.tasks.backward import Stack
from fedkd.tasks.backward.layers import Layer
from fedkd.tasks.learner import NetworkLearner
from fedkd.trainers import Serial, Sgd
from fedkd.trainers.descents import Descent
from fedkd_compression import ExactSum, Identity, SubtractiveDither

BATCHES = SAMPLES // BATCH
FLOAT = 4
PRODUCT, COPY = 1536, 1 << 24
"""Side of the matrix product, values of the copy, that set the machine's speeds."""


@dataclass
class Stage:
    """One part of a client's round.

    Args:
        work: does it once.
        times: how often a round does it.
        operations: floating-point operations of it, each time.
        moved: bytes that it must read or write, each time.
    """

    name: str
    work: Callable[[], object]
    times: int
    operations: float
    moved: float
    seconds: list[float] = field(default_factory=list)

    def step(self) -> None:
        """Time it once."""
        began = time.perf_counter()
        self.work()
        self.seconds.append(time.perf_counter() - began)


def counted(work: Callable[[], object]) -> float:
    """Floating-point operations of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def training(model: str) -> list[Stage]:
    """The stages of training, layer by layer."""
    data = images()
    learner = NetworkLearner(network(model), Supervised(0.0))
    x, own = learner.vector, ClientSamples(data, torch.arange(SAMPLES), None)
    trainer, descent = Serial(1, BATCH, 0, "auto"), Sgd(RATE, 0.0, 0.0, 0.0).start(learner.flat)
    (order,) = trainer.orders(SAMPLES, key(SEED, "train", 0, 0))
    epoch = learner.prepared(own.take(order))
    batch, vector = epoch.slice(0, BATCH), FLOAT * learner.dim
    stages = [
        Stage("load the model", lambda: learner.load(x), 1, 0, 2 * vector),
        Stage("gather samples", lambda: learner.prepared(own.take(order)), 1, 0, 2 * FLOAT * epoch.x.numel()),
    ]
    backward, value = learner.backward("auto"), batch.x
    assert isinstance(backward, Stack)
    for number, layer in enumerate(backward.layers):
        stages += layered(layer, number, value, descent)
        value = layer.forward(value.clone(), descent.parameters)[0]
    stages.append(Stage("gradient of the loss", lambda: learner.task.gradient(value, batch), BATCHES, 0, 0))
    outputs = [value] * BATCHES
    stages.append(Stage("report", lambda: learner.report(outputs, epoch), 1, 0, 0))
    return [*stages, Stage("update", lambda: descent.update(x), 1, 0, 3 * vector)]


def layered(layer: Layer, number: int, value: torch.Tensor, descent: Descent) -> list[Stage]:
    """A layer forward, and backward with its step."""
    name = type(layer).__name__
    result, saved = layer.forward(value.clone(), descent.parameters)
    gradient, wanted = torch.randn_like(result) * 1e-9, number > 0
    weights = FLOAT * sum(descent.parameters[index].numel() for index in layer.indices)
    around = FLOAT * (value.numel() + result.numel())

    def forward() -> object:
        return layer.forward(value, descent.parameters)

    def back() -> object:
        return layer.backward(gradient, saved, descent, wanted)

    with torch.no_grad():
        operations = counted(forward), counted(back)
    return [
        Stage(f"{number} {name}, forward", forward, BATCHES, operations[0], around + weights),
        Stage(f"{number} {name}, backward", back, BATCHES, operations[1], around + 2 * weights),
    ]


def linked(model: str) -> list[Stage]:
    """What a link costs at both ends, once its memory is there."""
    vector = NetworkLearner(network(model), Supervised(0.0)).vector
    total = ExactSum.zeros(len(vector))
    change = 1e-3 * torch.randn_like(vector)
    links = {"identity": Link(Identity(), NoMemory()), "MCM r=1": Link(SubtractiveDither(1.0), Shift("auto", "zero"))}
    ends = [stage for name, link in links.items() for stage in both_ends(name, link.resolve(len(vector)), change)]
    add = Stage("add exactly, one by one", lambda: total.add(change), 1, 0, (FLOAT + 2 * 3 * 8) * len(vector))
    return [*ends, add]


def both_ends(name: str, link: Link, change: torch.Tensor) -> list[Stage]:
    """The sender, which also moves its memory, and the receiver."""
    stream, size = key(SEED, "uplink", 0, 0), FLOAT * len(change)
    memory = torch.zeros_like(change) if link.remembers else None
    frame = link.send(change, memory, stream).frame
    kept = 2 * size if link.remembers else 0
    return [
        Stage(f"{name}: encode", lambda: link.send(change, memory, stream), 1, 0, size + len(frame) + kept),
        Stage(f"{name}: decode", lambda: link.decode(frame, memory, stream, len(change)), 1, 0, size + len(frame)),
    ]


def speeds() -> tuple[float, float]:
    """Operations a second of a matrix product, bytes a second of a copy: the best of some."""
    a, b = torch.randn(PRODUCT, PRODUCT), torch.randn(PRODUCT, PRODUCT)
    source, target = torch.randn(COPY), torch.empty(COPY)
    product, copy = Stage("", lambda: torch.mm(a, b), 1, 0, 0), Stage("", lambda: target.copy_(source), 1, 0, 0)
    for _ in range(7):
        product.step()
        copy.step()
    return 2 * PRODUCT**3 / min(product.seconds), 2 * FLOAT * COPY / min(copy.seconds)


def measure(stages: list[Stage], repeats: int, operations: float, moved: float) -> list[dict[str, float | str]]:
    """Milliseconds a client, with the floor of each stage."""
    with torch.no_grad():
        for _ in range(repeats + 2):
            for stage in stages:
                stage.step()
    return [
        {
            "stage": stage.name,
            "ms": 1e3 * stage.times * statistics.median(stage.seconds[2:]),
            "floor_ms": 1e3 * stage.times * max(stage.operations / operations, stage.moved / moved),
            "mega_operations": stage.times * stage.operations / 1e6,
            "megabytes": stage.times * stage.moved / 1e6,
        }
        for stage in stages
    ]


def show(model: str, lines: list[dict[str, float | str]]) -> None:
    """One table."""
    print(f"\n{model}: milliseconds a client of {SAMPLES} samples ({CLASSES} classes, {BATCHES} batches)")
    for line in lines:
        counts = "{mega_operations:8.1f} MFLOP, {megabytes:8.2f} MB".format(**line)
        print("  {stage:<30} {ms:9.3f} ms, floor {floor_ms:8.3f} ms".format(**line), counts, sep=", ")
    ms, floor = (sum(float(line[name]) for line in lines) for name in ("ms", "floor_ms"))
    print(f"  {'all':<30} {ms:9.3f} ms, floor {floor:8.3f} ms")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=[*MODELS, "all"], default="all")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    operations, moved = speeds()
    print(f"one thread: {operations / 1e9:.0f} GFLOP/s in a matrix product, {moved / 1e9:.1f} GB/s in a copy")
    tables = {}
    for model in MODELS if options.model == "all" else [options.model]:
        for part, stages in ((f"{model}, training", training(model)), (f"{model}, links", linked(model))):
            tables[part] = measure(stages, options.repeats, operations, moved)
            show(part, tables[part])
    if options.out:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        machine |= {"flops": f"{operations:.3g}", "copy_bytes": f"{moved:.3g}"}
        options.out.write_text(json.dumps({"machine": machine, "tables": tables}, indent=1))


if __name__ == "__main__":
    main()
