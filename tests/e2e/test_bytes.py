"""What is reported is what travelled: every message is counted where it is delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fedkd import federation
from fedkd.build import build
from fedkd.clients import Memory
from fedkd.executors import Exchange, InProcess, Worker, forks
from fedkd.executors.executor import Refresh
from fedkd.executors.forks import Enter, ForkHub
from fedkd.executors.lines import Event
from fedkd.executors.parcels import Kind, Parcel
from fedkd.executors.placement import Seat
from fedkd.executors.pool import Pool
from fedkd.messages import Broadcast
from fedkd.records import RoundReport
from tests.e2e.runs import SUPERVISED, TINY, settings_of

pytestmark = pytest.mark.e2e


@dataclass
class Counting(InProcess):
    """Delivers, and adds up the bytes on the way."""

    inner: Sequence[Worker]
    delivered: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    clients: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.inner)

    def exchange(self, broadcast: Broadcast, refresh: Refresh) -> Exchange:
        self.delivered.append(sum(len(data) for client in broadcast.cohort for data in broadcast.to(client)))
        self.clients.append(len(broadcast.cohort))
        exchange = super().exchange(broadcast, refresh)
        self.returned.append(sum(len(reply.data) for reply in exchange.replies))
        return exchange


def counted(overrides: Sequence[str]) -> tuple[Counting, list[RoundReport]]:
    """The counts at delivery, and the reports of the same rounds."""
    settings = replace(settings_of([*overrides, "rounds=3"]), store=Memory())
    setup = build(settings, lambda _: None)
    counting = Counting([setup.worker("cpu", Path())])
    watched = replace(setup.open(Path(), {}), executor=counting)
    start = setup.algorithm.start(setup.model)
    return counting, [report for _, report in federation.run(watched, start, settings.rounds)]


@pytest.mark.parametrize("algorithm", ["mcm", "rand_mcm", "artemis", "sgd"])
def test_reported_bytes_are_those_of_the_messages(algorithm: str) -> None:
    participation = ["participation=bernoulli", "participation.p=0.7"]
    counting, reports = counted([*SUPERVISED, *participation, f"algorithm={algorithm}"])
    for index, report in enumerate(reports):
        assert report.bytes_up == counting.returned[index]
        received = counting.clients[index] * report.bytes_down_broadcast + report.bytes_down_unicast
        assert received == counting.delivered[index]
        assert report.bytes_header + report.bytes_side + report.bytes_body == report.bytes_total


def test_without_compression_a_message_is_four_bytes_a_parameter_and_a_header() -> None:
    overrides = [*TINY, "algorithm=sgd"]
    settings = settings_of(overrides)
    parameters = len(build(settings, lambda _: None).model)
    _, reports = counted(overrides)
    for report in reports:
        assert report.bytes_body == (settings.clients + 1) * 4 * parameters
        assert report.bytes_header < 0.1 * report.bytes_body


class Wire(ForkHub):
    """Worker processes, and the bytes of messages in what goes through their sockets, by round."""

    def __init__(self, seats: Sequence[Seat], enter: Enter) -> None:
        self.ups: list[int] = []
        self.shared: list[int] = []
        self.own: list[int] = []
        super().__init__(seats, enter)

    def send(self, worker: int, parcel: Parcel) -> None:
        if parcel.kind is Kind.ROUND and worker == 0:
            self.shared.append(parcel.size)
            self.own.append(0)
            self.ups.append(0)
        if parcel.kind is Kind.TRAIN:
            self.own[-1] += parcel.size
        super().send(worker, parcel)

    def wait(self) -> Event:
        event = super().wait()
        if event.parcel is not None and event.parcel.kind is Kind.REPLY:
            self.ups[-1] += event.parcel.size
        return event


@pytest.mark.parametrize("algorithm", ["mcm", "rand_mcm", "artemis", "sgd"])
def test_reported_bytes_are_those_on_the_sockets(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker hears the broadcast once; the first worker's copy is counted."""
    monkeypatch.setattr(forks, "ForkHub", Wire)
    participation = ["participation=bernoulli", "participation.p=0.7", "rounds=4"]
    workers = ["executor=processes", "executor.workers=2"]
    settings = settings_of([*SUPERVISED, *participation, *workers, f"algorithm={algorithm}"])
    setup = build(settings, lambda _: None)
    opened = setup.open(tmp_path, {})
    try:
        start = setup.algorithm.start(setup.model)
        reports = [report for _, report in federation.run(opened, start, settings.rounds)]
        assert isinstance(opened.executor, Pool)
        wire = opened.executor.hub
        assert isinstance(wire, Wire)
        assert wire.ups == [report.bytes_up for report in reports]
        assert wire.shared == [report.bytes_down_broadcast for report in reports]
        assert wire.own == [report.bytes_down_unicast for report in reports]
        assert sum(wire.ups) > 0
    finally:
        opened.executor.close()
