"""Records: what a run says while it runs, and what it leaves behind."""

from __future__ import annotations

from fedkd.records.comparison import compare, comparison_table
from fedkd.records.console import Console
from fedkd.records.failures import Failures
from fedkd.records.history import History, histories
from fedkd.records.jsonl import Jsonl, read_reports
from fedkd.records.manifest import Manifest, read_manifest
from fedkd.records.page import write_report
from fedkd.records.report import Commentator, Outcome, Placement, Reason, Recorder, RoundReport, RunInfo
from fedkd.records.summary import Summary, summarise
from fedkd.records.timeline import Timeline

__all__ = [
    "Commentator",
    "Console",
    "Failures",
    "History",
    "Jsonl",
    "Manifest",
    "Outcome",
    "Placement",
    "Reason",
    "Recorder",
    "RoundReport",
    "RunInfo",
    "Summary",
    "Timeline",
    "compare",
    "comparison_table",
    "histories",
    "read_manifest",
    "read_reports",
    "summarise",
    "write_report",
]
