"""Files that are replaced in one step: a crash leaves the old or the new one, whole; a refusal is said in one line."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from fedkd.errors import ConfigurationError, StorageError

_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make it writable"),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST), "move away what is in its place"),
    errno.EFBIG: "raise the limit on the size of files",
}
_IMPOSSIBLE = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
_PROBE = 4096
"""Bytes that a folder must have room for before a run begins."""


def replace_text(path: Path, text: str) -> None:
    """Replace a file of text, UTF-8.

    Raises:
        StorageError: as ``replace_bytes``.
    """
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, *data: bytes | memoryview) -> None:
    """Write a temporary file beside ``path``, flush it to disk, rename it, flush the folder.

    Raises:
        StorageError: the system refused; the old file is there still, the temporary one is not.
    """
    with explained(path), temporary(path.with_name(path.name + ".tmp")) as new:
        with new.open("wb") as file:
            file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)


@contextlib.contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """A file that is not there any more at the end: it was renamed, or could not be completed."""
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names of a folder's files are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, whose names outlive a power cut.

    Raises:
        StorageError: the system refused.
    """
    with explained(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            sync_folder(path.parent)


def check_folder(folder: Path) -> None:
    """See that a folder can be made, and written to; what is made for that is removed.

    Raises:
        ConfigurationError: there can be no such folder: a file is in its place, the name is too long, it is in /proc.
        StorageError: nothing can be written there now: the disk is full, or read-only.
    """
    from tempfile import TemporaryFile

    missing: list[Path] = []
    try:
        missing += [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE))
    except OSError as error:
        if error.errno in _IMPOSSIBLE:
            line = f"{folder}: there can be no folder ({error.strerror}); choose another folder or name"
            raise ConfigurationError(line) from None
        raise refused(folder, "written", error) from error
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


@contextlib.contextmanager
def explained(path: Path, done: str = "written") -> Iterator[None]:
    """Turn an error of the operating system into one line that names the path and the fix.

    Args:
        path: of the file, or of the folder.
        done: what cannot be done with it.

    Raises:
        StorageError: the system refused.
    """
    try:
        yield
    except OSError as error:
        raise refused(path, done, error) from error


def refused(path: Path, done: str, error: OSError) -> StorageError:
    """What there is to say of an error of the operating system."""
    advice = _ADVICE.get(error.errno or 0, "see to the disk")
    return StorageError(f"{path}: cannot be {done} ({error.strerror or error}); {advice}")
