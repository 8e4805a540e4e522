"""The convex figures at a size of seconds: every number of the table is one of the runs'."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd_compression import QSGD, DeadZone, SubtractiveDither
from sims.convex import elias
from sims.convex.clusters import parts, rebalanced
from sims.convex.sources import Choice, load, problem, smoothness
from sims.convex.table import ALGORITHMS, kit, methods, sent
from sims.figures import mcm_bits, mcm_convex

pytestmark = pytest.mark.xdist_group("convex_figures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("convex")
    asked = ["--quick", "epochs=1", f"output={found}", f"cache={found}", "algorithms=SGD,DIANA,MCM,DoubleSqueeze"]
    mcm_convex.main(asked)
    return found


@pytest.mark.exhaustive
def test_the_json_file_has_every_run(folder: Path) -> None:
    facts = json.loads((folder / "breast_cancer-non-iid.json").read_text())
    rows = facts["rows"]
    assert len(rows) == 3 * (1 + 2 * 3)
    assert {row["participation"] for row in rows} == {"all", "p = 0.5, PP1", "p = 0.5, PP2"}
    for row in rows:
        assert len(row["excess"]) == len(facts["options"]["seeds"]) == len(row["up"])
        assert row["rounds"][-1] == facts["rounds_an_epoch"]
        assert np.isfinite(row["final"]).all()
        assert (np.diff(row["up"]) >= 0).all()
    start = rows[0]["excess"][0][0]
    assert start > 0
    assert all(row["excess"][0][0] == start for row in rows)


def test_page_and_picture_are_written(folder: Path) -> None:
    page = (folder / "breast_cancer-non-iid.html").read_text()
    assert "DoubleSqueeze" in page
    assert "data:image/png;base64," in page
    assert (folder / "breast_cancer-non-iid.png").read_bytes().startswith(b"\x89PNG")


def test_clusters_and_optimum_are_kept(folder: Path) -> None:
    said: list[str] = []
    choice = Choice("breast_cancer", "", "logistic", "non-iid", 4, 4, 200)
    again = problem(choice, (0,), folder, said.append)
    assert said == []
    assert abs(again.excess(again.best.w[None])[0]) < 1e-14
    assert sum(again.samples) == 569
    assert max(again.samples) <= 10 * min(again.samples)


def test_l_is_between_the_exact_one_and_the_trace(folder: Path) -> None:
    whole = problem(Choice("breast_cancer", "", "logistic", "iid", 4, 4, 200), (0,), folder, lambda _: None)
    trace = whole.x.square().sum(1).mean().item() / 4
    assert smoothness(whole, "exact") < smoothness(whole, "published") < 1.2 * trace


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["data=a9a"], "data=a9a: is unknown; choose breast_cancer, digits"),
        (["data=a9a", "path=/nowhere"], "is missing"),
        (["algorithms=MCN"], "algorithms=MCN: is unknown"),
        (["clients=0"], "clients=0: is below 1"),
        (["--quick", "clients=400", "tsne=1000"], "too few"),
    ],
)
def test_bad_options_are_one_line(options: list[str], why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=why):
        mcm_convex.main([*options, f"output={tmp_path}", f"cache={tmp_path}"])


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [f"{i % 2} 1:{random.normal():.3f} 2:{random.normal():.3f}" for i in range(40)]
    (tmp_path / "mine").write_text("\n".join(rows) + "\n")
    for path in (tmp_path, tmp_path / "mine"):
        x, y = load(Choice("mine", str(path), "logistic", "iid", 4, 2, 50))
        assert x.shape == (40, 3)
        assert set(y) == {-1.0, 1.0}
        np.testing.assert_allclose(x[:, :2].mean(0), 0, atol=1e-12)
        assert (x[:, 2] == 1).all()


def test_clusters_are_apart_and_balanced(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(10 * center, 0.1, (30, 3)) for center in range(3)])
    found = parts(x, np.ones(90), 3, 60, tmp_path, lambda _: None)
    assert sorted(np.concatenate(found).tolist()) == list(range(90))
    assert all(len(set((part // 30).tolist())) == 1 for part in found)
    assert [len(part) for part in rebalanced([np.arange(44), np.arange(44, 46)])] == [22, 24]


def test_operators_of_a_column_cost_the_same() -> None:
    rows = torch.randn(20, 124, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, dither = kit("s = 1", rows), kit("dither", rows)
    assert one.unbiased == QSGD(1, "l2")
    assert isinstance(dither.unbiased, SubtractiveDither)
    assert isinstance(one.contractive, DeadZone)
    for operator in (dither.unbiased, one.contractive):
        assert 0.97 < sent(operator, rows) / sent(one.unbiased, rows) <= 1


def test_every_link_gets_an_operator_that_its_memory_can_serve() -> None:
    rows = torch.randn(4, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for one in methods(list(ALGORITHMS), kit("s = 1", rows), "PP1"):
        one.uplink.resolve(30), one.downlink.resolve(30)
    named = {one.label: one for one in methods(["MCM", "DoubleSqueeze"], kit("s = 1", rows), "PP2")}
    assert named["MCM"].row.estimator == "PP2"
    assert named["DoubleSqueeze"].uplink.operator.omega(30) is None


@pytest.mark.parametrize("scale", [0.2, 1, 30])
@pytest.mark.parametrize("count", [1, 20, 200])
def test_elias_lengths_are_those_of_messages_that_can_be_read(scale: float, count: int) -> None:
    symbols = np.round(np.random.default_rng(0).standard_normal((5, count)) * scale).astype(np.int64)
    for row, length in zip(symbols, elias.lengths(symbols), strict=True):
        data = elias.encode(row)
        assert len(data) == length
        np.testing.assert_array_equal(elias.decode(data, count), row)


@pytest.mark.exhaustive
def test_bits_to_a_target_are_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcm_bits, "DITHERS", (1.5, 3.0))
    monkeypatch.setattr(mcm_bits, "LEVELS", (0.5, 1.0))
    mcm_bits.main(["--quick", "target=.01", f"output={tmp_path}"])
    found = json.loads((tmp_path / "mcm_bits.json").read_text())["dims"]["20"]
    dither, quantiser = found["best"]["bits"]
    assert (dither["kind"], quantiser["kind"]) == ("dither", "Elias")
    assert quantiser["bits"] == min(row["bits"] for row in found["all"] if row["kind"] == "Elias" and row["bits"])
    assert found["ratio"]["bits"] == pytest.approx(quantiser["bits"] / dither["bits"])
    assert all(row["payload"] < row["bits"] for row in found["all"] if row["bits"])
    assert (tmp_path / "mcm_bits.html").is_file()
