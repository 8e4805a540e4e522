"""What is reported is what travelled: every message is counted where it is delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from fedkd import federation
from fedkd.build import build
from fedkd.executors import InProcess, Reply, Worker
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

    def exchange(self, broadcast: Broadcast) -> Sequence[Reply]:
        self.delivered.append(sum(len(data) for client in broadcast.cohort for data in broadcast.to(client)))
        self.clients.append(len(broadcast.cohort))
        replies = InProcess(self.inner).exchange(broadcast)
        self.returned.append(sum(len(reply.data) for reply in replies))
        return replies


def counted(overrides: Sequence[str]) -> tuple[Counting, list[RoundReport]]:
    """The counts at delivery, and the reports of the same rounds."""
    settings = settings_of([*overrides, "rounds=3"])
    setup = build(settings, lambda _: None)
    counting = Counting(setup.federation.executor.workers)
    watched = replace(setup.federation, executor=counting)
    start = watched.algorithm.start(setup.model)
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
