"""The worker: what happens on the clients' side of a round, written once for every executor.

x = H + Om;  train from x;  D_i = C_up(g_i - h_i);  reply with D_i
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd.algorithms.downlinks import Receiver
from fedkd.clients import ClientSamples, ClientStore
from fedkd.keys import key
from fedkd.links import Link
from fedkd.messages import Kind, Message

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from fedkd.data import Split
    from fedkd.tasks.learner import Learner
    from fedkd.trainers import Serial, Solver


class Reply(NamedTuple):
    """A client's reply: the bytes that travel, and two stop-watches that do not."""

    client: int
    data: bytes
    seconds_train: float
    seconds_link: float


@dataclass(frozen=True)
class Workshop:
    """All that a worker needs to train any client.

    Args:
        learner: the resident student.
        parts: sample indices of every client.
        logits: a teacher's answers [m, classes] for a client's samples, asked when the learner holds the received
            model; None without distillation.
        uplink: the clients' half of the uplink, with its rate resolved.
    """

    learner: Learner
    trainer: Serial
    solver: Solver
    train: Split
    parts: Sequence[np.ndarray]
    logits: Callable[[int], Tensor] | None
    uplink: Link
    seed: int
    run: int


class Worker:
    """Trains the clients that it is given, and keeps their states."""

    def __init__(self, workshop: Workshop, receiver: Receiver, store: ClientStore) -> None:
        self.workshop = workshop
        self.receiver = receiver
        self.store = store

    def run(self, round_: int, client: int, messages: Sequence[bytes]) -> Reply:
        """One client's round: read the model, train, compress the update against its memory."""
        began = time.perf_counter()
        x = self.receiver.read(client, messages)
        received = time.perf_counter()
        vector, numbers, samples = self._train(x, round_, client)
        trained = time.perf_counter()
        data = self._send(vector, numbers, samples, round_, client)
        link = received - began + time.perf_counter() - trained
        return Reply(client, data, trained - received, link)

    def _train(self, x: Tensor, round_: int, client: int) -> tuple[Tensor, tuple[float, ...], int]:
        shop = self.workshop
        logits = None
        if shop.logits is not None:
            shop.learner.load(x)
            logits = shop.logits(client)
        samples = ClientSamples(shop.train, torch.from_numpy(shop.parts[client]), logits)
        stream = key(shop.seed, "train", round_, client)
        update = shop.trainer.train(shop.learner, shop.solver, x, samples, stream)
        return update.vector, update.numbers, samples.size

    def _send(self, vector: Tensor, numbers: tuple[float, ...], samples: int, round_: int, client: int) -> bytes:
        shop, state = self.workshop, self.store[client]
        sent = shop.uplink.send(vector, state.uplink, key(shop.seed, "uplink", round_, client))
        message = Message(Kind.REPLY, shop.run, round_, client, state.sent, sent.frame, samples, numbers)
        self.store[client] = replace(state, uplink=sent.memory, sent=state.sent + 1)
        return message.pack()
