"""Who was missing is said, in the console's lines and in the report's table."""

from dataclasses import replace

from fedkd.records.absences import lines
from fedkd.records.tables import missing_clients


def test_a_complete_round_says_nothing(reports):
    assert list(lines(reports[0])) == []
    assert missing_clients(reports[:2]) is None


def test_the_first_of_the_missing_are_named(reports):
    gone = replace(reports[0], missing=dict.fromkeys(range(5), "gone"), restarted=(1, 2))
    assert list(lines(gone)) == [
        "round 1: missing client 0: gone; client 1: gone; client 2: gone; and 2 more",
        "round 1: clients started anew: 1, 2",
    ]
    many = replace(reports[0], restarted=tuple(range(1000)))
    assert list(lines(many)) == ["round 1: clients started anew: 1,000 of them"]


def test_the_table_has_a_row_for_each_and_the_bytes_of_the_new_start(reports):
    shown = missing_clients([reports[0], replace(reports[2], restarted=(0,), bytes_down_unicast=1234)])
    assert [tuple(row) for row in shown.rows] == [
        ("3", "1", "no reply within 60 s", ""),
        ("3", "0", "started anew", "1,234"),
    ]
