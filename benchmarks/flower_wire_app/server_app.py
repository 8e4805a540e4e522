"""Sends messages of given sizes to one node, in fedkd's envelope, and says when one begins and ends."""

import json
import os
import socket
import time
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.common.serde import message_to_proto
from flwr.serverapp import Grid, ServerApp

app = ServerApp()
PAUSE = 0.05


def to(node: int, size: int) -> Message:
    """A message of fedkd's executor."""
    array = Array("uint8", (size,), "fedkd.bytes", os.urandom(size))
    notes = ConfigRecord({"run": 1 << 31, "round": 1})
    return Message(RecordDict({"messages": ArrayRecord({"0": array}), "notes": notes}), node, "train")


def there_and_back(grid: Grid, node: int, size: int) -> dict[str, Any]:
    """One exchange; how large both messages are when Flower serialises them whole."""
    message = to(node, size)
    down = message_to_proto(message).ByteSize()
    waiting = list(grid.push_messages([message]))
    while not (replies := list(grid.pull_messages(waiting))):
        time.sleep(PAUSE)
    if replies[0].has_error():
        raise RuntimeError(replies[0].error.reason)
    return {
        "size": size,
        "serialised_down": down - size,
        "serialised_up": message_to_proto(replies[0]).ByteSize() - size,
    }


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Do what the benchmark says: a number of bytes to exchange, or to be silent for so many seconds."""
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(PAUSE)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(context.run_config["config"]))
        for order in line.makefile("r"):
            what, _, amount = order.partition(" ")
            said: dict[str, Any] = {}
            if what == "exchange":
                said = there_and_back(grid, nodes[0], int(amount))
            else:
                time.sleep(float(amount))
            line.sendall(json.dumps(said).encode() + b"\n")
