from __future__ import annotations

import math

import pytest

from fedkd.records import units


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_501, "1.00 MB"),
        (1_234_567, "1.23 MB"),
        (407_080_000, "407 MB"),
        (2.5e15, "2500 TB"),
    ],
)
def test_bytes(count, text):
    assert units.readable_bytes(count) == text


def test_bits():
    assert units.readable_bits(8 * 1250) == "10.0 kbit"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (0.9999, "1.00 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 00 s"),
        (75, "1 min 15 s"),
        (7260, "2 h 01 min"),
    ],
)
def test_seconds(seconds, text):
    assert units.readable_seconds(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.996, "10.0"), (0.0, "0.00"), (0.998, "0.998"), (99.96, "100"), (12345.6, "12346"), (math.nan, "nan")],
)
def test_three_significant_figures(value, text):
    assert units.significant(value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.84217, "84.22 %"),
        ("loss", 0.34567, "0.3457"),
        ("excess_loss", 3.25e-9, "3.25e-9"),
        ("excess_loss", 0.0, "0"),
        ("loss", math.nan, "nan"),
    ],
)
def test_metrics(name, value, text):
    assert units.readable_metric(name, value) == text


def test_a_factor_of_nothing_is_a_dash():
    assert units.readable_factor(math.nan) == "-"
    assert units.readable_factor(31.96) == "32.0x"
