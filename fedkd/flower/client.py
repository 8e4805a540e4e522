"""The client's side of Flower: a message of the server in, an update out, memories kept in the node's context.

    memories = context.state;  x = H + Om;  train from x;  D_i = C_up(g_i - h_i);  context.state = memories after

Every message is of a version. Where the server does not count a node's update, or never got it, the next message says
to which version the node goes back (UNDO); so a node keeps its memories and those before. One that does not hold the
memory which a message changes says so (LOST), and is started anew in the next round: RESTART, then everything. What it
answers is checked against the server's version, so an update from a state that Flower has lost, or kept for too long,
never counts.
"""

from __future__ import annotations

import os
import socket
import sys

from flwr.app import Context, Message, MessageType, RecordDict

from fedkd.algorithms import StaleMemoryError
from fedkd.clients import ClientState, MemoryStore
from fedkd.executors.orders import Order, Reply, lost, opening
from fedkd.executors.placement import local_devices
from fedkd.executors.worker import Worker
from fedkd.flower import envelope
from fedkd.flower.memories import Keeper, Memories
from fedkd.flower.start import Start, bench, take

PARTITION = "partition-id"
"""Key of a node's configuration: which client it is."""


def answer(message: Message, context: Context) -> Message:
    """What a ClientApp answers to a message of fedkd's server: train, or say which client the node is.

    Example:
        >>> app = ClientApp()
        >>> @app.train()
        ... def train(message, context):
        ...     return answer(message, context)
    """
    asked = message.metadata.message_type == MessageType.QUERY
    content = _introduction(message.content, context) if asked else _trained(message.content, context)
    return Message(content, reply_to=message)


def client_of(context: Context) -> int:
    """Which client a node is.

    Raises:
        ValueError: its node configuration does not say.
    """
    number = context.node_config.get(PARTITION)
    if not isinstance(number, int) or number < 0:
        raise ValueError(f'{PARTITION}={number} in the node configuration; start it with --node-config "{PARTITION}=0"')
    return number


def _introduction(content: RecordDict, context: Context) -> RecordDict:
    """Who this is; the process is ready to train, or cannot be, before the first round waits for it."""
    client, start = client_of(context), take(content, context)
    if start is not None:
        bench(start, context, client, _device())
    return envelope.enclose([], {"client": client, "host": socket.gethostname(), "device": _device()})


def _device() -> str:
    """The first GPU that is visible: Ray and whoever starts a node show it the one that it may use."""
    return next(iter(local_devices()), "cpu")


def _trained(content: RecordDict, context: Context) -> RecordDict:
    client, start, round_ = client_of(context), take(content, context), envelope.number(content, "round")
    try:
        if start is None or start.digest != envelope.notes(content).get("job"):
            raise StaleMemoryError("the job is not known here")
        reply = _run(start, client, round_, envelope.parts(content, envelope.MESSAGES), context)
    except StaleMemoryError:
        return envelope.enclose([lost(envelope.number(content, "run"), round_, client)], {})
    seconds = {"seconds_train": reply.seconds_train, "seconds_link": reply.seconds_link}
    refused = {}
    if reply.verdict is not None:
        sys.stderr.write(reply.verdict.trace)
        refused = {"refused": reply.verdict.refused}
    return envelope.enclose([reply.data], {**seconds, **refused, "process": os.getpid()})


def _run(start: Start, client: int, round_: int, messages: tuple[bytes, ...], context: Context) -> Reply:
    """One round on this node; its memories move on only when all has gone well."""
    place = bench(start, context, client, _device())
    keeper = Keeper(context.state, client, place.memories)
    (anew, version, rest), learner = opening(messages), place.workshop.learner
    held = keeper.load(learner.vector.cpu(), learner.keeps, version)
    if held.client.sent > round_ and not (anew and held.client.task is None):
        # The same message again, or an old one: a second update would be another memory of one version.
        raise StaleMemoryError(f"client {client}: round {round_} is over, memories are of round {held.client.sent}")
    if anew:
        held = Memories(ClientState(task=held.client.task))
    store, receiver = MemoryStore(), place.setup.algorithm.receiver()
    if round_ > 0:
        store.put(client, round_ - 1, held.client)
    place.ear.hear(receiver, context.run_id, held.receiver, messages[len(messages) - len(rest) :])
    [reply] = Worker(place.workshop, receiver, store, None).run(round_, [Order(client, messages if anew else rest)])
    if reply.verdict is None:
        keeper.save(Memories(store.before(client, round_ + 1), receiver.state), held)
    return reply
