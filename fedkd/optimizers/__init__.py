"""Learned optimizers: their formulas, what they have learned, and where they are used."""

from fedkd.optimizers.form import BLACK_BOX, STAR_FORM, Form
from fedkd.optimizers.fused import star_update_
from fedkd.optimizers.moments import Moments, before
from fedkd.optimizers.star import STAR
from fedkd.optimizers.theta import Theta, drawn, read_theta
from fedkd.optimizers.update import star_update

__all__ = [
    "BLACK_BOX",
    "STAR",
    "STAR_FORM",
    "Form",
    "Moments",
    "Theta",
    "before",
    "drawn",
    "read_theta",
    "star_update",
    "star_update_",
]
