"""What installed plug-ins bring beside their operators: choices of configuration groups, as YAML files."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fedkd_compression.plugins import declared

FOLDER = "conf"


def folders() -> list[Path]:
    """The folders ``conf`` inside the packages that declare operators, laid out as configs/ is.

    They are located, not imported: ``my_compressor/conf/uplink/my_sign.yaml`` offers ``uplink=my_sign`` although
    nothing of ``my_compressor`` has run.
    """
    packages = dict.fromkeys(entry.value.partition(":")[0].partition(".")[0] for entry in declared())
    places = (place / FOLDER for package in packages for place in _places(package))
    return [place for place in places if place.is_dir()]


def _places(package: str) -> list[Path]:
    """Where a top-level package lies; nowhere when it is missing, which is said when its operator is asked for."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
