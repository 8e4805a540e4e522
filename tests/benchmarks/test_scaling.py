"""The scaling curves: exponents, figures, and the command line with its smallest sizes."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scaling():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("scaling")
    for name in ("scaling", "peers", "peers.family", "peers.machine"):
        sys.modules.pop(name, None)


def test_the_exponent_of_a_power_is_found(scaling):
    assert scaling.exponent([1, 10, 300], [7.0, 700.0, 630_000.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("parameters", [10**4, 10**5, 10**7])
def test_networks_are_of_about_the_size_that_is_asked_for(scaling, parameters):
    width = scaling.breadth(parameters)
    assert (784 + 1) * width + (width + 1) * width + (width + 1) * 10 == pytest.approx(parameters, rel=0.05)


def test_a_figure_names_its_lines(scaling):
    curve = scaling.Curve("x", "sizes", "costs", [1, 2, 4], {"one": [1.0, 2.0, 4.0], "two": [3.0, 3.0, 3.0]})
    text = scaling.draw(curve)
    assert text.startswith("<?xml")
    assert "one: exponent 1.00" in text
    assert "two: exponent 0.00" in text


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_command_line_leaves_results_and_figures(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "scaling.py"), "clients", "--quick"]
    told = ["--out", str(tmp_path / "out.json"), "--figures", str(tmp_path)]
    printed = subprocess.run([*command, *told], check=True, capture_output=True, text=True).stdout
    assert "seconds a round against clients a round" in printed
    (curve,) = json.loads((tmp_path / "out.json").read_text())["curves"]
    assert curve["sizes"] == [2, 4]
    assert set(curve["exponents"]) == {"identity", "MCM r=1"}
    assert (tmp_path / "scaling-clients.svg").is_file()
