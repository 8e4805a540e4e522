"""A run in a few numbers: its final quality, what it sent, what it took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedkd.records.report import BYTES_A_FLOAT, RoundReport
from fedkd.records.units import is_accuracy

HEADLINES = ("accuracy", "accuracy_1_shot", "accuracy_probe", "accuracy_relations", "excess_loss", "loss")
"""What a run is judged by: the first of these that it reports.

Of the probes of a network that has learned without labels, one label a class comes first: it tells features apart where
nearest neighbours and a linear layer already do well on raw samples, and its name says how many labels it takes.
"""
LAST = 3
"""Evaluated rounds whose mean is the final metric: one round alone is noisy."""


@dataclass(frozen=True)
class Summary:
    """A run in a few numbers.

    Args:
        metric: name of the headline metric; empty when no round was evaluated.
        mean_last: its mean over the last three evaluated rounds.
        last: its value in the last of them.
        best: its best value in any round.
        rounds: that are done.
        updates: clients' updates that counted, over all rounds.
        missing: those that did not.
        restarted: how often a client was started anew.
        uncompressed: bytes of one model as float32.
        virtual_seconds: of all rounds, on the clients' own devices and links; 0 where no virtual time passes.
        diagnostics: of the last round that has some.
    """

    name: str
    metric: str
    mean_last: float
    last: float
    best: float
    rounds: int
    updates: int
    missing: int
    restarted: int
    uncompressed: int
    bytes_up: int
    bytes_down_broadcast: int
    bytes_down_unicast: int
    bytes_header: int
    bytes_side: int
    bytes_body: int
    seconds: float
    virtual_seconds: float
    seconds_train: float
    seconds_link: float
    diagnostics: Mapping[str, float]

    @property
    def bytes_down(self) -> int:
        """Bytes from the server."""
        return self.bytes_down_broadcast + self.bytes_down_unicast

    @property
    def bytes_total(self) -> int:
        """Bytes in both directions."""
        return self.bytes_up + self.bytes_down

    @property
    def uncompressed_up(self) -> int:
        """Bytes if every update that counted were float32."""
        return self.updates * self.uncompressed

    @property
    def uncompressed_down(self) -> int:
        """Bytes if every round broadcast one float32 model."""
        return self.rounds * self.uncompressed

    @property
    def factor_up(self) -> float:
        """How many times fewer bytes than float32, from clients."""
        return _ratio(self.uncompressed_up, self.bytes_up)

    @property
    def factor_down(self) -> float:
        """How many times fewer bytes than float32, from the server."""
        return _ratio(self.uncompressed_down, self.bytes_down)

    @property
    def factor(self) -> float:
        """How many times fewer bytes than float32, in both directions."""
        return _ratio(self.uncompressed_up + self.uncompressed_down, self.bytes_total)

    @property
    def bits_a_coordinate_up(self) -> float:
        """Mean bits that an update spends on one coordinate of the model, headers included."""
        return 8 * BYTES_A_FLOAT * _ratio(self.bytes_up, self.uncompressed_up)

    @property
    def bits_a_coordinate_down(self) -> float:
        """Mean bits that a round's messages from the server spend on one coordinate of the model."""
        return 8 * BYTES_A_FLOAT * _ratio(self.bytes_down, self.uncompressed_down)


def summarise(name: str, reports: Sequence[RoundReport], uncompressed: int) -> Summary:
    """Add up a run's rounds; ``uncompressed`` is the size of one model as float32, in bytes."""
    metric = headline(reports)
    values = [value for _, value in curve(reports, metric)]
    tail = values[-LAST:]
    best = max if is_accuracy(metric) else min
    return Summary(
        name=name,
        metric=metric,
        mean_last=sum(tail) / len(tail) if tail else math.nan,
        last=tail[-1] if tail else math.nan,
        best=best(filter(math.isfinite, values), default=math.nan),
        rounds=len(reports),
        updates=sum(len(report.cohort) - len(report.missing) for report in reports),
        missing=sum(len(report.missing) for report in reports),
        restarted=sum(len(report.restarted) for report in reports),
        uncompressed=uncompressed,
        bytes_up=sum(report.bytes_up for report in reports),
        bytes_down_broadcast=sum(report.bytes_down_broadcast for report in reports),
        bytes_down_unicast=sum(report.bytes_down_unicast for report in reports),
        bytes_header=sum(report.bytes_header for report in reports),
        bytes_side=sum(report.bytes_side for report in reports),
        bytes_body=sum(report.bytes_body for report in reports),
        seconds=sum(report.seconds for report in reports),
        virtual_seconds=sum(report.virtual_seconds for report in reports),
        seconds_train=sum(report.seconds_train for report in reports),
        seconds_link=sum(report.seconds_link for report in reports),
        diagnostics=next((report.diagnostics for report in reversed(reports) if report.diagnostics), {}),
    )


def headline(reports: Sequence[RoundReport]) -> str:
    """The metric that a run is judged by; empty when no round was evaluated."""
    known = {name for report in reports for name in report.metrics}
    return next((name for name in HEADLINES if name in known), "")


def curve(reports: Sequence[RoundReport], metric: str) -> list[tuple[int, float]]:
    """Position in ``reports`` and value of every evaluation of ``metric``."""
    return [(index, report.metrics[metric]) for index, report in enumerate(reports) if metric in report.metrics]


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan
