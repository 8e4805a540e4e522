"""Wait for the end of a run, and say it: python outcome.py FOLDER [SECONDS]; exit code 0 when it finished.

A run that has written nothing for so many seconds (600) was lost: its process is gone, and it can be resumed.
"""

import json
import sys
import time
from pathlib import Path


def main() -> int:
    """Read the run's manifest until it tells an end."""
    folder, patience = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 600.0
    path = folder / "manifest.json"
    if not path.is_file():
        print(f"no run: {path} is missing; the log above says why")
        return 1
    while (ended := json.loads(path.read_text()))["reason"] == "running" and _age(folder) < patience:
        time.sleep(0.5)
    print(f"{ended['reason']} after {ended['rounds_done']} rounds, model {str(ended['model_sha256'])[:16]}")
    if ended["reason"] == "running":
        print(f"nothing was written for {patience:.0f} s: it is lost; resume=runs/{folder.name}")
    return 0 if ended["reason"] == "finished" else 1


def _age(folder: Path) -> float:
    """Seconds since the run wrote something."""
    return time.time() - max(path.stat().st_mtime for path in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
