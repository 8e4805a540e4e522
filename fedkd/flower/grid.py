"""A Grid whose nodes are in this process: for tests, and to debug client code with a debugger; no Ray."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedkd.flower.client import PARTITION

RUN_ID, TASK_ID = 1, 1


class DirectGrid(Grid):
    """Runs a node's ClientApp when its reply is asked for.

    Args:
        app: of every node.
        nodes: how many; node i + 1 has partition i.
    """

    def __init__(self, app: ClientApp, nodes: int) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = TASK_ID, RUN_ID, SUPERLINK_NODE_ID
        self._app, self._run = app, Run.create_empty(run_id=RUN_ID)
        self.contexts = {node: self.context(node, nodes) for node in range(2, nodes + 2)}
        self._waiting: dict[str, Message] = {}

    @staticmethod
    def context(node: int, nodes: int) -> Context:
        """What a node starts with."""
        return Context(RUN_ID, node, {PARTITION: node - 2, "num-partitions": nodes}, RecordDict(), {})

    def set_run(self, run: Run) -> None:
        """Take another run."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message to a node."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """All nodes."""
        return list(self.contexts)

    def get_nodes(self) -> Iterable[NodeInfo]:
        """All nodes."""
        return [NodeInfo(node_id=node) for node in self.contexts]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Keep messages for their nodes."""
        numbers = []
        for message in messages:
            number = str(uuid4())
            message.metadata.__dict__["_message_id"] = number
            self._waiting[number] = message
            numbers.append(number)
        return numbers

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The nodes' answers to these messages; each is given once."""
        asked = [self._waiting.pop(number) for number in message_ids if number in self._waiting]
        return [answer for message in asked if (answer := self.deliver(message)) is not None]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Push and pull."""
        return self.pull_messages(self.push_messages(messages))

    def deliver(self, message: Message) -> Message | None:
        """Run the node; an exception becomes an error reply, as Flower makes it. None: it never answers."""
        try:
            return self._app(message=message, context=self.contexts[message.metadata.dst_node_id])
        except Exception as error:
            traceback.print_exc()
            return Message(
                Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, f"{type(error).__name__}: {error}"), reply_to=message
            )
