"""What cannot be written is one line with its reason and its fix, and nothing half-written stays."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from fedkd import durable
from fedkd.durable import check_folder, replace_bytes
from fedkd.errors import ConfigurationError, StorageError

REASONS = {
    errno.ENOSPC: "cannot be written (No space left on device); free some space",
    errno.EDQUOT: "cannot be written (Disk quota exceeded); free some space",
    errno.EROFS: "cannot be written (Read-only file system); make it writable",
    errno.EACCES: "cannot be written (Permission denied); make it writable",
    errno.EIO: "cannot be written (Input/output error); see to the disk",
}


@pytest.mark.parametrize("number", REASONS)
def test_a_refusal_is_explained_and_the_old_file_is_whole(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_bytes(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError) as caught:
            replace_bytes(path, b"new")
    assert str(caught.value) == f"{path}: {REASONS[number]}"
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_bytes(tmp_path / "file", b"new")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_a_files_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(
        StorageError, match=r"file: cannot be written \(Is a directory\); move away what is in its place$"
    ):
        replace_bytes(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_tried_and_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    check_folder(tmp_path / "runs" / "a")
    check_folder(tmp_path / "mine" / "a")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("/proc/x/a", "No such file or directory"),
        ("/dev/full/a", "Not a directory"),
        ("file", "File exists"),
        ("a" * 300, "File name too long"),
    ],
)
def test_what_can_never_be_a_folder_is_a_wrong_configuration(folder: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = re.escape(f"{folder}: there can be no folder ({reason}); choose another folder or name")
    with pytest.raises(ConfigurationError, match=f"{line}$"):
        check_folder(tmp_path / folder)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_not_writable_now_is_another_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match=r"/a: cannot be written \(Read-only file system\); make it writable$"):
        check_folder(tmp_path / "a")


def test_a_folder_that_is_made_has_its_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    durable.make_folder(tmp_path / "a" / "b")
    durable.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert sorted(synced) == [tmp_path, tmp_path / "a"]
