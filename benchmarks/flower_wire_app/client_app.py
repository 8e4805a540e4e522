"""A node that answers with as many bytes as it got, in fedkd's envelope; random ones, which nothing can compress."""

import os

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """As fedkd's client answers."""
    size = len(message.content["messages"]["0"].data)
    notes = {"seconds_train": 0.5, "seconds_link": 0.5, "process": os.getpid()}
    array = Array("uint8", (size,), "fedkd.bytes", os.urandom(size))
    return Message(RecordDict({"messages": ArrayRecord({"0": array}), "notes": ConfigRecord(notes)}), reply_to=message)
