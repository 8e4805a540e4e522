"""The folder of client states: what is on the disk, who may write at once, and what a failure leaves."""

from __future__ import annotations

import os
import resource
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd.clients.folder_store import FolderStore
from fedkd.clients.store import ClientState
from fedkd.errors import ConfigurationError, StorageError

PAGE = 4096


def store(folder: Path, dim: int = 5, committed: int = 0) -> FolderStore:
    kept = FolderStore(folder, dim, torch.float32)
    kept.commit([committed], {})
    return kept


def filled(number: int, dim: int = 5) -> ClientState:
    return ClientState(uplink=torch.full((dim,), float(number)), sent=number)


def same(read: torch.Tensor | None, kept: torch.Tensor) -> bool:
    return read is not None and read.dtype == kept.dtype and torch.equal(read, kept)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.glob("*.states"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int8])
def test_every_bit_comes_back(dtype: torch.dtype, tmp_path: Path) -> None:
    uplink, downlink = torch.tensor([1, -2, 0, 127, 5]).to(dtype), torch.arange(10).to(dtype)[::2]
    task = torch.arange(7).to(dtype)
    kept = FolderStore(tmp_path, 5, dtype, 7)
    kept.put(3, 7, ClientState(uplink, 2, downlink, 4, task))
    read = FolderStore(tmp_path, 5, dtype, 7).before(3, 8)
    assert same(read.uplink, uplink)
    assert same(read.downlink, downlink)
    assert same(read.task, task)
    assert (read.sent, read.received) == (2, 4)


def test_the_file_is_written_from_the_tensor_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, places = os.pwritev, []

    def watched(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        places.extend(np.frombuffer(buffer, np.uint8).ctypes.data for buffer in buffers)
        return write(descriptor, buffers, offset)

    monkeypatch.setattr(os, "pwritev", watched)
    state = filled(1)
    store(tmp_path).put(0, 0, state)
    assert state.uplink is not None
    assert state.uplink.data_ptr() in places


def test_only_touched_clients_take_space_and_few_files_are_open(tmp_path: Path) -> None:
    dim, touched = 10_000, range(0, 100_000, 333)
    kept, before = store(tmp_path, dim), open_files()
    for client in touched:
        kept.put(client, 0, filled(client, dim))
    assert open_files() <= before + 64
    assert 4 * dim * len(touched) < disk_bytes(tmp_path) < 3 * 4 * dim * len(touched)
    assert all(kept.before(client, 1).sent == client for client in touched)
    kept.close()
    assert open_files() == before


def test_reading_an_untouched_client_makes_no_file(tmp_path: Path) -> None:
    assert store(tmp_path).before(5, 9) == ClientState()
    assert [path.name for path in tmp_path.iterdir()] == ["layout.json"]


def test_a_client_without_vectors_takes_a_page(tmp_path: Path) -> None:
    kept = store(tmp_path, 1_000_000)
    for round_ in range(4):
        kept.put(40, round_, ClientState(sent=round_, received=5))
    assert disk_bytes(tmp_path) < 2**17
    assert kept.before(40, 4) == ClientState(sent=3, received=5)


def test_a_checkpoint_every_round_needs_two_slots(tmp_path: Path) -> None:
    dim, kept = PAGE, store(tmp_path, PAGE)
    for round_ in range(5):
        kept.put(0, round_, filled(round_, dim))
        kept.commit([round_ + 1], {})
    slot = 2 * 4 * dim
    assert (tmp_path / "000000.states").stat().st_size < PAGE + 2 * slot


def test_commit_syncs_what_was_touched_even_where_the_file_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, synced = os.fdatasync, []

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", watched)
    kept = store(tmp_path)
    for client in range(0, 100 * 64, 64):
        kept.put(client, 0, ClientState(sent=1))
    assert not synced
    kept.commit([1], {})
    assert sorted(synced) == sorted(tmp_path.glob("*.states"))
    kept.before(1, 1)
    kept.commit([2], {})
    assert len(synced) == 100


def test_calls_that_do_less_than_asked_are_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.preadv, os.pwritev
    monkeypatch.setattr(os, "preadv", lambda file, buffers, offset: read(file, [buffers[0][:1000]], offset))
    monkeypatch.setattr(os, "pwritev", lambda file, buffers, offset: write(file, [buffers[0][:1000]], offset))
    kept, uplink, downlink = store(tmp_path, 1500), torch.arange(1500.0), -torch.arange(1500.0)
    kept.put(2, 0, ClientState(uplink, 1, downlink, 1))
    state = kept.before(2, 1)
    assert same(state.uplink, uplink)
    assert same(state.downlink, downlink)


def test_a_write_that_the_system_refuses_is_one_line_and_leaves_the_old_state(tmp_path: Path) -> None:
    dim = 100_000
    kept = store(tmp_path, dim)
    kept.put(0, 0, filled(1, dim))
    kept.put(0, 1, filled(3, dim))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12 * dim, limits[1]))
    try:
        with pytest.raises(
            StorageError, match=rf"^{tmp_path}: cannot be written \(File too large\); raise the limit.*$"
        ):
            kept.put(0, 1, filled(2, dim))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert kept.before(0, 1).sent == kept.before(0, 2).sent == 1
    kept.put(0, 1, filled(2, dim))
    assert kept.before(0, 2).sent == 2


@pytest.mark.parametrize(("place", "first"), [("head", 8), ("vector", PAGE + 9)])
def test_damage_names_the_client_and_its_file(place: str, first: int, tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.put(64, 0, filled(1))
    kept.put(65, 0, filled(2))
    path = tmp_path / "000001.states"
    data = bytearray(path.read_bytes())
    data[first] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=rf"^client 64: its state in {path} is damaged; delete .*$"):
        kept.before(64, 1)
    assert kept.before(65, 1).sent == 2
    if place == "head":
        with pytest.raises(ConfigurationError, match="client 64"):
            kept.put(64, 1, filled(3))


def test_a_file_that_was_cut_short_is_damage(tmp_path: Path) -> None:
    kept = store(tmp_path, 5000)
    kept.put(0, 0, filled(1, 5000))
    os.truncate(tmp_path / "000000.states", 2 * PAGE)
    with pytest.raises(ConfigurationError, match="client 0: .* is damaged"):
        kept.before(0, 1)


def test_a_file_under_another_number_is_damage(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.put(0, 0, filled(1))
    (tmp_path / "000000.states").rename(tmp_path / "000001.states")
    with pytest.raises(ConfigurationError, match="client 64: .* is damaged"):
        kept.before(64, 1)


def test_a_file_that_another_process_made_in_between_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create, one, other = os.open, store(tmp_path), store(tmp_path)

    def late(path: Path, flags: int, mode: int) -> int:
        if flags & os.O_CREAT:
            monkeypatch.undo()
            other.put(1, 0, filled(1))
        return create(path, flags, mode)

    monkeypatch.setattr(os, "open", late)
    one.put(0, 0, filled(2))
    assert (one.before(0, 1).sent, one.before(1, 1).sent) == (2, 1)


def test_a_layout_that_another_process_made_in_between_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, 5)
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(ConfigurationError, match=r"have dim=5, this run has dim=6"):
        store(tmp_path, 6)


@pytest.mark.parametrize(
    ("dim", "dtype", "said"), [(6, torch.float32, "dim=5.* dim=6"), (5, torch.float64, "dtype=torch.float32.*float64")]
)
def test_a_folder_of_other_vectors_is_refused(dim: int, dtype: torch.dtype, said: str, tmp_path: Path) -> None:
    store(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"{said}; name another folder, or delete this one$"):
        FolderStore(tmp_path, dim, dtype)


def test_an_older_layout_and_another_task_are_refused_in_one_line(tmp_path: Path) -> None:
    for found, said in (('"version": 2', "version=2, .* version=4"), ('"task": 7', "task=7, .* task=0")):
        (tmp_path / "layout.json").write_text(f'{{"version": 4, "dim": 5, "dtype": "torch.float32", {found}}}')
        with pytest.raises(ConfigurationError, match=rf"^client states in .* have {said}; [^\n]*$"):
            store(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", '{"version": 1'])
def test_a_damaged_layout_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "layout.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"^client states in .*layout.json is damaged; delete .*$"):
        store(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"/states: cannot be written \(Not a directory\); move away .*$"):
        store(tmp_path / "file" / "states")


@pytest.mark.parametrize("vector", [torch.zeros(4), torch.zeros(5, 1), torch.zeros(5, dtype=torch.float64)])
def test_a_vector_of_another_kind_is_refused(vector: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"client 1: a vector .* this store keeps \[5\] of torch.float32"):
        store(tmp_path).put(1, 0, ClientState(downlink=vector))


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_processes_that_begin_together_share_a_file(tmp_path: Path) -> None:
    context, workers = get_context("fork"), 3
    barrier = context.Barrier(workers)

    def work(worker: int) -> None:
        barrier.wait()
        kept = store(tmp_path / "new")
        for round_ in range(20):
            for client in range(worker, 12, workers):
                assert kept.before(client, round_).sent == (100 * client + round_ - 1 if round_ else 0)
                kept.put(client, round_, filled(100 * client + round_))
        kept.commit([20], {})

    processes = [context.Process(target=work, args=(worker,)) for worker in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * workers
    assert [store(tmp_path / "new").before(client, 20).sent for client in range(12)] == [
        100 * client + 19 for client in range(12)
    ]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["000000.states", "layout.json"]


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_writer_that_is_killed_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    context, dim = get_context("fork"), 100_000
    done, committed = context.RawValue("q", 0), context.RawValue("q", 0)

    def write() -> None:
        kept = store(tmp_path, dim, committed.value)
        for round_ in range(done.value + 1, 1_000_000):
            for sign in (1, -1):
                kept.put(5, round_, ClientState(torch.full((dim,), float(sign * round_)), round_))
            done.value = round_
            if round_ % 7 == 0:
                kept.commit([round_ + 1], {})
                committed.value = round_ + 1

    for kill in range(20):
        begun = done.value
        process = context.Process(target=write)
        process.start()
        while done.value == begun:
            assert process.is_alive()
        process.join(0.0005 * kill)
        process.kill()
        process.join()
        kept = store(tmp_path, dim, committed.value)
        newest, safe = kept.before(5, 1_000_000), kept.before(5, committed.value)
        assert newest.sent in (done.value, done.value + 1)
        assert safe.sent == max(0, committed.value - 1)
        for state in (newest, safe):
            assert state.uplink is None or bool((state.uplink.abs() == state.sent).all())
        kept.close()
