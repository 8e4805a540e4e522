"""Operators as text: read from a command line, and written for a table."""

from __future__ import annotations

import ast
import dataclasses
from importlib import import_module

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators import Operator
from fedkd_compression.plugins import compressor


def written(operator: Operator) -> str:
    """An operator as one would write it: without the fields that have their default.

    Example:
        >>> written(Bucketed(QSGD(levels=16), size=512))
        'Bucketed(QSGD(levels=16), size=512)'
    """
    if not dataclasses.is_dataclass(operator):
        return repr(operator)
    said = []
    for field in dataclasses.fields(operator):
        value = getattr(operator, field.name)
        if isinstance(value, Operator):
            said.append(written(value))
        elif value != field.default:
            said.append(f"{field.name}={value:.4g}" if isinstance(value, float) else f"{field.name}={value!r}")
    return f"{type(operator).__name__}({', '.join(said)})"


def read(text: str) -> Operator:
    """The operator that a text describes, with plain values for its fields.

    Args:
        text: a class of this package, an installed compressor, or a class of a module that can be imported; for example
            ``Compose(TopK(fraction=0.1), DeadZone(step=0.5))``, ``my_sign(block=64)``, ``my_package.Ternary()``.

    Raises:
        OperatorError: it is no such text, or the class refuses the fields.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise OperatorError(f"{text}: cannot be read; write it as in Python, for example QSGD(levels=4)") from None
    return _made(node, text)


def _made(node: ast.expr, text: str) -> Operator:
    """What a name or a call makes: classes are looked up, and nothing of the text is evaluated."""
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    if not isinstance(call.func, ast.Name | ast.Attribute) or any(word.arg is None for word in call.keywords):
        raise OperatorError(f"{text}: is no operator; write it as in Python, for example QSGD(levels=4)")
    fields = {word.arg: _field(word.value, text) for word in call.keywords if word.arg is not None}
    try:
        return _class(ast.unparse(call.func))(*(_field(value, text) for value in call.args), **fields)
    except TypeError as error:
        raise OperatorError(f"{text}: {error}") from None


def _field(node: ast.expr, text: str) -> object:
    if isinstance(node, ast.Call):
        return _made(node, text)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise OperatorError(
            f"{text}: {ast.unparse(node)} is no plain value; write numbers and names in quotes"
        ) from None


def _class(name: str) -> type[Operator]:
    module, _, short = name.rpartition(".")
    try:
        found = getattr(import_module(module or "fedkd_compression"), short, None)
    except ImportError as error:
        raise OperatorError(f"{name}: {module} cannot be imported ({error}); name an installed module") from None
    if isinstance(found, type) and issubclass(found, Operator):
        return found
    if module:
        raise OperatorError(f"{name}: is no Operator; derive it from fedkd_compression.Operator")
    return compressor(short)
