"""Clients: fedkd's own, and one for Flower's FedAvg that trains with the same trainer on the same samples."""

import json
import os
import time
from functools import cache
from pathlib import Path

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedkd.build import build
from fedkd.clients import ClientSamples
from fedkd.configuration import Settings
from fedkd.executors.workshop import Workshop
from fedkd.flower import envelope
from fedkd.flower.client import answer
from fedkd.keys import key
from fedkd.trainers import Pupil

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    """Say which client this is."""
    return answer(message, context)


@app.train()
def train(message: Message, context: Context) -> Message:
    """As the row wants it; the reply says how long all of it took."""
    began, cpu = time.perf_counter(), time.process_time()
    reply = average(message, context) if "arrays" in message.content else answer(message, context)
    reply.content[envelope.NOTES]["seconds_app"] = time.perf_counter() - began
    reply.content[envelope.NOTES]["cpu_app"] = time.process_time() - cpu
    return reply


@cache
def workshop(config: str) -> Workshop:
    """Network, samples and trainer, made once a process."""
    settings = Settings.of(json.loads(Path(config).read_text())["values"])
    return build(settings, lambda _: None).workshop("cpu", Path(config).parent)


def average(message: Message, context: Context) -> Message:
    """FedAvg as Flower's quickstart has it: load the state dict, train, send the state dict."""
    began, shop = time.perf_counter(), workshop(str(context.run_config["config"]))
    module, client = shop.learner.module, int(context.node_config["partition-id"])
    module.load_state_dict(message.content["arrays"].to_torch_state_dict())
    samples = ClientSamples(shop.train, torch.from_numpy(shop.parts[client]), None)
    stream = key(shop.seed, "train", message.content["config"]["server-round"], client)
    loaded = time.perf_counter()
    [update] = shop.trainer.train(shop.learner, shop.solver, [Pupil(shop.learner.vector, samples, stream)])
    trained = time.perf_counter()
    arrays = ArrayRecord(module.state_dict())
    metrics = MetricRecord({"train_loss": update.numbers[0], "num-examples": samples.size})
    link = loaded - began + time.perf_counter() - trained
    notes = ConfigRecord({"seconds_train": trained - loaded, "seconds_link": link, "process": os.getpid()})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics, envelope.NOTES: notes}), reply_to=message)
