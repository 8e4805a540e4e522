"""A network that fails as told, nodes that keep their own memories, and a book of what must come of it.

The nodes are those of ``fedkd.flower``: the same code, the same contexts. The book is kept from the fates: it asks the
server nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import NamedTuple

import torch
from flwr.app import Message as FlowerMessage
from flwr.app import MessageType

from fedkd.clients.stores import Store
from fedkd.executors import Exchange, InProcess, Reply, Worker
from fedkd.executors.orders import Order, Verdict, opening
from fedkd.flower import envelope
from fedkd.flower.grid import DirectGrid
from fedkd.flower.in_process import client_app
from fedkd.flower.memories import Keeper, Memories
from fedkd.flower.start import Bench, Ear, Start
from fedkd.messages import Broadcast, Kind, Message
from fedkd.tasks.convex_learner import ConvexLearner
from fedkd.trainers import Serial
from tests.equivalence.quadratic import CLIENTS, SAMPLES

KEEPS, LONG, PAST = 2, 1e6, 12
"""Numbers that a task keeps; what is added to an update that is too long; replies that can be delivered once more."""
HARMS = ("cut", "flipped", "foreign")
FATES = ("answers", "answers twice", "asked twice", "reply lost", "unheard", "not sent", "fails", "too long", *HARMS)


class Ask(NamedTuple):
    """A client of a cohort and what happens to it; the number says where it is cut, and the like."""

    client: int
    fate: str
    number: int


class Replay(NamedTuple):
    """A reply of an earlier round that arrives in this one, before all others or after them."""

    number: int
    ahead: bool


def entered(kept: torch.Tensor | None, round_: int) -> torch.Tensor:
    """A task's diary after a round: how many rounds it knows of, and a digest of them in order."""
    count, digest = (0.0, 0.0) if kept is None else kept.tolist()
    return torch.tensor([count + 1, (31 * digest + round_ + 1) % 1_000_003], dtype=torch.float64)


class Diary(ConvexLearner):
    """A learner whose task keeps with every client which rounds it was trained in."""

    keeps, round = KEEPS, 0

    def begin(self, round_: int) -> None:
        self.round = round_


@dataclass(frozen=True)
class Moody(Serial):
    """A trainer of which some clients ``moods`` says that they fail, or that their updates are far too long."""

    moods: dict[int, str] = field(default_factory=dict)

    def train(self, learner, solver, pupils):
        return [self._one(learner, solver, pupil) for pupil in pupils]

    def _one(self, learner, solver, pupil):
        mood = self.moods.get(int(pupil.samples.part[0]) // SAMPLES)
        if mood == "fails":
            raise ValueError("this sample cannot be read")
        [update] = super().train(learner, solver, [pupil._replace(kept=None)])
        vector = update.vector + LONG if mood == "too long" else update.vector
        return update._replace(vector=vector, kept=entered(pupil.kept, learner.round))


class Held(NamedTuple):
    """Memories of a node: their version, and what its task keeps with them."""

    version: int = 0
    task: torch.Tensor | None = None


@dataclass
class Node:
    """What a node must remember: its newest memories and those before, and the same before it was trained last."""

    held: tuple[Held, ...] = ()
    earlier: tuple[Mapping[str, object], tuple[Held, ...]] = ({}, ())

    def find(self, version: int) -> Held | None:
        """The memories of a version; nobody needs to keep those of version 0."""
        return next((held for held in self.held if held.version == version), None if version else Held())


class Arrival(NamedTuple):
    """What arrives at the server, whether it must count, and whether it tells that its client's memories are lost."""

    reply: Reply
    counts: bool = False
    lost: bool = False


@dataclass
class Book:
    """What the server must know of the clients, and the bytes that travelled in the round."""

    taken: dict[int, int] = field(default_factory=dict)
    undoing: set[int] = field(default_factory=set)
    restarting: set[int] = field(default_factory=set)
    counted: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    up: int = 0
    down_shared: int = 0
    down_alone: int = 0

    def close(self, cohort: Sequence[int], round_: int, arrivals: Sequence[Arrival]) -> None:
        """The first that arrives of a client decides."""
        first = {arrival.reply.client: arrival for arrival in reversed(arrivals)}
        self.counted = tuple(client for client in cohort if client in first and first[client].counts)
        self.lost = tuple(client for client in cohort if client in first and first[client].lost)
        self.taken |= dict.fromkeys(self.counted, round_ + 1)
        self.restarting = (self.restarting - set(self.counted)) | set(self.lost)
        self.taken = {client: version for client, version in self.taken.items() if client not in self.lost}
        self.undoing = (self.undoing | set(cohort)) - set(self.counted) - self.restarting


class Network(InProcess):
    """Nodes in this process, whose shop has a ``Diary`` and a ``Moody``, and what lies between them and the server."""

    def __init__(self, algorithm, shop) -> None:
        super().__init__([])
        self.book, self.nodes = Book(), {client: Node() for client in range(CLIENTS)}
        self.asks: Sequence[Ask] = ()
        self.replays: Sequence[Replay] = ()
        self._past: list[Reply] = []
        self._grid = DirectGrid(client_app(), CLIENTS)
        self._start = Start("{}", "", b"")
        self._setup, self._shop = SimpleNamespace(algorithm=algorithm), shop
        self._benches = dict.fromkeys(range(CLIENTS), self._made())

    def bench(self, start, context, client: int, device: str) -> Bench:
        """In the place of ``fedkd.flower.start.bench``."""
        return self._benches[client]

    def memories(self, client: int, version: int) -> Memories:
        """What a node would find of a version."""
        return Keeper(self._grid.contexts[client + 2].state, client, None).load(
            self._shop.learner.vector, KEEPS, version
        )

    def exchange(self, broadcast: Broadcast, refresh) -> Exchange:
        """Deliver, as told, in the order of the asks; then what else arrives."""
        self.book.up, self.book.down_alone, self.book.down_shared = 0, 0, sum(map(len, broadcast.shared))
        past, answers = list(self._past), [self._asked(ask, broadcast) for ask in self.asks]
        old = [(past[replay.number % len(past)], replay.ahead) for replay in self.replays if past]
        arrivals = [Arrival(reply) for reply, ahead in old if ahead]
        arrivals += [answer[0] for answer in answers if answer]
        arrivals += [again for answer in answers for again in answer[1:]]
        arrivals += [Arrival(reply) for reply, ahead in old if not ahead]
        self.book.up = sum(len(arrival.reply.data) for arrival in arrivals)
        self.book.close(broadcast.cohort, broadcast.round, arrivals)
        unsent = [ask.client for ask in self.asks if ask.fate == "not sent"]
        return Exchange([arrival.reply for arrival in arrivals], None, (), unsent=unsent)

    def restart(self, client: int) -> None:
        """The node's process ends; its context is kept."""
        self._benches[client] = self._made()

    def lose(self, client: int) -> None:
        """The node begins again with nothing."""
        self.restart(client)
        self._grid.contexts[client + 2].state.clear()
        self.nodes[client].held = ()

    def go_back(self, client: int) -> None:
        """The node's context is once more what it was before it was trained last."""
        node, state = self.nodes[client], self._grid.contexts[client + 2].state
        state.clear()
        records, node.held = node.earlier
        state.update(records)

    def begin_anew(self) -> None:
        """The server goes on from a checkpoint, in another run of Flower's: no reply to the one before finds it."""
        self._past.clear()
        self.book = Book(restarting=set(range(CLIENTS)))
        for client, node in self.nodes.items():
            self._grid.contexts[client + 2].run_id += 1
            node.held, node.earlier = (), (node.earlier[0], ())

    def _made(self) -> Bench:
        return Bench(self._setup, self._shop, Ear(), None)

    def _asked(self, ask: Ask, broadcast: Broadcast) -> list[Arrival]:
        """What comes of one order."""
        messages = broadcast.to(ask.client)
        self._check_opening(ask.client, messages)
        if ask.fate != "not sent":
            self.book.down_alone += sum(map(len, messages)) - self.book.down_shared
        if ask.fate in ("not sent", "unheard"):
            return []
        answers = [self._answered(ask, messages, broadcast.round) for _ in range(1 + (ask.fate == "asked twice"))]
        self._past = [*self._past, answers[0].reply][-PAST:]
        if ask.fate == "reply lost":
            return []
        if ask.fate == "answers twice":
            return answers * 2
        if ask.fate == "asked twice":
            return answers[ask.number % 2 :]
        return [_harmed(answers[0], ask)]

    def _check_opening(self, client: int, messages: Sequence[bytes]) -> None:
        """Every client is told what it is to do with its memories, and nobody else is."""
        anew, version, _ = opening(messages)
        told = client in self.book.undoing - self.book.restarting
        assert anew == (client in self.book.restarting), client
        assert version == (self.book.taken.get(client, 0) if told else None), client

    def _answered(self, ask: Ask, messages: Sequence[bytes], round_: int) -> Arrival:
        """Let the node hear, and foretell what it must answer."""
        client, book, node = ask.client, self.book, self.nodes[ask.client]
        anew, version = client in book.restarting, book.taken.get(client, 0)
        held = node.find(version) if client in book.undoing and not anew else (*node.held, Held())[0]
        knows = held is not None and (held.version <= round_ or (anew and held.task is None))
        fits = knows and (anew or held.version == version)
        before = dict(self._grid.contexts[client + 2].state), node.held
        self._shop.trainer.moods[client] = ask.fate
        reply = self._delivered(client, messages, round_)
        kind = Message.unpack(reply.data).kind
        wanted = Kind.FAILED if ask.fate == "fails" else Kind.REPLY
        assert kind is (wanted if fits else kind if knows else Kind.LOST), (client, kind)
        if kind is Kind.REPLY:
            node.earlier = before
            node.held = (Held(round_ + 1, entered(held.task, round_)), Held(0 if anew else held.version, held.task))
        return Arrival(reply, fits and ask.fate not in ("fails", "too long"), not fits and kind is not Kind.FAILED)

    def _delivered(self, client: int, messages: Sequence[bytes], round_: int) -> Reply:
        """A message through Flower's own classes, as its executor sends and reads them."""
        content = envelope.enclose(messages, {"run": self._shop.run, "round": round_, "job": self._start.digest})
        self._start.put(content)
        message = FlowerMessage(content, client + 2, MessageType.TRAIN, ttl=60.0, group_id=str(round_))
        [answer] = self._grid.send_and_receive([message])
        assert not answer.has_error(), answer.error
        [data] = envelope.parts(answer.content, envelope.MESSAGES)
        refused = envelope.notes(answer.content).get("refused")
        return Reply(client, data, 0.0, 0.0, None, Verdict(str(refused)) if refused else None)


def _harmed(answer: Arrival, ask: Ask) -> Arrival:
    """An answer as it arrives, where it was harmed on the way: a whole header still tells of lost memories."""
    data = bytes(answer.reply.data)
    message = Message.unpack(data)
    place, bit = divmod(ask.number % (8 * len(data)), 8)
    lost = answer.lost and place >= len(data) - len(message.frame)
    if ask.fate == "cut":
        data = data[:place]
    elif ask.fate == "flipped":
        data = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
    elif ask.fate == "foreign":
        name, lost = ("run", "round", "client")[ask.number % 3], False
        data = replace(message, **{name: getattr(message, name) ^ 1}).pack()
    else:
        return answer
    return Arrival(answer.reply._replace(data=data), lost=lost)


class Workers(InProcess):
    """Replies of some clients are late; some workers die when they have trained a client, which others then train."""

    late: Sequence[int] = ()
    dying: Sequence[int] = ()

    def exchange(self, broadcast, refresh):
        for client in self.dying:
            worker = self.workers[client % len(self.workers)]
            worker.begin(refresh(), self._committed)
            worker.run(broadcast.round, [Order(client, broadcast.to(client))])
            self.succeed(client % len(self.workers), worker.store)
        exchange = super().exchange(broadcast, refresh)
        there = [reply for reply in exchange.replies if reply.client not in self.late]
        return replace(exchange, replies=there, missing=dict.fromkeys(self.late, "late"))

    def succeed(self, number: int, store: Store) -> None:
        """Another worker, which has heard nothing."""
        old, self._fresh = self.workers[number], True
        receiver = type(old.receiver)(old.receiver._downlink)
        self.workers[number] = Worker(old.workshop, receiver, store, old._adder)


def same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is other is None or (one is not None and other is not None and torch.equal(one, other))
