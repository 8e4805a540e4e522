"""The executor over Flower's Grid: a message to every node of a cohort, and what comes back in time.

Replies are matched by the id of the message that they answer, so one that comes late, or twice, is never looked at.
Whoever does not answer in time, or with an error, is missing: the server then starts that client anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from flwr.app import Message, MessageType, RecordDict
from flwr.common.constant import ErrorCode

from fedkd.admission import needed
from fedkd.executors.executor import Carried, ClientError, Exchange, Executor, Refresh, Site
from fedkd.executors.orders import Reply, Verdict
from fedkd.executors.placement import Seat, local_devices
from fedkd.executors.worker import Worker
from fedkd.flower import envelope
from fedkd.flower.memories import forget_others
from fedkd.flower.roll import PAUSE, Roll
from fedkd.flower.seat import Seated
from fedkd.flower.start import Start
from fedkd.messages import Broadcast, Kind
from fedkd.messages import Message as Ours
from fedkd.records.report import Placement
from fedkd_compression import WireError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.flower.choice import Limits

NAMES = {
    ErrorCode.LOAD_CLIENT_APP_EXCEPTION: "its app cannot be loaded",
    ErrorCode.CLIENT_APP_RAISED_EXCEPTION: "failed",
    ErrorCode.MESSAGE_UNAVAILABLE: "the message is gone",
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE: "its reply is gone",
    ErrorCode.NODE_UNAVAILABLE: "its node is gone",
    ErrorCode.CLIENT_APP_CRASHED: "its process ended",
}
"""Flower's errors in words."""
SPARE = 3600.0
"""Seconds that Flower keeps a message beyond the time that we wait for it."""


class FlowerExecutor(Executor):
    """One node a client; the nodes keep the clients' memories.

    Raises:
        ClientError: too few nodes are there in time.
    """

    def __init__(self, seated: Seated, site: Site, limits: Limits) -> None:
        self._seated, self._site, self._limits = seated, site, limits
        self._start = Start.of(site.start, seated.simulated)
        self._roll = Roll(seated.grid, len(site.work), self._question, self._pause)
        self._uninformed: set[int] = set()
        self._judge: Worker | None = None
        if seated.simulated:
            forget_others(site.start.folder)
        self._gather()

    def exchange(self, broadcast: Broadcast, refresh: Refresh) -> Exchange:
        """Send to the cohort's nodes, and wait for their replies."""
        nodes = self._roll.call(broadcast.cohort, self._enough(len(broadcast.cohort)), self._limits.startup)
        missing = {client: "not connected" for client in broadcast.cohort if client not in nodes}
        began, replies, placements = time.perf_counter(), [], []
        sent = self._push_all(broadcast, nodes, missing)
        unsent = frozenset(missing)
        for client, answer in self._answers(sent, missing):
            try:
                reply = _reply(client, answer)
            except WireError as error:
                missing[client] = str(error)
                continue
            replies.append(reply)
            end, seconds = time.perf_counter() - began, reply.seconds_train + reply.seconds_link
            placements.append(Placement(client, client, max(end - seconds, 0.0), end, None))
        held = {reply.client for reply in replies if _updates(reply.data)}
        self._uninformed = (self._uninformed | set(broadcast.cohort)) - held
        return Exchange(replies, None, tuple(placements), missing, unsent)

    def evaluate(self, model: Tensor) -> dict[str, float]:
        """Here, on the server: nodes hold training data only."""
        if self._judge is None:
            self._judge = self._site.make_worker(next(iter(local_devices()), "cpu"))
        return self._judge.evaluate(model)

    def commit(self, rounds: tuple[int, ...], undone: Mapping[int, int]) -> Carried:
        """Nothing: memories are the nodes' own."""
        return Carried()

    def restore(self, rounds: tuple[int, ...], carried: Carried) -> None:
        """Nothing: nodes of another run remember another run."""

    @property
    def seats(self) -> Sequence[Seat]:
        """The nodes that were seen."""
        return self._roll.seats

    def close(self) -> None:
        """Close what evaluates; the nodes are Flower's."""
        if self._judge is not None:
            self._judge.store.close()

    def _gather(self) -> None:
        """Wait for all nodes before the first round: Ray alone takes a while to start them."""
        clients = range(len(self._site.work))
        there = len(self._roll.call(clients, len(clients), self._limits.startup))
        if there < self._enough(len(clients)):
            refused = "; ".join(self._roll.refused[:3])
            line = f"{there} of {len(clients)} nodes came within {self._limits.startup:g} s"
            raise ClientError(f"{line}; {refused or 'start more, or choose fewer clients'}")

    def _question(self) -> RecordDict:
        """To a new node: this is the run; which client are you?"""
        content = envelope.enclose([], {})
        self._start.put(content)
        return content

    def _enough(self, asked: int) -> int:
        return needed(self._site.quorum, asked)

    def _push_all(self, broadcast: Broadcast, nodes: Mapping[int, int], missing: dict[int, str]) -> dict[str, int]:
        """Send each client its messages of the round; the clients by the ids of the messages."""
        sent = {}
        for client, node in nodes.items():
            number = self._push(broadcast, client, node)
            if number is None:
                missing[client] = "Flower took no message for its node"
            else:
                sent[number] = client
        return sent

    def _push(self, broadcast: Broadcast, client: int, node: int) -> str | None:
        """A node that may have forgotten the run is told of it."""
        about: dict[str, envelope.Note] = {"run": self._site.run, "round": broadcast.round, "job": self._start.digest}
        content = envelope.enclose(broadcast.to(client), about)
        if client in self._uninformed:
            self._start.put(content)
        kept = self._limits.timeout + SPARE
        message = Message(content, node, MessageType.TRAIN, ttl=kept, group_id=str(broadcast.round))
        return next(iter(self._seated.grid.push_messages([message])), None)

    def _answers(self, sent: dict[str, int], missing: dict[int, str]) -> Iterator[tuple[int, Message]]:
        """Answers as they come; who fails, or does not answer in time, is missing."""
        deadline = time.monotonic() + self._limits.timeout
        while sent and time.monotonic() < deadline:
            for answer in self._seated.grid.pull_messages(list(sent)):
                client = sent.pop(answer.metadata.reply_to_message_id)
                if answer.has_error():
                    missing[client] = _reason(answer)
                else:
                    yield client, answer
            if sent:
                self._pause()
        missing |= dict.fromkeys(sent.values(), f"no reply within {self._limits.timeout:g} s")

    def _pause(self) -> None:
        """Between two looks at the grid.

        Raises:
            KeyboardInterrupt: whoever launched the run wants it to end.
        """
        if self._seated.interrupted():
            raise KeyboardInterrupt
        time.sleep(PAUSE)


def _reply(client: int, answer: Message) -> Reply:
    """What a node answered; WireError when it is none of ours."""
    parts, notes = envelope.parts(answer.content, envelope.MESSAGES), envelope.notes(answer.content)
    if len(parts) != 1:
        raise WireError(f"answered with {len(parts)} messages, not with one")
    refused = notes.get("refused")
    verdict = Verdict(refused) if isinstance(refused, str) else None
    seconds = _seconds(notes.get("seconds_train")), _seconds(notes.get("seconds_link"))
    return Reply(client, parts[0], *seconds, None, verdict)


def _updates(data: bytes | memoryview) -> bool:
    """Whether these bytes are an update; it is admitted, or not, later."""
    try:
        return Ours.unpack(data).kind is Kind.REPLY
    except WireError:
        return False


def _seconds(said: object) -> float:
    return said if isinstance(said, float) else 0.0


def _reason(answer: Message) -> str:
    """Why there is no update, in one line."""
    said = " ".join((answer.error.reason or "").split())
    return f"{NAMES.get(answer.error.code, 'error')}: {said}" if said else NAMES.get(answer.error.code, "error")
