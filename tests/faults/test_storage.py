"""Disks that are full or read-only: one line, an exit code of their own, and a run that goes on to the same bits."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from fedkd.clients.shards import Shards
from tests.e2e.runs import SUPERVISED, command, manifest_of, resume, run
from tests.faults.children import children, forked
from tests.faults.trainers import filling

pytestmark = pytest.mark.e2e

ROUNDS = 3
ALONE = (*SUPERVISED, "algorithm=rand_mcm", f"rounds={ROUNDS}")
PROCESSES = ("executor=processes", "executor.workers=2")
READ_ONLY = r"cannot be written \(Read-only file system\); make it writable"
FULL = r"cannot be written \(No space left on device\); free some space"
DURING = ["metrics.jsonl", "timeline.jsonl", "checkpoints/", "model.safetensors"]
AROUND = ["manifest.json", "config.yaml", "report.html"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The model of a run that nothing happened to."""
    return run(tmp_path_factory.mktemp("whole"), ALONE).model_sha256


def refuse(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


def refuse_files(patch: pytest.MonkeyPatch, name: str) -> None:
    """Nothing can be written to a file of this name, nor to a temporary one for it."""
    opened = Path.open

    def open_(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if name in "/".join(path.parts[-2:]) and mode != "r":
            refuse(errno.EROFS)
        return opened(path, mode, *arguments, **named)

    patch.setattr(Path, "open", open_)


@pytest.mark.parametrize(
    "name", [DURING[0], *(pytest.param(name, marks=pytest.mark.exhaustive) for name in (*DURING[1:], *AROUND))]
)
def test_a_file_that_cannot_be_written_is_said_in_one_line(
    name: str, whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cut"
    with monkeypatch.context() as patch:
        refuse_files(patch, name)
        patch.setattr("fedkd.records.page.render", lambda _: "a page without figures")
        assert command(monkeypatch, *ALONE, f"folder={tmp_path}", "name=cut") == 74
    then = f", then continue with resume={folder}" if name in DURING else ""
    said = capfd.readouterr()
    assert said.out == ""
    assert re.fullmatch(rf"{folder}/\S*{name}\S*: {READ_ONLY}{then}\n", said.err)
    assert not list(folder.rglob("*.tmp"))
    if then:
        assert manifest_of(folder)["reason"] == "failed"
        assert resume(folder, ROUNDS).model_sha256 == whole


@pytest.mark.parametrize("executor", [(), PROCESSES])
def test_a_client_whose_state_cannot_be_written_ends_the_run_alike(
    executor: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", lambda *_: refuse(errno.ENOSPC))
        assert command(monkeypatch, *ALONE, *executor, f"folder={tmp_path}", "name=cut") == 74
    line = f"{folder}/clients: {FULL}, then continue with resume={folder}"
    said = capfd.readouterr()
    assert (said.out, bool(re.fullmatch(f"{line}\n", said.err))) == ("", True), said.err
    assert re.fullmatch(line, manifest_of(folder)["message"])
    assert not children(os.getpid())


def test_the_first_failure_is_the_one_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """At the end neither the model nor the manifest has room."""
    write = Shards.write

    def full(self: Shards, shard: int, buffers: Sequence[bytes | memoryview], offset: int) -> None:
        refuse_files(monkeypatch, "")
        write(self, shard, buffers, offset)
        refuse(errno.EROFS)

    with monkeypatch.context() as patch:
        patch.setattr(Shards, "write", full)
        patch.setattr(os, "pwritev", lambda *_: refuse(errno.ENOSPC))
        assert command(monkeypatch, *ALONE, f"folder={tmp_path}", "name=cut") == 74
    assert re.fullmatch(rf"{tmp_path}/cut/clients: {FULL}, then continue with \S+\n", capfd.readouterr().err)
    assert manifest_of(tmp_path / "cut")["reason"] == "running"


@pytest.mark.parametrize(
    ("folder", "code", "line"),
    [
        (
            "/proc/x",
            2,
            r"configuration: /proc/x/cut: there can be no folder \(No such file or directory\); choose .*\n",
        ),
        ("file", 2, r"configuration: file/cut: there can be no folder \(Not a directory\); choose .*\n"),
        ("fixed", 74, rf"fixed/cut: {READ_ONLY}\n"),
    ],
)
def test_a_folder_is_refused_before_any_work(
    folder: str,
    code: int,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    made = Path.mkdir
    fixed = lambda path, *rest, **named: refuse(errno.EROFS) if "fixed" in str(path) else made(path, *rest, **named)  # noqa: E731
    monkeypatch.setattr(Path, "mkdir", fixed)
    monkeypatch.setattr("fedkd.job.execute", lambda _: pytest.fail("work has begun"))
    assert command(monkeypatch, *ALONE, f"folder={folder}", "name=cut") == code
    assert re.fullmatch(line, capfd.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def small_disk(at: Path, size: str) -> bool:
    """Mount one that only this process and its children see; whether that is permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, private = 0x20000, 0x44000
    at.mkdir()
    return (
        libc.unshare(new_namespace) == 0
        and libc.mount(b"none", b"/", None, private, None) == 0
        and libc.mount(b"none", bytes(at), b"tmpfs", 0, f"size={size}".encode()) == 0
    )


def on_a_small_disk(folder: Path, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """What the work finds there, in a process of its own; None of the disk outlives it."""

    def live() -> int:
        disk = folder / "disk"
        if not small_disk(disk, "2m"):
            return 77
        (folder / "found.json").write_text(json.dumps(work(disk)))
        return 0

    _, status = os.waitpid(forked(live), 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 77:
        pytest.skip("a disk cannot be mounted here")
    assert code == 0
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.mark.parametrize(
    ("round_", "file", "executor"), [(1, "clients", PROCESSES), (1, "checkpoints/", ("store=memory",))]
)
def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(
    round_: int,
    file: str,
    executor: Sequence[str],
    whole: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What first takes new space is a client's state, or the checkpoint where clients have no files."""

    def work(disk: Path) -> dict[str, Any]:
        filler = filling(round_, disk / "filler")
        code = command(monkeypatch, *ALONE, *executor, *filler, f"folder={disk}", "name=cut")
        refused = command(monkeypatch, *ALONE, f"folder={disk}", "name=other")
        (disk / "filler").unlink()
        left = [path.name for path in disk.rglob("*.tmp")]
        return {"codes": [code, refused], "left": left, "sha256": resume(disk / "cut", ROUNDS).model_sha256}

    found = on_a_small_disk(tmp_path, work)
    assert (found["codes"], found["left"]) == ([74, 74], [])
    assert found["sha256"] == whole
    first, second = capfd.readouterr().err.splitlines()
    folder = tmp_path / "disk"
    assert re.fullmatch(rf"{folder}/cut/{file}\S*: {FULL}, then continue with resume={folder}/cut", first)
    assert re.fullmatch(rf"{folder}/other: {FULL}", second)
