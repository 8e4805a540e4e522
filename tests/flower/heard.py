"""A recorder that keeps what it hears, and values for it to hear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedkd.executors.placement import Seat
from fedkd.records import Commentator, Outcome, Placement, RoundReport, RunInfo

SEATS = [Seat(0, "here", "cpu"), Seat(1, "there", "cuda:1")]
INFO = RunInfo(
    name="try",
    folder=Path("runs/try"),
    algorithm="MCM",
    task="Supervised",
    data="digits",
    rounds=3,
    clients=2,
    parameters=10,
    configuration={"seed": 0, "uplink": {"operator": {"step": 1.0}}, "plugins": []},
    label_counts=[[1, 2], [3, 4]],
    facts={"seed": 0, "workers": [{"rank": 0}]},
)
REPORT = RoundReport(
    round=1,
    cohort=(0, 1),
    missing={1: "no reply within 3 s"},
    remarks={0: "norm 12 clipped to 10"},
    restarted=(0,),
    bytes_up=100,
    bytes_down_broadcast=50,
    bytes_down_unicast=25,
    bytes_header=32,
    bytes_side=4,
    bytes_body=139,
    seconds=0.5,
    virtual_seconds=2.5,
    seconds_train=0.25,
    seconds_link=0.125,
    metrics={"accuracy": 0.75},
    diagnostics={"DA": 0.5},
    placements=(Placement(0, 0, 0.0, 0.5, None), Placement(1, 1, 0.0, 0.25, 0.5)),
)
OUTCOME = Outcome("failed", 2, 1.5, "a" * 64, "client 1: broke", "  File x\n")


class Heard(Commentator):
    """A list of calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def announce(self, message: str) -> None:
        self.calls.append(("announce", message))

    def show_workers(self, seats: Sequence[Seat]) -> None:
        self.calls.append(("workers", list(seats)))

    def start(self, info: RunInfo) -> None:
        self.calls.append(("start", info))

    def record(self, report: RoundReport) -> None:
        self.calls.append(("record", report))

    def finish(self, outcome: Outcome) -> None:
        self.calls.append(("finish", outcome))
