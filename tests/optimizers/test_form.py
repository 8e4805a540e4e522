"""What a form counts, and what it refuses."""

from __future__ import annotations

import dataclasses
import math

import pytest

from fedkd.errors import ConfigurationError
from fedkd.optimizers import BLACK_BOX, STAR_FORM


@pytest.mark.parametrize(("form", "heads", "size"), [(STAR_FORM, 3, 202), (BLACK_BOX, 2, 197)])
def test_the_numbers_to_be_learned_are_counted_from_the_layers(form, heads, size):
    """Offsets of 7 decays; 39 inputs, 4 units, 4 units, heads; a bias each."""
    assert form.layers == ((39, 4), (4, 4), (4, heads))
    assert form.size == size == 7 + (39 * 4 + 4) + (4 * 4 + 4) + (4 * heads + heads)


def test_the_two_forms_are_those_of_the_paper():
    assert (STAR_FORM.nominal, STAR_FORM.preconditioned) == ("AdamAggMo", True)
    assert STAR_FORM.nominal_step > 0
    assert (BLACK_BOX.nominal_step, BLACK_BOX.preconditioned) == (0, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nominal": "Lion"}, "Form: nominal=Lion is unknown; choose one of SGD, SGDM, AggMo, Adam, AdamAggMo"),
        ({"heads": 4}, "Form: heads=4 is neither 2 nor 3; choose heads = 3"),
        ({"weight_decay": 1.0}, "Form: weight_decay=1 is outside [0, 1); choose 0"),
        ({"weight_decay": -0.1}, "Form: weight_decay=-0.1 is outside [0, 1); choose 0"),
        ({"weight_decay": math.nan}, "Form: weight_decay=nan is outside [0, 1); choose 0"),
        *(
            ({name: value}, f"Form: {name}={value:g} is not in [0, inf); choose {name} >= 0")
            for name in ("nominal_step", "nominal_exponent", "free_step", "free_exponent")
            for value in (-1e-3, math.inf, math.nan)
        ),
    ],
)
def test_wrong_values_are_named_in_one_line(change, message):
    with pytest.raises(ConfigurationError) as refused:
        dataclasses.replace(STAR_FORM, **change)
    assert str(refused.value) == message


@pytest.mark.parametrize("name", ["nominal_step", "nominal_exponent", "free_step", "free_exponent", "weight_decay"])
def test_any_scale_may_be_zero(name):
    assert getattr(dataclasses.replace(STAR_FORM, **{name: 0.0}), name) == 0
