"""What of a configuration says how long its rounds are, as numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedkd.changes import by_path
from sims.sweeps.plan import ELSEWHERE, Planned

APART = ("seed", "rounds", "evaluate_every", "checkpoint_every", "checkpoint_keep", "plugins")
"""Keys that say nothing of a round's length; rounds count by themselves."""
WORK = ("rounds", "trainer.epochs", "data.samples")
"""Keys whose product is a run's work."""
CHOICES = 12
"""Different texts of a key, at most, of which each is a feature."""

Leaves = dict[str, Any]
"""A configuration by dotted keys."""


@dataclass(frozen=True)
class Column:
    """One feature: a number's logarithm, or whether a key has a value.

    Args:
        shift: what is taken from it.
        scale: by which it is divided then.
        value: that it asks for; none for numbers.
    """

    key: str
    shift: float
    scale: float
    value: str | None = None

    def __call__(self, leaves: Leaves) -> float:
        """Of a configuration; 0 where the key is missing, or is no number."""
        found = leaves.get(self.key)
        if self.value is not None:
            return float(_text(found) == self.value)
        size = _size(found)
        return 0.0 if size is None else min(max((size - self.shift) / self.scale, -1.0), 1.0)


def leaves_of(plan: Planned) -> Leaves:
    """What of a run's configuration can change its length."""
    here = {key: value for key, value in plan.values.items() if key not in ELSEWHERE}
    return {**dict(by_path(here)), "executor": _text(plan.values["executor"])}


def work(leaves: Leaves) -> float:
    """Rounds x local epochs x samples; 1 for what the configuration leaves open."""
    factors = (leaves.get(key) for key in WORK)
    return math.prod(factor for factor in factors if isinstance(factor, int | float) and factor > 0)


def columns(known: Sequence[Leaves]) -> list[Column]:
    """Features in which the runs differ; of several that say the same, the first."""
    keys = dict.fromkeys(key for leaves in known for key in leaves if key not in APART)
    candidates = [column for key in keys for column in _of_key(key, [leaves.get(key) for leaves in known])]
    different: dict[tuple[float, ...], Column] = {}
    for column in candidates:
        different.setdefault(tuple(round(column(leaves), 9) for leaves in known), column)
    return list(different.values())


def _of_key(key: str, values: Sequence[object]) -> list[Column]:
    sizes = [size for value in values if (size := _size(value)) is not None]
    if len(sizes) == len(values):
        low, high = min(sizes), max(sizes)
        return [Column(key, (low + high) / 2, (high - low) / 2)] if high > low else []
    texts = sorted({_text(value) for value in values})
    return [Column(key, 0.0, 1.0, text) for text in texts] if 1 < len(texts) <= CHOICES else []


def _size(value: object) -> float | None:
    """The logarithm of a positive number, or of the product of several, such as a model's widths."""
    numbers = value if isinstance(value, list | tuple) else [value]
    if not numbers or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers):
        return None
    return math.fsum(map(math.log, numbers)) if min(numbers) > 0 else None


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
