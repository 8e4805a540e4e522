"""report.html: one file that shows a run, and opens from disk without a network or a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources, util
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError
from fedkd.records import curves, tables
from fedkd.records.comparison import labelled
from fedkd.records.embedding_picture import embedding_picture, read_embedding
from fedkd.records.history import History, histories
from fedkd.records.label_picture import label_picture
from fedkd.records.manifest import CONFIG
from fedkd.records.report import RoundReport
from fedkd.records.summary import headline
from fedkd.records.svg import SERIES
from fedkd.records.timeline import RoundTimeline, read_timeline
from fedkd.records.units import is_accuracy, readable_seconds
from fedkd.records.worker_picture import SEPARATE, worker_picture

if TYPE_CHECKING:
    from markupsafe import Markup

REPORT, TEMPLATE = "report.html", "report.html.j2"
MEANINGS = {
    "train_loss": "mean loss on the clients' own samples",
    "DA": "mean probability of a wrong class in the target",
    "IV": "inherent variance: of the wrong classes among themselves",
    "DV": "derived variance: of the wrong classes in the target",
    "inversion_rate": "targets that put another class above the label",
    "cosine": "mean cosine of different samples' embeddings; 1 is a collapse",
    "entropy": "of the target, in nats; over a queue of K keys as a part of ln K",
    "queue_age": "mean age of the queue's keys, in rounds",
    "anchor_loss": "mean loss on the anchors, of received relations and a client's own",
    "own_1_shot": "accuracy of the clients' own networks by one labelled sample a class",
    "own_knn": "accuracy of the clients' own networks by nearest neighbours",
}


@dataclass(frozen=True)
class Legend:
    """How a run's curve looks: ``var(--series-<colour>)`` and a dash."""

    name: str
    colour: int
    dash: int


@dataclass(frozen=True)
class Picture:
    """A figure and what it shows."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class OnWorkers:
    """Clients on workers: rounds as pictures, and the whole run in a table."""

    pictures: Sequence[Picture]
    table: tables.Table


def write_report(folder: Path) -> Path:
    """Write report.html of the run in ``folder``, with the runs in its subfolders as comparisons.

    Returns:
        Path of the file.

    Raises:
        ConfigurationError: ``folder`` holds no run, or matplotlib or jinja2 are not installed.
    """
    missing = [name for name in ("matplotlib", "jinja2") if util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"{REPORT}: {missing[0]} is not installed; pip install fedkd[report]")
    path = folder / REPORT
    replace_text(path, render(histories(folder)))
    return path


def render(runs: Sequence[History]) -> str:
    """The page of the first run; the others are compared with it."""
    from jinja2 import Environment, StrictUndefined

    run, rows = runs[0], labelled(runs)
    template = resources.files("fedkd.records").joinpath(TEMPLATE).read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.from_string(template).render(
        run=run,
        manifest=run.manifest,
        cards=tables.cards(rows[0]),
        legend=[Legend(row.name, index % len(SERIES), curves.dash(index)) for index, row in enumerate(rows)],
        quality=_quality(runs),
        virtual=any(map(curves.passes, runs)),
        runs=tables.runs_side_by_side(rows) if len(rows) > 1 else None,
        directions=tables.bytes_by_direction(rows[0]),
        parts=tables.bytes_by_part(rows[0]),
        diagnostics=_diagnostics(runs),
        alarm=_alarm(run.reports),
        features=_features(run.folder),
        absences=tables.missing_clients(run.reports),
        workers=clients_on_workers(run.folder),
        labels=_labels(run),
        provenance=tables.provenance(run),
        configuration=_configuration(run.folder),
    )


def _quality(runs: Sequence[History]) -> list[Picture]:
    """The headline against rounds, bits and time, and virtual time where it passes; excess loss too beside accuracy.

    Further accuracies, those of other probes, are shown against rounds.
    """
    name = headline(runs[0].reports)
    known = {metric for report in runs[0].reports for metric in report.metrics}
    metrics = [name] if name else []
    metrics += [other for other in ("excess_loss",) if other in known and other != name]
    sides: list[curves.Against] = ["rounds", "bits", "time"]
    if any(map(curves.passes, runs)):
        sides.append("virtual time")
    others = sorted(metric for metric in known if is_accuracy(metric) and metric != name)
    shown = [(metric, against) for metric in metrics for against in sides] + [(metric, sides[0]) for metric in others]
    return [
        _picture(curves.quality(runs, metric, against, _teacher(runs[0]) if metric == "accuracy" else None))
        for metric, against in shown
    ]


def _diagnostics(runs: Sequence[History]) -> list[Picture]:
    shown = [name for name in MEANINGS if any(curves.has(run, name) for run in runs)]
    return [_picture(curves.diagnostic(runs, name), MEANINGS[name]) for name in shown]


def _labels(run: History) -> Picture | None:
    counts = run.manifest["label_counts"]
    return _picture(label_picture(counts)) if counts and counts[0] else None


def _alarm(reports: Sequence[RoundReport]) -> str:
    """In how many rounds something was wrong, and what it was in the last of them; nothing where nothing was."""
    wrong = [report for report in reports if report.alarm]
    if not wrong:
        return ""
    first, last = wrong[0].round + 1, wrong[-1].round + 1
    return f"{len(wrong)} of {len(reports)} rounds, from round {first} to {last}: {wrong[-1].alarm}"


def _features(folder: Path) -> Picture | None:
    embedding = read_embedding(folder)
    return None if embedding is None else _picture(embedding_picture(embedding))


def clients_on_workers(folder: Path) -> OnWorkers | None:
    """The last round and the one that waited most; no pictures with one worker, and nothing without a timeline."""
    rounds = [one for one in read_timeline(folder) if one.bars]
    shared = [one for one in rounds if one.workers > 1]
    shown: dict[int, str] = {}
    if shared:
        shown[shared[-1].round] = "the last"
        shown.setdefault(max(shared, key=lambda one: one.idle_share).round, "the largest idle share")
    pictures = [_round(one, shown[one.round]) for one in reversed(shared) if one.round in shown]
    return OnWorkers(pictures, tables.on_workers(rounds)) if rounds else None


def _round(timeline: RoundTimeline, which: str) -> Picture:
    clients = len(timeline.bars)
    idle, took = tables.percent(timeline.idle_share), readable_seconds(timeline.makespan)
    title = f"Round {timeline.round + 1}, {which}: {clients:,} clients in {took}, {idle} idle"
    caption = f"Above {SEPARATE:,} clients, those that follow one another run together." if clients > SEPARATE else ""
    return _picture(worker_picture(timeline, title), caption)


def _teacher(run: History) -> float | None:
    """The teacher's accuracy, if the run knows it."""
    value = run.manifest["facts"].get("teacher", {}).get("teacher_test_accuracy")
    return None if value is None else float(value)


def _configuration(folder: Path) -> str:
    path = folder / CONFIG
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _picture(svg: str, caption: str = "") -> Picture:
    from markupsafe import Markup

    # Figures hold numbers and our own words only: nothing here needs to be escaped.
    return Picture(Markup(svg), caption)  # noqa: S704
