"""The values that recorders are told: what a run is, what a round did, how it ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fedkd.predict import Regret

if TYPE_CHECKING:
    from fedkd.executors.placement import Seat

BYTES_A_FLOAT = 4

Reason = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Placement:
    """One client of a round on the worker that trained it: one bar of the timeline.

    Args:
        worker: its rank, from 0.
        begin: seconds since the round's start.
        end: seconds since the round's start.
        predicted: how long the client was expected to take, in seconds; None where nothing was known of it.
    """

    client: int
    worker: int
    begin: float
    end: float
    predicted: float | None


@dataclass(frozen=True)
class RoundReport:
    """What one round did: one line of metrics.jsonl, and with ``placements`` one line of timeline.jsonl.

    Args:
        round: counted from 0; ``metrics`` are those of the model after this round.
        cohort: clients that were asked.
        missing: those of them whose update did not count, and why.
        remarks: what else was odd about a client's replies: clipped, sent again, not asked for.
        restarted: those that were told to start anew, with the whole model: nobody knew what they still held.
        bytes_up: whole messages from clients.
        bytes_down_broadcast: whole messages sent once to everyone.
        bytes_down_unicast: whole messages to single clients, each counted.
        bytes_header: of all these bytes, those in headers.
        bytes_side: those in side information, such as scales.
        bytes_body: those in coded values.
        seconds: wall time of the round, without evaluation.
        virtual_seconds: how long the round takes on the clients' own devices and links, as ``latency`` has them.
        seconds_train: training time, summed over clients.
        seconds_link: compression and decompression time on clients, summed over clients.
        metrics: the server's model on held-out samples; empty when this round was not evaluated.
        diagnostics: what clients report, averaged over the cohort.
        placements: which worker trained which client, and when.
        traces: where clients failed, in the lines of a traceback.
        moved: bytes of client states that went from one worker to another.
        learned: what learned predictions have cost so far, by what was predicted.
        alarm: what is wrong with what is learned, in one line; empty where nothing is.
    """

    round: int
    cohort: tuple[int, ...]
    missing: dict[int, str]
    remarks: dict[int, str]
    restarted: tuple[int, ...]
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
    metrics: dict[str, float]
    diagnostics: dict[str, float]
    placements: tuple[Placement, ...] = ()
    traces: dict[int, str] = field(default_factory=dict)
    moved: int = 0
    learned: Mapping[str, Regret] = field(default_factory=dict)
    alarm: str = ""

    @property
    def bytes_down(self) -> int:
        """Bytes from the server, to everyone and to single clients."""
        return self.bytes_down_broadcast + self.bytes_down_unicast

    @property
    def bytes_total(self) -> int:
        """Bytes in both directions."""
        return self.bytes_up + self.bytes_down


@dataclass(frozen=True)
class RunInfo:
    """What a run is, known before its first round.

    Args:
        folder: where the run leaves its files.
        rounds: at which the run ends, counted from its very start.
        parameters: dimension d of the model.
        configuration: resolved values.
        label_counts: samples by client and class, [clients][classes]; empty for regression.
        facts: what the manifest says beside the configuration: sha256 of data and partition, seed, threads, teacher,
            seats of the workers.
        begins: the first round that is to come; above 0 for a run that is resumed.
    """

    name: str
    folder: Path
    algorithm: str
    task: str
    data: str
    rounds: int
    clients: int
    parameters: int
    configuration: dict[str, object]
    label_counts: list[list[int]]
    facts: dict[str, object]
    begins: int = 0

    @property
    def uncompressed_bytes(self) -> int:
        """Bytes of one model as float32, without a header."""
        return BYTES_A_FLOAT * self.parameters


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        rounds: that are done, counted from the very start of the run.
        seconds: wall time since this start or resumption.
        model_sha256: of the final model's bytes.
        message: one line for the user; empty when there is nothing to say.
        trace: lines of a traceback, where a client failed.
        code: with which a command ends, where the reason alone does not say it.
    """

    reason: Reason
    rounds: int
    seconds: float
    model_sha256: str
    message: str
    trace: str = ""
    code: int | None = None


class Recorder(ABC):
    """Hears of a run: once at its start, after every round, once at its end."""

    @abstractmethod
    def start(self, info: RunInfo) -> None:
        """The run is about to begin, or to continue."""

    @abstractmethod
    def record(self, report: RoundReport) -> None:
        """A round is done."""

    def commit(self) -> None:
        """A checkpoint follows: what was recorded must not be lost."""
        return

    @abstractmethod
    def finish(self, outcome: Outcome) -> None:
        """The run is over; no more rounds follow."""


class Commentator(Recorder):
    """A recorder that also says what is done beside the rounds."""

    @abstractmethod
    def announce(self, message: str) -> None:
        """Say in a few words what is being done."""

    @abstractmethod
    def show_workers(self, seats: Sequence[Seat]) -> None:
        """Say where the workers run."""
