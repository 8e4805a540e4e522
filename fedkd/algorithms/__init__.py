"""Algorithms: one class for every row of the table, and the server's optimizers."""

from fedkd.algorithms.algorithm import Algorithm, Context, Row, ServerState, assemble
from fedkd.algorithms.downlinks import Downlink, Receiver, StaleMemoryError
from fedkd.algorithms.server_optimizers import Adam, Momentum, ServerOptimizer, Sgd, Yogi
from fedkd.algorithms.totals import Partial
from fedkd.algorithms.uplinks import Uplink

__all__ = [
    "Adam",
    "Algorithm",
    "Context",
    "Downlink",
    "Momentum",
    "Partial",
    "Receiver",
    "Row",
    "ServerOptimizer",
    "ServerState",
    "Sgd",
    "StaleMemoryError",
    "Uplink",
    "Yogi",
    "assemble",
]
