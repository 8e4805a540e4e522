"""Small files and small functions: a thing that outgrows its bounds wants a new word in the design."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("fedkd", "compression", "sims", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
LINES_A_FILE = 300
LINES_A_FUNCTION = 35


def _code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_there_is_code_to_measure():
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_functions_are_small(path):
    text = path.read_text()
    assert text.count("\n") <= LINES_A_FILE
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    long = {node.name: _code_lines(node) for node in functions if _code_lines(node) > LINES_A_FUNCTION}
    assert not long


def test_compression_is_a_folder_not_a_package():
    """From Python 3.14 the standard library has a package of this name, which gzip and bz2 import."""
    assert not (ROOT / "compression" / "__init__.py").exists()
