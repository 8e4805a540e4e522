"""Every law on every input: as cases for pytest, or at once with one readable error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd_compression.compressor import compress
from fedkd_compression.errors import OperatorError
from fedkd_compression.keys import Key
from fedkd_compression.testing.catalogue import LAWS
from fedkd_compression.testing.inputs import EVERYWHERE, EXTREME, INPUTS
from fedkd_compression.testing.processes import another_process_decodes, start_receiver

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.operators.base import Operator
    from fedkd_compression.testing.inputs import Input
    from fedkd_compression.testing.law import Law

DIMS = (20, 300, 21, 1, 0)
"""Dimensions: all inputs at the first, some (``EVERYWHERE``) at the others, as far as the operator serves them."""

_NAMED = 3
"""How many inputs with the same fault are named."""


@dataclass(frozen=True)
class Case:
    """A law for one operator and one input; ``check`` raises AssertionError when it is broken.

    Args:
        law: what must hold.
        operator: of which it must.
        input: name of the input.
        dim: its dimension.
        make: gives the row.
    """

    law: Law
    operator: Operator
    input: str
    dim: int
    make: Input

    def __str__(self) -> str:
        return f"{self.law.name}-{self.input}-{self.dim}"

    def check(self) -> None:
        """Check the law, unless the operator refuses a row that it may refuse."""
        key = Key.of(0, "laws", self.input, self.dim)
        if self.input not in EXTREME or _serves(self.operator, self.make(self.dim), key):
            self.law(self.operator, self.make(self.dim), key)


def laws_of(
    operator: Operator,
    *,
    inputs: Mapping[str, Input] = INPUTS,
    dims: Sequence[int] = DIMS,
    laws: Iterable[Law] = LAWS,
) -> list[Case]:
    """The laws that concern an operator, on every input: cases to parametrise a test.

    Args:
        operator: of which they must hold.
        inputs: functions of the dimension that give a row [dim], by name; leave out those that the operator's
            bounds do not cover, and add your own. Inputs in ``EXTREME`` may be refused with OperatorError.
        dims: all inputs are tried at the first, ``EVERYWHERE`` at the others, where ``check`` lets them pass.
        laws: of these.

    Example:
        >>> @pytest.mark.parametrize("case", laws_of(MyOperator()), ids=str)
        ... def test_my_operator(case):
        ...     case.check()
    """
    served = [dim for dim in dims if _allows(operator, dim)]
    tried = [(dim, name) for dim in served for name in inputs if dim == dims[0] or name in EVERYWHERE]
    return [
        Case(law, operator, name, dim, inputs[name])
        for law in laws
        for dim, name in tried
        if law.concerns(operator, dim)
    ]


def check_operator(
    operator: Operator,
    *,
    inputs: Mapping[str, Input] = INPUTS,
    dims: Sequence[int] = DIMS,
    laws: Iterable[Law] = LAWS,
) -> None:
    """Check every law on every input; returns nothing when all hold.

    Args:
        operator: of which they must hold.
        inputs: as for ``laws_of``.
        dims: as for ``laws_of``.
        laws: of these.

    Raises:
        AssertionError: lists each broken law, its inputs, what was measured and what was promised.

    Example:
        >>> check_operator(MyOperator())
        >>> check_operator(Float16(), inputs={name: INPUTS[name] for name in ("dense", "zeros")})
    """
    wanted = tuple(laws)
    if another_process_decodes in wanted:
        start_receiver()
    if not any(_allows(operator, dim) for dim in dims):
        raise AssertionError(f"{operator} serves none of the dimensions {tuple(dims)}; give dims that it serves")
    broken: dict[Law, dict[str, list[str]]] = {}
    for case in laws_of(operator, inputs=inputs, dims=dims, laws=wanted):
        try:
            case.check()
        except Exception as error:
            broken.setdefault(case.law, {}).setdefault(_told(error), []).append(f"{case.input}-{case.dim}")
    if broken:
        raise AssertionError(_summary(operator, broken, len(wanted)))


def _summary(operator: Operator, broken: dict[Law, dict[str, list[str]]], checked: int) -> str:
    """Each broken law with its sentence, and under it what was measured and on which inputs."""
    lines = [f"{operator} breaks {len(broken)} of {checked} laws"]
    for law, found in broken.items():
        lines.append(f"  {law.name}: {law.sentence}")
        lines += [f"    {told} [{_listed(names)}]" for told, names in found.items()]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _told(error: Exception) -> str:
    """What a law measured, or the error that stood in its way."""
    return str(error) if type(error) is AssertionError else f"{type(error).__name__}: {error}"


def _allows(operator: Operator, dim: int) -> bool:
    try:
        operator.check(dim)
    except OperatorError:
        return False
    return True


def _serves(operator: Operator, x: Tensor, key: Key) -> bool:
    try:
        compress(operator, x[None], key)
    except OperatorError:
        return False
    return True
