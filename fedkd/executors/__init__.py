"""Where clients run: an executor moves the server's messages to workers and their replies back."""

from fedkd.executors.executor import ClientError, Executor, ExecutorChoice, InProcess, Local
from fedkd.executors.worker import Reply, Worker

__all__ = ["ClientError", "Executor", "ExecutorChoice", "InProcess", "Local", "Reply", "Worker"]
