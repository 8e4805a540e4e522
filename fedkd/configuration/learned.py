"""What a run's optimizers have learned, beyond the names by which its configuration calls it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from fedkd import algorithms, trainers
from fedkd.configuration.settings import Settings
from fedkd.errors import ConfigurationError
from fedkd.records import read_manifest

FACT = "theta_sha256"
"""Among the facts of a manifest."""


def thetas(settings: Settings) -> dict[str, str]:
    """The sha256 of the form and the numbers that solver and server use, by their groups; of others there is none."""
    rules = {"solver": settings.solver, "server": settings.server}
    learned = ((group, rule) for group, rule in rules.items() if isinstance(rule, trainers.Star | algorithms.Star))
    return {group: _sha256(rule.theta) for group, rule in learned}


def check_thetas(settings: Settings) -> None:
    """Refuse to go on with a file that holds something else than when the run began; another file may be chosen.

    Raises:
        ConfigurationError: with both sha256.
    """
    if settings.resume is None or not (now := thetas(settings)):
        return
    kept = read_manifest(Path(settings.resume))
    for group, digest in now.items():
        name = getattr(settings, group).theta
        before = kept["facts"].get(FACT, {}).get(group)
        if kept["configuration"][group].get("theta") == name and before != digest:
            raise ConfigurationError(
                f"{group}.theta={name}: has sha256 {digest[:12]}..., had {str(before)[:12]}... when the run began; "
                "restore the file, or start a new run"
            )


def _sha256(name: str) -> str:
    from fedkd.optimizers import read_theta

    theta = read_theta(name)
    form = json.dumps(dataclasses.asdict(theta.form))
    return hashlib.sha256(form.encode() + theta.vector.numpy().tobytes()).hexdigest()
