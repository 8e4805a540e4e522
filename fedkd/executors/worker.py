"""The worker: what happens on the clients' side of a round, written once for every executor.

x = H + Om;  train from x;  D_i = C_up(g_i - h_i);  reply with D_i

Where cohorts are large a worker also adds up the updates of its clients, as the server would: its replies are then
receipts, messages without their frames, and their sizes are told apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd import vectors
from fedkd.algorithms import Partial, Receiver, Uplink
from fedkd.beside import Beside
from fedkd.clients import ClientSamples, ClientState, Store
from fedkd.keys import key
from fedkd.links import Link, Sent
from fedkd.messages import Kind, Message
from fedkd.trainers.trainer import Pupil, Update
from fedkd_compression import Key, Sizes

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from fedkd.data import Split
    from fedkd.tasks.learner import Resident
    from fedkd.trainers import Solver, Trainer


def restarts(messages: Sequence[bytes | memoryview]) -> bool:
    """Whether the server starts a client anew."""
    return bool(messages) and Message.unpack(messages[0]).kind is Kind.RESTART


def named(clients: Sequence[int]) -> str:
    """Clients that were trained together, for an error: one of them caused it."""
    return f"client {clients[0]}" if len(clients) == 1 else f"one of clients {', '.join(map(str, clients))}"


def lost(run: int, round_: int, client: int) -> bytes:
    """A client's answer to messages that change what it does not hold (StaleMemoryError)."""
    return Message(Kind.LOST, run, round_, client, 0, b"").pack()


class Order(NamedTuple):
    """A client to be trained, and what the server sends to it alone, in the order in which it must be read."""

    client: int
    messages: Sequence[bytes | memoryview]


class Arrived(NamedTuple):
    """A client that has read its messages: the model x [d] that it received, and its state after them."""

    client: int
    x: Tensor
    state: ClientState


class Reply(NamedTuple):
    """A client's reply: the bytes that travel, and two stop-watches that do not.

    Args:
        data: the message, or its receipt.
        sizes: of the message, where ``data`` is a receipt.
    """

    client: int
    data: bytes | memoryview
    seconds_train: float
    seconds_link: float
    sizes: Sizes | None = None


@dataclass(frozen=True)
class Workshop:
    """All that a worker needs to train any client.

    Args:
        learner: the resident student, on the worker's device.
        parts: sample indices of every client.
        logits: a teacher's answers [m, classes] for a client's samples, asked when the learner holds the received
            model, with what came beside it; None without distillation.
        uplink: the clients' half of the uplink, with its rate resolved.
        test: what the server's model is evaluated on.
        fresh: what a client keeps for its task before its first round; None where nothing is kept.
        beside: what travels beside the model; None for nothing.
    """

    learner: Resident
    trainer: Trainer
    solver: Solver
    train: Split
    test: Split
    parts: Sequence[np.ndarray]
    logits: Callable[[int, Tensor | None], Tensor] | None
    uplink: Link
    seed: int
    run: int
    fresh: Callable[[int], Tensor] | None = None
    beside: Beside | None = None

    def pupil(
        self, round_: int, client: int, x: Tensor, kept: Tensor | None = None, told: Tensor | None = None
    ) -> Pupil:
        """A client that has received the model x [d], with its samples, what its teacher says of them, and its key.

        Args:
            round_: that begins.
            client: its number.
            x: the model.
            kept: what it keeps for its task; None before its first round.
            told: what came beside the model.
        """
        self.learner.begin(round_)
        x, logits = x.to(self.learner.device), None
        if self.logits is not None:
            self.learner.load(x)
            logits = self.logits(client, told).to(x.device)
        samples = ClientSamples(self.train, torch.from_numpy(self.parts[client]), logits)
        if kept is None and self.fresh is not None:
            kept = self.fresh(client)
        return Pupil(x, samples, key(self.seed, "train", round_, client), kept)


class Worker:
    """Trains the clients that it is given, and evaluates.

    Args:
        adder: the server's half of the uplink, where workers add up their clients' updates; else None.
    """

    def __init__(self, workshop: Workshop, receiver: Receiver, store: Store, adder: Uplink | None) -> None:
        self.workshop = workshop
        self.receiver = receiver
        self.store = store
        self._adder = adder
        self._partial: Partial | None = None
        self._told: tuple[bytes | memoryview, Tensor] | None = None
        self._seconds_heard = 0.0
        self._committed = 0

    def begin(self, messages: Sequence[bytes | memoryview], committed: int) -> None:
        """A round begins; decode what the server sends to all.

        Args:
            messages: in the order in which they must be read.
            committed: the round of the last checkpoint, which a worker that has just come does not know.
        """
        if committed != self._committed:
            self.commit(committed)
        began = time.perf_counter()
        self._partial = self._told = None
        self.receiver.hear(self._listen(messages))
        self._seconds_heard = time.perf_counter() - began

    def run(self, round_: int, orders: Sequence[Order]) -> list[Reply]:
        """The round of some clients: read each one's own messages, train, compress each update against its memory.

        Seconds are shared out evenly among clients that were trained together.

        Raises:
            StaleMemoryError: a message changes a memory that is not here.
        """
        began = time.perf_counter()
        arrived = [self._receive(round_, order) for order in orders]
        received = time.perf_counter()
        updates = self._train(round_, arrived)
        trained = time.perf_counter()
        sent = self._send(round_, arrived, updates)
        told = [self._reply(round_, *of) for of in zip(arrived, updates, sent, strict=True)]
        link = self._seconds_heard + received - began + time.perf_counter() - trained
        self._seconds_heard = 0.0
        each = (trained - received) / len(orders), link / len(orders)
        return [Reply(one.client, data, *each, sizes) for one, (data, sizes) in zip(arrived, told, strict=True)]

    def summed(self) -> Partial | None:
        """What this round's updates of this worker's clients add up to; None without any."""
        return self._partial

    def evaluate(self, model: Tensor) -> dict[str, float]:
        """The quality of the server's model [d]."""
        return self.workshop.learner.evaluate(model, self.workshop.test)

    def commit(self, round_: int) -> dict[int, ClientState]:
        """Make the states of clients before a round durable; those that only memory holds are returned."""
        self.store.commit(round_)
        self._committed = round_
        return dict(self.store.carried(round_))

    def restore(self, round_: int, states: Mapping[int, ClientState]) -> None:
        """Take up what ``commit`` returned."""
        for client, state in states.items():
            self.store.put(client, round_ - 1, state)

    def _receive(self, round_: int, order: Order) -> Arrived:
        client, messages = order
        state = self.store.before(client, round_)
        if restarts(messages):
            # What the task keeps is no end of any link.
            state, messages = ClientState(task=state.task), messages[1:]
        x, state = self.receiver.read(client, state, self._listen(messages))
        return Arrived(client, x, state)

    def _listen(self, messages: Sequence[bytes | memoryview]) -> Sequence[bytes | memoryview]:
        """Take out and read what came beside the model."""
        beside = self.workshop.beside
        if beside is None:
            return messages
        rest = []
        for data in messages:
            message = Message.unpack(data)
            if message.kind is not Kind.BESIDE:
                rest.append(data)
            elif self._told is None or self._told[0] is not data:
                self._told = data, vectors.unpack(message.frame, beside.down)
        return rest

    def _train(self, round_: int, arrived: Sequence[Arrived]) -> list[Update]:
        told = None if self._told is None else self._told[1]
        pupils = [self.workshop.pupil(round_, client, x, state.task, told) for client, x, state in arrived]
        return self.workshop.trainer.train(self.workshop.learner, self.workshop.solver, pupils)

    def _send(self, round_: int, arrived: Sequence[Arrived], updates: Sequence[Update]) -> list[Sent]:
        """Every update against its client's memory; those that are alike in having one are compressed together."""
        sent: dict[int, Sent] = {}
        for started in (False, True):
            some = [place for place, one in enumerate(arrived) if (one.state.uplink is not None) is started]
            if some:
                x = _rows([updates[place].vector for place in some])
                memories = [arrived[place].state.uplink for place in some]
                memory = _rows([memory.to(x.device) for memory in memories if memory is not None]) if started else None
                streams = [key(self.workshop.seed, "uplink", round_, arrived[place].client) for place in some]
                sent |= zip(some, self.workshop.uplink.send_rows(x, memory, Key.stack(streams)), strict=True)
        return [sent[place] for place in range(len(arrived))]

    def _reply(self, round_: int, arrived: Arrived, update: Update, sent: Sent) -> tuple[bytes, Sizes | None]:
        """The message as it leaves, and the client's state after it into the store."""
        client, _, state = arrived
        samples, run = len(self.workshop.parts[client]), self.workshop.run
        beside = b"" if update.beside is None else vectors.pack(update.beside.cpu())
        message = Message(Kind.REPLY, run, round_, client, state.sent, b"", samples, update.numbers, beside)
        told = self._delivered(message.pack(sent.pieces), state)
        memory, kept = (None if vector is None else vector.cpu() for vector in (sent.memory, update.kept))
        self.store.put(client, round_, replace(state, uplink=memory, sent=round_ + 1, task=kept))
        return told

    def _delivered(self, message: bytes, before: ClientState) -> tuple[bytes, Sizes | None]:
        """The message as it leaves; where this worker adds, it is taken here and a receipt leaves."""
        if self._adder is None:
            return message, None
        if self._partial is None:
            self._partial = self._adder.nothing()
        arrived = Message.unpack(message)
        self._adder.add(self._partial, arrived, before.uplink if self._adder.link.remembers else None)
        if arrived.beside and self.workshop.beside is not None:
            self._partial.add_beside(vectors.unpack(arrived.beside, self.workshop.beside.up))
        return replace(arrived, frame=b"", beside=b"").pack(), arrived.split()


def _rows(vectors: Sequence[Tensor]) -> Tensor:
    """Vectors [d] as rows [K, d]; one alone is not copied."""
    return vectors[0][None] if len(vectors) == 1 else torch.stack(list(vectors))
