"""Every operator x every law x every input, exact laws on every set of kernels; a new operator is a row of table.py."""

import pytest

from fedkd_compression import kernels
from fedkd_compression.testing import INPUTS, LAWS, check_operator
from tests.laws.table import INPUTS_OF, OPERATORS

STATISTICAL = [law for law in LAWS if law.statistical]
EXACT = [law for law in LAWS if not law.statistical]
ON_THEIR_OWN = {"backends_agree", "devices_agree", "another_process_decodes", "any_bytes_decode_or_are_refused"}
"""Laws that choose the kernels themselves, and one that the fuzzer's harnesses check on every set."""
SHORT = (20, 21, 1, 0)
"""Dimensions on the other sets of kernels, which are slow; ``backends_agree`` is tried at all."""


def _inputs(name):
    return {each: INPUTS[each] for each in INPUTS_OF.get(name, INPUTS)}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", OPERATORS)
def test_exact_laws(name):
    check_operator(OPERATORS[name], inputs=_inputs(name), laws=EXACT)


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", [backend for backend in kernels.available() if backend not in ("numba", "triton")])
@pytest.mark.parametrize("name", OPERATORS)
def test_exact_laws_on_other_kernels(name, backend):
    laws = [law for law in EXACT if law.name not in ON_THEIR_OWN]
    with kernels.use(backend):
        check_operator(OPERATORS[name], inputs=_inputs(name), dims=SHORT, laws=laws)


@pytest.mark.theory
@pytest.mark.parametrize("name", OPERATORS)
def test_statistical_laws(name):
    check_operator(OPERATORS[name], inputs=_inputs(name), laws=STATISTICAL)
