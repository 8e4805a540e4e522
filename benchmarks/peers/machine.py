"""Where and when something was measured."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime


def machine() -> dict[str, str | int | float | None]:
    """Processor, cores, date, and how busy others kept them."""
    said = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout.splitlines()
    models = [line.partition(":")[2].strip() for line in said if line.startswith("Model name")]
    date, load = datetime.now(UTC).strftime("%Y-%m-%d"), round(os.getloadavg()[0], 2)
    return {"processor": (models or ["unknown"])[0], "cores": os.cpu_count(), "date": date, "load before": load}
