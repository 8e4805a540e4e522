"""ReSSL: its published ablations, and what federation, skew and compressed links change of it.

    python sims/figures/ressl.py [parts=ablations,federated,links,fashion] [seeds=0,1,2] [--quick]

ablations: digits, one client, 600 steps: the published choices, one after another given up. federated: ten clients of
the same digits, Dirichlet .1: where teachers and queues come from, mixing, statistics. links: the federated setting
through MCM's links of dither against identity links. fashion: Fashion-MNIST on one client, on 20 that are alike, on 20
of few classes. For both data sets, a linear probe with 10 labels a class against the trunk trained on those labels.
Every run has a folder below ``output``: what is finished is not run again. A few minutes a part on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fedkd.cli import guarded
from fedkd.records import Console
from sims import options
from sims.found import Found, write
from sims.plots import rendered
from sims.ressl.grounds import Ground
from sims.ressl.parts import PARTS
from sims.studies import Study

QUICK: dict[str, object] = {"seeds": (0,), "size": "tiny"}
SIZES = ("full", "tiny")


@dataclass(frozen=True)
class Asked:
    """Options of the command.

    Args:
        parts: what is studied.
        seeds: of data, division, networks and batches.
        size: "full", or "tiny": two rounds of a few samples.
        output: folder of the results.
    """

    parts: tuple[str, ...] = tuple(PARTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    size: str = "full"
    output: str = "runs/ressl"

    def __post_init__(self) -> None:
        for name in self.parts:
            options.one_of("parts", name, list(PARTS))
        options.one_of("size", self.size, SIZES)
        for name in ("parts", "seeds"):
            options.least(f"number of {name}", len(getattr(self, name)), 1)
        options.least("seeds", min(self.seeds), 0)


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, part by part; tables, JSON, PNG and page."""
    asked, console = options.read(Asked, arguments, QUICK), Console("auto", quiet=False)
    torch.set_num_threads(1)
    Path(asked.output).mkdir(parents=True, exist_ok=True)
    command = " ".join(["python sims/figures/ressl.py", *arguments])
    ground = Ground(Study(Path(asked.output), console), asked.seeds, asked.size == "tiny")
    found: list[Found] = []
    for name in asked.parts:
        found.append(PARTS[name](ground))
        for table in found[-1].tables:
            console.show(rendered(table))
        write(found, Path(asked.output) / "ressl", "ReSSL", command, options.fields(asked))
    console.announce(f"figure and page: {asked.output}/ressl.html")


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
