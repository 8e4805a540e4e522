from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib import util

import pytest

from fedkd.errors import ConfigurationError
from fedkd.records import History, Manifest, Outcome, Placement, Timeline, curves, write_report
from fedkd.records.history import histories
from fedkd.records.page import clients_on_workers
from fedkd.records.tables import provenance

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """What a page is made of; a tag that closes another than the last one opened is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        self._read(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._read(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def _read(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            elif name in ("href", "src"):
                self.references.append(str(value))
            self.references += re.findall(r"url\(([^)]*)\)", value or "")


@pytest.fixture(scope="module")
def drawn():
    """The page of a run beside another, once it is drawn."""
    return []


@pytest.fixture
def text(drawn, tmp_path, leave, reports):
    if not drawn:
        leave(tmp_path)
        leave(tmp_path / "supervised", "supervised", [replace(one, diagnostics={}) for one in reports])
        drawn.append(write_report(tmp_path).read_text())
    return drawn[0]


def test_it_is_well_formed_with_every_figure_in_it(text):
    """Four of quality, five of diagnostics, one of labels; two lines in each of two legends."""
    tags = Page(text).tags
    assert tags.count("figure") == 4 + 5 + 1
    assert tags.count("svg") == 10 + 4
    assert tags.count("table") == 5


def test_it_opens_without_network_or_script(text):
    page = Page(text)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in page.references)


def test_every_id_is_unique_and_every_reference_is_answered(text):
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    inside = {reference[1:] for reference in page.references if reference.startswith("#")}
    assert inside
    assert inside <= set(page.ids)


def test_text_in_figures_is_text_and_colours_are_the_pages(text):
    assert {"Accuracy, %", "round", "teacher", "Inversion rate"} <= set(Page(text).words)
    assert "#0a0b" not in text
    assert "#0a0c" not in text
    used, defined = (set(re.findall(pattern, text)) for pattern in (r"var\(--([\w-]+)\)", r"--([\w-]+):"))
    assert used <= defined


def test_it_says_what_ran_and_escapes_it(text):
    words = " ".join(Page(text).words)
    for part in ("62.50 %", "4.00x", "a" * 64, "d" * 64, "MCM, this run", "supervised", "<b>&"):
        assert part in words
    assert "<b>" not in text


def test_the_same_run_gives_the_same_page(tmp_path, leave):
    folder = leave(tmp_path)
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_a_regression_has_no_labels_and_its_excess_loss_is_shown(tmp_path, leave, reports):
    convex = [replace(one, metrics={"loss": 1.0, "excess_loss": 10.0**-one.round}, diagnostics={}) for one in reports]
    tags = Page(write_report(leave(tmp_path, rounds=convex, label_counts=[])).read_text()).tags
    assert tags.count("figure") == 4


def test_a_logistic_run_shows_accuracy_and_excess_loss(tmp_path, leave, reports):
    both = [replace(one, metrics={"accuracy": 0.5, "excess_loss": 0.0}, diagnostics={}) for one in reports]
    words = Page(write_report(leave(tmp_path, rounds=both)).read_text()).words
    assert (words.count("Accuracy, %"), words.count("Excess loss")) == (4, 4)


def test_accuracies_of_probes_are_in_percent_and_further_ones_against_rounds(tmp_path, leave, reports):
    metrics = {"accuracy_1_shot": 0.5, "accuracy_knn": 0.9, "accuracy_probe": 0.75}
    told = {"cosine": 0.1, "entropy": 0.8, "queue_age": 0.0}
    page = Page(
        write_report(
            leave(tmp_path, rounds=[replace(one, metrics=metrics, diagnostics=told) for one in reports])
        ).read_text()
    )
    assert page.words.count("Accuracy 1 shot, %") == 4
    assert (page.words.count("Accuracy knn, %"), page.words.count("Accuracy probe, %")) == (1, 1)
    assert {"Accuracy 1 shot", "50.00 %", "Cosine", "Entropy", "Queue age"} <= set(page.words)
    assert "teacher" not in page.words


def test_an_alarm_is_said_at_the_top(tmp_path, leave, reports):
    leave(tmp_path, "demo", [reports[0], *(replace(one, alarm="collapse: <all> are one") for one in reports[1:])])
    page = Page(write_report(tmp_path).read_text())
    assert "in 2 of 3 rounds, from round 2 to 3: collapse: <all> are one" in page.words


def test_without_an_alarm_nothing_is_said(text):
    assert "Alarm" not in Page(text).words


@pytest.mark.parametrize("metric", ["accuracy", "accuracy_1_shot"])
def test_accuracies_are_drawn_in_percent(tmp_path, leave, reports, metric):
    rounds = [replace(one, metrics={metric: 0.2 + 0.2 * one.round}) for one in reports]
    words = Page(curves.quality(histories(leave(tmp_path, rounds=rounds)), metric, "rounds", None)).words
    assert {"20", "40", "60"} <= set(words)


def test_virtual_time_is_shown_where_it_passes(tmp_path, leave, reports):
    still = [replace(one, virtual_seconds=0.0) for one in reports]
    page = Page(write_report(leave(tmp_path / "still", rounds=still)).read_text())
    assert page.words.count("Accuracy, %") == 3
    assert "virtual" not in " ".join(page.words).lower()
    words = Page(write_report(leave(tmp_path / "moves", rounds=reports)).read_text()).words
    assert words.count("Accuracy, %") == 4
    assert {"virtual seconds", "Virtual time", "7.50 s", "2.50 s a round"} <= set(words)


@pytest.mark.parametrize(("seconds", "unit"), [(99.0, "seconds"), (101.0, "minutes"), (3601.0, "hours")])
def test_long_virtual_times_are_drawn_in_minutes_and_hours(tmp_path, leave, reports, seconds, unit):
    slow = [replace(one, virtual_seconds=seconds) for one in reports]
    runs = histories(leave(tmp_path, rounds=slow))
    assert f"virtual {unit}" in Page(curves.quality(runs, "accuracy", "virtual time", None)).words


def test_a_run_without_virtual_time_has_no_curve_against_it(tmp_path, leave, reports):
    leave(tmp_path)
    leave(tmp_path / "still", "still", [replace(one, virtual_seconds=0.0) for one in reports])
    runs = histories(tmp_path)
    time, virtual = (curves.quality(runs, "accuracy", against, None) for against in ("time", "virtual time"))
    assert "series-1" in time
    assert "series-1" not in virtual


def test_virtual_times_far_apart_have_a_logarithmic_axis(tmp_path, leave, reports):
    leave(tmp_path)
    leave(tmp_path / "slow", "slow", [replace(one, virtual_seconds=100.0) for one in reports])
    words = Page(curves.quality(histories(tmp_path), "accuracy", "virtual time", None)).words
    assert {"virtual minutes", "0.1", "1"} <= set(words)
    assert "2" not in words


def test_a_run_that_has_not_begun_a_round_has_a_page(tmp_path, make_info):
    Manifest().start(make_info(tmp_path))
    assert "Running" in Page(write_report(tmp_path).read_text()).words


def test_a_run_that_diverged_has_a_page(tmp_path, leave, diverged):
    assert "nan" in " ".join(Page(write_report(leave(tmp_path, rounds=diverged)).read_text()).words)


@pytest.fixture
def leave_timeline(make_info, reports):
    """Leave a timeline behind: every client takes a second, but the last one of round 2 takes three."""

    def leave_timeline(folder, workers: int) -> None:
        recorder = Timeline()
        recorder.start(make_info(folder))
        for one, last in zip(reports, (1.0, 3.0, 1.0), strict=True):
            ends = [1.0] * (workers - 1) + [last]
            bars = [Placement(10 + worker, worker, 0.0, end, 1.5) for worker, end in enumerate(ends)]
            recorder.record(replace(one, placements=tuple(bars)))
        recorder.finish(Outcome("finished", len(reports), 1.5, "a" * 64, ""))

    return leave_timeline


def test_clients_on_workers_are_shown_for_the_last_round_and_the_one_that_waited_most(tmp_path, leave, leave_timeline):
    leave_timeline(leave(tmp_path), 2)
    page = Page(write_report(tmp_path).read_text())
    assert page.tags.count("figure") == 4 + 5 + 1 + 2
    assert "Clients on workers" in page.words
    last = page.words.index("Round 3, the last: 2 clients in 1.00 s, 0.0 % idle")
    assert last < page.words.index("Round 2, the largest idle share: 2 clients in 3.00 s, 33.3 % idle")
    assert "client 11: 3.00 s, predicted 1.50 s" in page.words
    row = [word for word in page.words if word.strip()]
    row = row[row.index("median prediction error") + 1 :]
    assert row[:6] == ["2", "3", "1.67 s", "11.1 %", "50.0 %", "50.0 %"]


def test_one_picture_is_enough_where_the_last_round_waited_most(tmp_path, leave_timeline):
    leave_timeline(tmp_path, 2)
    path = tmp_path / "timeline.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert len(clients_on_workers(tmp_path).pictures) == 1


def test_with_one_worker_there_is_no_picture_but_the_row(tmp_path, leave_timeline):
    leave_timeline(tmp_path, 1)
    shown = clients_on_workers(tmp_path)
    assert shown.pictures == []
    assert shown.table.rows[0][:4] == ("1", "3", "1.67 s", "0.0 %")


def test_without_a_timeline_nothing_is_said_of_workers(tmp_path, leave, text):
    assert clients_on_workers(leave(tmp_path)) is None
    assert "Clients on workers" not in text


def test_a_run_says_where_its_workers_were(tmp_path, leave):
    run = History.read(leave(tmp_path))
    assert "workers" not in dict(provenance(run).rows)
    run.manifest["facts"]["workers"] = [{"rank": rank, "host": "a", "device": "cpu"} for rank in range(2)]
    assert dict(provenance(run).rows)["workers"] == "2 on 1 host: a: 2 x cpu"


def test_many_clients_make_no_large_page(tmp_path, leave):
    folder = leave(tmp_path, label_counts=[[index % 7, index % 3] for index in range(20_000)])
    assert write_report(folder).stat().st_size < 400_000


@pytest.mark.parametrize("name", ["matplotlib", "jinja2"])
def test_without_the_extra_one_line_says_what_to_install(tmp_path, leave, monkeypatch, name):
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda asked: None if asked == name else find(asked))
    message = rf"report\.html: {name} is not installed; pip install fedkd\[report\]"
    with pytest.raises(ConfigurationError, match=message):
        write_report(leave(tmp_path))


def test_importing_the_records_imports_nothing_heavy():
    code = (
        "import sys, fedkd.records;"
        "sys.exit(len({'torch', 'matplotlib', 'jinja2', 'rich', 'omegaconf'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
