"""Files that a benchmark leaves in the folder that was asked for."""

from __future__ import annotations

import json
from pathlib import Path

from fedkd_compression.bench.table import say


def leave(folder: Path, files: dict[str, object]) -> None:
    """Write files and say so: texts as they are, anything else as JSON.

    Args:
        folder: made where it is missing.
        files: content by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=1) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    say(f"{folder}: {', '.join(files)}")
