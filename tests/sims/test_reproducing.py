"""Every command of docs/reproducing can be read by the script that it names, and every script of a figure has one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sims import options
from sims.figures import (
    ats,
    federated_baselines,
    mcm_bits,
    mcm_convex,
    mcm_deep,
    predictions,
    ressl,
    star,
    virtual_time,
)

ROOT = Path(__file__).parents[2]
OTHERS = ("federated-baselines", "learned-optimizers", "learned-predictions", "self-supervised", "virtual-time")
PAGES = [*sorted((ROOT / "docs" / "reproducing").glob("*.md")), *(ROOT / "docs" / f"{name}.md" for name in OTHERS)]
READERS: dict[str, Callable[[Sequence[str]], object]] = {
    "ats": lambda arguments: options.read(ats.Asked, arguments, ats.QUICK),
    "federated_baselines": federated_baselines.request,
    "mcm_bits": lambda arguments: options.read(mcm_bits.Asked, arguments, mcm_bits.QUICK),
    "mcm_convex": lambda arguments: options.read(mcm_convex.Asked, arguments, mcm_convex.QUICK),
    "mcm_deep": mcm_deep.request,
    "predictions": lambda arguments: options.read(predictions.Asked, arguments, predictions.QUICK),
    "ressl": lambda arguments: options.read(ressl.Asked, arguments, ressl.QUICK),
    "star": lambda arguments: options.read(star.Asked, arguments, star.QUICK),
    "virtual_time": lambda arguments: options.read(virtual_time.Asked, arguments, virtual_time.QUICK),
}
"""Their tests run each of them at a tiny size."""
COMMANDS = [
    found
    for page in PAGES
    for found in re.findall(r"python sims/figures/(\w+)\.py([^`\n]*)", page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("script", "arguments"), COMMANDS, ids=str)
def test_a_command_of_the_documents_is_understood(script: str, arguments: str) -> None:
    """What stands two spaces apart is a remark."""
    READERS[script](shlex.split(re.split(r"\s{2,}", arguments)[0]))


def test_every_script_is_in_the_documents() -> None:
    assert {script for script, _ in COMMANDS} == set(READERS)


def test_every_script_has_a_test_that_runs_it() -> None:
    tests = " ".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for script in READERS:
        assert re.search(rf"{script}\.main\(", tests), script


def test_every_picture_is_there() -> None:
    for page in PAGES:
        for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / name).is_file(), f"{page.name}: {name}"
