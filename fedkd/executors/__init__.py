"""Where clients run: an executor moves the server's messages to workers and their replies back."""

from fedkd.executors.auto import Auto
from fedkd.executors.executor import Carried, ClientError, Exchange, Executor, ExecutorChoice, Plan, Site, StartingOrder
from fedkd.executors.in_process import InProcess, Local
from fedkd.executors.orders import Reply
from fedkd.executors.processes import Processes
from fedkd.executors.ranks import Mpi
from fedkd.executors.worker import Worker

__all__ = [
    "Auto",
    "Carried",
    "ClientError",
    "Exchange",
    "Executor",
    "ExecutorChoice",
    "InProcess",
    "Local",
    "Mpi",
    "Plan",
    "Processes",
    "Reply",
    "Site",
    "StartingOrder",
    "Worker",
]
