"""Algorithms: one class for every row of the table, and the server's optimizers."""

from fedkd.algorithms.algorithm import Algorithm, Context, Row, ServerState, assemble
from fedkd.algorithms.collected import Collected
from fedkd.algorithms.downlinks import Downlink, Receiver, StaleMemoryError
from fedkd.algorithms.fitted import fitted
from fedkd.algorithms.gate import Gate, Passed, RefusedError
from fedkd.algorithms.server_optimizers import Adam, Carrying, Momentum, ServerOptimizer, Sgd, Yogi
from fedkd.algorithms.star import Star
from fedkd.algorithms.totals import Partial
from fedkd.algorithms.uplinks import Uplink

__all__ = [
    "Adam",
    "Algorithm",
    "Carrying",
    "Collected",
    "Context",
    "Downlink",
    "Gate",
    "Momentum",
    "Partial",
    "Passed",
    "Receiver",
    "RefusedError",
    "Row",
    "ServerOptimizer",
    "ServerState",
    "Sgd",
    "StaleMemoryError",
    "Star",
    "Uplink",
    "Yogi",
    "assemble",
    "fitted",
]
