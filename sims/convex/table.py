"""The methods of the convex figures: which rows of the table of algorithms, with which operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.links import ErrorFeedback, Link, Shift
from fedkd_compression import QSGD, DeadZone, Key, Operator, Scaled, Sign, SubtractiveDither, measure
from sims.convex.methods import Method, method

if TYPE_CHECKING:
    from torch import Tensor

PAPER = {
    "SGD": "sgd",
    "QSGD": "qsgd",
    "DIANA": "diana",
    "BiQSGD": "biqsgd",
    "Artemis": "artemis",
    "DORE": "dore",
    "DoubleSqueeze": "doublesqueeze",
    "MCM": "mcm",
    "Rand-MCM": "rand_mcm",
}
BEYOND = {"EF21": "ef21", "EF21-BC": "ef21_bc", "EF21-P + DIANA": "ef21_p_diana", "Dist-EF-SGD": "dist_ef_sgd"}
ALGORITHMS = PAPER | BEYOND
OPERATORS = ("s = 1", "dither")
STEPS = np.geomspace(0.25, 64, 257)
"""Of the dither and the dead zone, from which the one with as many bytes is taken."""


@dataclass(frozen=True)
class Kit:
    """The operators of one column of the figure.

    Args:
        unbiased: of links without error feedback.
        squeezed: of links with error feedback, which needs a contractive operator.
        contractive: of EF21's links.
    """

    unbiased: Operator
    squeezed: Operator
    contractive: Operator


def kit(name: str, rows: Tensor) -> Kit:
    """One level of QSGD, or the dither that sends rows [K, d] in as many bytes; the dead zone likewise."""
    one, bytes_ = QSGD(levels=1, norm="l2"), sent(QSGD(levels=1, norm="l2"), rows)
    zone = nearest(lambda step: DeadZone(step=step), rows, bytes_)
    if name == "s = 1":
        return Kit(one, Scaled(one), zone)
    dither = nearest(lambda step: SubtractiveDither(step=step), rows, bytes_)
    return Kit(dither, Scaled(dither), zone)


def sent(operator: Operator, rows: Tensor) -> int:
    """Bytes of rows [K, d]."""
    return int(measure(operator, rows, Key.of(0, "size").spread(len(rows)))[0].total.sum())


def nearest(make: Callable[[float], Operator], rows: Tensor, bytes_: int) -> Operator:
    """The finest of a family of operators that sends rows [K, d] in no more bytes; the coarsest if none does."""
    for step in STEPS.tolist():
        operator = make(round(step, 4))
        if sent(operator, rows) <= bytes_:
            return operator
    return make(STEPS[-1].item())


def methods(algorithms: Sequence[str], operators: Kit, estimator: str) -> list[Method]:
    """The rows asked for, with these operators; uplink memories start with the first gradient, downlink's at zero."""
    return [_fitted(method(label, [f"algorithm={ALGORITHMS[label]}"]), operators, estimator) for label in algorithms]


def _fitted(asked: Method, operators: Kit, estimator: str) -> Method:
    # Error feedback has no memory at the server: its mean is that of the active.
    row = replace(asked.row, estimator=estimator) if isinstance(asked.uplink.memory, Shift) else asked.row
    up, down = _link(asked.uplink, operators, "first"), _link(asked.downlink, operators, "zero")
    return replace(asked, row=row, uplink=up, downlink=down)


def _link(link: Link, operators: Kit, start: str) -> Link:
    if link.operator.traits.lossless or isinstance(link.operator, Sign):
        return link
    if isinstance(link.memory, ErrorFeedback):
        return replace(link, operator=operators.squeezed)
    if not isinstance(link.memory, Shift):
        return replace(link, operator=operators.unbiased)
    operator = operators.unbiased if link.memory.rate == "auto" else operators.contractive
    return Link(operator, replace(link.memory, start=start))


def gradients(problem_gradients: Callable[..., Tensor], clients: int, dim: int) -> Tensor:
    """Every client's gradient at zero [N, d], in the first seed's first round."""
    everyone = np.arange(clients)
    return problem_gradients(torch.zeros(clients, dim, dtype=torch.float64), everyone, np.zeros_like(everyone), 0)
