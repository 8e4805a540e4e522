"""``_target_``: the class that a piece of configuration describes, found only in packages that may serve."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from fedkd.errors import ConfigurationError

OWN_PACKAGES = ("fedkd", "fedkd_compression")


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
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{path}._target_={target}: not found ({error}); check its spelling") from None
    if not isinstance(found, type):
        raise ConfigurationError(f"{path}._target_={target}: is no class; name a class")
    return found
