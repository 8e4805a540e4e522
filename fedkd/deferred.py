"""A module that is imported when it is first used, so that a wrong configuration is answered at once."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any


class _Deferred(types.ModuleType):
    """Stands for a module; the first attribute that is asked for imports it."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        value = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)
        return value


def defer(name: str) -> None:
    """Let ``import name`` cost nothing until the module is used.

    Only for a command line's first lines; does nothing when the module is already there.
    """
    if name not in sys.modules:
        module = _Deferred(name)
        # Others ask whether a module could be imported by looking at its spec.
        module.__spec__ = importlib.util.find_spec(name)
        sys.modules[name] = module
