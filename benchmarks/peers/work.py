"""What the process of a row is given and what it leaves behind: the work that is the same in all rows, and a watch.

Only NumPy and torch are needed here, since every simulator has an environment of its own.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import family
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

CLASSES = 10
CHECKED, EARLY, FINAL = 2, "early.npy", "final.npy"
"""A round, and files of a row: its model after that round and after the last."""


@dataclass(frozen=True)
class Work:
    """Who trains in which round, on what, from where. One epoch of SGD and an average, in every round.

    Args:
        model: "cnn" or "mlp".
        seed: from which fedkd draws the same cohorts and orders by itself.
        warm_up: rounds that do not count.
        batch: samples a step.
        rate: learning rate.
        initial: the first round's model [d], in the order of ``network``'s parameters.
        x: samples [clients, samples, 1, 28, 28].
        y: their labels [clients, samples].
        cohorts: clients [rounds, cohort].
        orders: in which order each of them goes through its samples [rounds, cohort, samples].
    """

    model: str
    seed: int
    warm_up: int
    batch: int
    rate: float
    initial: Tensor
    x: Tensor
    y: Tensor
    cohorts: Tensor
    orders: Tensor

    @staticmethod
    def read(path: Path) -> Work:
        """As written."""
        with np.load(path) as file:
            arrays = {field.name: file[field.name] for field in fields(Work)}
        return Work(**{name: torch.from_numpy(a) if a.ndim else a.item() for name, a in arrays.items()})

    def write(self, path: Path) -> None:
        """One array a field."""
        np.savez(path, **{field.name: np.asarray(getattr(self, field.name)) for field in fields(self)})

    @property
    def rounds(self) -> int:
        """Of all, with those that do not count."""
        return len(self.cohorts)

    @property
    def cohort(self) -> int:
        """Clients a round."""
        return self.cohorts.shape[1]

    def samples(self, round_: int, position: int) -> tuple[Tensor, Tensor]:
        """Samples and labels of a client of the cohort, in this round's order."""
        client, order = self.cohorts[round_, position], self.orders[round_, position]
        return self.x[client][order], self.y[client][order]

    def network(self) -> nn.Module:
        """A new one with the first round's model."""
        network = layers(self.model)
        vector_to_parameters(self.initial.clone(), network.parameters())
        return network

    def epoch(self, network: nn.Module, x: Tensor, y: Tensor) -> None:
        """The loop that simulators leave to their users."""
        optimizer = torch.optim.SGD(network.parameters(), lr=self.rate)
        for inputs, labels in zip(x.split(self.batch), y.split(self.batch), strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()

    @torch.no_grad()
    def loss(self, vector: Tensor) -> float:
        """Mean loss of a model [d] on the samples of all clients."""
        network = self.network()
        vector_to_parameters(vector, network.parameters())
        losses = [nn.functional.cross_entropy(network(x), y) for x, y in zip(self.x, self.y, strict=True)]
        return torch.stack(losses).double().mean().item()


def layers(model: str) -> nn.Module:
    """The CNN of federated averaging with 1,663,370 parameters, or 784-200-200-10 with 199,210."""
    if model == "cnn":
        return nn.Sequential(
            *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, CLASSES)),
        )
    inner = (nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *inner, nn.Linear(200, CLASSES))


def vector(network: nn.Module) -> Tensor:
    """A network's parameters [d]."""
    return parameters_to_vector(network.parameters()).detach()


class Watch:
    """Times rounds, and counts the CPU seconds of all processes of the row.

    Args:
        out: where ``finish`` writes; models go beside it.
        runner: the process that started this row, and nothing else meanwhile.
    """

    def __init__(self, work: Work, out: Path, runner: int) -> None:
        self._work, self._out, self._runner = work, out, runner
        self._seconds: list[float] = []
        self._cpu: list[float] = []

    def start(self) -> None:
        """The first round begins."""
        self._began = time.perf_counter()

    def tick(self, model: Callable[[], Tensor]) -> None:
        """A round is over and the next one begins; the model [d] is asked for where it is kept."""
        self._seconds.append(time.perf_counter() - self._began)
        done = len(self._seconds)
        if done in (self._work.warm_up, self._work.rounds):
            self._cpu.append(family.cpu(self._runner))
        if done in (CHECKED, self._work.rounds):
            np.save(self._out.with_name(EARLY if done == CHECKED else FINAL), model().numpy())
        self._began = time.perf_counter()

    def finish(self, settings: str) -> None:
        """Write what was measured."""
        timed = self._seconds[self._work.warm_up :]
        first, last = self._cpu
        measured = {"seconds": timed, "cpu": (last - first) / len(timed), "settings": settings}
        self._out.write_text(json.dumps(measured))


def parser(description: str | None) -> ArgumentParser:
    """What every row is told."""
    arguments = ArgumentParser(description=description)
    arguments.add_argument("work", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("runner", type=int)
    return arguments


def begin(options: Namespace) -> tuple[Work, Watch]:
    """The work and the watch of a row."""
    work = Work.read(options.work)
    return work, Watch(work, options.out, options.runner)
