"""The table that ends a run on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkd.records.report import Outcome
from fedkd.records.summary import LAST, Summary
from fedkd.records.units import (
    readable_bits,
    readable_bytes,
    readable_factor,
    readable_metric,
    readable_number,
    readable_seconds,
)

if TYPE_CHECKING:
    from rich.table import Table


def summary_table(summary: Summary, outcome: Outcome) -> Table:
    """Final metric, bits in both directions against float32, times, and what distillation says of its targets."""
    from rich import box
    from rich.table import Table

    rounds = "1 round" if outcome.rounds == 1 else f"{outcome.rounds} rounds"
    title = f"{summary.name}: {outcome.reason} after {rounds}"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for row in (*_quality(summary), *_sent(summary), *_time(summary), *_absences(summary), *_targets(summary)):
        table.add_row(*row)
    if outcome.message:
        table.caption, table.caption_justify, table.caption_style = outcome.message, "left", ""
    return table


def _quality(summary: Summary) -> list[tuple[str, str, str]]:
    if not summary.metric:
        return []
    last = readable_metric(summary.metric, summary.last)
    value = readable_metric(summary.metric, summary.mean_last)
    return [(summary.metric.replace("_", " "), value, f"mean of the last {LAST} evaluated rounds; the last {last}")]


def _sent(summary: Summary) -> list[tuple[str, str, str]]:
    rows = (
        ("bits up", summary.bytes_up, summary.factor_up),
        ("bits down", summary.bytes_down, summary.factor_down),
        ("— broadcast", summary.bytes_down_broadcast, None),
        ("— unicast", summary.bytes_down_unicast, None),
        ("bits up + down", summary.bytes_total, summary.factor),
    )
    return [(name, readable_bits(8 * count), _against_float32(count, factor)) for name, count, factor in rows]


def _against_float32(count: int, factor: float | None) -> str:
    size = readable_bytes(count)
    return size if factor is None else f"{size}, {readable_factor(factor)} fewer than float32"


def _time(summary: Summary) -> list[tuple[str, str, str]]:
    training, link = readable_seconds(summary.seconds_train), readable_seconds(summary.seconds_link)
    rows = [("time of rounds", readable_seconds(summary.seconds), f"clients: training {training}, compression {link}")]
    if summary.virtual_seconds > 0:
        pace = readable_seconds(summary.virtual_seconds / summary.rounds)
        note = f"on the clients' own devices and links; {pace} a round"
        rows.append(("virtual time", readable_seconds(summary.virtual_seconds), note))
    return rows


def _absences(summary: Summary) -> list[tuple[str, str, str]]:
    if not (summary.missing or summary.restarted):
        return []
    asked = summary.updates + summary.missing
    return [("missing", f"{summary.missing:,}", f"of {asked:,} updates; clients started anew: {summary.restarted:,}")]


def _targets(summary: Summary) -> list[tuple[str, str, str]]:
    meaning = {
        "DA": "mean probability of a wrong class in the target",
        "IV": "variance among the wrong classes, inherent",
        "DV": "variance among the wrong classes, derived",
        "inversion_rate": "targets that put another class above the label",
        "cosine": "mean cosine of different samples' embeddings; 1 is a collapse",
        "own_1_shot": "accuracy of the clients' own networks by one labelled sample a class",
        "own_knn": "accuracy of the clients' own networks by nearest neighbours",
    }
    known = summary.diagnostics
    return [(name.replace("_", " "), readable_number(known[name]), meaning[name]) for name in meaning if name in known]
