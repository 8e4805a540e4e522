"""Systems and untrained updates on noisy quadratics: moments against courses and closed forms; the study when quick."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedkd.optimizers import BLACK_BOX, STAR_FORM
from sims.found import Found
from sims.plots import drawn, save
from sims.star import quadratic, untrained
from sims.star.systems import Systems, skewed, turned

pytestmark = pytest.mark.xdist_group("star_quadratic")
SIGMAS = 5


@pytest.fixture(scope="module")
def found() -> Found:
    return quadratic.quadratics(quick=True)


def stable(count: int) -> Systems:
    """Some of them with a P that is not symmetric."""
    draws = np.random.default_rng(3)
    hessian, alpha = turned(draws.uniform(0.2, 1, (count, 3)), draws), np.full(count, 0.8)
    return Systems(hessian, 0.2 * draws.standard_normal((count, 3, 3)), alpha)


def test_a_step_is_taken_by_alpha_i_plus_p() -> None:
    draws = np.random.default_rng(0)
    systems, phi = stable(4), draws.standard_normal((4, 3))
    found = systems.simulated(phi, 0.0, 1, draws)
    for at in range(4):
        H, P, alpha = systems.hessian[at], systems.learned[at], systems.nominal[at]
        after = phi[at] - (alpha * np.eye(3) + P) @ (H @ phi[at])
        np.testing.assert_allclose(systems.transition[at] @ phi[at], after, rtol=1e-13)
        np.testing.assert_allclose(found[:, at], [0.5 * x @ H @ x for x in (phi[at], after)], rtol=1e-13)


def test_expected_losses_are_means_of_courses() -> None:
    copies, steps = 4000, 12
    one = stable(1)
    many = Systems(*(np.repeat(part, copies, 0) for part in (one.hessian, one.learned, one.nominal)))
    start = np.array([[1.0, -0.5, 0.2]])
    losses = many.simulated(np.repeat(start, copies, 0), 0.7, steps, np.random.default_rng(1))
    expected = one.expected(start, 0.7, steps)[:, 0]
    error = losses.std(1, ddof=1) / copies**0.5
    assert expected[0] == losses[0, 0]
    assert (np.abs(losses.mean(1) - expected)[1:] < SIGMAS * error[1:]).all()


def test_of_one_coordinate_the_limit_is_known() -> None:
    """With a = 1 - (alpha + p) h: E phi^2 = noise^2 (1 - a)^2 / (1 - a^2)."""
    h, p, alpha = np.array([0.5, 1.0, 1.0]), np.array([-0.1, 0.2, 1.3]), np.array([0.3, 0.3, 0.5])
    systems, a = Systems(h[:, None, None], p[:, None, None], alpha), 1 - (alpha + p) * h
    np.testing.assert_allclose(systems.radius, np.abs(a))
    limit = 0.1**2 * (1 - a) ** 2 / (1 - a**2)
    np.testing.assert_allclose(systems.stationary(0.1)[:, 0, 0], limit, rtol=1e-12)
    np.testing.assert_allclose(systems.settled(0.1), 0.5 * h * limit, rtol=1e-12)


def test_expected_losses_settle_at_the_limit() -> None:
    systems = stable(50)
    assert systems.radius.max() < 1
    last = systems.expected(np.ones((50, 3)), 0.3, 2000)[-1]
    np.testing.assert_allclose(last, systems.settled(0.3), rtol=1e-9)


@pytest.mark.parametrize("matrices", [turned, skewed])
def test_matrices_have_the_eigenvalues_that_were_asked_for(matrices: quadratic.Matrices) -> None:
    values = np.sort(np.random.default_rng(4).uniform(-1, 1, (20, 4)), 1)
    found = matrices(values, np.random.default_rng(5))
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(found).real, 1), values, atol=1e-9)
    symmetric = np.abs(found - found.swapaxes(1, 2)).max() < 1e-12
    assert symmetric == (matrices is turned)


def test_settings_share_h_and_p_but_for_its_size() -> None:
    small, large = quadratic.systems(0.0, 0.1, 10), quadratic.systems(0.5, 0.3, 10)
    np.testing.assert_array_equal(small.hessian, large.hessian)
    np.testing.assert_allclose(3 * small.learned, large.learned, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(small.hessian)[:, -1], 1)


def test_without_a_nominal_term_shrinking_p_makes_no_system_stable(found: Found) -> None:
    """But with one, it does; sizes up to which nothing reaches the upper bound."""
    settings = found.numbers["settings"]
    assert settings["P alone"]["stable"] == settings["P shrunk"]["stable"] < 0.2
    assert settings["nominal term"]["stable"] > 0.7
    assert settings["nominal term, P shrunk"]["stable"] == 1
    for name, each in settings.items():
        assert len(each["median"]) == len(each["cut mean"]) == quadratic.STEPS + 1, name
        assert max(each["cut mean"]) <= quadratic.CUT


def test_a_larger_nominal_term_keeps_more_systems_stable(found: Found) -> None:
    """Of small P; at every size of a symmetric P less than 1."""
    small = np.stack(list(found.numbers["shares"].values()))[:, quadratic.SIZES < 1]
    assert (np.diff(small, axis=0) >= 0).all()
    assert (np.diff(small, axis=1) <= 0).all()


def test_bounds_show_in_the_shares_of_stable_systems(found: Found) -> None:
    near = {name: np.array(each) for name, each in found.numbers["near bounds"].items()}
    within = quadratic.BEYOND < 0
    for end in ("smallest", "largest"):
        assert (near[f"{end}, P symmetric"][within] == 1).all()
        assert (near[f"{end}, any P"][within] < 1).all()
    assert not near["smallest, P symmetric"][~within].any()
    assert near["largest, P symmetric"][~within].min() > 0


def test_forms_and_scales_of_a_seed_meet_the_same_quadratic() -> None:
    starts = [untrained.losses(form, 3, 1)[0] for form in untrained.FORMS.values()]
    for start in starts:
        np.testing.assert_array_equal(start, np.broadcast_to(starts[0][:, :1], start.shape))
    assert len(set(starts[0][:, 0])) == 3


def test_at_scale_zero_forms_without_a_nominal_term_stay_and_the_others_are_the_nominal_term(found: Found) -> None:
    assert untrained.SCALES[0] == 0
    last = {name: np.array(each)[:, 0] for name, each in found.numbers["untrained"].items()}
    np.testing.assert_allclose(last["no nominal term"], 1, rtol=1e-12)
    np.testing.assert_allclose(last["black box"], 1, rtol=1e-12)
    np.testing.assert_allclose(last["not preconditioned"], last["STAR"], rtol=1e-12)
    assert (last["STAR"] < 1).all()


def test_an_untrained_black_box_diverges_at_scales_at_which_star_does_not() -> None:
    course = {form: untrained.losses(form, 6, 300)[-1] for form in (STAR_FORM, BLACK_BOX)}
    at = untrained.SCALES.index(5.0)
    assert np.median(course[STAR_FORM][:, at]) < 0.5 * np.median(course[BLACK_BOX][:, at])


def test_what_is_not_finite_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    course = np.ones((11, 1, 4))
    course[-1] = [2, np.inf, np.nan, 1e300]
    monkeypatch.setattr(untrained, "losses", lambda form, seeds, steps: course)
    for each in untrained.ends(1, 10).values():
        assert each.tolist() == [[2, untrained.MOST, untrained.MOST, untrained.MOST]]


def test_the_study_is_the_same_every_time_and_can_be_shown(found: Found, tmp_path: Path) -> None:
    again = quadratic.quadratics(quick=True)
    assert json.dumps(found.numbers, allow_nan=False) == json.dumps(again.numbers)
    assert save(drawn(found.panels, 2), tmp_path / "quadratics.png").startswith(b"\x89PNG")
    for table in found.tables:
        assert {len(row) for row in table.rows} == {len(table.headings)}
