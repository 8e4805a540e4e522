"""fedkd with two local worker processes of one thread, as its command line runs it."""

from __future__ import annotations

from functools import partial
from itertools import islice

import numpy as np
import torch
import workload
from work import Work, begin, parser

from fedkd.build import Setup
from fedkd.data import Split

WORKERS = 2


def job(work: Work, links: str, fused: str) -> Setup:
    """The work's data and sizes; cohorts and orders are drawn again from the same keys."""
    clients, samples = work.y.shape
    overrides = (
        *workload.MODELS[work.model],
        *workload.LINKS[links],
        f"participation.size={work.cohort}",
        f"trainer.batch_size={work.batch}",
        f"trainer.fused={fused}",
        f"solver.learning_rate={work.rate}",
        f"executor.workers={WORKERS}",
        f"seed={work.seed}",
    )
    data = Split(work.x.flatten(0, 1), work.y.flatten())
    return workload.setup(overrides, data, np.split(np.arange(clients * samples), clients))


def main() -> None:
    """Run the row."""
    arguments = parser(__doc__)
    arguments.add_argument("--links", choices=list(workload.LINKS), default="identity")
    arguments.add_argument("--fused", choices=["auto", "off"], default="auto")
    options = arguments.parse_args()
    work, watch = begin(options)
    with workload.rounds(job(work, options.links, options.fused)) as models:
        watch.start()
        for model in islice(models, work.rounds):
            watch.tick(partial(torch.clone, model))
        watch.finish(f"{WORKERS} worker processes, 1 thread each; {options.links}, fused={options.fused}")


if __name__ == "__main__":
    main()
