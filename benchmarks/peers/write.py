"""Write the work of all rows, as fedkd draws it from its keys; with fedkd, and so in a process of its own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import workload
from work import Work

from fedkd.clients import FixedCohort
from fedkd.keys import key

BATCH, RATE = 20, 0.05


@dataclass(frozen=True)
class Sizes:
    """How much there is to do.

    Args:
        samples: of every client.
        cohort: clients a round.
        rounds: all of them; ``warm_up`` of these do not count.
    """

    rounds: int
    warm_up: int
    clients: int = 100
    samples: int = 100
    cohort: int = 10


def work(model: str, sizes: Sizes) -> Work:
    """The first epoch's order of every client of every cohort, and the data and the model to begin with."""
    cohorts = [
        FixedCohort(sizes.cohort).draw(sizes.clients, key(workload.SEED, "participation", round_))
        for round_ in range(sizes.rounds)
    ]
    orders = [
        [key(workload.SEED, "train", round_, client).fold(0).permutation(sizes.samples) for client in cohort]
        for round_, cohort in enumerate(cohorts)
    ]
    data = workload.images(sizes.clients * sizes.samples)
    parts = np.split(np.arange(len(data)), sizes.clients)
    overrides = (*workload.MODELS[model], *workload.LINKS["identity"], f"participation.size={sizes.cohort}")
    return Work(
        model=model,
        seed=workload.SEED,
        warm_up=sizes.warm_up,
        batch=BATCH,
        rate=RATE,
        initial=workload.setup(overrides, data, parts).model,
        x=data.x.unflatten(0, (sizes.clients, sizes.samples)),
        y=data.y.unflatten(0, (sizes.clients, sizes.samples)),
        cohorts=torch.tensor(cohorts),
        orders=torch.from_numpy(np.array(orders)),
    )


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=list(workload.MODELS))
    parser.add_argument("path", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True)
    options = parser.parse_args()
    work(options.model, Sizes(options.rounds, options.warm_up)).write(options.path)


if __name__ == "__main__":
    main()
