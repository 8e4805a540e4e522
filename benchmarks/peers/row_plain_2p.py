"""Two worker processes that stay, one thread each; the model and their two sums are in memory that all share."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier

import torch
from torch import Tensor
from torch.nn.utils import vector_to_parameters
from work import Work, begin, parser, vector

PROCESSES = 2


def worker(number: int, work: Work, model: Tensor, sums: Tensor, go: Barrier, done: Barrier) -> None:
    """Every second client of each cohort; between the barriers the sum of this worker [d] is its own."""
    torch.set_num_threads(1)
    network = work.network()
    for round_ in range(work.rounds):
        go.wait()
        sums[number].zero_()
        for position in range(number, work.cohort, PROCESSES):
            vector_to_parameters(model.clone(), network.parameters())
            work.epoch(network, *work.samples(round_, position))
            sums[number] += vector(network)
        done.wait()
    go.wait()


def main() -> None:
    """Run the row."""
    work, watch = begin(parser(__doc__).parse_args())
    torch.set_num_threads(1)
    model = work.initial.clone().share_memory_()
    sums = torch.zeros(PROCESSES, len(model)).share_memory_()
    spawn = torch.multiprocessing.get_context("spawn")
    go, done = spawn.Barrier(PROCESSES + 1), spawn.Barrier(PROCESSES + 1)
    workers = [spawn.Process(target=worker, args=(i, work, model, sums, go, done)) for i in range(PROCESSES)]
    for process in workers:
        process.start()
    watch.start()
    for _ in range(work.rounds):
        go.wait()
        done.wait()
        torch.sum(sums, 0, out=model).div_(work.cohort)
        watch.tick(lambda: model)
    go.wait()
    watch.finish(f"{PROCESSES} worker processes, 1 thread each, shared memory")
    for process in workers:
        process.join()


if __name__ == "__main__":
    main()
