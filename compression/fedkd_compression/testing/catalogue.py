"""All laws, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd_compression.testing.backends import backends_agree, devices_agree
from fedkd_compression.testing.ends import (
    batch_is_loop,
    both_ends_agree,
    bytes_are_counted,
    input_is_unchanged,
    no_rows_give_no_frames,
    one_pass_is_two,
    same_key_same_bytes,
    strides_do_not_matter,
    zero_stays_zero,
)
from fedkd_compression.testing.processes import another_process_decodes
from fedkd_compression.testing.promises import (
    contexts_are_bins,
    has_fixed_size,
    is_additive,
    is_lossless,
    keeps_as_many_as_it_says,
    named_tensors_are_served,
    narrow_symbols_are_read,
    total_is_the_weighted_sum,
)
from fedkd_compression.testing.refusals import (
    any_bytes_decode_or_are_refused,
    refuses_damage,
    refuses_what_is_not_finite,
)
from fedkd_compression.testing.statistics import delta_holds, is_unbiased, omega_holds

if TYPE_CHECKING:
    from fedkd_compression.testing.law import Law

LAWS: tuple[Law, ...] = (
    both_ends_agree,
    one_pass_is_two,
    bytes_are_counted,
    same_key_same_bytes,
    batch_is_loop,
    no_rows_give_no_frames,
    strides_do_not_matter,
    input_is_unchanged,
    zero_stays_zero,
    refuses_what_is_not_finite,
    refuses_damage,
    any_bytes_decode_or_are_refused,
    is_lossless,
    is_additive,
    total_is_the_weighted_sum,
    has_fixed_size,
    narrow_symbols_are_read,
    keeps_as_many_as_it_says,
    contexts_are_bins,
    named_tensors_are_served,
    is_unbiased,
    omega_holds,
    delta_holds,
    backends_agree,
    devices_agree,
    another_process_decodes,
)
"""All laws; those that take longest come last."""
