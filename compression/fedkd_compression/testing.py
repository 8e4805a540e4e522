"""The laws that every operator obeys, as functions: run them on your own operator.

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
    def test_my_operator(law):
        law(MyOperator(), torch.randn(100), Key.of(0))

A law that an operator does not promise passes without a check. Each raises AssertionError with what was measured.
Statistical laws draw a fixed number of times from keys folded from the given one, and allow five standard errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from fedkd_compression.compressor import compress, decompress
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.keys import Key
from fedkd_compression.wire import sizes

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.operators.base import Operator

    Law = Callable[[Operator, Tensor, Key], None]

DRAWS = 2000
SIGMAS = 5.0
_DIRECTIONS = 32
_ROUNDING = 1e-4
"""Float32 rounding of a measured ratio."""


def both_ends_agree(operator: Operator, x: Tensor, key: Key) -> None:
    """The receiver decodes what the sender was told, bit for bit, in shape and dtype of x [d]."""
    frames, received = compress(operator, x[None], key)
    decoded = decompress(operator, frames, key, len(x))
    assert received.shape == decoded.shape == (1, len(x))
    assert received.dtype == decoded.dtype == x.dtype
    assert torch.equal(received, decoded), f"{operator}: the two ends differ by {(received - decoded).abs().max()}"


def bytes_are_counted(operator: Operator, x: Tensor, key: Key) -> None:
    """Header, side and body are the whole frame."""
    (frame,), _ = compress(operator, x[None], key)
    assert sizes(frame).total == len(frame)


def same_key_same_bytes(operator: Operator, x: Tensor, key: Key) -> None:
    """An operator is a function of rows and key."""
    assert compress(operator, x[None], key)[0] == compress(operator, x[None], key)[0]


def batch_is_loop(operator: Operator, x: Tensor, key: Key) -> None:
    """Rows of a batch do not meet."""
    keys = [key.fold(i) for i in range(3)]
    rows = torch.stack((x, -0.5 * x, torch.zeros_like(x)))
    frames, received = compress(operator, rows, Key.stack(keys))
    for i, own in enumerate(keys):
        (frame,), alone = compress(operator, rows[i : i + 1], own)
        assert frame == frames[i], f"{operator}: row {i} of a batch has other bytes than alone"
        assert torch.equal(alone[0], received[i])
    assert torch.equal(decompress(operator, frames, Key.stack(keys), len(x)), received)


def input_is_unchanged(operator: Operator, x: Tensor, key: Key) -> None:
    """Compressing writes nothing into its input."""
    before = x.clone()
    compress(operator, x[None], key)
    assert torch.equal(before, x)


def zero_stays_zero(operator: Operator, x: Tensor, key: Key) -> None:
    """C(0) = 0."""
    frames, received = compress(operator, torch.zeros_like(x)[None], key)
    assert not received.any()
    assert not decompress(operator, frames, key, len(x)).any()


def refuses_what_is_not_finite(operator: Operator, x: Tensor, key: Key) -> None:
    """NaN and infinity are refused, not sent."""
    for bad in (float("nan"), float("inf"), -float("inf")):
        row = x.clone()[None]
        row[0, -1] = bad
        try:
            compress(operator, row, key)
        except OperatorError:
            continue
        raise AssertionError(f"{operator}: a row with {bad} was sent")


def refuses_damage(operator: Operator, x: Tensor, key: Key) -> None:
    """A frame with a flipped bit, a frame cut short and a frame of another dimension are refused."""
    (frame,), _ = compress(operator, x[None], key)
    places = range(0, len(frame), max(1, len(frame) // 100))
    damaged = [frame[:at] + bytes((frame[at] ^ 1 << at % 8,)) + frame[at + 1 :] for at in places]
    for data in (*damaged, *(frame[:at] for at in places), frame + b"\0"):
        _refused(operator, data, key, len(x))
    _refused(operator, frame, key, len(x) + 1)


def is_lossless(operator: Operator, x: Tensor, key: Key) -> None:
    """A lossless operator gives the sent bits."""
    if operator.traits.lossless:
        frames, _ = compress(operator, x[None], key)
        assert torch.equal(decompress(operator, frames, key, len(x))[0], x)


def is_unbiased(operator: Operator, x: Tensor, key: Key) -> None:
    """E C(x) = x along random directions, and along x, within five standard errors."""
    if not operator.traits.unbiased or not x.any():
        return
    exact = x.double()
    errors = (_drawn(operator, x, key) - exact) / exact.abs().max()
    signs = 2.0 * (key.fold("directions").uniforms(_DIRECTIONS * len(x)) < 0.5) - 1
    directions = torch.cat((signs.reshape(_DIRECTIONS, len(x)).double(), (exact / exact.abs().max())[None]))
    along = errors @ directions.T
    excess = along.mean(0).abs() - SIGMAS * along.std(0) / DRAWS**0.5 - _ROUNDING
    assert excess.max() <= 0, f"{operator}: biased by {float(excess.max()):g} of the peak more than chance allows"


def omega_holds(operator: Operator, x: Tensor, key: Key) -> None:
    """E|C(x) - x|^2 <= omega |x|^2; with equality when the operator's traits say exact."""
    omega = operator.omega(len(x))
    if omega is None or not x.any():
        return
    mean, error = _ratio(operator, x, key)
    slack = SIGMAS * error + _ROUNDING * (omega + _ROUNDING)
    assert mean <= omega + slack, f"{operator}: |C(x)-x|^2/|x|^2 = {mean:g} +- {error:g} exceeds omega = {omega:g}"
    if operator.traits.exact:
        assert mean >= omega - slack, f"{operator}: |C(x)-x|^2/|x|^2 = {mean:g} +- {error:g} is below omega = {omega:g}"


def delta_holds(operator: Operator, x: Tensor, key: Key) -> None:
    """E|C(x) - x|^2 <= (1 - delta) |x|^2 for a contractive operator."""
    delta = operator.delta(len(x))
    if delta is None or not x.any():
        return
    mean, error = _ratio(operator, x, key)
    bound = (1 - delta) * (1 + _ROUNDING) + SIGMAS * error
    assert mean <= bound, f"{operator}: |C(x)-x|^2/|x|^2 = {mean:g} +- {error:g} exceeds 1 - delta = {1 - delta:g}"


def is_additive(operator: Operator, x: Tensor, key: Key) -> None:
    """C(x) + C(y) = C(x + y) under one key, up to rounding."""
    if not operator.traits.additive:
        return
    y = x.flip(0) * 0.5
    parts = [compress(operator, row[None], key)[1] for row in (x, y, x + y)]
    rounding = 1e-2 if x.dtype.itemsize == 2 else 1e-5
    scale = float(sum(part.abs().max() for part in parts))
    assert (parts[0] + parts[1] - parts[2]).abs().max() <= rounding * scale


def has_fixed_size(operator: Operator, x: Tensor, key: Key) -> None:
    """The size of a frame does not depend on the values."""
    if operator.traits.fixed_size:
        rows = (x, -x.sort().values, torch.zeros_like(x))
        assert len({len(compress(operator, row[None], key)[0][0]) for row in rows}) == 1


LAWS: tuple[Law, ...] = (
    both_ends_agree,
    bytes_are_counted,
    same_key_same_bytes,
    batch_is_loop,
    input_is_unchanged,
    zero_stays_zero,
    refuses_what_is_not_finite,
    refuses_damage,
    is_lossless,
    is_unbiased,
    omega_holds,
    delta_holds,
    is_additive,
    has_fixed_size,
)


def _drawn(operator: Operator, x: Tensor, key: Key) -> Tensor:
    """Received rows, float64 [DRAWS, d], each from a key of its own."""
    rows = (x if x.dtype in (torch.float32, torch.float64) else x.float()).repeat(DRAWS, 1)
    keys = Key.stack([key.fold("draw", i) for i in range(DRAWS)])
    return operator.transmit(rows, keys)[1].double()


def _ratio(operator: Operator, x: Tensor, key: Key) -> tuple[float, float]:
    """Mean of |C(x) - x|^2/|x|^2 and its standard error."""
    exact = x.double()
    # Divided by the largest coordinate, so that squares of tiny and huge ones stay in range.
    scaled = (_drawn(operator, x, key) - exact) / exact.abs().max()
    ratios = scaled.square().sum(1) / (exact / exact.abs().max()).square().sum()
    return float(ratios.mean()), float(ratios.std()) / DRAWS**0.5


def _refused(operator: Operator, data: bytes, key: Key, dim: int) -> None:
    try:
        decompress(operator, [data], key, dim)
    except WireError:
        return
    raise AssertionError(f"{operator}: a frame of {len(data)} bytes that nobody sent was decoded")
