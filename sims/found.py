"""What the parts of a study find, and how all of it is shown: JSON, picture, page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedkd.durable import replace_text
from sims.plots import Panel, Table, drawn, save, write_page


@dataclass(frozen=True)
class Found:
    """What a part found.

    Args:
        part: its name.
        tables: for the terminal and the page.
        panels: of the figure.
        numbers: every one of every run, for the JSON file.
    """

    part: str
    tables: Sequence[Table]
    panels: Sequence[Panel]
    numbers: Mapping[str, object]


def write(found: Sequence[Found], path: Path, title: str, command: str, options: Mapping[str, object]) -> None:
    """JSON, PNG and page of all parts that are done.

    Args:
        found: in their order.
        path: of the three files, without an ending.
        title: of the page.
        command: that made them.
        options: what it was asked.
    """
    facts = {"command": command, "options": options, **{each.part: each.numbers for each in found}}
    replace_text(path.with_suffix(".json"), json.dumps(facts, indent=1))
    panels: list[Panel] = [panel for each in found for panel in each.panels]
    tables: list[Table] = [table for each in found for table in each.tables]
    png = save(drawn(panels, min(len(panels), 2)), path.with_suffix(".png"))
    write_page(path.with_suffix(".html"), title, command, png, tables)
