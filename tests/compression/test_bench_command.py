"""The benchmarks' command line: every option works, and what it leaves behind can be read."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

from fedkd_compression.bench import field_map, files, survey, targets
from fedkd_compression.bench.catalogue import FAMILIES
from fedkd_compression.bench.command import main
from fedkd_compression.bench.measure import Patience

ONCE = Patience(repeats=1, seconds=0.0)
DIM = 2048


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What a small map of all families leaves behind, and what it prints."""
    folder = tmp_path_factory.mktemp("map")
    command = [
        "--quick",
        "--dim",
        str(DIM),
        "--rows",
        "gaussian,updates",
        "--add",
        "QSGD(levels=3)",
        "--add",
        "RandK(9999)",
    ]
    np.savez(folder / "own.npz", np.random.default_rng(0).standard_normal((2, 500)))
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr(field_map, "_QUICK", ONCE)
        for module in (field_map, files):
            patch.setattr(module, "say", lambda text="": lines.extend(text.split("\n")))
        code = main([*command, "--updates", str(folder / "own.npz"), "--threads", "1", "--out", str(folder)])
    return code, folder, lines


def test_a_map_has_every_setting_on_all_rows(left):
    code, folder, _ = left
    content = json.loads((folder / "map.json").read_text())
    assert code == 0
    assert content["finished"] is True
    assert {"processor", "cores", "date", "versions", "threads", "kernels"} <= set(content)
    assert {"torch", "numpy", "numba", "python"} <= set(content["versions"])
    assert [rows["shape"] for rows in content["rows"]] == [[1, DIM], [2, 500]]
    settings = sum(len(each.at(dim)) for dim in (DIM, 500) for each in FAMILIES)
    assert len(content["measurements"]) == settings + 2
    assert set(content["measurements"][0]) == {
        *("rows", "dim", "family", "operator", "unbiased", "bits", "distortion", "limit", "gap"),
        *("encode_gb_per_second", "decode_gb_per_second", "copy_gb_per_second"),
        *("encode_share_of_copy", "decode_share_of_copy"),
    }


def test_what_cannot_be_measured_is_said(left):
    _, folder, lines = left
    refused = json.loads((folder / "map.json").read_text())["refusals"]
    assert [each["operator"] for each in refused] == ["RandK(k=9999)"] * 2
    assert sum("RandK(k=9999): not measured, RandK: k=9999 exceeds" in line for line in lines) == 2


def test_the_table_fits_a_terminal(left):
    _, _, lines = left
    assert max(len(line) for line in lines if not line.startswith(("RandK(k=9999)", "/"))) <= 120
    assert sum(line.startswith("SubtractiveDither(step=1) ") for line in lines) == 2


def test_the_page_is_self_contained_and_its_pictures_are_valid(left):
    _, folder, _ = left
    text = (folder / "rate_distortion.html").read_text()
    drawn = re.findall(r"<figure>(<svg.*?</svg>)</figure>", text, re.DOTALL)
    assert len(drawn) == 4
    for picture in drawn:
        ElementTree.fromstring(picture)  # noqa: S314 - our own text
    assert not re.search(r"<script|<link|https?://|@import|src=", text)
    assert "prefers-color-scheme: dark" in text
    assert "$" not in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "Bucketed(QSGD(levels=4), size=512)" in text


def test_the_picture_is_a_png(left):
    _, folder, _ = left
    image = pytest.importorskip("PIL.Image")
    with image.open(folder / "rate_distortion.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.size[0] > picture.size[1] > 800


def test_without_matplotlib_one_line_says_what_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(field_map, "find_spec", lambda name: None)
    small = ["--quick", "--dim", "256", "--rows", "gaussian", "--families", "TopK"]
    assert main([*small, "--out", str(tmp_path)]) == 0
    assert "rate_distortion.png is left out: matplotlib is not installed" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.json", "rate_distortion.html"]


def test_an_interruption_leaves_what_was_measured(tmp_path, monkeypatch, capsys):
    counted, plain = [], survey.measure

    def interrupted(*arguments):
        counted.append(0)
        if len(counted) == 3:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(survey, "measure", interrupted)
    assert main(["--quick", "--dim", "256", "--out", str(tmp_path)]) == 130
    content = json.loads((tmp_path / "map.json").read_text())
    assert content["finished"] is False
    assert len(content["measurements"]) == 2
    assert "interrupted after 2 measurements" in capsys.readouterr().out


@pytest.mark.parametrize("kernels", ["numpy", "torch"])
def test_other_kernels_give_the_same_bits_and_distortions(kernels, tmp_path, monkeypatch):
    monkeypatch.setattr(field_map, "_QUICK", ONCE)
    found = []
    for name in ("numba", kernels):
        small = ["--dim", "256", "--rows", "student", "--families", "Scaled dither,Sign", "--quick"]
        assert main([*small, "--kernels", name, "--out", str(tmp_path / name)]) == 0
        content = json.loads((tmp_path / name / "map.json").read_text())
        assert content["kernels"] == name
        found.append([(each["operator"], each["bits"], each["distortion"]) for each in content["measurements"]])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--rows", "cauchy"], "choose of gaussian"),
        (["--families", "TopKk"], "choose of"),
        (["--add", "x("], "cannot be read"),
    ],
)
def test_a_mistake_is_one_line(arguments, reason, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("bench: ")
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--dim", "1"], ["--threads", "0"], ["atlas"], ["--kernels", "fortran"]])
def test_arguments_out_of_range_are_refused(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage" in capsys.readouterr().err


def test_kernel_rates_by_threads(tmp_path, capsys):
    assert main(["kernels", "--dim", "8192", "--threads", "2", "--quick", "--out", str(tmp_path)]) == 0
    torch.set_num_threads(1)
    content = json.loads((tmp_path / "kernels.json").read_text())
    assert [rate["threads"] for rate in content["rates"]] == [1] * 9 + [2] * 9
    assert all(rate["speed"] > 0 and rate["copy"] > 0 for rate in content["rates"])
    assert sum(rate["times_torch"] is not None for rate in content["rates"]) == 4
    assert max(len(line) for line in capsys.readouterr().out.splitlines()[1:-1]) <= 120


def test_targets_are_checked_and_a_missed_one_fails(tmp_path, monkeypatch, capsys):
    easy = [targets.Target(True, 1 / 12, 9.0), targets.Target(False, 0.363, 9.0), targets.Target(True, 0.5, 9.0, 3)]
    monkeypatch.setattr(targets, "TARGETS", easy)
    assert main(["targets", "--dim", "4096", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "targets.json").read_text())["targets"]
    assert [each["met"] for each in content] == [True] * 3
    assert content[1]["measured"] == pytest.approx(0.363, abs=2e-3)
    assert content[2]["limit"] is None
    monkeypatch.setattr(targets, "TARGETS", [targets.Target(True, 1 / 12, 1.0)])
    assert main(["targets", "--dim", "4096"]) == 1
    assert "missed" in capsys.readouterr().out
