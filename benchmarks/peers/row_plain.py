"""One process: a model object, an optimizer and state dicts, one client after another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from work import Work, begin, parser, vector


def train(work: Work) -> Iterator[nn.Module]:
    """FedAvg as one would write it; the server's network after every round."""
    server, local = work.network(), work.network()
    for round_ in range(work.rounds):
        total: dict[str, Tensor] = {}
        for position in range(work.cohort):
            local.load_state_dict(server.state_dict())
            work.epoch(local, *work.samples(round_, position))
            for name, value in local.state_dict().items():
                total[name] = total[name] + value if name in total else value.clone()
        server.load_state_dict({name: value / work.cohort for name, value in total.items()})
        yield server


def main() -> None:
    """Run the row."""
    work, watch = begin(parser(__doc__).parse_args())
    watch.start()
    for server in train(work):
        watch.tick(partial(vector, server))
    watch.finish(f"1 process, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
