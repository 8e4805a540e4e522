"""Kills while checkpoints are written: what was announced is there, whole, and its bits are those of its round."""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from fedkd.algorithms import ServerState
from fedkd.algorithms.downlinks import DownlinkState
from fedkd.algorithms.uplinks import UplinkState
from fedkd.checkpoints import Checkpoints, RunState
from fedkd.clients import ClientState
from fedkd.executors import Carried
from tests.checkpoints.test_folder import same
from tests.faults.children import forked

DIM, CLIENTS = 10_000, 8
LONGEST = 0.06
"""Seconds until the latest kill, from a writer's start or, for every other one, from its first save: several saves."""
PATIENCE = 60.0


def values(*name: int) -> torch.Tensor:
    """Numbers that no other name has [DIM]."""
    return torch.from_numpy(np.random.default_rng(name).standard_normal(DIM, np.float32))


def takes_part(client: int, round_: int) -> bool:
    """Every client in every third round or so, but the last in none after the first."""
    return round_ == 0 or (client < CLIENTS - 1 and (client + round_) % 3 == 0)


def first() -> RunState:
    """The state before round 0."""
    clients = {client: ClientState() for client in range(CLIENTS)}
    downlink, uplink = DownlinkState(memory=torch.zeros(DIM)), UplinkState(mean=torch.zeros(DIM).double())
    server = ServerState(0, torch.zeros(DIM), {"m": torch.zeros(DIM)}, downlink, uplink)
    return RunState(server, Carried(clients, {"durations": {"draws": np.zeros(3)}}))


def after(state: RunState) -> RunState:
    """The state one round later: one tensor is written to where it lies, some are new, and most are what they were."""
    server, round_ = state.server, state.server.round
    server.model.copy_(values(round_, CLIENTS))
    clients = {
        client: ClientState(values(round_, client), round_ + 1, old.downlink, round_, old.task)
        if takes_part(client, round_)
        else old
        for client, old in state.carried.states.items()
    }
    downlink = replace(
        server.downlink,
        version=round_ + 1,
        memory=values(round_, CLIENTS + 2) if round_ % 4 == 0 else server.downlink.memory,
        history=(*server.downlink.history[-2:], round_.to_bytes(4, "little") * 100),
    )
    taken = {client: client * round_ for client in range(100)}
    uplink = UplinkState(taken, mean=values(round_, CLIENTS + 1).double())
    server = replace(server, round=round_ + 1, downlink=downlink, uplink=uplink)
    return RunState(server, Carried(clients, {"durations": {"draws": np.arange(3.0) * round_}}))


class History:
    """The states of all rounds, as they must be read."""

    def __init__(self) -> None:
        self._state = first()

    def at(self, round_: int) -> RunState:
        """The state before a round, which is not before the last that was asked for."""
        while self._state.server.round < round_:
            self._state = after(self._state)
        return self._state


def write(folder: Path, committed: mmap.mmap) -> None:
    """Go on from the newest checkpoint, and announce every round that is saved."""
    checkpoints = Checkpoints(folder, 2)
    state = checkpoints.load(_unread) or first()
    while True:
        state = after(state)
        checkpoints.save(state)
        committed[:8] = state.server.round.to_bytes(8, "little")


def killed(work: Callable[[], None], committed: mmap.mmap, seconds: float, later: bool) -> int:
    """Kill a writer so long after its start, or its first save; the result is the round that was announced last."""
    begun, latest = bytes(committed[:8]), time.monotonic() + PATIENCE
    writer = forked(work)
    while later and committed[:8] == begun:
        assert time.monotonic() < latest, "nothing was saved"
        time.sleep(0.0005)
    time.sleep(seconds)
    os.kill(writer, signal.SIGKILL)
    _, status = os.waitpid(writer, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    return int.from_bytes(committed[:8], "little")


def _check(kills: int, folder: Path) -> None:
    """Kill so often, and hold what is read against what was written; some kills must have met a file half made."""
    random, committed, history = Random(kills), mmap.mmap(-1, 8), History()  # noqa: S311
    reached = met = 0
    for kill in range(kills):
        seconds, later = random.uniform(0.0, LONGEST), kill % 2 == 0
        reached = max(reached, killed(lambda: write(folder, committed), committed, seconds, later))
        read = Checkpoints(folder, 2).load(_unread)
        assert read is not None
        assert read.server.round in (reached, reached + 1)
        reached = read.server.round
        assert same(read, history.at(reached))
        met += _unfinished(folder / "checkpoints", reached)
    assert met > kills // 20
    print(f"{kills} kills, {reached} rounds, {met} kills left something half done")  # noqa: T201


def _unfinished(folder: Path, newest: int) -> bool:
    """Whether the kill came between the first byte of a checkpoint and its last removal."""
    names = {path.name for path in folder.iterdir()}
    later = {name for name in names if name.endswith(".tmp") or name > f"{newest:06d}.safetensors"}
    return bool(later) or len([name for name in names if name.endswith(".json")]) > 2


def _unread(line: str) -> None:
    raise AssertionError(line)


def test_no_kill_during_a_write_loses_what_was_announced(tmp_path: Path) -> None:
    _check(60, tmp_path)


@pytest.mark.soak
@pytest.mark.slow
def test_nor_does_one_of_a_thousand(tmp_path: Path) -> None:
    _check(1000, tmp_path)
