"""Lines on a disk that is full: all of a line is there, or nothing of it."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from fedkd.errors import StorageError
from fedkd.records.lines import RoundLines

LINE = '{"round": %d}'


def test_a_line_that_has_no_room_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path, whole = tmp_path / "lines", f"{LINE % 0}\n"
    lines = RoundLines(path)
    lines.touch()
    lines.write(0, LINE % 0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 5, limits[1]))
    try:
        with pytest.raises(StorageError, match=rf"^{path}: cannot be written \(File too large\); raise the limit"):
            lines.write(1, LINE % 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == whole
    lines.write(1, LINE % 1)
    lines.close()
    assert path.read_text() == f"{whole}{LINE % 1}\n"


def test_a_device_without_room_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.symlink_to("/dev/full")
    lines = RoundLines(path)
    lines.touch()
    lines._file = path.open("ab", buffering=0)
    with pytest.raises(
        StorageError, match=rf"^{path}: cannot be written \(No space left on device\); free some space$"
    ):
        lines.write(0, LINE % 0)
    lines.close()


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone/lines: cannot be written \(No such file or directory\); see to"):
        RoundLines(tmp_path / "gone" / "lines").touch()
