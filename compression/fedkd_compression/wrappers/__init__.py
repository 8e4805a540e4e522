"""Operators made of other operators, each in a file of its own."""

from __future__ import annotations

from fedkd_compression.wrappers.bucketed import Bucketed
from fedkd_compression.wrappers.by_size import BySize
from fedkd_compression.wrappers.clipped import Clipped
from fedkd_compression.wrappers.coded import Coded
from fedkd_compression.wrappers.compose import Compose
from fedkd_compression.wrappers.induced import Induced
from fedkd_compression.wrappers.per_tensor import PerTensor
from fedkd_compression.wrappers.rotated import Rotated
from fedkd_compression.wrappers.scaled import Scaled

__all__ = ["Bucketed", "BySize", "Clipped", "Coded", "Compose", "Induced", "PerTensor", "Rotated", "Scaled"]
