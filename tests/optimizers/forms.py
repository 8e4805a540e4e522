"""Forms of every kind."""

from __future__ import annotations

import dataclasses
from typing import get_args

from fedkd.optimizers import BLACK_BOX, STAR_FORM
from fedkd.optimizers.form import Nominal

LOUD = {"nominal_step": 0.05, "nominal_exponent": 0.5, "free_step": 0.1, "free_exponent": 0.5}
"""At these scales every output of the network changes the first digits."""
LOUD_FORM = dataclasses.replace(STAR_FORM, weight_decay=0.1, **LOUD)
NOMINALS = {name: dataclasses.replace(STAR_FORM, nominal=name, **LOUD) for name in get_args(Nominal)}
FORMS = {
    "STAR": STAR_FORM,
    "black box": BLACK_BOX,
    **NOMINALS,
    "loud black box": dataclasses.replace(BLACK_BOX, free_step=0.1, free_exponent=0.5),
    "two heads, preconditioned": dataclasses.replace(STAR_FORM, heads=2, **LOUD),
    "three heads, not preconditioned": dataclasses.replace(STAR_FORM, preconditioned=False, **LOUD),
    "weight decay": LOUD_FORM,
}
