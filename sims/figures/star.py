"""STAR: stability on quadratics, training curves of the client's theta, the server's theta beside tuned optimizers.

    python sims/figures/star.py [parts=quadratics,curves,server,clients,forms] [client=FILE] [server=FILE] [--quick]

quadratics: where the noisy quadratic is stable, what a nominal term and small thetas do for it. curves: losses where
the client's theta was trained, at ten times the horizon, on wider, deeper and other networks and samples, beside Adam,
AdamW and SGD with a rate tuned for each. server: federated runs on partitions that no meta-training has seen, FedAvg,
FedAvgM, FedAdam and FedYogi tuned with as many settings. clients: the client's theta as local solver, beside SGD and
Adam. forms: short meta-trainings of other forms of the optimizer. Federated runs and meta-trainings have folders below
``output``: what is finished is not run again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fedkd.cli import guarded
from fedkd.optimizers import read_theta
from fedkd.records import Console
from sims import options
from sims.found import Found, write
from sims.plots import rendered
from sims.star import curves, forms, quadratic, rounds
from sims.studies import Study

QUICK: dict[str, object] = {"size": "tiny"}
SIZES = ("full", "tiny")


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        parts: what is studied.
        client: theta of the part "curves": a name or a file.
        server: theta of the part "server".
        size: "full", or "tiny": a few steps and rounds.
        output: folder of the results.
    """

    parts: tuple[str, ...] = ("quadratics", "curves", "server", "clients", "forms")
    client: str = "client"
    server: str = "server"
    size: str = "full"
    output: str = "runs/star"

    def __post_init__(self) -> None:
        for name in self.parts:
            options.one_of("parts", name, list(PARTS))
        options.one_of("size", self.size, SIZES)
        options.least("number of parts", len(self.parts), 1)
        for name in (self.client, self.server):
            read_theta(name)

    @property
    def tiny(self) -> bool:
        """Whether a size is asked that takes seconds."""
        return self.size == "tiny"


def _quadratics(asked: Asked, console: Console) -> Found:
    return quadratic.quadratics(asked.tiny)


def _curves(asked: Asked, console: Console) -> Found:
    return curves.curves(curves.TINY if asked.tiny else curves.FULL, asked.client)


def _server(asked: Asked, console: Console) -> Found:
    return rounds.server(Study(Path(asked.output) / "server", console), _size(asked), asked.server)


def _clients(asked: Asked, console: Console) -> Found:
    return rounds.clients(Study(Path(asked.output) / "clients", console), _size(asked), asked.client)


def _size(asked: Asked) -> rounds.Size:
    return rounds.TINY if asked.tiny else rounds.FULL


def _forms(asked: Asked, console: Console) -> Found:
    return forms.forms(forms.TINY if asked.tiny else forms.FULL, Path(asked.output) / "forms", console)


PARTS: dict[str, Callable[[Asked, Console], Found]] = {
    "quadratics": _quadratics,
    "curves": _curves,
    "server": _server,
    "clients": _clients,
    "forms": _forms,
}


def main(arguments: Sequence[str]) -> None:
    """Part by part; tables, JSON, PNG and page of those that are done."""
    asked, console = options.read(Asked, arguments, QUICK), Console("auto", quiet=False)
    torch.set_num_threads(1)
    Path(asked.output).mkdir(parents=True, exist_ok=True)
    command = " ".join(["python sims/figures/star.py", *arguments])
    found: list[Found] = []
    for name in asked.parts:
        found.append(PARTS[name](asked, console))
        for table in found[-1].tables:
            console.show(rendered(table))
        write(found, Path(asked.output) / "star", "STAR", command, options.fields(asked))
    console.announce(f"figure and page: {asked.output}/star.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
