"""Servers: fedkd, and Flower's FedAvg. Both wait at a gate before every round, so that the rows can take turns."""

import json
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from fedkd.build import build
from fedkd.configuration import Settings
from fedkd.executors.placement import Seat
from fedkd.flower import envelope
from fedkd.flower.seat import Seated, seated
from fedkd.job import Job, execute
from fedkd.records.report import Commentator, Outcome, RoundReport, RunInfo

app = ServerApp()


class Gate:
    """Counts what a round sends through the grid, reports it, and waits until the next round may begin."""

    def __init__(self, address: str, grid: Grid) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        self._push, self._pull = grid.push_messages, grid.pull_messages
        grid.push_messages, grid.pull_messages = self.push, self.pull
        self._began: float | None = None
        self._pushed = self._came = self._cpu = 0.0
        self._down, self._replies = 0, []

    def wait(self) -> None:
        """A round is over, unless none has begun; begin the next one when told so."""
        if self._began is not None:
            server = time.perf_counter() - self._came + self._pushed - self._began
            cpu = time.process_time() - self._cpu
            spent = {"seconds": time.perf_counter() - self._began, "server": server, "cpu_server": cpu}
            said = {**spent, "down": self._down, "replies": self._replies}
            self._socket.sendall(json.dumps(said).encode() + b"\n")
        if not self._socket.recv(1):
            raise SystemExit
        self._down, self._replies = 0, []
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def push(self, messages: Iterable[Message]) -> Iterable[str]:
        """Count the arrays that go down."""
        sent = list(messages)
        self._down += sum(arrays(message) for message in sent)
        numbers = list(self._push(sent))
        if sent:
            self._pushed = time.perf_counter()
        return numbers

    def pull(self, numbers: Iterable[str]) -> Iterable[Message]:
        """Count the arrays that come up, and read the clients' stop-watches."""
        came = list(self._pull(numbers))
        for message in came:
            if message.has_error():
                raise RuntimeError(message.error.reason)
            self._replies.append({"up": arrays(message), **envelope.notes(message.content)})
            self._came = time.perf_counter()
        return came


def arrays(message: Message) -> int:
    """Bytes of all arrays of a message."""
    return sum(len(array.data) for record in message.content.array_records.values() for array in record.values())


class Turns(Commentator):
    """fedkd's recorder: a round may begin when the gate opens."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def announce(self, message: str) -> None:
        """Nothing."""

    def show_workers(self, seats: Sequence[Seat]) -> None:
        """Nothing."""

    def start(self, info: RunInfo) -> None:
        """Wait for the first round."""
        self._gate.wait()

    def record(self, report: RoundReport) -> None:
        """Wait for the next round."""
        self._gate.wait()

    def finish(self, outcome: Outcome) -> None:
        """Nothing."""


class Stock(FedAvg):
    """Flower's strategy, which waits at the gate."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(fraction_evaluate=0.0)
        self._gate = gate

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Wait for this round."""
        self._gate.wait()
        return super().configure_train(server_round, arrays, config, grid)


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run a row until the gate closes."""
    order = json.loads(Path(str(context.run_config["config"])).read_text())
    settings, gate = Settings.of(order["values"]), Gate(order["gate"], grid)
    if order["row"] != "FedAvg":
        with seated(Seated(grid, lambda: False, simulated=True)):
            execute(Job(settings, Path(order["folder"]), order["values"], [], Turns(gate)))
        return
    while len(list(grid.get_node_ids())) < settings.clients:
        time.sleep(0.1)
    module = build(settings, lambda _: None).learner.module
    Stock(gate).start(grid, ArrayRecord(module.state_dict()), num_rounds=settings.rounds)
