"""Who was missing and why, and who started anew: in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fedkd.records.report import RoundReport

NAMED = 3
"""Clients that a line on the console names."""


def lines(report: RoundReport) -> Iterator[str]:
    """What the console says of a round whose cohort was not complete, or had to be completed."""
    told = [f"client {client}: {why}" for client, why in report.missing.items()]
    rest = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    if told:
        yield f"round {report.round + 1}: missing {'; '.join(told[:NAMED])}{rest}"
    odd = [f"client {client}: {what}" for client, what in report.remarks.items()]
    rest = f"; and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
    if odd:
        yield f"round {report.round + 1}: {'; '.join(odd[:NAMED])}{rest}"
    if report.restarted:
        yield f"round {report.round + 1}: clients started anew: {clients(report.restarted)}"


def clients(numbers: Sequence[int]) -> str:
    """Clients in a few words."""
    if len(numbers) > 2 * NAMED:
        return f"{len(numbers):,} of them"
    return ", ".join(map(str, numbers))
