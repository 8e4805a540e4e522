"""Distances between a student's logits and a teacher's: pure functions, and the same as values of a configuration."""

from fedkd.tasks.losses.adaptive import Adaptive, adaptive_loss
from fedkd.tasks.losses.correlation import Correlation, correlation_loss, pearson
from fedkd.tasks.losses.decoupled import Decoupled, DecoupledTerms, decoupled_loss, decoupled_terms
from fedkd.tasks.losses.distance import Distance
from fedkd.tasks.losses.normalised import Normalised, normalised_loss
from fedkd.tasks.losses.not_true import NotTrue, not_true_loss
from fedkd.tasks.losses.standardised import Standardised, standardised, standardised_loss
from fedkd.tasks.losses.transformed import Transformed, WeightedTransformed, transformed_loss, weighted_transformed_loss

__all__ = [
    "Adaptive",
    "Correlation",
    "Decoupled",
    "DecoupledTerms",
    "Distance",
    "Normalised",
    "NotTrue",
    "Standardised",
    "Transformed",
    "WeightedTransformed",
    "adaptive_loss",
    "correlation_loss",
    "decoupled_loss",
    "decoupled_terms",
    "normalised_loss",
    "not_true_loss",
    "pearson",
    "standardised",
    "standardised_loss",
    "transformed_loss",
    "weighted_transformed_loss",
]
