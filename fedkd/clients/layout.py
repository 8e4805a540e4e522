"""What the records of a folder of client states look like, said in the folder itself."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from fedkd.durable import explained, make_folder, sync_folder, temporary
from fedkd.errors import ConfigurationError

_VERSION = 4
_FILE = "layout.json"


def claim(folder: Path, layout: Mapping[str, int | str]) -> None:
    """Write the folder's layout if it has none, and hold this run's against it.

    Raises:
        ConfigurationError: the folder has another layout, or a damaged one.
        StorageError: the system refused.
    """
    wanted = {"version": _VERSION, **layout}
    path = folder / _FILE
    make_folder(folder)
    with explained(folder):
        if not path.exists():
            _publish(path, json.dumps(wanted))
        text = path.read_bytes()
    try:
        found = dict(json.loads(text))
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"client states in {folder}: {_FILE} is damaged; delete the folder to begin again"
        ) from None
    for key, value in wanted.items():
        if found.get(key) != value:
            raise ConfigurationError(
                f"client states in {folder} have {key}={found.get(key)}, this run has {key}={value}; "
                "name another folder, or delete this one"
            )


def _publish(path: Path, text: str) -> None:
    """Make a file, whole and durable; of several processes that try, the first one's stays."""
    with temporary(path.with_name(uuid.uuid4().hex)) as new, contextlib.suppress(FileExistsError):
        with new.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(new)
    sync_folder(path.parent)
