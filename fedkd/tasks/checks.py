"""Checks of a task's fields: one line with value, bound and fix."""

from __future__ import annotations

import math

from fedkd.errors import ConfigurationError


def require_positive(owner: str, name: str, value: float) -> None:
    """Refuse a value that is not a finite number above zero."""
    if not (value > 0 and math.isfinite(value)):
        raise ConfigurationError(f"{owner}: {name}={value} is not positive and finite; choose {name} > 0")


def require_not_negative(owner: str, name: str, value: float) -> None:
    """Refuse a value that is not a finite number of at least zero."""
    if not (value >= 0 and math.isfinite(value)):
        raise ConfigurationError(f"{owner}: {name}={value} is not in [0, inf); choose {name} >= 0")


def require_fraction(owner: str, name: str, value: float) -> None:
    """Refuse a value outside [0, 1]."""
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{owner}: {name}={value} is outside [0, 1]; choose 0 <= {name} <= 1")


def require_below_one(owner: str, name: str, value: float) -> None:
    """Refuse a value outside [0, 1)."""
    if not 0 <= value < 1:
        raise ConfigurationError(f"{owner}: {name}={value} is outside [0, 1); choose 0 <= {name} < 1")


def require_at_least(owner: str, name: str, value: int, least: int) -> None:
    """Refuse a count below its least value."""
    if value < least:
        raise ConfigurationError(f"{owner}: {name}={value} is below {least}; choose {name} >= {least}")


def require_within(owner: str, name: str, value: int, least: int, most: int) -> None:
    """Refuse a count outside [least, most]."""
    require_at_least(owner, name, value, least)
    if value > most:
        raise ConfigurationError(f"{owner}: {name}={value} exceeds {most}; choose {name} <= {most}")


def require_choice(owner: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is not one of the choices."""
    if value not in choices:
        raise ConfigurationError(f"{owner}: {name}={value!r} is unknown; choose one of {', '.join(choices)}")
