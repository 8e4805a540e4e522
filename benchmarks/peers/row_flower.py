"""Flower's simulation on Ray: a virtual node a client, two actors of one thread, Flower's FedAvg."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path

import flower_client
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from torch import Tensor, nn
from work import Watch, Work, begin, parser, vector

ACTORS, PAUSE = 2, 0.1
"""Actors; seconds between two looks at whether all nodes are there."""


class Given(FedAvg):
    """FedAvg of given cohorts: a message says whose samples its node has, and in which order."""

    def __init__(self, work: Work, path: Path) -> None:
        super().__init__(fraction_evaluate=0.0)
        self._work, self._path = work, path

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """A message a client, to the node of its number."""
        nodes, round_ = list(grid.get_node_ids()), server_round - 1
        return [
            self._message(arrays, nodes[client], round_, position)
            for position, client in enumerate(self._work.cohorts[round_].tolist())
        ]

    def _message(self, arrays: ArrayRecord, node: int, round_: int, position: int) -> Message:
        told = ConfigRecord({"work": str(self._path), "round": round_, "position": position})
        content = RecordDict({"arrays": arrays, "config": told})
        return Message(content=content, message_type=MessageType.TRAIN, dst_node_id=node)


def server(work: Work, watch: Watch, path: Path) -> ServerApp:
    """The app of the server, which writes the row."""
    app, network = ServerApp(), work.network()

    def over(round_: int, arrays: ArrayRecord) -> None:
        """Flower would have the model evaluated here: before the first round, and after each."""
        if round_:
            watch.tick(lambda: _loaded(network, arrays))
        else:
            watch.start()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        while len(list(grid.get_node_ids())) < len(work.x):
            time.sleep(PAUSE)
        Given(work, path).start(grid, ArrayRecord(network.state_dict()), num_rounds=work.rounds, evaluate_fn=over)
        watch.finish(f"Ray, {ACTORS} actors, 1 thread each")

    return app


def _loaded(network: nn.Module, arrays: ArrayRecord) -> Tensor:
    network.load_state_dict(arrays.to_torch_state_dict())
    return vector(network)


def main() -> None:
    """Run the row."""
    options = parser(__doc__).parse_args()
    work, watch = begin(options)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    resources = {
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        "init_args": {"num_cpus": ACTORS, "include_dashboard": False},
    }
    run_simulation(server(work, watch, options.work), flower_client.app, len(work.x), backend_config=resources)


if __name__ == "__main__":
    main()
