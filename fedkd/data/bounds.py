"""Range checks of configurable fields: each failure is one line with value, bound and fix."""

from __future__ import annotations

import math

from fedkd.errors import ConfigurationError

_MOST = 2**34


def at_least(config: object, field: str, bound: float) -> None:
    """Refuse ``config.field`` unless it is finite and >= bound."""
    value = getattr(config, field)
    if not bound <= value < math.inf:
        raise ConfigurationError(
            f"{type(config).__name__}: {field}={value} is not in [{bound}, inf); choose {field} >= {bound}"
        )


def within(config: object, field: str, low: int, high: int) -> None:
    """Refuse ``config.field`` unless it, or every item of it, is an integer in [low, high]."""
    value = getattr(config, field)
    items = value if isinstance(value, tuple) else (value,)
    if not all(low <= item <= high for item in items):
        shown = list(value) if isinstance(value, tuple) else value
        raise ConfigurationError(
            f"{type(config).__name__}: {field}={shown} is outside [{low}, {high}]; choose {field} in it"
        )


def fitting(config: object, fields: tuple[str, ...], numbers: int) -> None:
    """Refuse fields that ask for more numbers than a machine can hold."""
    if numbers > _MOST:
        given = ", ".join(f"{field}={getattr(config, field)}" for field in fields)
        raise ConfigurationError(
            f"{type(config).__name__}: {given} are {numbers} numbers, more than {_MOST}; choose smaller ones"
        )


def positive(config: object, field: str) -> None:
    """Refuse ``config.field`` unless it is finite and > 0."""
    value = getattr(config, field)
    if not 0 < value < math.inf:
        raise ConfigurationError(f"{type(config).__name__}: {field}={value} is not in (0, inf); choose {field} > 0")


def fraction(config: object, field: str) -> None:
    """Refuse ``config.field`` unless it is in [0, 1)."""
    value = getattr(config, field)
    if not 0 <= value < 1:
        raise ConfigurationError(f"{type(config).__name__}: {field}={value} is not in [0, 1); choose 0 <= {field} < 1")


def one_of(config: object, field: str, choices: tuple[str, ...]) -> None:
    """Refuse ``config.field`` unless it is one of the choices."""
    value = getattr(config, field)
    if value not in choices:
        raise ConfigurationError(
            f"{type(config).__name__}: {field}={value!r} is unknown; choose one of {', '.join(choices)}"
        )
