"""Configuration: from resolved values to checked objects, before any work starts."""

from fedkd.configuration.check import check
from fedkd.configuration.construct import construct
from fedkd.configuration.settings import Settings
from fedkd.configuration.targets import resolve

__all__ = ["Settings", "check", "construct", "resolve"]
