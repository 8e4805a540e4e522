"""Groups of particles: pairs, lengths, tasks one after another, losses that break, and going on to the same bits."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.metatraining.evolution import noise
from fedkd.metatraining.families import Family, Networks, Quadratics
from fedkd.metatraining.unrolls import Lengths, Losses, Unrolls
from fedkd.optimizers import STAR_FORM, Theta, before, drawn, star_update
from fedkd_compression import Key
from tests.metatraining.plain import CURVED, START, Breaking, Kept, Plain

STREAM = key(7, "optimizer")
QUADRATICS = Quadratics(4, 2, 0.1, 0.1)
SHORT = Lengths(2, 2, 12)


def thetas(count: int, at: int, sigma: float = 0.01, dtype: torch.dtype = torch.float64) -> Tensor:
    """Theta with another noise in every truncation, above and below."""
    vector = drawn(STAR_FORM, STREAM, torch.float64).vector
    eps = noise(STREAM.fold("noise", at).spread(count), STAR_FORM.size, sigma)
    return torch.cat((vector + eps, vector - eps)).to(dtype)


def advanced(unrolls: Unrolls, truncations: range, dtype: torch.dtype = torch.float64) -> list[Losses]:
    return [unrolls.advance(thetas(unrolls.count, at, dtype=dtype), at) for at in truncations]


def same(one: list[Losses], other: list[Losses]) -> bool:
    return all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize(("share", "truncations"), [(0.0, 5), (0.5, 16), (1 - 2**-24, 50)])
def test_lengths_by_hand(share: float, truncations: int) -> None:
    """100, sqrt(100 1000) = 316.2, and 1000 steps, in truncations of 20."""
    assert Lengths(20, 100, 1000).truncations(share) == truncations


def test_lengths_are_log_uniform_within_their_bounds() -> None:
    lengths = [Lengths(1, 10, 10_000).truncations(share / 3000) for share in range(3000)]
    assert (min(lengths), max(lengths)) == (10, 9978)
    assert [sum(length <= bound for length in lengths) for bound in (100, 1000)] == [1001, 2001]
    assert Lengths(30, 7, 7).truncations(0.3) == 1


def test_both_of_a_pair_have_the_same_start_and_batches() -> None:
    x, y = noise(STREAM.spread(50), 6, 1.0).float(), torch.arange(50) % 3
    families: list[Family] = [QUADRATICS, Networks(x, y, (4,), 8)]
    for family in families:
        unrolls = Unrolls(family, STAR_FORM, SHORT, STREAM, 5)
        for at in range(8):
            _, above, below = unrolls.advance(thetas(5, at, 0.0, torch.float32), at)
            assert torch.equal(above, below)
            assert len(set(above.tolist())) == 5


def test_models_are_moved_by_their_own_theta_at_their_own_time() -> None:
    """As one model alone is, by the formulas: the mean logarithms of its losses, task after task."""
    unrolls = Unrolls(Plain(), STAR_FORM, SHORT, STREAM, 3)
    params, state, done = [[START]] * 6, [[before(START)]] * 6, [0] * 6
    for at in range(10):
        vectors = thetas(3, at, 0.3)
        begins, above, below = unrolls.advance(vectors, at)
        for model, found in enumerate([*above.tolist(), *below.tolist()]):
            if begins[model % 3]:
                params[model], state[model], done[model] = [START], [before(START)], 0
            logs = []
            for _ in range(SHORT.truncation):
                slope = CURVED @ params[model][0]
                logs.append(math.log(0.5 * float((params[model][0] * slope).sum()) + Plain.floor))
                own = Theta(STAR_FORM, vectors[model])
                params[model], state[model] = star_update(own, state[model], params[model], [slope], done[model])
                done[model] += 1
            assert found == pytest.approx(sum(logs) / SHORT.truncation, rel=1e-9)


def test_tasks_follow_each_other_and_last_as_long_as_their_stream_says() -> None:
    """Each a function of its group, place and number; the first ends early, so that particles are staggered."""
    family, count = Kept(), 40
    unrolls = Unrolls(family, STAR_FORM, SHORT, STREAM, count)
    family.begun.clear()
    began: dict[int, list[int]] = {place: [] for place in range(count)}
    for at in range(20):
        for place in unrolls.advance(thetas(count, at), at).begins.nonzero().flatten().tolist():
            began[place].append(at)
    assert Counter(family.begun) == Counter(
        STREAM.fold("task", place, number) for place, times in began.items() for number in range(len(times))
    )
    for place, times in began.items():
        whole = [
            SHORT.truncations(float(STREAM.fold("task", place, number).fold("length").uniforms(1)[0, 0]))
            for number in range(len(times))
        ]
        lasted = [after - before for before, after in pairwise(times)]
        assert times[0] == 0
        assert lasted[0] <= whole[0]
        assert lasted[1:] == whole[1 : len(lasted)]
    assert len({times[1] for times in began.values()}) > 3


def test_first_tasks_end_at_any_time_so_that_particles_are_staggered() -> None:
    """Of ten truncations each: some end after one, some after ten, all about equally often; later ones after ten."""
    unrolls = Unrolls(Plain(), STAR_FORM, Lengths(1, 10, 10), STREAM, 200)
    begun = torch.stack([losses.begins for losses in advanced(unrolls, range(30))])
    second = 1 + begun[1:].double().argmax(0)
    counts = second.bincount(minlength=11)
    assert len(counts) == 11
    assert not counts[0]
    # A share of a tenth of 200 has a deviation of 4.2.
    assert ((counts[1:] - 20).abs() < 5 * 4.3).all()
    assert counts[1:].all()
    places = torch.arange(200)
    assert begun[second + 10, places].all()
    assert (begun[:21].sum(0) == 3).all()


def test_losses_count_as_no_more_than_the_ceiling() -> None:
    class Low(Plain):
        ceiling = 0.1

    (losses,) = advanced(Unrolls(Low(), STAR_FORM, SHORT, STREAM, 2), range(1))
    expected = torch.full((2,), math.log(0.1 + Low.floor), dtype=torch.float64)
    torch.testing.assert_close(losses.above, expected)
    torch.testing.assert_close(losses.below, expected)


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("slope", [False, True])
def test_a_loss_that_is_not_finite_counts_as_the_ceiling_and_ends_the_task(below: bool, slope: bool) -> None:
    """From step 1 of truncation 2 on with a gradient that breaks, there alone with a loss; others keep their bits."""
    count, lengths = 3, Lengths(3, 30, 30)
    model = 1 + count * below
    whole = Unrolls(Kept(), STAR_FORM, lengths, STREAM, count)
    broken = Unrolls(Breaking(model, 2 * 3 + 1, slope), STAR_FORM, lengths, STREAM, count)
    runs = [advanced(unrolls, range(5)) for unrolls in (whole, broken)]
    steps = Unrolls(Kept(), STAR_FORM, Lengths(1, 30, 30), STREAM, count)
    expected = _single_steps(steps, 3)
    for at, (one, other) in enumerate(zip(*runs, strict=True)):
        for name in ("begins", "above", "below"):
            for place in range(count):
                if place != 1 or at < 2:
                    assert getattr(one, name)[place] == getattr(other, name)[place]
    ceiling = math.log(Plain.ceiling + Plain.floor)
    first, second, third = expected[2][model]
    counted = (first + second + ceiling) / 3 if slope else (first + ceiling + third) / 3
    side = "below" if below else "above"
    assert float(getattr(runs[1][2], side)[1]) == pytest.approx(counted, rel=1e-12)
    assert [bool(losses.begins[1]) for losses in runs[1]] == [True, False, False, True, False]
    begun = [bool(losses.begins[1]) for losses in runs[0]]
    assert begun == [True, False, False, False, False]
    again = STREAM.fold("task", 1, 1)
    level = (0.5 + float(again.uniforms(1)[0, 0])) ** 2 * 0.5 * float((START * (CURVED @ START)).sum())
    for losses in (runs[1][3].above, runs[1][3].below):
        assert float(losses[1]) == pytest.approx(math.log(level + Plain.floor), abs=0.2)


def _single_steps(unrolls: Unrolls, truncation: int) -> list[list[list[float]]]:
    """The logarithms of all losses, by truncation, model and step: of a group whose truncations are single steps."""
    found = []
    for at in range(3):
        rows = [unrolls.advance(thetas(unrolls.count, at), 0) for _ in range(truncation)]
        found.append(torch.stack([torch.cat((row.above, row.below)) for row in rows], 1).tolist())
    return found


@pytest.mark.parametrize("family", [QUADRATICS, Breaking(1, 5, True)], ids=["quadratics", "breaking"])
def test_a_group_goes_on_to_the_same_bits(family: Family) -> None:
    dtype = torch.float32 if family is QUADRATICS else torch.float64
    unrolls = Unrolls(family, STAR_FORM, SHORT, STREAM, 4)
    advanced(unrolls, range(3), dtype)
    kept = {name: part.clone() for name, part in unrolls.state().items()}
    rest = advanced(unrolls, range(3, 12), dtype)
    other = Unrolls(family, STAR_FORM, SHORT, STREAM, 4)
    advanced(other, range(1), dtype)
    other.restore(kept)
    assert same(advanced(other, range(3, 12), dtype), rest)
    assert all(torch.equal(part, unrolls.state()[name]) for name, part in other.state().items())


def test_truncations_have_their_own_batches_and_groups_their_own_tasks() -> None:
    def found(stream: Key, truncation: int) -> Tensor:
        unrolls = Unrolls(QUADRATICS, STAR_FORM, SHORT, stream, 2)
        return unrolls.advance(thetas(2, 0, dtype=torch.float32), truncation).above

    assert torch.equal(found(STREAM, 0), found(STREAM, 0))
    assert not torch.equal(found(STREAM, 0), found(STREAM, 1))
    assert not torch.equal(found(STREAM, 0), found(STREAM.fold(1), 0))
