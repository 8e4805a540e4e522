"""A trainer that fails for one client in one round, found in a run through ``plugins=[tests]``."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fedkd import keys
from fedkd.trainers import Pupil, Serial, Update

if TYPE_CHECKING:
    from fedkd.tasks.learner import Learner
    from fedkd.trainers.solvers import Solver

SLEEP = 14.0
"""Seconds of a client that sleeps."""
PAUSE = 120.0
"""Seconds that the other clients take in the round of the failure, where they are told to wait."""


def _raises() -> NoReturn:
    raise ValueError("this sample cannot be read")


def _interrupts() -> NoReturn:
    raise KeyboardInterrupt


def _dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _sleeps() -> None:
    time.sleep(SLEEP)


FAULTS: dict[str, Callable[[], object]] = {
    "raises": _raises,
    "leaves": lambda: sys.exit(0),
    "interrupts": _interrupts,
    "dies": _dies,
    "sleeps": _sleeps,
}


@dataclass(frozen=True)
class Faulty(Serial):
    """As ``Serial``, but for one client.

    Args:
        fault: what it does.
        round: in which it fails.
        client: that fails; seed 0 is taken for granted.
        others_wait: whether the other clients of that round take very long.
    """

    fault: str
    round: int
    client: int
    others_wait: bool

    def train(self, learner: Learner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Fail, wait or train."""
        [pupil] = pupils
        key = pupil.key
        if key == keys.key(0, "train", self.round, self.client):
            FAULTS[self.fault]()
        if self.others_wait and key in [keys.key(0, "train", self.round, client) for client in range(100)]:
            time.sleep(PAUSE)
        return super().train(learner, solver, pupils)


def faulty(fault: str, round_: int, client: int, others_wait: bool = False) -> list[str]:
    """The overrides that put it into a run."""
    values = {"fault": fault, "round": round_, "client": client, "others_wait": others_wait}
    target = "trainer._target_=tests.faults.trainers.Faulty"
    return ["plugins=[tests]", target, *(f"trainer.{name}={value}" for name, value in values.items())]


@dataclass(frozen=True)
class Troubled(Serial):
    """As ``Serial``, but some clients fail.

    Args:
        troubles: each as "fault, round, client", with a blank between them.
    """

    troubles: tuple[str, ...]

    def train(self, learner: Learner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Fail or train."""
        [pupil] = pupils
        for fault, round_, client in map(str.split, self.troubles):
            if pupil.key == keys.key(0, "train", int(round_), int(client)):
                FAULTS[fault]()
        return super().train(learner, solver, pupils)


def troubled(*troubles: tuple[str, int, int]) -> list[str]:
    """The overrides that put several faults into a run: fault, round and client of each."""
    listed = ",".join(f'"{fault} {round_} {client}"' for fault, round_, client in troubles)
    return ["plugins=[tests]", "trainer._target_=tests.faults.trainers.Troubled", f"trainer.troubles=[{listed}]"]


@dataclass(frozen=True)
class Held(Serial):
    """As ``Serial``, but in one round every client takes very long while a file is there.

    Args:
        round: in which they do; seed 0 is taken for granted.
        file: whose being there holds them up.
    """

    round: int
    file: str

    def train(self, learner: Learner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Wait or train."""
        [pupil] = pupils
        if Path(self.file).exists() and pupil.key in [
            keys.key(0, "train", self.round, client) for client in range(100)
        ]:
            time.sleep(PAUSE)
        return super().train(learner, solver, pupils)


def held(round_: int, file: Path) -> list[str]:
    """The overrides that put it into a run; makes the file."""
    file.touch()
    return [
        "plugins=[tests]",
        "trainer._target_=tests.faults.trainers.Held",
        f"trainer.round={round_}",
        f"trainer.file={file}",
    ]


@dataclass(frozen=True)
class Filling(Serial):
    """As ``Serial``, but in one round the disk is filled first.

    Args:
        round: in which it is; seed 0 is taken for granted.
        file: that takes all the space; on a resumed run there is one already, elsewhere.
    """

    round: int
    file: str

    def train(self, learner: Learner, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Fill or train."""
        [pupil] = pupils
        if pupil.key in [keys.key(0, "train", self.round, client) for client in range(100)]:
            _fill(Path(self.file))
        return super().train(learner, solver, pupils)


def _fill(file: Path) -> None:
    done = file.with_name("filled")
    if done.exists():
        return
    done.touch()
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as there:
        while there.write(bytes(4096)):
            pass


def filling(round_: int, file: Path) -> list[str]:
    """The overrides that put it into a run."""
    target = "trainer._target_=tests.faults.trainers.Filling"
    return ["plugins=[tests]", target, f"trainer.round={round_}", f"trainer.file={file}"]
