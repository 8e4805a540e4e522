"""The client of the Flower app: everything is in the installed fedkd."""

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedkd.flower.client import answer

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the server's message; what the client remembers stays in the context."""
    return answer(message, context)


@app.query()
def query(message: Message, context: Context) -> Message:
    """Say which client this is."""
    return answer(message, context)
