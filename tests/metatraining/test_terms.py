"""What may be asked for; what may not is said in one line with the value, the bound and the fix."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from safetensors import safe_open

from fedkd.errors import ConfigurationError
from fedkd.metatraining.families import FAMILIES
from fedkd.metatraining.kept import FREE
from fedkd.metatraining.terms import ROLES, Terms
from fedkd.optimizers import STAR_FORM, read_theta
from fedkd.optimizers.theta import HOME
from sims import options

WRONG = {
    "families=digits,cats": "families=cats: unknown family; choose some of digits, ",
    "families=": "number of families=0 is not in [1, inf); choose number of families >= 1",
    "particles=0": "particles=0 is not in [1, inf); choose particles >= 1",
    "steps=-1": "steps=-1 is not in [1, inf)",
    "truncation=0": "truncation=0 is not in [1, inf)",
    "shortest=0": "shortest=0 is not in [1, inf)",
    "longest=99": "longest=99 is not in [100, inf); choose longest >= 100",
    "checkpoint_every=0": "checkpoint_every=0 is not in [1, inf)",
    "warm_up=-1": "warm_up=-1 is not in [0, inf)",
    "output=": "output is empty; choose the name of a folder",
    "seed=-1": "seed=-1 is not in [0, inf)",
    "decay=-1e-3": "decay=-0.001 is not in [0, inf)",
    "decay=nan": "decay=nan is not in [0, inf); choose decay >= 0",
    "decay=inf": "decay=inf is not in [0, inf)",
    "sigma=0": "sigma=0 is not positive; choose sigma > 0",
    "sigma=nan": "sigma=nan is not positive",
    "rate=inf": "rate=inf is not positive",
    "clip=-1": "clip=-1 is not positive",
    "preconditioned=2": "preconditioned=2 is neither 0 nor 1; choose 1",
    "nominal=LAMB": "nominal=LAMB is unknown; choose one of SGD, ",
    "nominal_step=nan": "nominal_step=nan is not in [0, inf)",
    "exponent=-1": "exponent=-1 is not in [0, inf)",
    "free_step=inf": "free_step=inf is not in [0, inf)",
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_value_is_one_line(argument: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options.read(Terms, [argument], {})
    assert WRONG[argument] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "; choose " in str(caught.value)


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_allowed_and_each_role_has_its_own_folder(role: str) -> None:
    terms = ROLES[role]()
    assert set(terms.families) <= set(FAMILIES)
    assert terms.output == f"runs/metatrain/{role}"
    assert asdict(terms).keys() == asdict(Terms()).keys()


def test_the_form_is_what_was_asked_for() -> None:
    form = Terms(nominal="SGDM", nominal_step=0.1, exponent=0.2, free_step=1e-4, preconditioned=0).form()
    assert (form.nominal, form.nominal_step, form.free_step) == ("SGDM", 0.1, 1e-4)
    assert (form.nominal_exponent, form.free_exponent) == (0.2, 0.2)
    assert (form.preconditioned, form.heads, form.weight_decay) == (False, 3, 0.0)
    assert Terms().form().size == STAR_FORM.size


def test_without_a_nominal_term_there_are_two_heads() -> None:
    form = Terms(nominal_step=0.0).form()
    assert (form.heads, form.nominal_step, form.size) == (2, 0.0, 197)


@pytest.mark.parametrize("role", ROLES)
def test_what_comes_with_the_package_learned_on_the_terms_of_today(role: str) -> None:
    """Else the documented command would give another theta."""
    with safe_open(HOME / f"{role}.safetensors", "pt") as file:
        told = file.metadata()
    now = {name: value for name, value in asdict(ROLES[role]()).items() if name not in FREE}
    assert json.loads(told["terms"]) == json.loads(json.dumps(now))
    assert told["step"] == str(now["steps"])
    assert read_theta(role).form == ROLES[role]().form()
