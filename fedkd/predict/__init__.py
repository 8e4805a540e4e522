"""Predictions that are learned while a job runs, and algorithms that use them: suggest, observe, regret."""

from fedkd.predict.descent import Descent, LinearDescent
from fedkd.predict.duals import Duals
from fedkd.predict.durations import Durations
from fedkd.predict.experts import Experts
from fedkd.predict.exponentiated import ExponentiatedGradient
from fedkd.predict.learned_robin import LearnedRobin
from fedkd.predict.matching import Matching, assign
from fedkd.predict.regret import Learner, Regret
from fedkd.predict.round_robin import RoundRobin
from fedkd.predict.ski_rental import LearnedTrust, Threshold
from fedkd.predict.ski_rules import Deterministic, Randomised

__all__ = [
    "Descent",
    "Deterministic",
    "Duals",
    "Durations",
    "Experts",
    "ExponentiatedGradient",
    "LearnedRobin",
    "LearnedTrust",
    "Learner",
    "LinearDescent",
    "Matching",
    "Randomised",
    "Regret",
    "RoundRobin",
    "Threshold",
    "assign",
]
