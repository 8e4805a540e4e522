"""The benchmarks: what they measure is right, every option works, and what they leave behind can be read."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fedkd_compression
from fedkd_compression import QSGD, Bucketed, Key, OperatorError, RandK, SubtractiveDither, TopK, compress
from fedkd_compression.bench import field_map, independent, limits, measure, survey
from fedkd_compression.bench.catalogue import FAMILIES, own
from fedkd_compression.bench.curves import MOST_BITS, panels
from fedkd_compression.bench.measure import Patience
from fedkd_compression.bench.rows import NAMES, rows_of
from fedkd_compression.bench.stopwatch import in_turn
from fedkd_compression.bench.written import read, written

ONCE = Patience(repeats=1, seconds=0.0)
DIM = 2048


def family(name):
    return next(each for each in FAMILIES if each.name == name)


def measured(operator, name="gaussian", dim=DIM):
    return measure.measure(own(operator), operator, rows_of(name, dim, None), ONCE)


def test_the_benchmarks_are_not_imported_with_the_package():
    script = """
import sys, types
sys.modules["torch"] = types.ModuleType("torch")
import fedkd_compression
assert not [name for name in sys.modules if name.startswith("fedkd_compression.bench")]
"""
    package = str(Path(fedkd_compression.__file__).parents[1])
    subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": package}, check=True)


@pytest.mark.parametrize(
    ("distortion", "unbiased", "bits"), [(1 / 3, True, 1.0), (1 / 15, True, 2.0), (0.25, False, 1.0)]
)
def test_limits_and_their_inverse(distortion, unbiased, bits):
    assert limits.limit(distortion, unbiased) == pytest.approx(bits)
    assert limits.distortion_at(bits, unbiased) == pytest.approx(distortion)


def test_the_limit_of_no_loss_is_infinite_and_of_total_loss_zero():
    assert limits.limit(0.0, True) == math.inf
    assert limits.limit(1.5, False) == 0.0


def test_works_run_in_turn_after_one_turn_that_does_not_count():
    order = []
    found = in_turn([lambda: order.append("a"), lambda: order.append("b")], repeats=3, seconds=10.0)
    assert order == ["a", "b"] * 4
    assert all(0 <= time < 1 for time in found)
    order.clear()
    in_turn([lambda: order.append("a")], repeats=3, seconds=0.0)
    assert order == ["a"] * 2


def test_bits_are_those_of_whole_messages():
    found = measured(RandK(k=100))
    frames, _ = compress(RandK(k=100), torch.randn(1, DIM), Key.of(0))
    assert found.bits == 8 * len(frames[0]) / DIM


def test_the_distortion_is_omega():
    found = measured(SubtractiveDither(step=1.0), dim=1 << 15)
    # Uniform errors: their square has a standard deviation of 2/sqrt(5) of its mean.
    assert found.distortion == pytest.approx(1 / 12, rel=5 * 0.9 / math.sqrt(1 << 15))
    assert found.limit == limits.limit(found.distortion, unbiased=True)
    assert found.gap == found.bits - found.limit


def test_the_distortion_of_several_rows_is_their_mean():
    rows = rows_of("updates", 0, None)
    _, received = compress(TopK(k=5), rows.values, Key.of(0).spread(len(rows.values)))
    each = [((a - b).norm() ** 2 / a.norm() ** 2).item() for a, b in zip(rows.values, received, strict=True)]
    assert measured(TopK(k=5), "updates").distortion == pytest.approx(sum(each) / len(each), rel=1e-5)


def test_only_gaussian_rows_have_a_limit_and_nothing_lossless_has_one():
    assert measured(SubtractiveDither(step=1.0), "laplace").gap is None
    assert measured(family("Identity").at(DIM)[0]).limit is None


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_the_same_every_time(name):
    rows = rows_of(name, 64, None)
    assert torch.equal(rows.values, rows_of(name, 64, None).values)
    assert rows.values.dtype == torch.float32
    assert rows.values.isfinite().all()


def test_updates_come_with_the_package_and_with_their_origin():
    rows = rows_of("updates", 0, None)
    origin = json.loads((Path(field_map.__file__).parent / "updates.json").read_text())
    assert rows.values.shape == (len(origin["vectors"]), 25_450)
    assert (Path(field_map.__file__).parent / "updates.npz").stat().st_size <= 300_000


def test_updates_of_ones_own(tmp_path):
    np.savez(tmp_path / "own.npz", a=np.ones(9), b=2 * np.ones((2, 9), np.float32))
    assert rows_of("updates", 0, tmp_path / "own.npz").values.tolist() == [[1.0] * 9, [2.0] * 9, [2.0] * 9]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"a": np.ones(3), "b": np.ones(4)}, "of one d"),
        ({"a": np.ones(3, np.int64)}, "of one d"),
        ({"a": np.ones((1, 2, 3))}, "of one d"),
        ({}, "holds nothing"),
        ({"a": np.zeros(3)}, "a row of zeros"),
        ({"a": np.array([1.0, np.nan])}, "NaN"),
        ({"a": np.array([{}], dtype=object)}, "cannot be read"),
    ],
)
def test_updates_that_are_no_rows_are_refused(arrays, reason, tmp_path):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(OperatorError, match=reason):
        rows_of("updates", 0, tmp_path / "own.npz")


def test_updates_that_are_no_npz_file_are_refused(tmp_path):
    (tmp_path / "own.npz").write_text("no")
    for name in ("own.npz", "none.npz"):
        with pytest.raises(OperatorError, match="cannot be read"):
            rows_of("updates", 0, tmp_path / name)


@pytest.mark.parametrize("each", FAMILIES, ids=lambda each: each.name)
def test_every_family_serves_short_and_long_rows_and_is_what_it_says(each):
    for dim in (2, 1000, 1 << 20):
        for operator in each.at(dim):
            operator.check(dim)
            assert each.unbiased == (operator.traits.unbiased or each.name == "EDEN unbiased")
            assert len(written(operator)) <= survey.LAYOUT.widths[0]


def test_long_rows_are_cut_for_matrices_and_the_table_says_so():
    rows = rows_of("gaussian", (1 << 16) + 5, None)
    found = list(survey.survey([family("LowRank"), own(TopK(k=3))], rows, ONCE))
    assert [each.dim for each in found] == [1 << 16] * 3 + [(1 << 16) + 5]
    assert list(survey.notes(rows, found))[1] == "LowRank: of rows cut to 65,536 coordinates."


@pytest.mark.parametrize("operator", [Bucketed(QSGD(levels=16), size=512), TopK(fraction=0.01), QSGD(4, "max")])
def test_operators_are_read_as_they_are_written(operator):
    assert read(written(operator)) == operator


def test_operators_of_other_modules_are_read_too(tmp_path, monkeypatch):
    (tmp_path / "my_signs.py").write_text("from fedkd_compression import Sign\nclass Mine(Sign): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert written(read("my_signs.Mine()")) == "Mine()"
    assert written(read("Compose(TopK(k=3), my_signs.Mine())")) == "Compose(TopK(k=3), Mine())"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("QSGD(levels", "cannot be read"),
        ("my_sign", "no installed compressor"),
        ("QSGD(level=4)", "unexpected keyword"),
        ("QSGD(levels=0)", "outside"),
        ("QSGD(levels=len('x'))", "no installed compressor"),
        ("QSGD(levels=x)", "no plain value"),
        ("no_such_module.Sign()", "cannot be imported"),
        ("math.sqrt(4)", "is no Operator"),
        ("[1]()", "is no operator"),
    ],
)
def test_texts_that_are_no_operator_are_refused(text, reason):
    with pytest.raises(OperatorError, match=reason):
        read(text)


def test_points_outside_the_picture_do_not_make_a_curve():
    rows = rows_of("gaussian", DIM, None)
    found = [measured(operator) for operator in (SubtractiveDither(step=1.0), RandK(k=DIM))]
    drawn = panels(found, [rows])
    assert [[curve.name for curve in panel.curves] for panel in drawn] == [["SubtractiveDither"]]
    assert drawn[0].curves[0].points[0][0] < MOST_BITS


def test_an_independent_coder_comes_close_to_the_entropy():
    symbols = np.random.default_rng(0).integers(0, 4, 20_000).astype(np.int32)
    assert independent.independent_bits(symbols, None) == pytest.approx(2 * len(symbols), rel=0.01)
    assert independent.independent_bits(symbols, symbols.astype(np.uint8)) == 0.0


def test_without_an_independent_coder_its_figure_is_left_out(monkeypatch):
    monkeypatch.setattr(independent, "find_spec", lambda name: None)
    assert independent.independent_bits(np.zeros(4, np.int32), None) is None
