"""``_target_``: the class that a piece of configuration describes, found only where a user has let it be found.

A dotted path leads into our packages and those in ``plugins``. A name without a dot is an operator that an installed
package declares in the entry-point group ``fedkd.compressors``. Both are decided before anything is imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from fedkd.errors import ConfigurationError
from fedkd_compression import Operator, OperatorError
from fedkd_compression.plugins import compressor

OWN_PACKAGES = ("fedkd", "fedkd_compression")


def class_of(kind: type, target: str, plugins: Sequence[str], path: str) -> type:
    """The class that ``_target_`` names for a field of type ``kind``; an operator may go by its installed name.

    Raises:
        ConfigurationError: as for ``installed_operator`` and ``resolve``.
    """
    if kind is Operator and "." not in target:
        return installed_operator(target, path)
    return resolve(target, plugins, path)


def installed_operator(name: str, path: str) -> type[Operator]:
    """The operator that an installed package declares under a name; only that package is imported.

    Raises:
        ConfigurationError: no package declares the name, two do, or what is declared cannot serve.
    """
    try:
        return compressor(name)
    except OperatorError as error:
        raise ConfigurationError(f"{path}._target_={error}") from None


def resolve(target: str, plugins: Sequence[str], path: str) -> type:
    """The class at a dotted path; its package is checked before anything is imported.

    Raises:
        ConfigurationError: outside our packages and ``plugins``, or no class there.
    """
    package, _, _ = target.partition(".")
    allowed = (*OWN_PACKAGES, *plugins)
    if package not in allowed:
        raise ConfigurationError(
            f"{path}._target_={target}: package {package!r} is not among {', '.join(allowed)}; add it to plugins"
        )
    found = _imported(target, path)
    if not isinstance(found, type):
        raise ConfigurationError(f"{path}._target_={target}: is no class; name a class")
    return found


def _imported(target: str, path: str) -> object:
    module_name, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{path}._target_={target}: not found ({_line(error)}); check its spelling") from None
    except (Exception, SystemExit) as error:
        # A package of the user's own: whatever it raises while it is imported is what failed.
        fault = f"{type(error).__name__}: {_line(error)}"
        raise ConfigurationError(
            f"{path}._target_={target}: cannot be imported ({fault}); mend {module_name}"
        ) from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
