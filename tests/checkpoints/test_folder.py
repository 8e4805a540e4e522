"""A checkpoint is the state, written down: what is read is what was kept, and a crash leaves the older ones whole."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedkd.algorithms import Adam, Momentum, ServerOptimizer, ServerState, Sgd, Star
from fedkd.algorithms.downlinks import DownlinkState
from fedkd.algorithms.uplinks import UplinkState
from fedkd.checkpoints import Checkpoints, RunState, write_tensors
from fedkd.clients import ClientState
from fedkd.errors import ConfigurationError, StorageError
from fedkd.executors import Carried
from fedkd_compression import Named

W = torch.tensor([0.1, -0.0, torch.inf, 1e-45])
H = W.double() / 3
STAR = Star("server", 1.0, 0.1)
OPTIMIZERS = [
    Sgd(0.1),
    Momentum(0.1, 0.9),
    Adam(0.1, 0.9, 0.99, 1e-3),
    STAR,
    STAR.shaped([Named("matrix", (1, 3)), Named("scalar", ())], 0.1),
]


def full_state(round_: int = 7) -> RunState:
    """Every field of every kind of state is filled."""
    downlink = DownlinkState(
        version=5,
        memory=W,
        history=(b"one", b"\x00\xff"),
        outbox=(b"out",),
        seen={client: client % 3 for client in range(100)},
        own={1: (H, 4), 2: (None, 0)},
        pending={1: (W, 5)},
    )
    uplink = UplinkState(taken={0: 2, 3: 1}, own={0: H, 3: None}, mean=H)
    optimizer = Adam(0.1, 0.9, 0.99, 1e-3).start(W)
    server = ServerState(
        round_, W, optimizer, downlink, uplink, (1, 3), (2,), {"models": torch.stack((W, W)), "counts": H}
    )
    clients = {3: ClientState(uplink=W, sent=2, downlink=H, received=4, task=W[:2]), 0: ClientState()}
    durations = {"line": (0.5, 2.0), "clients": np.eye(3), "none": np.zeros((0, 3)), "draws": {"state": 2**100}}
    return RunState(server, Carried(clients, {"durations": durations}), volatile=True)


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, of the same types and shapes, keys in the same order."""
    if isinstance(a, torch.Tensor):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes())
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if dataclasses.is_dataclass(a):
        names = [field.name for field in dataclasses.fields(a)]
        return type(a) is type(b) and all(same(getattr(a, name), getattr(b, name)) for name in names)
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


Damage = Callable[[bytes], bytes]
DAMAGES: list[Damage] = [
    lambda data: b"",
    lambda data: data[: len(data) // 2],
    lambda data: data[9:],
    lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def load(folder: Path) -> RunState:
    state = Checkpoints(folder, 2).load(pytest.fail)
    assert state is not None
    return state


def with_model(state: RunState, round_: int, model: torch.Tensor) -> RunState:
    return dataclasses.replace(state, server=dataclasses.replace(state.server, round=round_, model=model))


def with_clients(round_: int, vectors: Mapping[int, torch.Tensor]) -> RunState:
    states = {client: ClientState(uplink=vector) for client, vector in vectors.items()}
    return dataclasses.replace(full_state(round_), carried=Carried(states))


def test_what_is_read_is_what_was_kept(tmp_path: Path) -> None:
    state = full_state()
    Checkpoints(tmp_path, 2).save(state)
    assert same(load(tmp_path), state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_server_optimizer_is_kept(optimizer: ServerOptimizer, tmp_path: Path) -> None:
    _, kept = optimizer.step(torch.ones(4), optimizer.start(W), W)
    state = dataclasses.replace(full_state(), server=dataclasses.replace(full_state().server, optimizer=kept))
    Checkpoints(tmp_path, 2).save(state)
    assert same(load(tmp_path), state)


def test_the_newest_are_kept_and_nothing_else_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    for round_ in (1, 2, 3, 5):
        checkpoints.save(full_state(round_))
        (tmp_path / "checkpoints" / "000009.safetensors.tmp").touch()
    checkpoints.save(full_state(6))
    assert [name for name in files(tmp_path) if name.endswith("json")] == ["000005.json", "000006.json"]
    assert "000009.safetensors.tmp" not in files(tmp_path)
    assert (checkpoints.rounds, checkpoints.kept_with(7)) == ([5, 6], (6, 7))
    assert Checkpoints(tmp_path, 1).kept_with(7) == (7,)
    assert load(tmp_path).server.round == 6


def test_the_same_round_may_be_saved_again(tmp_path: Path) -> None:
    checkpoints, state = Checkpoints(tmp_path, 2), with_clients(1, {5: torch.arange(1000.0)})
    checkpoints.save(state)
    checkpoints.save(other := with_model(state, 1, torch.ones(3)))
    assert same(load(tmp_path), other)


def test_only_what_has_changed_is_written(tmp_path: Path) -> None:
    checkpoints, state = Checkpoints(tmp_path, 2), with_clients(1, {5: torch.arange(100_000.0)})
    for round_ in range(1, 6):
        checkpoints.save(with_model(state, round_, torch.full((9,), float(round_))))
    sizes = {name: (tmp_path / "checkpoints" / name).stat().st_size for name in files(tmp_path)}
    assert sizes["000001.safetensors"] > 400_000
    assert sizes["000005.safetensors"] < 10_000
    assert same(load(tmp_path).carried, state.carried)


def test_a_resumed_run_goes_on_from_the_files_that_are_there(tmp_path: Path) -> None:
    Checkpoints(tmp_path, 2).save(first := with_clients(1, {5: torch.arange(100_000.0)}))
    again = Checkpoints(tmp_path, 2)
    state = again.load(pytest.fail)
    assert state is not None
    for round_ in (2, 3, 4):
        again.save(with_model(state, round_, torch.ones(3)))
    assert "000001.safetensors" in files(tmp_path)
    assert (tmp_path / "checkpoints" / "000004.safetensors").stat().st_size < 10_000
    assert same(load(tmp_path).carried, first.carried)


def test_a_tensor_that_was_written_to_is_written_again(tmp_path: Path) -> None:
    checkpoints, model = Checkpoints(tmp_path, 2), torch.ones(500)
    checkpoints.save(with_model(full_state(), 1, model))
    model.mul_(2)
    checkpoints.save(with_model(full_state(), 2, model))
    assert same(load(tmp_path).server.model, torch.full((500,), 2.0))


def test_a_file_of_which_most_is_of_no_use_goes(tmp_path: Path) -> None:
    checkpoints, vectors = Checkpoints(tmp_path, 1), {client: torch.full((1000,), float(client)) for client in range(8)}
    for round_ in range(1, 9):
        vectors[round_ - 1] = torch.full((1000,), -1.0)
        checkpoints.save(with_clients(round_, vectors))
    total = sum(path.stat().st_size for path in (tmp_path / "checkpoints").glob("*.safetensors"))
    assert total < 2.5 * 8 * 4000
    assert same(load(tmp_path).carried, with_clients(8, vectors).carried)


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("file", [0, 1])
def test_a_failure_at_any_step_leaves_the_older_one_whole(
    step: str, file: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Checkpoints(tmp_path, 2).save(full_state(1))
    owner, name = {"write": (Path, "open"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[step]
    work, calls = getattr(owner, name), 0

    def fail(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > file * (2 if step == "fsync" else 1):
            raise OSError("no space left")
        return work(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises(StorageError, match=r"^.*: cannot be written \(no space left\); see to the disk$"):
            Checkpoints(tmp_path, 2).save(full_state(2))
    assert same(load(tmp_path), full_state(1))


def test_the_files_are_safetensors_and_json_without_pickle(tmp_path: Path) -> None:
    Checkpoints(tmp_path, 2).save(full_state())
    data = (tmp_path / "checkpoints" / "000007.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert set(json.loads(data[8 : 8 + length])) >= {"0", "1"}
    said = json.loads((tmp_path / "checkpoints" / "000007.json").read_text())
    assert set(said) == {"checkpoint", "sha256"}


def test_there_need_be_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, 2).load(pytest.fail) is None


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_damaged_one_is_said_and_the_one_before_is_taken(suffix: str, damage: Damage, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    for round_ in (1, 2):
        checkpoints.save(full_state(round_))
    path = tmp_path / "checkpoints" / f"000002.{suffix}"
    path.write_bytes(damage(path.read_bytes()))
    said: list[str] = []
    assert same(Checkpoints(tmp_path, 2).load(said.append), full_state(1))
    [line] = said
    assert re.fullmatch(r".*: the checkpoint before round 2 is damaged \(000002\..*\); trying an older one", line)


def test_when_all_are_damaged_it_is_one_line(tmp_path: Path) -> None:
    Checkpoints(tmp_path, 2).save(full_state())
    (tmp_path / "checkpoints" / "000007.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"no checkpoint is whole; delete the folder to begin again$"):
        Checkpoints(tmp_path, 2).load(lambda _: None)


def test_a_damaged_one_is_replaced_when_its_round_has_been_run_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 2)
    for round_ in (1, 2):
        checkpoints.save(full_state(round_))
    (tmp_path / "checkpoints" / "000002.json").write_text("{}")
    again = Checkpoints(tmp_path, 2)
    again.load(lambda _: None)
    again.save(full_state(2))
    assert again.rounds == [1, 2]
    assert same(load(tmp_path), full_state(2))


def test_a_foreign_file_is_no_checkpoint(tmp_path: Path) -> None:
    Checkpoints(tmp_path, 2).save(full_state())
    write_tensors(tmp_path / "checkpoints" / "000007.safetensors", {"w": W}, {"made": "elsewhere"})
    with pytest.raises(ConfigurationError, match="no checkpoint is whole"):
        Checkpoints(tmp_path, 2).load(lambda _: None)
