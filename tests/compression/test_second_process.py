"""A receiver in another process, with nothing but bytes, keys and operators by name, decodes the same rows."""

import json

import pytest

from fedkd_compression import Identity, Named
from fedkd_compression.testing import INPUTS, LAWS, check_operator
from fedkd_compression.testing.travel import NotTravellingError, packed, unpacked
from tests.laws.table import OPERATORS

LONG, SHORT = 5000, 20
(LAW,) = [law for law in LAWS if law.name == "another_process_decodes"]


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATORS)
def test_bytes_alone_are_enough(name):
    """One process serves all; where it could not, the warning would be an error."""
    dim = SHORT if name.startswith("per_tensor") else LONG
    inputs = {each: INPUTS[each] for each in ("heavy", "dense", "bfloat16", "float64")}
    check_operator(OPERATORS[name], inputs=inputs, dims=(dim,), laws=[LAW])


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_the_same_after_its_journey(name):
    there = unpacked(json.loads(json.dumps(packed(OPERATORS[name]))))
    assert there == OPERATORS[name]
    assert repr(there) == repr(OPERATORS[name])


@pytest.mark.parametrize(
    "value", [None, True, -7, 0.1, float("inf"), "x", (1, ("y", 2.5)), [1, (2,)], {"*": Identity()}, Named("w", (3, 4))]
)
def test_fields_keep_their_values_and_types(value):
    there = unpacked(json.loads(json.dumps(packed(value))))
    assert there == value
    assert repr(there) == repr(value)


def test_what_cannot_be_named_is_refused():
    with pytest.raises(NotTravellingError, match="make it a number"):
        packed(object())
    with pytest.raises(NotTravellingError, match="Nothing of module fedkd_compression is not importable"):
        unpacked({"class": ["fedkd_compression", "Nothing"], "fields": {}})
