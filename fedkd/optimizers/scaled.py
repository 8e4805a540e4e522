"""What was learned, with the sizes that a user asks for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from fedkd.errors import ConfigurationError
from fedkd.optimizers.theta import Theta

if TYPE_CHECKING:
    from fedkd.optimizers.form import Form


def scaled(theta: Theta, step_size: float, weight_decay: float) -> Theta:
    """The same numbers in a form whose steps are so many times as long.

    Args:
        theta: what was learned.
        step_size: multiplies both terms of the update, >= 0.
        weight_decay: takes the place of the form's.

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> scaled(theta, 2.0, 0.0).form.nominal_step == 2 * theta.form.nominal_step
        True
    """
    if not 0 <= step_size < math.inf:
        raise ConfigurationError(f"Star: step_size={step_size:g} is not in [0, inf); choose step_size = 1")
    form: Form = replace(
        theta.form,
        nominal_step=theta.form.nominal_step * step_size,
        free_step=theta.form.free_step * step_size,
        weight_decay=weight_decay,
    )
    return Theta(form, theta.vector)
