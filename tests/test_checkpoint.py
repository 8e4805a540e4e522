"""A checkpoint is the state, written down: what is read is what was kept, and a crash leaves one whole file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from fedkd import checkpoint
from fedkd.algorithms import ServerState
from fedkd.algorithms.downlinks import DownlinkState
from fedkd.algorithms.server_optimizers import Adam, Momentum, Sgd
from fedkd.algorithms.uplinks import UplinkState
from fedkd.checkpoint import RunState
from fedkd.clients import ClientState
from fedkd.errors import ConfigurationError

W = torch.tensor([0.1, -0.0, torch.inf, 1e-45])
H = W.double() / 3


def full_state(round_: int = 7) -> RunState:
    """Every field of every kind of state is filled."""
    downlink = DownlinkState(
        version=5,
        memory=W,
        history=(b"one", b"\x00\xff"),
        outbox=(b"out",),
        seen={0: 5, 3: 2},
        own={1: (H, 4), 2: (None, 0)},
        pending={1: (W, 5)},
    )
    uplink = UplinkState(taken={0: 2, 3: 1}, own={0: H, 3: None}, mean=H)
    optimizer = Adam(0.1, 0.9, 0.99, 1e-3).start(W)
    server = ServerState(round_, W, optimizer, downlink, uplink, (1, 3), {"models": torch.stack((W, W)), "counts": H})
    clients = {3: ClientState(uplink=W, sent=2, downlink=H, received=4, task=W[:2]), 0: ClientState()}
    return RunState(server, clients)


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, of the same types and shapes, keys in the same order."""
    if isinstance(a, torch.Tensor):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes())
    if dataclasses.is_dataclass(a):
        names = [field.name for field in dataclasses.fields(a)]
        return type(a) is type(b) and all(same(getattr(a, name), getattr(b, name)) for name in names)
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def test_what_is_read_is_what_was_kept(tmp_path: Path) -> None:
    state = full_state()
    checkpoint.save(tmp_path, state)
    assert same(checkpoint.load(tmp_path), state)


@pytest.mark.parametrize("optimizer", [Sgd(0.1), Momentum(0.1, 0.9), Adam(0.1, 0.9, 0.99, 1e-3)])
def test_every_server_optimizer_is_kept(optimizer: Sgd | Momentum | Adam, tmp_path: Path) -> None:
    _, kept = optimizer.step(torch.ones(4), optimizer.start(W))
    state = dataclasses.replace(full_state(), server=dataclasses.replace(full_state().server, optimizer=kept))
    checkpoint.save(tmp_path, state)
    assert same(checkpoint.load(tmp_path), state)


def test_kept_tensors_share_no_memory_with_the_run(tmp_path: Path) -> None:
    state = full_state()
    checkpoint.save(tmp_path, state)
    kept = checkpoint.load(tmp_path)
    kept.server.model.zero_()
    assert same(checkpoint.load(tmp_path), state)


def test_the_newest_replaces_the_older_and_nothing_else_stays(tmp_path: Path) -> None:
    for round_ in (1, 2):
        checkpoint.save(tmp_path, full_state(round_))
    assert checkpoint.load(tmp_path).server.round == 2
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failure_at_any_step_leaves_the_older_one_whole(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, full_state(1))

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        owner, name = {"write": (Path, "open"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[step]
        patch.setattr(owner, name, fail)
        with pytest.raises(OSError, match="no space left"):
            checkpoint.save(tmp_path, full_state(2))
    assert same(checkpoint.load(tmp_path), full_state(1))


def test_the_file_is_safetensors_without_pickle(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, full_state())
    data = (tmp_path / "checkpoint.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert data[8:9] == b"{"
    assert b"__metadata__" in data[8 : 8 + length]
    assert b"torch._utils" not in data


def test_no_checkpoint_is_one_line(tmp_path: Path) -> None:
    assert not checkpoint.exists(tmp_path)
    with pytest.raises(ConfigurationError, match=r"name the folder of a run that kept one$"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: data[9:]])
def test_a_damaged_checkpoint_is_one_line(damage: Any, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, full_state())
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigurationError, match=r"is damaged; delete it to begin again$"):
        checkpoint.load(tmp_path)


def test_a_foreign_safetensors_file_is_one_line(tmp_path: Path) -> None:
    checkpoint.write_tensors(tmp_path / "checkpoint.safetensors", {"w": W}, {"made": "elsewhere"})
    with pytest.raises(ConfigurationError, match=r"is damaged; delete it to begin again$"):
        checkpoint.load(tmp_path)
