"""Plain text tables that are read in a terminal, a log file or a pipe alike, printed line by line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass


def say(text: str = "") -> None:
    """Print a line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Layout:
    """Headings and widths of columns.

    Args:
        left: so many columns are set to the left, all others to the right.
    """

    headings: tuple[str, ...]
    widths: tuple[int, ...]
    left: int = 1

    def line(self, cells: Sequence[str]) -> str:
        """One row."""
        pairs = list(zip(cells, self.widths, strict=True))
        words = "".join(f"{cell:<{width - 1}} " for cell, width in pairs[: self.left])
        return (words + "".join(f" {cell:>{width - 1}}" for cell, width in pairs[self.left :])).rstrip()

    def head(self, first: str) -> tuple[str, str]:
        """The headings, the first one replaced, and a rule below them."""
        line = self.line((first, *self.headings[1:]))
        return line, "─" * sum(self.widths)


def number(value: float | None, form: str = ".3g") -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:{form}}"


def percent(value: float) -> str:
    """A share in percent, to two digits."""
    return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.2g} %"
