"""The server of the Flower app: everything is in the installed fedkd."""

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fedkd.flower.server import serve

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the federation over the nodes of the Grid."""
    serve(grid, context)
