"""A whole Flower run in this process: a ServerApp and ClientApps over a Grid in memory."""

from __future__ import annotations

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from fedkd.flower.client import answer
from fedkd.flower.grid import RUN_ID, DirectGrid
from fedkd.flower.seat import Seated, seated
from fedkd.job import Job, execute
from fedkd.records import Outcome


def client_app() -> ClientApp:
    """The app of every node."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        return answer(message, context)

    @app.query()
    def query(message: Message, context: Context) -> Message:
        return answer(message, context)

    return app


def conduct(job: Job, grid: DirectGrid | None = None, simulated: bool = True) -> Outcome:
    """Run a job.

    Args:
        job: to run.
        grid: one that fails on purpose; None for one that does not.
        simulated: whether nodes share the run's folder, as in a simulation; in a deployment they do not.
    """
    outcomes: list[Outcome] = []
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        with seated(Seated(grid, lambda: False, simulated)):
            outcomes.append(execute(job))

    nodes = grid or DirectGrid(client_app(), job.settings.clients)
    app(nodes, Context(RUN_ID, 0, {}, RecordDict(), {}))
    return outcomes[0]
