"""A law that cannot fail checks nothing: for each there is an operator that breaks it, or a package that would."""

from dataclasses import dataclass

import pytest
import torch

from fedkd_compression import Key, OperatorError, RandK
from fedkd_compression.testing import EXTREME, INPUTS, LAWS, NotCheckedWarning, backends, check_operator, ends, laws_of
from fedkd_compression.testing import refusals as refusing
from fedkd_compression.wire import Sizes
from tests.laws import broken

BY_NAME = {law.name: law for law in LAWS}
BROKEN = [
    ("both_ends_agree", broken.Counting()),
    ("one_pass_is_two", broken.TwoPasses()),
    ("same_key_same_bytes", broken.Counting()),
    ("batch_is_loop", broken.Batched()),
    ("strides_do_not_matter", broken.Counting()),
    ("input_is_unchanged", broken.Overwriting()),
    ("zero_stays_zero", broken.Sent(shift=1.0)),
    ("is_lossless", broken.FalselyLossless(factor=0.5)),
    ("is_additive", broken.Sent(shift=1.0)),
    ("total_is_the_weighted_sum", broken.WrongTotal()),
    ("has_fixed_size", broken.Growing()),
    ("narrow_symbols_are_read", broken.Overflowing()),
    ("keeps_as_many_as_it_says", broken.Keeping()),
    ("contexts_are_bins", broken.Misfit()),
    ("named_tensors_are_served", broken.BadlyShaped()),
    ("is_unbiased", broken.Sent(factor=0.9)),
    ("omega_holds", broken.Sent(factor=0.5, stated_omega=0.2)),
    ("omega_holds", broken.Sent(factor=0.5, stated_omega=0.3)),
    ("delta_holds", broken.Sent(factor=0.5, stated_omega=None, stated_delta=0.8)),
    ("delta_holds", broken.Sent(factor=0.5, stated_omega=None, stated_delta=0.7)),
    ("backends_agree", broken.OfTheKernels()),
    ("another_process_decodes", broken.OfTheProcess()),
]
BY_THE_PACKAGE = {
    "no_rows_give_no_frames",
    "bytes_are_counted",
    "refuses_what_is_not_finite",
    "refuses_damage",
    "any_bytes_decode_or_are_refused",
    "devices_agree",
}


def test_every_law_can_fail():
    assert {name for name, _ in BROKEN} | BY_THE_PACKAGE == set(BY_NAME)


@pytest.mark.parametrize(("name", "operator"), BROKEN, ids=lambda part: part if isinstance(part, str) else repr(part))
def test_a_broken_operator_breaks_its_law(name, operator):
    with pytest.raises(AssertionError, match=f"breaks 1 of 1 laws\n  {name}: "):
        check_operator(operator, laws=[BY_NAME[name]])


@pytest.mark.parametrize(
    ("name", "module", "function", "instead"),
    [
        ("no_rows_give_no_frames", ends, "compress", lambda operator, rows, key: ([b""], rows)),
        ("bytes_are_counted", ends, "sizes", lambda frame: Sizes(0, 0, 0)),
        ("refuses_what_is_not_finite", refusing, "compress", lambda operator, rows, key: ([b""], rows)),
        ("refuses_damage", refusing, "decompress", lambda operator, frames, key, dim: torch.zeros(1, dim)),
        ("any_bytes_decode_or_are_refused", refusing, "decompress", lambda operator, frames, key, dim: torch.zeros(0)),
        ("any_bytes_decode_or_are_refused", refusing, "decompress", lambda operator, frames, key, dim: frames[dim]),
    ],
)
def test_a_package_that_does_not_hold_its_part_breaks_the_law(name, module, function, instead, monkeypatch):
    monkeypatch.setattr(module, function, instead)
    with pytest.raises(AssertionError, match=name):
        check_operator(RandK(k=2), laws=[BY_NAME[name]])


def test_a_device_that_computes_something_else_breaks_the_law(monkeypatch):
    monkeypatch.setattr(backends, "on_devices", lambda: (backends.Place("numpy", "cpu"),))
    operator = broken.OfTheKernels()
    monkeypatch.setattr(broken.OfTheKernels, "traits", broken.Traits(anywhere=True))
    with pytest.raises(AssertionError, match="numpy on cpu"):
        check_operator(operator, laws=[BY_NAME["devices_agree"]])


def test_the_error_lists_every_broken_law_with_its_inputs_and_what_was_measured():
    with pytest.raises(AssertionError) as error:
        check_operator(broken.Sent(shift=1.0), laws=[BY_NAME[name] for name in ("both_ends_agree", "zero_stays_zero")])
    lines = str(error.value).splitlines()
    assert lines[0].startswith("Sent(shift=1.0")
    assert lines[0].endswith("breaks 1 of 2 laws")
    assert lines[1] == "  zero_stays_zero: C(0) = 0 at both ends."
    assert lines[2].startswith("    a row of zeros came back with 1 [dense-20, heavy-20, one_hot-20 and 13 more]")
    assert len(lines) == 3


def test_a_broken_operator_may_raise_anything():
    with pytest.raises(AssertionError, match="IndexError: index 9 is out of bounds"):
        check_operator(broken.Raising(), laws=[BY_NAME["both_ends_agree"]])


@pytest.mark.parametrize("name", sorted(EXTREME))
def test_extreme_rows_may_be_refused(name):
    check_operator(Refusing(name=name), inputs={name: INPUTS[name]}, laws=LAWS[:3])


def test_ordinary_rows_may_not_be_refused():
    with pytest.raises(AssertionError, match="OperatorError: Refusing: not this one"):
        check_operator(Refusing(name="dense"), laws=LAWS[:3])


def test_dimensions_that_the_operator_refuses_are_left_out():
    assert {case.dim for case in laws_of(RandK(k=21))} == {300, 21}


def test_an_operator_that_serves_no_dimension_is_not_passed_over():
    with pytest.raises(AssertionError, match=r"serves none of the dimensions \(20, 1\); give dims that it serves"):
        check_operator(RandK(k=30), dims=(20, 1))


def test_laws_that_are_not_promised_are_no_cases():
    assert not [case for case in laws_of(RandK(k=2)) if case.law.name in {"is_lossless", "delta_holds"}]
    BY_NAME["is_lossless"](RandK(k=2), torch.ones(5), Key.of(0))


def test_a_class_that_another_process_cannot_import_is_noted():
    @dataclass(frozen=True)
    class Local(broken.Sent):
        pass

    with pytest.warns(NotCheckedWarning, match="not importable"):
        check_operator(Local(), laws=[BY_NAME["another_process_decodes"]])


def test_a_field_that_cannot_be_named_is_noted():
    with pytest.warns(NotCheckedWarning, match="a field is <object object"):
        check_operator(
            broken.Sent(shift=0.0, factor=1.0, stated_delta=object()), laws=[BY_NAME["another_process_decodes"]]
        )


@dataclass(frozen=True)
class Refusing(broken.Sent):
    """Refuses one of the inputs."""

    name: str = ""

    def encode(self, rows, key):
        if torch.equal(rows[0], INPUTS[self.name](rows.shape[1])):
            raise OperatorError("Refusing: not this one")
        return super().encode(rows, key)
