"""Predictions that are learned while a job runs: suggest, observe, regret."""

from fedkd.predict.durations import Durations
from fedkd.predict.regret import Learner, Regret

__all__ = ["Durations", "Learner", "Regret"]
