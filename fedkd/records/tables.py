"""What report.html says in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from fedkd.records import absences
from fedkd.records.comparison import columns
from fedkd.records.history import History
from fedkd.records.report import RoundReport
from fedkd.records.summary import LAST, Summary
from fedkd.records.timeline import RoundTimeline
from fedkd.records.units import (
    readable_bytes,
    readable_factor,
    readable_metric,
    readable_seconds,
    significant,
)

DASH = "–"


@dataclass(frozen=True)
class Table:
    """Headings and rows of text; the first column is a name, the others are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Card:
    """One number that a reader sees first."""

    title: str
    value: str
    note: str


def cards(summary: Summary) -> list[Card]:
    """Quality, bytes, rate and time, and virtual time where it passes."""
    name = summary.metric.replace("_", " ")
    last, best = readable_metric(summary.metric, summary.last), readable_metric(summary.metric, summary.best)
    note = f"mean of the last {LAST}; last {last}, best {best}"
    quality = Card(name[:1].upper() + name[1:], readable_metric(summary.metric, summary.mean_last), note)
    fewer = Card("Fewer bytes than float32", readable_factor(summary.factor), _both(summary))
    sent = f"up {readable_bytes(summary.bytes_up)}, down {readable_bytes(summary.bytes_down)}"
    return [
        *([quality] if summary.metric else []),
        Card("Sent", readable_bytes(summary.bytes_total), sent),
        fewer,
        _took("Time of rounds", summary.seconds, summary.rounds),
        *([_took("Virtual time", summary.virtual_seconds, summary.rounds)] if summary.virtual_seconds > 0 else []),
    ]


def _took(title: str, seconds: float, rounds: int) -> Card:
    return Card(title, readable_seconds(seconds), f"{readable_seconds(seconds / max(rounds, 1))} a round")


def bytes_by_direction(summary: Summary) -> Table:
    """Bytes of every direction, against float32, and per coordinate of the model."""
    up = [readable_bytes(summary.bytes_up), readable_bytes(summary.uncompressed_up), readable_factor(summary.factor_up)]
    down = [readable_bytes(summary.uncompressed_down), readable_factor(summary.factor_down)]
    rate_up, rate_down = significant(summary.bits_a_coordinate_up), significant(summary.bits_a_coordinate_down)
    both = [readable_bytes(summary.uncompressed_up + summary.uncompressed_down), readable_factor(summary.factor)]
    return Table(
        ("", "sent", "as float32", "factor", "bits a coordinate"),
        (
            ("up", *up, f"{rate_up} an update"),
            (
                "down",
                readable_bytes(summary.bytes_down),
                *down,
                f"{rate_down} a round",
            ),
            ("— broadcast", readable_bytes(summary.bytes_down_broadcast), "", "", ""),
            ("— unicast", readable_bytes(summary.bytes_down_unicast), "", "", ""),
            ("up + down", readable_bytes(summary.bytes_total), *both, ""),
        ),
    )


def bytes_by_part(summary: Summary) -> Table:
    """The same bytes, as what they hold."""
    parts = (("headers", summary.bytes_header), ("side information", summary.bytes_side), ("body", summary.bytes_body))
    total = max(summary.bytes_total, 1)
    return Table(
        ("", "bytes", "share"),
        tuple((name, readable_bytes(count), f"{100 * count / total:.2f} %") for name, count in parts),
    )


def runs_side_by_side(rows: Sequence[Summary]) -> Table:
    """The columns of the comparison on the console."""
    shown = columns(rows)
    return Table(
        tuple(column.title for column in shown),
        tuple(tuple(column.cell(row, rows[0]) for column in shown) for row in rows),
    )


def on_workers(rounds: Sequence[RoundTimeline]) -> Table:
    """Makespan, idle share and error of the predictions; one row for every number of workers that the run has had."""
    errors = ("mean prediction error", "median prediction error")
    head = ("workers", "rounds", "mean makespan", "mean idle share", *errors)
    counts = dict.fromkeys(one.workers for one in rounds)
    return Table(head, tuple(_on_workers(count, [one for one in rounds if one.workers == count]) for count in counts))


def _on_workers(workers: int, rounds: Sequence[RoundTimeline]) -> tuple[str, ...]:
    errors = [error for one in rounds for error in one.errors]
    return (
        str(workers),
        str(len(rounds)),
        readable_seconds(fmean(one.makespan for one in rounds)),
        percent(fmean(one.idle_share for one in rounds)),
        percent(fmean(errors)) if errors else DASH,
        percent(median(errors)) if errors else DASH,
    )


def percent(share: float) -> str:
    """A share with one decimal: 12.5 %."""
    return f"{100 * share:.1f} %"


def provenance(run: History) -> Table:
    """What it takes to say that this run is that one."""
    manifest: dict[str, Any] = run.manifest
    facts, place = manifest["facts"], manifest["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in place["packages"].items())
    rows = {
        "outcome": f"{manifest['reason']}, {len(run.reports)} of {manifest['rounds']} rounds",
        "message": manifest["message"],
        "seed": facts.get("seed", ""),
        "started": manifest["started"],
        "resumed": "; ".join(map(resumption, manifest["resumed"])),
        "ended": manifest["ended"],
        "final model, sha256": manifest["model_sha256"],
        "data, sha256": facts.get("data_sha256", ""),
        "partition, sha256": facts.get("partition_sha256", ""),
        "configuration, sha256": manifest["configuration_sha256"],
        "uplink": facts.get("uplink", ""),
        "downlink": facts.get("downlink", ""),
        "workers": seats(facts.get("workers", ())),
        "python": place["python"],
        "packages": packages,
        "platform": f"{place['platform']}, {place['processors']} processors, {facts.get('threads', DASH)} threads",
    }
    return Table(("", ""), tuple((name, str(value)) for name, value in rows.items() if value not in ("", None)))


def resumption(entry: Mapping[str, Any]) -> str:
    """When a run was resumed, from which round on, counted from 1, and what was changed.

    Example:
        >>> resumption({"at": "2026-01-01", "round": 4, "changed": {"solver.learning_rate": [0.1, 0.05]}})
        '2026-01-01 from round 5: solver.learning_rate 0.1 -> 0.05'
    """
    changes = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in entry["changed"].items())
    return f"{entry['at']} from round {entry['round'] + 1}{f': {changes}' if changes else ''}"


def seats(workers: Sequence[Mapping[str, Any]]) -> str:
    """Where the workers compute; hosts that are alike stand together.

    Example:
        >>> seats([{"rank": rank, "host": "ab"[rank // 2], "device": f"cuda:{rank % 2}"} for rank in range(4)])
        '4 on 2 hosts: a, b: cuda:0, cuda:1'
    """
    hosts: dict[str, Counter[str]] = {}
    for seat in workers:
        hosts.setdefault(seat["host"], Counter())[seat["device"]] += 1
    alike: dict[str, list[str]] = {}
    for host, devices in hosts.items():
        text = ", ".join(f"{count} x {device}" if count > 1 else device for device, count in devices.items())
        alike.setdefault(text, []).append(host)
    where = "; ".join(f"{', '.join(names)}: {text}" for text, names in alike.items())
    return f"{len(workers)} on {len(hosts)} {'host' if len(hosts) == 1 else 'hosts'}: {where}" if workers else ""


def _both(summary: Summary) -> str:
    up, down = readable_factor(summary.factor_up), readable_factor(summary.factor_down)
    return f"up {up}, down {down}"


def missing_clients(reports: Sequence[RoundReport]) -> Table | None:
    """Every client that was missing or started anew; None where there was none."""
    rows: list[Sequence[str]] = []
    for report in reports:
        round_ = str(report.round + 1)
        rows += [(round_, str(client), why, "") for client, why in report.missing.items()]
        rows += [(round_, str(client), what, "") for client, what in report.remarks.items()]
        if report.restarted:
            sent = f"{report.bytes_down_unicast:,}"
            rows.append((round_, absences.clients(report.restarted), "started anew", sent))
    return Table(("round", "client", "", "bytes to single clients"), rows) if rows else None
