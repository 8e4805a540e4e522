"""Clocks: how long clients take in virtual time, and what a deadline makes of it."""

from fedkd.clocks.clock import Clock, Finish
from fedkd.clocks.deadline import After, Deadline, NoDeadline, Quantile
from fedkd.clocks.latency import Constant, Instant, Latency, Lognormal
from fedkd.clocks.ski_rental import SkiRental
from fedkd.clocks.trace import Trace

__all__ = [
    "After",
    "Clock",
    "Constant",
    "Deadline",
    "Finish",
    "Instant",
    "Latency",
    "Lognormal",
    "NoDeadline",
    "Quantile",
    "SkiRental",
    "Trace",
]
