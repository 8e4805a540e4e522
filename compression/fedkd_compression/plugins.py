"""Operators of other packages, found by name: the entry-point group ``fedkd.compressors``.

A package declares its operator in pyproject.toml,

    [project.entry-points."fedkd.compressors"]
    my_sign = "my_compressor:ScaledSign"

and once it is installed, ``compressor("my_sign")`` is the class. A package is imported only when its name is asked for.
"""

from __future__ import annotations

import difflib
import inspect
from importlib.metadata import EntryPoint, entry_points

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator

GROUP = "fedkd.compressors"


def declared() -> tuple[EntryPoint, ...]:
    """What installed packages declare, ordered by name; nothing is imported."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)))


def compressors() -> dict[str, type[Operator]]:
    """Every installed operator by its name; all their packages are imported.

    Raises:
        OperatorError: as for ``compressor``.

    Example:
        >>> compressors()
        {'my_sign': <class 'my_compressor.scaled_sign.ScaledSign'>}
    """
    return {name: compressor(name) for name in sorted({entry.name for entry in declared()})}


def compressor(name: str) -> type[Operator]:
    """The operator that an installed package declares under a name; only that package is imported.

    Args:
        name: left of the equals sign in the package's pyproject.toml.

    Raises:
        OperatorError: no package declares the name, two do, the package cannot be imported, or what it declares is
            no operator.

    Example:
        >>> compressor("my_sign")(block=64)
        ScaledSign(block=64)
    """
    entries = declared()
    found = [entry for entry in entries if entry.name == name]
    if not found:
        raise OperatorError(f"{name}: no installed compressor; {_hint(name, entries)}")
    if len(found) > 1:
        owners = " and ".join(sorted(map(_owner, found)))
        raise OperatorError(f"{name}: declared by {owners}; uninstall one of them")
    return _checked(found[0], _loaded(found[0]))


def _loaded(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        # The package is not ours: whatever it raises while it is imported is what failed.
        fault = " ".join(f"{type(error).__name__}: {error}".split())
        raise OperatorError(
            f"{entry.name}: {entry.value} of {_owner(entry)} cannot be imported ({fault}); mend or uninstall it"
        ) from error


def _checked(entry: EntryPoint, found: object) -> type[Operator]:
    if not (isinstance(found, type) and issubclass(found, Operator)):
        raise OperatorError(
            f"{entry.name}: {entry.value} of {_owner(entry)} is no Operator; derive it from fedkd_compression.Operator"
        )
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise OperatorError(f"{entry.name}: {entry.value} of {_owner(entry)} lacks {lacking}; define it")
    return found


def _owner(entry: EntryPoint) -> str:
    """The installed package that declares an entry, with its version."""
    return "an unnamed package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _hint(name: str, entries: tuple[EntryPoint, ...]) -> str:
    names = sorted({entry.name for entry in entries})
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"known are {', '.join(names)}" if names else f"install a package that declares it in {GROUP}"
