"""The app of every node of ``row_flower.py``: a module of its own, since Ray's actors import it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from torch import nn
from work import Work

app = ClientApp()


@cache
def resident(path: str) -> tuple[Work, nn.Module]:
    """Samples and a network, made once an actor: the best that a client can do here."""
    torch.set_num_threads(1)
    work = Work.read(Path(path))
    return work, work.network()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Load the state dict, train, send the state dict."""
    config = message.content["config"]
    work, network = resident(str(config["work"]))
    network.load_state_dict(message.content["arrays"].to_torch_state_dict())
    x, y = work.samples(int(config["round"]), int(config["position"]))
    work.epoch(network, x, y)
    metrics = MetricRecord({"num-examples": len(y)})
    return Message(RecordDict({"arrays": ArrayRecord(network.state_dict()), "metrics": metrics}), reply_to=message)
