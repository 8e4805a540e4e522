"""The worker: what happens on the clients' side of a round, written once for every executor.

x = H + Om;  train from x;  D_i = C_up(g_i - h_i);  reply with D_i

Where cohorts are large a worker also adds up the updates of its clients, as the server would: its replies are then
receipts, messages without their frames, and their sizes are told apart.
"""

from __future__ import annotations

import time
import traceback
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd import vectors
from fedkd.algorithms import Partial, Receiver, RefusedError, StaleMemoryError, Uplink
from fedkd.clients import ClientState, Store
from fedkd.executors.orders import Order, Reply, Verdict, opening, sizes_of
from fedkd.executors.workshop import Workshop
from fedkd.expected import Expected
from fedkd.keys import key
from fedkd.links import Sent
from fedkd.messages import Kind, Message
from fedkd.trainers.trainer import Update
from fedkd_compression import Key, Sizes, WireError

if TYPE_CHECKING:
    from torch import Tensor


class Arrived(NamedTuple):
    """A client that has read its messages: the model x [d] that it received, and its state after them."""

    client: int
    x: Tensor
    state: ClientState


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
        self._committed: tuple[int, ...] = ()

    def begin(self, messages: Sequence[bytes | memoryview], committed: tuple[int, ...]) -> None:
        """A round begins; decode what the server sends to all.

        Args:
            messages: in the order in which they must be read.
            committed: the rounds of the checkpoints, which a worker that has just come does not know.
        """
        if committed != self._committed:
            self.commit(committed, {})
        began = time.perf_counter()
        self._partial = self._told = None
        self.receiver.hear(self._listen(messages))
        self._seconds_heard = time.perf_counter() - began

    def run(self, round_: int, orders: Sequence[Order]) -> list[Reply]:
        """The round of some clients: read each one's own messages, train, compress each update against its memory.

        Seconds are shared out evenly among clients that were trained together. Of several that fail together each is
        tried alone.

        Raises:
            StaleMemoryError: a message changes a memory that is not here.
            Exception: whatever a client failed with, unless the workshop is tolerant.
        """
        began = time.perf_counter()
        arrived = [self._receive(round_, order) for order in orders]
        received = time.perf_counter()
        try:
            updates = self._train(round_, arrived)
            trained = time.perf_counter()
            sent = self._send(round_, arrived, updates)
            beside = [b"" if update.beside is None else vectors.pack(update.beside.cpu()) for update in updates]
        except (Exception, SystemExit) as error:
            if not self.workshop.tolerant or isinstance(error, StaleMemoryError):
                raise
            if len(orders) > 1:
                return [reply for order in orders for reply in self.run(round_, [order])]
            return [self._failed(round_, arrived[0], error, time.perf_counter() - received)]
        told = [self._reply(round_, *of) for of in zip(arrived, updates, sent, beside, strict=True)]
        link = self._seconds_heard + received - began + time.perf_counter() - trained
        self._seconds_heard = 0.0
        each = (trained - received) / len(orders), link / len(orders)
        return [
            Reply(one.client, left.data, *each, left.sizes, left.verdict)
            for one, left in zip(arrived, told, strict=True)
        ]

    def summed(self) -> Partial | None:
        """What this round's updates of this worker's clients add up to; None without any."""
        return self._partial

    def evaluate(self, model: Tensor) -> dict[str, float]:
        """The quality of the server's model [d]."""
        return self.workshop.learner.evaluate(model, self.workshop.test)

    def commit(self, rounds: tuple[int, ...], undone: Mapping[int, int]) -> dict[int, ClientState]:
        """Make the states of clients before the last of these rounds durable; what only memory holds is returned."""
        self.store.commit(rounds, undone)
        self._committed = rounds
        return dict(self.store.carried(max(rounds, default=0)))

    def restore(self, round_: int, states: Mapping[int, ClientState]) -> None:
        """Take up what ``commit`` returned, each state as of the round that made it: an UNDO may go back to it."""
        for client, state in states.items():
            self.store.put(client, min(state.sent, round_) - 1, state)

    def give(self, clients: Iterable[int]) -> list[tuple[int, ClientState]]:
        """Clients move to another worker: all their states, each by itself."""
        return [(client, state) for client in clients for state in self.store.give(client).values()]

    def take(self, states: Iterable[tuple[int, ClientState]]) -> None:
        """Clients have moved here, with what another worker gave."""
        moved: defaultdict[int, dict[int, ClientState]] = defaultdict(dict)
        for client, state in states:
            moved[client][state.sent - 1] = state
        for client, known in moved.items():
            self.store.adopt(client, known)

    def _receive(self, round_: int, order: Order) -> Arrived:
        client, (anew, version, messages) = order.client, opening(order.messages)
        if version is not None:
            self.store.undo(client, version)
        state = self.store.before(client, round_)
        if version is not None and state.sent != version:
            raise StaleMemoryError(f"client {client}: version {version} of its memories is not here, but {state.sent}")
        if anew:
            # What the task keeps is no end of any link.
            state = ClientState(task=state.task)
        x, state = self.receiver.read(client, state, self._listen(messages))
        return Arrived(client, x, state)

    def _failed(self, round_: int, arrived: Arrived, error: BaseException, seconds: float) -> Reply:
        """The answer of a client that has no update; its memories stay what they were."""
        line, trace = f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
        message = Message(Kind.FAILED, self.workshop.run, round_, arrived.client, arrived.state.sent, b"")
        return Reply(arrived.client, message.pack(), seconds, 0.0, None, Verdict(line, trace))

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

    def _reply(self, round_: int, arrived: Arrived, update: Update, sent: Sent, beside: bytes) -> _Told:
        """The message as it leaves, and the client's state after it into the store."""
        client, _, state = arrived
        samples, run = len(self.workshop.parts[client]), self.workshop.run
        message = Message(Kind.REPLY, run, round_, client, state.sent, b"", samples, update.numbers, beside)
        told = self._delivered(message.pack(sent.pieces), round_, client, state)
        if told.verdict is None or not told.verdict.refused:
            self.store.put(client, round_, replace(state, uplink=sent.memory, sent=round_ + 1, task=update.kept))
        return told

    def _delivered(self, data: bytes, round_: int, client: int, before: ClientState) -> _Told:
        """The message as it leaves; where this worker adds, it is taken here, if it counts, and a receipt leaves."""
        if self._adder is None:
            return _Told(data)
        try:
            arrived, remark = self._add(self._adder, data, round_, client, before)
        except (WireError, RefusedError) as error:
            nothing = Message(Kind.FAILED, self.workshop.run, round_, client, before.sent, b"")
            return _Told(nothing.pack(), sizes_of(data), Verdict(str(error)))
        receipt = replace(arrived, frame=b"", beside=b"").pack()
        return _Told(receipt, arrived.split(), Verdict(remark=remark) if remark else None)

    def _add(self, adder: Uplink, data: bytes, round_: int, client: int, before: ClientState) -> tuple[Message, str]:
        """Add what a message carries, as the server would, and say what is to be said of it."""
        shop = self.workshop
        beside = shop.beside.up if shop.beside is not None else 0
        samples = len(shop.parts[client])
        expected = Expected(shop.run, round_, client, before.sent, samples, shop.numbers, beside)
        arrived = expected.read(data)
        if self._partial is None:
            self._partial = adder.nothing()
        remark = adder.add(self._partial, arrived, before.on_host().uplink if adder.link.remembers else None, shop.gate)
        if beside:
            self._partial.add_beside(vectors.unpack(arrived.beside, beside))
        return arrived, remark


class _Told(NamedTuple):
    """What leaves a worker of one client."""

    data: bytes
    sizes: Sizes | None = None
    verdict: Verdict | None = None


def _rows(vectors: Sequence[Tensor]) -> Tensor:
    """Vectors [d] as rows [K, d]; one alone is not copied."""
    return vectors[0][None] if len(vectors) == 1 else torch.stack(list(vectors))
