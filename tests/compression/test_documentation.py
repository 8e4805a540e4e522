"""The operator in the documentation is complete: it runs, obeys the laws, and gets real bytes."""

import re
from pathlib import Path

import pytest
import torch

from fedkd_compression import Key, compress, decompress, sizes
from fedkd_compression.testing import LAWS, NotCheckedWarning, check_operator

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "adding-a-compressor.md", ROOT / "compression" / "README.md")


def _block(page):
    (block,) = re.findall(r"```python\n(.*?class .*?)```", page.read_text(), re.S)
    return block


def _operator(page):
    """The operator that the page's block defines, made from its source alone."""
    names = {"__name__": "documented"}
    exec(compile(_block(page), page.name, "exec"), names)  # noqa: S102
    return names["SignScale"]()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_class_has_at_most_fifteen_lines(page):
    body = _block(page).split("@dataclass", 1)[1]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_documented_operator_obeys_the_laws(page):
    """It lives in no file, so another process cannot have it; the warning says so."""
    with pytest.warns(NotCheckedWarning, match="SignScale of module documented is not importable"):
        check_operator(_operator(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_documented_operator_gets_about_one_bit_a_coordinate(page):
    operator, rows, key = _operator(page), torch.randn(1, 8000, generator=torch.Generator().manual_seed(5)), Key.of(0)
    frames, received = compress(operator, rows, key)
    assert torch.equal(decompress(operator, frames, key, 8000), received)
    assert sizes(frames[0]).body <= 8000 / 8 + 24


def test_every_law_has_a_sentence():
    for law in LAWS:
        assert re.fullmatch(r".{20,}\.", law.sentence), law.name
