"""Range checks of configurable fields: each failure is one line with value, bound and fix."""

from __future__ import annotations

import math

from fedkd.errors import ConfigurationError


def at_least(config: object, field: str, bound: float) -> None:
    """Refuse ``config.field`` unless it is finite and >= bound."""
    value = getattr(config, field)
    if not bound <= value < math.inf:
        raise ConfigurationError(
            f"{type(config).__name__}: {field}={value} is not in [{bound}, inf); choose {field} >= {bound}"
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
